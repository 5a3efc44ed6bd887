// What every client does here, whatever SDK it is made with, and how it tells the test.
//
// One line of JSON on standard output for each step; where the test has something to do first, it answers with a line
// on standard input.

import { createInterface } from "node:readline";

/** What the test wants: where the server is, and in which way to speak. */
export const plan = JSON.parse(process.argv[2]);

/** Tools that have changed are waited for, and whatever an SDK waits for by itself: longer than any of it takes. */
const PATIENCE_MS = 120_000;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const tell = (step, facts = {}) => process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);

/** Say that a step is reached, and wait until the test has seen to it. */
async function ask(step) {
  tell(step);
  if ((await answers.next()).done) throw new Error("the test hung up");
}

/** The tools' names once they have changed; `options` is for the client's constructor, of either SDK. */
export function watch() {
  const changed = Promise.withResolvers();
  const onChanged = (error, tools) => (error ? changed.reject(error) : changed.resolve(tools.map((tool) => tool.name)));
  return { changed: changed.promise, options: { listChanged: { tools: { onChanged } } } };
}

/** Walk through everything with a client that is connected. `call(name, arguments, options)` calls a tool. */
export async function walk(client, version, changed, call) {
  const guard = setTimeout(() => {
    process.stderr.write("the walk takes too long\n");
    process.exit(1);
  }, PATIENCE_MS);
  tell("connected", { version: version(), server: client.getServerVersion() });

  const { tools } = await client.listTools();
  tell("tools", { names: tools.map((tool) => tool.name) });

  // Both SDKs hold the structured content against the tool's output schema, once they have seen the list.
  const query = "SELECT store_name, 1.10::numeric AS price, NULL::text AS nothing FROM retail.stores";
  tell("rows", await call("execute_sales_query", { query }));
  tell("failure", await call("execute_sales_query", { query: "DROP TABLE retail.orders" }));

  // What the SDK hands on, and what came: where several messages come in one read, both SDKs take the result first and
  // then drop the progress before it.
  const [seen, came] = [[], []];
  const { transport } = client;
  const hear = transport.onmessage;
  transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") came.push([message.params.progress, message.params.total]);
    if (message.result) came.push("result");
    hear.call(transport, message, extra);
  };
  await call("test_tool_with_progress", {}, { onprogress: ({ progress, total }) => seen.push([progress, total]) });
  transport.onmessage = hear;
  tell("progress", { seen, came });

  await ask("listening");
  tell("changed", { names: await changed });

  const leave = new AbortController();
  const slow = call("slow_query", { size: 100_000 }, { signal: leave.signal, timeout: PATIENCE_MS }).then(
    (result) => ({ result }),
    (error) => ({ error: String(error) }),
  );
  await ask("slow");
  leave.abort(new Error("changed my mind"));
  tell("aborted", await slow);
  await ask("gone");

  tell("after", await call("execute_sales_query", { query: "SELECT 1 AS one" }));
  await client.close();
  clearTimeout(guard);
  tell("closed");
  // The line from the test is open still, and would keep the process.
  process.exit(0);
}
