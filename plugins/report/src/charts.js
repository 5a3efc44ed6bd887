// @ts-check
// Numbers a client can draw as they are: labels, and series as long as the labels.
import { WEEKDAYS } from "./days.js";
import { cents, dollars } from "./money.js";

/** @typedef {import("./call.js").Week} Week */

/** Revenue day by day, three weeks over each other. @param {Week[]} weeks */
export function chartOfDays(weeks) {
  const names = ["this week", "week before", "a year ago"];
  return {
    title: "Revenue by day",
    kind: "line",
    unit: "USD",
    labels: WEEKDAYS,
    series: weeks.map((week, at) => ({
      name: names[at],
      values: week.days.map((amount) => (amount === null ? null : dollars(amount))),
    })),
  };
}

/** Revenue of each category, beside the week before. @param {Record<string, any>[]} categories */
export function chartOfCategories(categories) {
  return {
    title: "Revenue by category",
    kind: "bar",
    unit: "USD",
    labels: categories.map((row) => row.category),
    series: [
      { name: "this week", values: categories.map((row) => dollars(cents(row.revenue))) },
      { name: "week before", values: categories.map((row) => dollars(cents(row.previous))) },
    ],
  };
}
