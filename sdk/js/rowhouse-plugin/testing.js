// @ts-check
// A host for tests: it answers what a test says, and remembers what it was asked.
import { Rows } from "./rows.js";
import { asValue } from "./values.js";

/**
 * Answers each statement by the first entry whose key is part of its text: rows as objects by column name, or an error to
 * throw.
 *
 * @param {Record<string, Record<string, unknown>[] | Error>} answers
 */
export function fakeHost(answers) {
  /** @type {{ statement: string, parameters: unknown[] }[]} */
  const asked = [];
  /** @type {[string, string][]} */
  const logged = [];
  /** @type {import("./index.js").Host["query"]} */
  const query = (statement, ...parameters) => {
    // Refuses what the real host could not be given.
    asked.push({ statement, parameters: parameters.map((it) => asValue(it).val ?? null) });
    const [, given] = Object.entries(answers).find(([part]) => statement.includes(part)) ?? [];
    if (given === undefined) throw new Error(`no answer for: ${statement}`);
    if (given instanceof Error) throw given;
    const names = Object.keys(given[0] ?? {});
    /** @type {unknown[][][]} */
    const pages = [given.map((row) => names.map((name) => row[name]))];
    const columns = names.map((name) => ({ name, kind: "text" }));
    return new Rows({ columns, count: given.length, next: () => pages.shift() ?? null });
  };
  return {
    asked,
    logged,
    query,
    submit: (/** @type {string} */ statement, /** @type {any[]} */ ...parameters) => {
      const rows = query(statement, ...parameters);
      return { wait: () => rows };
    },
    now: () => Date.UTC(2026, 9, 31),
    caller: () => ({ displayName: "A test", roles: ["store_manager"], scope: /** @type {const} */ ("single") }),
    requestId: () => "test",
    millisecondsLeft: () => 30_000,
    log: (/** @type {string} */ level, /** @type {string} */ message) => void logged.push([level, message]),
    progress: () => {},
  };
}
