// @ts-check
// Sentences that follow from the numbers, the broadest first.
import { WEEKDAYS, format } from "./days.js";
import { among, growth, inWords, words } from "./money.js";

/** @typedef {import("./call.js").Week} Week */
/** @typedef {import("./call.js").Mover} Mover */

/**
 * @param {Week[]} weeks The week, the one before, the one a year ago.
 * @param {Mover[]} gainers
 * @param {Mover[]} losers
 * @param {number} newest The last day of data.
 */
export function insights([week, before, yearAgo], gainers, losers, newest) {
  const said = [];
  if (week.first + 6 > newest) said.push(`The data ends on ${format(newest)}: this week is not whole.`);
  if (week.orders === 0) return [...said, "No orders in this week."];
  const against = [`${compared(week.revenue, before.revenue)} the week before`];
  against.push(`${compared(week.revenue, yearAgo.revenue)} the same week a year ago`);
  said.push(`Revenue was ${words(week.revenue)} in ${week.orders} orders: ${against.join(", ")}.`);
  const basket = growth(among(week.revenue, week.orders), among(before.revenue, before.orders));
  if (basket !== null) {
    said.push(`The average basket was ${words(among(week.revenue, week.orders))}, ${inWords(basket)} on the week before.`);
  }
  const best = Math.max(...week.days.map((amount) => amount ?? 0));
  said.push(`${WEEKDAYS[week.days.indexOf(best)]} was the best day with ${words(best)}.`);
  if (gainers.length > 0) said.push(`${gainers[0].product} gained most: ${words(gainers[0].change)} more.`);
  if (losers.length > 0) said.push(`${losers[0].product} lost most: ${words(-losers[0].change)} less.`);
  return said;
}

/** @param {number} now @param {number} then */
function compared(now, then) {
  const percent = growth(now, then);
  return percent === null ? "nothing was sold in" : `${inWords(percent)} on`;
}
