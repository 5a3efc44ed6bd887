// @ts-check
/**
 * Write tools for Rowhouse in JavaScript.
 *
 * A tool is a function of a {@link Host} and its arguments; {@link Plugin} gathers them. Nothing here names the bindings
 * of the contract, so tools run in Node under a test's own host; only `component.js` does, and only the component imports
 * that.
 */

export { Failed, InvalidArguments, NotFound, SqlFailed, ToolError } from "./errors.js";
export { structured, table } from "./answer.js";
export { Rows } from "./rows.js";
export { asValue, Value } from "./values.js";

/**
 * What a tool may ask of the host. Whose rows a statement sees is decided there, from who is calling.
 *
 * @typedef {object} Host
 * @property {(statement: string, ...parameters: import("./values.js").Parameter[]) => import("./rows.js").Rows} query
 *   Run one SELECT; parameters stand for `$1`, `$2`, ... Throws {@link SqlFailed}.
 * @property {(statement: string, ...parameters: import("./values.js").Parameter[]) => Pending} submit
 *   Start one SELECT and go on; several run at once. Throws {@link SqlFailed}.
 * @property {() => number} now Milliseconds since 1970-01-01T00:00:00Z by the host's clock, the same for the whole call.
 *   JavaScript's own clock is not there.
 * @property {() => Caller} caller Who is calling.
 * @property {() => string} requestId Names this call in the operator's log.
 * @property {() => number} millisecondsLeft Until the host ends this call.
 * @property {(level: "debug" | "info" | "warn" | "error", message: string) => void} log One line into the operator's log.
 *   Never a row's value.
 * @property {(done: number, total?: number, message?: string) => void} progress Word to a caller who waits.
 */

/**
 * A statement under way.
 *
 * @typedef {object} Pending
 * @property {() => import("./rows.js").Rows} wait Its rows. Throws {@link SqlFailed}.
 */

/**
 * Who is calling, as far as a plugin may know.
 *
 * @typedef {object} Caller
 * @property {string} displayName
 * @property {string[]} roles
 * @property {"single" | "several" | "all"} scope How many tenants' data.
 */

/**
 * One tool, as callers will see it. The schemas are JSON Schema, 2020-12.
 *
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} title
 * @property {string} description
 * @property {object} inputSchema
 * @property {object} [outputSchema]
 * @property {boolean} [idempotent] The same call gives the same answer, as long as the data is the same. Default true.
 * @property {(host: Host, args: any) => import("./answer.js").Answer} work What it does. Throws a {@link ToolError} where
 *   there is no answer; anything else that is thrown is a fault of the plugin, and ends the call as one.
 */

/**
 * A plugin. `name` is also the component's file name.
 *
 * @typedef {object} Plugin
 * @property {string} name
 * @property {string} version
 * @property {Tool[]} tools
 */
