// The seam to the contract, over bindings as componentize-qjs makes them.
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";

const bindings = { "call-context": {}, log: {}, progress: {}, sql: {} };
globalThis.bindings = bindings;
registerHooks({
  resolve: (name, context, next) =>
    name.startsWith("rowhouse:plugin/") ? { url: name, format: "module", shortCircuit: true } : next(name, context),
  load(url, context, next) {
    const name = /^rowhouse:plugin\/(.+)@0\.1\.0$/.exec(url)?.[1];
    if (name === undefined) return next(url, context);
    return { format: "module", source: `export default globalThis.bindings[${JSON.stringify(name)}]`, shortCircuit: true };
  },
});
const { exportsOf } = await import("../rowhouse-plugin/component.js");
const { Failed, InvalidArguments, NotFound, structured } = await import("../rowhouse-plugin/index.js");

const tools = (work) => {
  const tool = { name: "t", title: "T", description: "D", inputSchema: { type: "object" }, work };
  return exportsOf({ name: "p", version: "0.1.0", tools: [tool] });
};

/** Rows of the contract: columns, then batches or pages of variants. */
const handle = (columns, batches, pages = []) => ({
  columns: () => columns,
  truncated: () => false,
  count: () => 0,
  nextBatch: () => batches.shift() ?? null,
  next: () => pages.shift() ?? [],
});

const texts = (...cells) => {
  const ends = cells.reduce((all, cell) => [...all, all.at(-1) + Buffer.byteLength(cell)], [0]);
  return { tag: "texts", val: { offsets: ends, data: cells.join("") } };
};

/** The rows a tool reads of a statement that comes to these. */
function rowsOf(from) {
  bindings.sql.query = () => from;
  let read;
  tools((host) => {
    read = host.query("SELECT").all();
    return "";
  }).call("t", "{}");
  return read;
}

test("batches are unpacked by validity", () => {
  const columns = [{ name: "t", kind: "text" }, { name: "n", kind: "int" }, { name: "x", kind: "numeric" }];
  const packed = [
    { validity: null, data: texts("zoë", "", "€😀") },
    { validity: new Uint8Array([0b101]), data: { tag: "ints", val: [1, 0, 3] } },
    { validity: new Uint8Array([0b110]), data: texts("", "12.50", "-1") },
  ];
  assert.deepEqual(rowsOf(handle(columns, [{ rows: 3, columns: packed }])), [
    { t: "zoë", n: 1, x: null },
    { t: "", n: null, x: "12.50" },
    { t: "€😀", n: 3, x: "-1" },
  ]);
});

test("arrays come as variants", () => {
  const columns = [{ name: "tags", kind: "text-array" }, { name: "n", kind: "int" }];
  const pages = [[[{ tag: "text-array", val: ["a"] }, { tag: "int", val: 1 }]], [[{ tag: "null" }, { tag: "null" }]]];
  assert.deepEqual(rowsOf(handle(columns, [], pages)), [{ tags: ["a"], n: 1 }, { tags: null, n: null }]);
});

test("answers and refusals", () => {
  const error = { code: "rejected", message: "no", sqlstate: null, position: 3 };
  const raises = (it) => tools(() => { throw it; });
  assert.deepEqual(tools(() => "hi").call("t", "{}"), { tag: "text", val: "hi" });
  assert.deepEqual(tools((_, args) => structured(args, "said")).call("t", '{"a":1}'), {
    tag: "structured",
    val: { json: '{"a":1}', text: "said" },
  });
  const from = handle([], []);
  bindings.sql.query = () => from;
  assert.equal(tools((host) => host.query("SELECT")).call("t", "{}").val, from);
  for (const [raised, expect] of [
    [new InvalidArguments("a"), { tag: "invalid-arguments", val: "a" }],
    [new NotFound("b"), { tag: "not-found", val: "b" }],
    [new Failed("c"), { tag: "failed", val: "c" }],
  ]) {
    assert.throws(() => raises(raised).call("t", "{}"), (thrown) => (assert.deepEqual(thrown, expect), true));
  }
  bindings.sql.query = () => { throw Object.assign(new Error("as the bindings wrap it"), { payload: error }); };
  assert.throws(() => tools((host) => host.query("SELECT")).call("t", "{}"), { tag: "sql", val: error });
});

test("a fault says where and not what", () => {
  const said = [];
  bindings.log.write = (...line) => said.push(line);
  assert.throws(() => tools(() => { throw new TypeError("a row's value"); }).call("t", "{}"), TypeError);
  assert.equal(said[0][0], "error");
  assert.match(said[0][1], /^TypeError at .*component\.test\.js/);
  assert.doesNotMatch(said[0][1], /a row's value/);
});

test("the clock is the host's", () => {
  bindings["call-context"].now = () => 1_793_491_199_999_000;
  let now;
  tools((host) => ((now = host.now()), "")).call("t", "{}");
  assert.equal(new Date(now).toISOString(), "2026-10-31T23:59:59.999Z");
});
