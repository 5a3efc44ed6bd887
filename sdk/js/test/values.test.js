// Values, rows and answers, without any host.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Rows, Value, asValue, structured, table } from "../rowhouse-plugin/index.js";
import { read, unpack } from "../rowhouse-plugin/values.js";

test("parameters have the kind of their type", () => {
  for (const [it, expect] of [
    [null, { tag: "null" }],
    [undefined, { tag: "null" }],
    [true, { tag: "boolean", val: true }],
    [7, { tag: "int", val: 7 }],
    [7n, { tag: "int", val: 7 }],
    [2n ** 53n, { tag: "numeric", val: "9007199254740992" }],
    [-(2n ** 63n), { tag: "numeric", val: "-9223372036854775808" }],
    [1.5, { tag: "float", val: 1.5 }],
    [1e300, { tag: "float", val: 1e300 }],
    ["it's", { tag: "text", val: "it's" }],
    [Value.float(2), { tag: "float", val: 2 }],
    [Value.numeric("12.50"), { tag: "numeric", val: "12.50" }],
    [Value.date("2026-01-31"), { tag: "date", val: "2026-01-31" }],
    [Value.json({ a: 1 }), { tag: "json", val: '{"a":1}' }],
    [Value.ints([1, 2]), { tag: "int-array", val: [1, 2] }],
  ]) {
    assert.deepEqual(asValue(it), expect);
  }
  for (const it of [{}, [], Symbol("a"), () => 0]) assert.throws(() => asValue(it), TypeError);
  assert.throws(() => Value.int(1.5), RangeError);
  assert.throws(() => Value.ints([2 ** 53]), RangeError);
});

test("a number that was rounded is an error", () => {
  assert.equal(read("int", 2 ** 53 - 1), 2 ** 53 - 1);
  assert.equal(read("int", 7n), 7);
  assert.deepEqual(read("json", "[1]"), [1]);
  for (const it of [2 ** 53, 2n ** 53n, -(2 ** 60)]) assert.throws(() => read("int", it), /cast it to text/);
  assert.throws(() => read("int-array", [1, 2 ** 53]), RangeError);
});

test("texts are cut by bytes", () => {
  const bytes = (text) => new TextEncoder().encode(text).length;
  for (const cells of [[], [""], ["a", "bc", ""], ["zoë", "", "€😀x", "é"], ["", "😀", "", "plain"]]) {
    const offsets = cells.reduce((ends, cell) => [...ends, ends.at(-1) + bytes(cell)], [0]);
    assert.deepEqual(unpack({ offsets, data: cells.join("") }), cells);
  }
});

test("rows are read once", () => {
  const pages = [[[1, "a"]], [[2, "b"]]];
  const columns = [{ name: "n", kind: "int" }, { name: "t", kind: "text" }];
  const rows = new Rows({ columns, count: 2, next: () => pages.shift() ?? null });
  assert.deepEqual([...rows], [{ n: 1, t: "a" }, { n: 2, t: "b" }]);
  assert.deepEqual(rows.all(), [...rows]);
  assert.deepEqual(rows.one(), { n: 1, t: "a" });
  assert.equal(rows.length, 2);
});

test("answers are short", () => {
  assert.equal(table(["a", "b"], [[1, "x"]]), '{"c":["a","b"],"r":[[1,"x"]],"n":1}');
  assert.equal(table(["a"], []), '{"c":["a"],"r":[],"n":0,"msg":"No rows"}');
  assert.deepEqual({ ...structured({ a: 1 }) }, { json: '{"a":1}', text: null });
});
