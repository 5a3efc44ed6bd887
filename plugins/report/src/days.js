// @ts-check
// Days as whole numbers since 1970-01-01, so that a week is seven of them and no time zone has a say.

const MILLISECONDS = 86_400_000;

/** The names of a week's days, in order. */
export const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/**
 * The day of `2026-01-31`; null where the calendar has none such.
 *
 * @param {string} text
 */
export function parse(text) {
  const milliseconds = Date.parse(`${text}T00:00:00Z`);
  // 2026-02-30 becomes the second of March in some engines.
  if (Number.isNaN(milliseconds) || format(milliseconds / MILLISECONDS) !== text) return null;
  return milliseconds / MILLISECONDS;
}

/** @param {number} day */
export function format(day) {
  return new Date(day * MILLISECONDS).toISOString().slice(0, 10);
}

/**
 * The week a day lies in, by its Monday.
 *
 * @param {number} day
 */
export function monday(day) {
  // 1970-01-01 was a Thursday.
  return day - ((((day + 3) % 7) + 7) % 7);
}
