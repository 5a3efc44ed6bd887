// @ts-check
// Money in whole cents, so that sums and differences are exact.

/**
 * The cents of PostgreSQL's decimal notation with at most two decimals. Null is zero.
 *
 * @param {string | null} text
 */
export function cents(text) {
  if (text === null) return 0;
  const [, sign, dollars, part = ""] = /^(-?)(\d+)(?:\.(\d{1,2}))?$/.exec(text) ?? [];
  if (dollars === undefined) throw new TypeError("an amount is not in dollars and cents");
  const amount = Number(dollars) * 100 + Number(part.padEnd(2, "0"));
  return sign === "-" ? -amount : amount;
}

/** In JSON: dollars. A double holds every amount below 90 thousand million exactly to the cent. @param {number} amount */
export const dollars = (amount) => amount / 100;

/** For people: `$1,234.50`. @param {number} amount */
export function words(amount) {
  const [whole, part] = (Math.abs(amount) / 100).toFixed(2).split(".");
  return `${amount < 0 ? "-" : ""}$${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${part}`;
}

/** An amount divided among `count`, to the nearest cent; zero among none. @param {number} amount @param {number} count */
export const among = (amount, count) => (count > 0 ? Math.round(amount / count) : 0);

/**
 * How much `now` is above `before`, in percent of it, to one decimal. Null where there was nothing before.
 *
 * @param {number} now
 * @param {number} before
 */
export function growth(now, before) {
  return before > 0 ? Math.round(((now - before) / before) * 1_000) / 10 : null;
}

/** A growth in words: `up 3.2%`. @param {number} percent */
export function inWords(percent) {
  if (percent === 0) return "unchanged";
  return `${percent > 0 ? "up" : "down"} ${Math.abs(percent).toFixed(1)}%`;
}
