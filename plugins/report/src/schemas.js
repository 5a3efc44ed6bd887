// @ts-check
// The tool's schemas: JSON Schema 2020-12, closed.

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const DAY = { type: "string", pattern: "^\\d{4}-\\d{2}-\\d{2}$" };
const DOLLARS = { type: "number", description: "US dollars." };
const CHANGE = { type: ["number", "null"], description: "In percent; null where there was nothing before." };
const TEXT = { type: "string" };

/** An object of these properties and no other. @param {object} properties */
const closed = (properties) => ({ type: "object", properties, additionalProperties: false });

/** The same, none left out. @param {object} properties */
const whole = (properties) => ({ ...closed(properties), required: Object.keys(properties) });

/** @param {object} items */
const list = (items) => ({ type: "array", items });

const WEEK = { from: DAY, to: DAY, revenue: DOLLARS, orders: { type: "integer" }, average_basket: DOLLARS };

const MOVER = whole({
  product: TEXT,
  category: TEXT,
  revenue: DOLLARS,
  previous_revenue: DOLLARS,
  change: { type: "number", description: "US dollars more, or less, than the week before." },
});

export const INPUT = {
  $schema: DIALECT,
  ...closed({
    date: { ...DAY, description: "Any day of the week wanted. Default: the last whole week of data." },
    movers: { type: "integer", minimum: 0, maximum: 20, description: "How many gainers and losers (default 5)." },
  }),
};

export const OUTPUT = {
  $schema: DIALECT,
  ...whole({
    week: whole(WEEK),
    week_is_whole: { type: "boolean", description: "False where the data ends before the week does." },
    week_before: whole(WEEK),
    year_before: { ...whole(WEEK), description: "52 weeks earlier: the same days of the week." },
    changes: whole({
      week_before: whole({ revenue_percent: CHANGE, orders_percent: CHANGE, average_basket_percent: CHANGE }),
      year_before: whole({ revenue_percent: CHANGE, orders_percent: CHANGE, average_basket_percent: CHANGE }),
    }),
    gainers: list(MOVER),
    losers: list(MOVER),
    charts: list(
      whole({
        title: TEXT,
        kind: { enum: ["line", "bar"] },
        unit: { const: "USD" },
        labels: list(TEXT),
        series: list(
          whole({
            name: TEXT,
            values: { ...list({ type: ["number", "null"] }), description: "One for each label; null: no data (yet)." },
          }),
        ),
      }),
    ),
    insights: { ...list(TEXT), description: "Sentences that follow from the numbers." },
  }),
};
