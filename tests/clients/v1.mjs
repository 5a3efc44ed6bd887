// The official TypeScript SDK, first line: sessions only.

import { createRequire } from "node:module";
import { plan, walk, watch } from "./walk.mjs";

const need = createRequire(`${plan.packages}/`);
const { Client } = need("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = need("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = need("@modelcontextprotocol/sdk/client/streamableHttp.js");

const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: { authorization: `Bearer ${plan.token}` } } })
  : new StdioClientTransport({ ...plan.command, stderr: "inherit" });
const { changed, options } = watch();
const client = new Client({ name: "clients", version: "1" }, options);
await client.connect(transport);
// This SDK tells the revision to its transport only, and only over HTTP.
const version = () => transport.protocolVersion;
await walk(client, version, changed, (name, args, how) => client.callTool({ name, arguments: args }, undefined, how));
