// A guest in JavaScript: well-behaved, forgetful as every guest, and misbehaving where it is told to.
import { exportsOf } from "../../../sdk/js/rowhouse-plugin/component.js";
import { InvalidArguments, Value, structured } from "../../../sdk/js/rowhouse-plugin/index.js";

// What must not outlive a call.
let calls = 0;

const works = {
  echo: (_, { text }) => structured({ text }),
  count() {
    calls += 1;
    return structured({ calls });
  },
  rows: (host, { statement }) => host.query(statement),
  read: (host, { statement }) => structured({ rows: host.query(statement).all() }),
  values(host) {
    const statement =
      "SELECT $1::bool AS b, $2::bigint AS i, $3::float8 AS f, $4::text AS t, $5::jsonb AS j, $6::text[] AS a, $7::text AS n";
    const given = [true, -(2n ** 53n), 0.5, "zoë €😀", Value.json({ a: [1, null] }), Value.texts(["x", "y"]), null];
    return structured(host.submit(statement.replace("$2::bigint", "($2::bigint + 1)"), ...given).wait().one());
  },
  context(host) {
    const { displayName, scope } = host.caller();
    host.progress(1, 2, "half");
    const year = new Date(host.now()).getUTCFullYear();
    return structured({ caller: displayName, scope, year, request: host.requestId(), left: host.millisecondsLeft() });
  },
  refuse() {
    throw new InvalidArguments("no such luck");
  },
  fault: () => undefined.x,
  memory: (_, { mebibytes }) => structured({ bytes: new Uint8Array(mebibytes * 2 ** 20).length }),
  spin() {
    for (;;);
  },
  clock: () => structured({ now: Date.now() }),
};

export const tools = exportsOf({
  name: "in-javascript",
  version: "0.1.0",
  tools: Object.entries(works).map(([name, work]) => ({
    name: `js_${name}`,
    title: name,
    description: name,
    inputSchema: { type: "object" },
    work,
  })),
});
