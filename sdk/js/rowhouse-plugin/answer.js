// @ts-check
/**
 * What a tool gives back: rows as they came, something structured, or a text.
 *
 * @typedef {import("./rows.js").Rows | Structured | string} Answer
 */

/** A structured answer. Made by {@link structured}. */
export class Structured {
  /**
   * @param {string} json
   * @param {string | null} text
   */
  constructor(json, text) {
    this.json = json;
    this.text = text;
  }
}

/**
 * A structured answer: `value` for programs, `text` for models that read only text. With an output schema, the host holds
 * `value` to it. Without `text`, a model reads the JSON.
 *
 * @param {object} value
 * @param {string} [text]
 */
export function structured(value, text) {
  return new Structured(JSON.stringify(value), text ?? null);
}

/**
 * Rows as models read them cheapest: the names once, then cells, as a statement's own answer looks.
 *
 * @param {string[]} columns
 * @param {unknown[][]} rows
 */
export function table(columns, rows) {
  const shown = { c: columns, r: rows, n: rows.length };
  return JSON.stringify(rows.length > 0 ? shown : { ...shown, msg: "No rows" });
}
