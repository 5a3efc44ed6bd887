// @ts-check
// What a model is told of the tool before it calls it.
import { call } from "./call.js";
import { INPUT, OUTPUT } from "./schemas.js";

/** @type {import("../../../sdk/js/rowhouse-plugin/index.js").Plugin} */
export const plugin = {
  name: "report",
  version: "0.1.0",
  tools: [
    {
      name: "get_weekly_report",
      title: "Weekly report",
      description:
        "One week (Monday to Sunday) in the stores the caller may see, against the week before and the same week a year " +
        "ago: revenue, orders, average basket, the products that gained and lost most, sentences that sum it up, and " +
        "charts (labels and series) ready to draw. Without a date, the last whole week of data. For other periods use " +
        "get_store_performance, for longer curves get_sales_trend.",
      inputSchema: INPUT,
      outputSchema: OUTPUT,
      work: call,
    },
  ],
};
