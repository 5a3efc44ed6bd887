// The weekly report, over a host that answers what a test says.
import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidArguments, NotFound, SqlFailed } from "../../../sdk/js/rowhouse-plugin/index.js";
import { fakeHost } from "../../../sdk/js/rowhouse-plugin/testing.js";
import { call } from "../src/call.js";
import { format, monday, parse } from "../src/days.js";
import { among, cents, growth, inWords, words } from "../src/money.js";
import { OUTPUT } from "../src/schemas.js";

const DAYS = [
  { day: "2025-10-21", orders: 2, revenue: "50.00" },
  { day: "2026-10-12", orders: 4, revenue: "100.00" },
  { day: "2026-10-19", orders: 1, revenue: "60.25" },
  { day: "2026-10-25", orders: 4, revenue: "89.75" },
];
const UP = [{ product: "Hammer", category: "Hand Tools", revenue: "90.00", previous: "40.50" }];
const DOWN = [{ product: "Saw", category: "Hand Tools", revenue: "0.00", previous: "9.99" }];
const CATEGORIES = [
  { category: "Hand Tools", revenue: "90.00", previous: "50.49" },
  { category: "Paint", revenue: null, previous: null },
];

const host = (answers = {}) =>
  fakeHost({
    newest: [{ newest: "2026-10-31" }],
    "GROUP BY order_date": DAYS,
    "s.revenue > s.previous": UP,
    "s.revenue < s.previous": DOWN,
    "LEFT JOIN sold": CATEGORIES,
    ...answers,
  });

/** The answer, which must have the schema's properties and no other. */
function ask(args = {}, over = host()) {
  const answer = JSON.parse(call(over, args).json);
  fits(OUTPUT, answer, "answer");
  return answer;
}

/** As much of JSON Schema as these schemas use. */
function fits(schema, value, where) {
  const types = [schema.type ?? []].flat();
  const is = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (types.length > 0) {
    const ok = types.includes(is) || (types.includes("integer") && Number.isInteger(value));
    assert.ok(ok, `${where} is ${is}, not ${types}`);
  }
  if (schema.enum) assert.ok(schema.enum.includes(value), where);
  if (schema.const) assert.equal(value, schema.const, where);
  if (schema.pattern) assert.match(value, new RegExp(schema.pattern), where);
  if (schema.properties) {
    assert.deepEqual(Object.keys(value).sort(), Object.keys(schema.properties).sort(), where);
    for (const [name, part] of Object.entries(schema.properties)) fits(part, value[name], `${where}.${name}`);
  }
  if (schema.items) value.forEach((item, at) => fits(schema.items, item, `${where}[${at}]`));
}

test("without a date it is the last whole week of data", () => {
  for (const [newest, date, from] of [
    ["2026-10-31", undefined, "2026-10-19"], // a Saturday
    ["2026-11-01", undefined, "2026-10-26"], // a Sunday: its week is whole
    ["2026-11-02", undefined, "2026-10-26"],
    ["2026-10-31", "2026-10-19", "2026-10-19"],
    ["2026-10-31", "2026-10-25", "2026-10-19"],
    ["2026-10-31", "2024-02-29", "2024-02-26"],
  ]) {
    const answer = ask({ date }, host({ newest: [{ newest }] }));
    assert.equal(answer.week.from, from, `${date} with data to ${newest}`);
  }
});

test("weeks are beside the one before and the one 52 weeks ago", () => {
  const answer = ask();
  assert.deepEqual(answer.week, { from: "2026-10-19", to: "2026-10-25", revenue: 150, orders: 5, average_basket: 30 });
  assert.deepEqual(answer.week_before, { from: "2026-10-12", to: "2026-10-18", revenue: 100, orders: 4, average_basket: 25 });
  assert.deepEqual(answer.year_before, { from: "2025-10-20", to: "2025-10-26", revenue: 50, orders: 2, average_basket: 25 });
  assert.deepEqual(answer.changes, {
    week_before: { revenue_percent: 50, orders_percent: 25, average_basket_percent: 20 },
    year_before: { revenue_percent: 200, orders_percent: 150, average_basket_percent: 20 },
  });
  assert.equal(answer.week_is_whole, true);
});

test("charts have a value for every label", () => {
  const { charts } = ask();
  for (const chart of charts) {
    for (const series of chart.series) assert.equal(series.values.length, chart.labels.length, `${chart.title}: ${series.name}`);
  }
  assert.deepEqual(charts[0].series[0].values, [60.25, 0, 0, 0, 0, 0, 89.75]);
  assert.deepEqual(charts[1].series[0].values, [90, 0]);
});

test("days the data has not come to are no zeros", () => {
  const answer = ask({ date: "2026-10-24" }, host({ newest: [{ newest: "2026-10-23" }] }));
  assert.equal(answer.week_is_whole, false);
  assert.deepEqual(answer.charts[0].series[0].values.slice(4), [0, null, null]);
  assert.equal(answer.insights[0], "The data ends on 2026-10-23: this week is not whole.");
});

test("movers and sentences", () => {
  const answer = ask();
  assert.deepEqual(answer.gainers, [{ product: "Hammer", category: "Hand Tools", revenue: 90, previous_revenue: 40.5, change: 49.5 }]);
  assert.equal(answer.losers[0].change, -9.99);
  assert.deepEqual(answer.insights, [
    "Revenue was $150.00 in 5 orders: up 50.0% on the week before, up 200.0% on the same week a year ago.",
    "The average basket was $30.00, up 20.0% on the week before.",
    "Sun was the best day with $89.75.",
    "Hammer gained most: $49.50 more.",
    "Saw lost most: $9.99 less.",
  ]);
  const empty = ask({}, host({ "GROUP BY order_date": [], "s.revenue > s.previous": [], "s.revenue < s.previous": [] }));
  assert.deepEqual(empty.insights, ["No orders in this week."]);
  const first = ask({}, host({ "GROUP BY order_date": DAYS.slice(2) }));
  assert.match(first.insights[0], /nothing was sold in the week before, nothing was sold in the same week/);
});

test("callers' words and days are parameters", () => {
  const over = host();
  ask({ movers: 7 }, over);
  assert.deepEqual(over.asked[1].parameters.slice(0, 2), ["2026-10-19", "2026-10-25"]);
  assert.deepEqual(over.asked.map(({ parameters }) => parameters.at(-1)), [undefined, "2025-10-26", 7, 7, "2026-10-18"]);
});

test("what makes no sense is said, and what the database says passes", () => {
  for (const date of ["2026-02-30", "2026-13-01", "2026-00-10"]) {
    assert.throws(() => ask({ date }), new InvalidArguments("`date` is not a day of the calendar: write it as 2026-01-31 (year-month-day)"));
  }
  assert.throws(() => ask({}, host({ newest: [{ newest: null }] })), NotFound);
  const slow = new SqlFailed({ code: "timeout", message: "too slow" });
  assert.throws(() => ask({}, host({ "LEFT JOIN sold": slow })), slow);
});

test("schemas are closed", () => {
  const open = [];
  const walk = (schema) => {
    if (schema === null || typeof schema !== "object") return;
    if (schema.type === "object" && schema.additionalProperties !== false) open.push(schema);
    Object.values(schema).forEach(walk);
  };
  walk(OUTPUT);
  assert.deepEqual(open, []);
});

test("days are whole numbers", () => {
  for (const [text, first] of [
    ["1970-01-01", "1969-12-29"],
    ["1969-12-28", "1969-12-22"],
    ["2026-10-19", "2026-10-19"],
    ["2026-10-25", "2026-10-19"],
  ]) {
    const day = parse(text);
    assert.equal(format(day), text);
    assert.equal(format(monday(day)), first);
  }
});

test("money is exact", () => {
  for (const [text, amount, said] of [
    ["0", 0, "$0.00"],
    ["12.5", 1_250, "$12.50"],
    ["-0.07", -7, "-$0.07"],
    ["1234567.89", 123_456_789, "$1,234,567.89"],
    [null, 0, "$0.00"],
  ]) {
    assert.equal(cents(text), amount);
    assert.equal(words(amount), said);
  }
  for (const text of ["", "NaN", "1.234", "1e5", ".5"]) assert.throws(() => cents(text), TypeError);
  for (const [now, before, percent, said] of [
    [110, 100, 10, "up 10.0%"],
    [50, 100, -50, "down 50.0%"],
    [5, 5, 0, "unchanged"],
  ]) {
    assert.equal(growth(now, before), percent);
    assert.equal(inWords(percent), said);
  }
  assert.equal(growth(7, 0), null);
  assert.deepEqual([among(1_000, 3), among(5, 0)], [333, 0]);
});
