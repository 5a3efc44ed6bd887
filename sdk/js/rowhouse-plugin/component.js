// @ts-check
// Between a plugin and the contract. The only module that names its bindings, made by componentize-qjs.
import callContext from "rowhouse:plugin/call-context@0.1.0";
import log from "rowhouse:plugin/log@0.1.0";
import progress from "rowhouse:plugin/progress@0.1.0";
import sql from "rowhouse:plugin/sql@0.1.0";

import { Structured } from "./answer.js";
import { InvalidArguments, NotFound, SqlFailed, ToolError } from "./errors.js";
import { Rows } from "./rows.js";
import { asValue, read, unpack } from "./values.js";

/** Rows asked of the host at a time: a page of wide rows stays well below a mebibyte. */
const PAGE = 500;

/** Kinds whose cells come whole in a batch; the others would come as PostgreSQL's text. */
const PACKED = new Set(["boolean", "int", "float", "numeric", "text", "timestamp", "date", "uuid", "json"]);

/** One column of a batch. */
function cells(kind, { validity, data }, rows) {
  const raw = data.tag === "texts" ? unpack(data.val) : data.val;
  const column = new Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const there = validity == null || (validity[row >> 3] >> (row & 7)) & 1;
    column[row] = there ? read(kind, raw[row]) : null;
  }
  return column;
}

/** The next rows, packed where they can be, which costs a tenth. */
function packed(handle, kinds) {
  const batch = handle.nextBatch(PAGE);
  if (batch == null) return null;
  const columns = batch.columns.map((column, at) => cells(kinds[at], column, batch.rows));
  return Array.from({ length: batch.rows }, (_, row) => columns.map((column) => column[row]));
}

/** The next rows, as variants. */
function plain(handle, kinds) {
  const page = handle.next(PAGE);
  if (page.length === 0) return null;
  return page.map((row) => row.map((cell, at) => (cell.tag === "null" ? null : read(kinds[at], cell.val))));
}

function rows(handle) {
  const columns = handle.columns();
  const kinds = columns.map((column) => column.kind);
  const page = kinds.every((kind) => PACKED.has(kind)) ? packed : plain;
  return new Rows({
    columns,
    truncated: handle.truncated(),
    count: handle.count(),
    next: () => page(handle, kinds),
    handle,
  });
}

/** Run a function of the contract. The bindings throw its error wrapped in one of theirs. */
function asking(work) {
  try {
    return work();
  } catch (error) {
    throw typeof error?.payload?.code === "string" ? new SqlFailed(error.payload) : error;
  }
}

/** The host of a component. @type {import("./index.js").Host} */
const host = {
  query: (statement, ...parameters) => asking(() => rows(sql.query(statement, parameters.map(asValue)))),
  submit(statement, ...parameters) {
    const pending = asking(() => sql.submit(statement, parameters.map(asValue)));
    return { wait: () => asking(() => rows(pending.wait())) };
  },
  // Microseconds fit a number until the year 2255.
  now: () => Number(callContext.now()) / 1_000,
  caller: () => callContext.caller(),
  requestId: () => callContext.requestId(),
  millisecondsLeft: () => Number(callContext.deadlineLeft()),
  log: (level, message) => log.write(level, message),
  progress: (done, total, message) => progress.report(done, total ?? null, message ?? null),
};

function answer(given) {
  if (typeof given === "string") return { tag: "text", val: given };
  if (given instanceof Rows) return { tag: "rows", val: given.handle };
  if (given instanceof Structured) return { tag: "structured", val: { json: given.json, text: given.text } };
  throw new TypeError(`a tool answers with rows, something structured or a text, not with ${typeof given}`);
}

function refusal(error) {
  if (error instanceof SqlFailed) return { tag: "sql", val: error.error };
  if (error instanceof InvalidArguments) return { tag: "invalid-arguments", val: error.message };
  if (error instanceof NotFound) return { tag: "not-found", val: error.message };
  return { tag: "failed", val: error.message };
}

/**
 * What a component exports. Export it under the name `tools` from the module that is componentized.
 *
 * @param {import("./index.js").Plugin} plugin
 */
export function exportsOf(plugin) {
  const tools = new Map(plugin.tools.map((tool) => [tool.name, tool]));
  const described = {
    name: plugin.name,
    version: plugin.version,
    tools: plugin.tools.map((tool) => ({
      name: tool.name,
      title: tool.title,
      description: tool.description,
      inputSchema: JSON.stringify(tool.inputSchema),
      outputSchema: tool.outputSchema === undefined ? null : JSON.stringify(tool.outputSchema),
      annotations: { readOnly: true, destructive: false, idempotent: tool.idempotent ?? true, openWorld: false },
    })),
  };
  return {
    describe: () => described,
    call(name, args) {
      try {
        return answer(tools.get(name).work(host, JSON.parse(args)));
      } catch (error) {
        if (error instanceof ToolError) throw refusal(error);
        // Say where a fault is before it ends the call: without WASI there is no other place for a stack. Places and the
        // kind of fault, not its words: those may quote a row, and the log is read by others.
        const places = String(error?.stack ?? "").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "));
        log.write("error", [error?.name ?? typeof error, ...places].join(" "));
        throw error;
      }
    },
  };
}
