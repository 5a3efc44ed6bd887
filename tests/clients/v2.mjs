// The official TypeScript SDK, second line: both eras of the protocol.

import { createRequire } from "node:module";
import { plan, walk, watch } from "./walk.mjs";

const need = createRequire(`${plan.packages}/`);
const { Client, StreamableHTTPClientTransport } = need("@modelcontextprotocol/client");
const { StdioClientTransport } = need("@modelcontextprotocol/client/stdio");

const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: { authorization: `Bearer ${plan.token}` } } })
  : new StdioClientTransport({ ...plan.command, stderr: "inherit" });
const { changed, options } = watch();
const client = new Client({ name: "clients", version: "2" }, { ...options, versionNegotiation: { mode: plan.mode } });
await client.connect(transport);
const version = () => client.getNegotiatedProtocolVersion();
await walk(client, version, changed, (name, args, how) => client.callTool({ name, arguments: args }, how));
