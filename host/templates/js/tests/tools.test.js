import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeHost } from "../rowhouse-plugin/testing.js";
import { lowStock } from "../tools.js";

test("the bound is a parameter", () => {
  for (const [args, expect] of [[{}, 5], [{ at_most: 0 }, 0]]) {
    const host = fakeHost({ "retail.inventory": [{ store_name: "Seattle", product_name: "Saw", stock_level: 0 }] });
    assert.equal(lowStock(host, args).length, 1);
    assert.deepEqual(host.asked[0].parameters, [expect]);
  }
});
