// @ts-check
// `get_weekly_report`: one week beside two others.
import { InvalidArguments, NotFound, Value, structured, table } from "../../../sdk/js/rowhouse-plugin/index.js";
import { chartOfCategories, chartOfDays } from "./charts.js";
import { format, monday, parse } from "./days.js";
import { among, cents, dollars, growth } from "./money.js";
import { CATEGORIES, DAYS, GAINERS, LOSERS, NEWEST } from "./statements.js";
import { insights } from "./wording.js";

/** @typedef {import("../../../sdk/js/rowhouse-plugin/index.js").Host} Host */

/** A week of seven days, each with its cents and orders; null where the data has not come to it. */
/** @typedef {{ first: number, revenue: number, orders: number, days: (number | null)[] }} Week */

/** Products named on each side where nobody says how many. */
const USUAL_MOVERS = 5;

/**
 * Answer a call.
 *
 * @param {Host} host
 * @param {{ date?: string, movers?: number }} args
 */
export function call(host, { date, movers = USUAL_MOVERS }) {
  const newest = newestDay(host);
  const first = date === undefined ? lastWhole(newest) : monday(wanted(date));
  const starts = [first, first - 7, first - 364];
  const [week, before, yearAgo] = starts.map((start) => [start, start + 6].map((day) => Value.date(format(day))));
  // Four statements at once: the caller waits for the slowest, not for their sum.
  const asked = [
    host.submit(DAYS, ...week, ...before, ...yearAgo),
    host.submit(GAINERS, ...week, ...before, movers),
    host.submit(LOSERS, ...week, ...before, movers),
    host.submit(CATEGORIES, ...week, ...before),
  ];
  const [days, gainers, losers, categories] = asked.map((pending) => pending.wait().all());
  const weeks = starts.map((start) => gather(start, days, newest));
  return report(weeks, gainers.map(mover), losers.map(mover), categories, newest);
}

/** @param {Host} host */
function newestDay(host) {
  const text = host.query(NEWEST).one()?.newest;
  const day = text && parse(text);
  if (typeof day !== "number") throw new NotFound("there are no orders in the stores you may see");
  return day;
}

/** The last week that ends on or before a day. @param {number} newest */
const lastWhole = (newest) => monday(newest + 1) - 7;

/** @param {string} text */
function wanted(text) {
  const day = parse(text);
  if (day === null) {
    throw new InvalidArguments("`date` is not a day of the calendar: write it as 2026-01-31 (year-month-day)");
  }
  return day;
}

/**
 * The days of one week.
 *
 * @param {number} first
 * @param {Record<string, any>[]} rows
 * @param {number} newest
 * @returns {Week}
 */
function gather(first, rows, newest) {
  const by = new Map(rows.map((row) => [row.day, row]));
  const found = Array.from({ length: 7 }, (_, at) => by.get(format(first + at)));
  const amounts = found.map((row) => (row ? cents(row.revenue) : 0));
  return {
    first,
    revenue: amounts.reduce((sum, amount) => sum + amount, 0),
    orders: found.reduce((sum, row) => sum + (row?.orders ?? 0), 0),
    days: amounts.map((amount, at) => (first + at > newest ? null : amount)),
  };
}

/** @param {Record<string, any>} row */
function mover(row) {
  const [revenue, previous] = [cents(row.revenue), cents(row.previous)];
  return { product: row.product, category: row.category, revenue, previous, change: revenue - previous };
}

/** @typedef {ReturnType<typeof mover>} Mover */

/**
 * @param {Week[]} weeks The week, the one before, the one a year ago.
 * @param {Mover[]} gainers
 * @param {Mover[]} losers
 * @param {Record<string, any>[]} categories
 * @param {number} newest
 */
function report([week, before, yearAgo], gainers, losers, categories, newest) {
  const said = insights([week, before, yearAgo], gainers, losers, newest);
  const value = {
    week: line(week),
    week_is_whole: week.first + 6 <= newest,
    week_before: line(before),
    year_before: line(yearAgo),
    changes: { week_before: changes(week, before), year_before: changes(week, yearAgo) },
    gainers: gainers.map(shown),
    losers: losers.map(shown),
    charts: [chartOfDays([week, before, yearAgo]), chartOfCategories(categories)],
    insights: said,
  };
  const columns = ["week", "from", "revenue", "orders", "average_basket"];
  const rows = [["this", week], ["before", before], ["a year ago", yearAgo]].map(([name, one]) => {
    const { from, revenue, orders, average_basket } = line(/** @type {Week} */ (one));
    return [name, from, revenue, orders, average_basket];
  });
  return structured(value, [`Week of ${format(week.first)}, US dollars`, table(columns, rows), ...said].join("\n"));
}

/** A week as the output schema has it. @param {Week} week */
function line({ first, revenue, orders }) {
  const average = dollars(among(revenue, orders));
  return { from: format(first), to: format(first + 6), revenue: dollars(revenue), orders, average_basket: average };
}

/** @param {Week} now @param {Week} then */
function changes(now, then) {
  return {
    revenue_percent: growth(now.revenue, then.revenue),
    orders_percent: growth(now.orders, then.orders),
    average_basket_percent: growth(among(now.revenue, now.orders), among(then.revenue, then.orders)),
  };
}

/** @param {Mover} mover */
function shown({ product, category, revenue, previous, change }) {
  return {
    product,
    category,
    revenue: dollars(revenue),
    previous_revenue: dollars(previous),
    change: dollars(change),
  };
}
