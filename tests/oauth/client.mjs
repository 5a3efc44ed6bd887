// The official TypeScript SDK with nothing but an address: it finds the authorization server by itself, fetches a
// token, and fetches a wider one when a tool asks for it.
//
// The plan (first argument, JSON): `packages`; `url` of the server; `mode`, the era of the protocol; `issuer`, the only
// one credentials may go to; `flow`, `machine` (client_credentials as `who`) or `desk` (a person signs in as `who`, code
// and PKCE); `calls`, each a tool's name and its arguments. Prints one line of JSON: what came back, and every request
// on the way.

import { createRequire } from "node:module";

const plan = JSON.parse(process.argv[2]);
const need = createRequire(`${plan.packages}/`);
const { Client, ClientCredentialsProvider, StreamableHTTPClientTransport, UnauthorizedError } = need(
  "@modelcontextprotocol/client",
);

/** Every request and what became of it: `POST /mcp 401`. */
const trail = [];
/** Scopes of the tokens that came, in order. */
const scopes = [];
/** The tokens themselves, the last ones that came. */
let last;

async function follow(url, init) {
  const response = await fetch(url, init);
  // The number of a sign-in under way is another each time.
  const path = new URL(url).pathname.replace(/\/[\w-]{43}$/, "");
  trail.push(`${init?.method ?? "GET"} ${path} ${response.status}`);
  return response;
}

const keep = (tokens) => {
  scopes.push(tokens.scope);
  last = tokens;
};

/** A program with a secret of its own. */
class Machine extends ClientCredentialsProvider {
  constructor() {
    super({ clientId: plan.who, clientSecret: `secret of ${plan.who}`, expectedIssuer: plan.issuer });
  }

  saveTokens(tokens) {
    keep(tokens);
    super.saveTokens(tokens);
  }
}

/** A person at a browser. */
class Desk {
  redirectUrl = "http://127.0.0.1/callback";
  clientMetadata = { client_name: "desk", redirect_uris: [this.redirectUrl] };
  #expected = crypto.randomUUID();
  #verifier;
  #discovered;
  #tokens;

  clientInformation = () => ({ client_id: "desk", issuer: plan.issuer });
  tokens = () => this.#tokens;
  state = () => this.#expected;
  saveCodeVerifier = (verifier) => (this.#verifier = verifier);
  codeVerifier = () => this.#verifier;
  saveDiscoveryState = (discovered) => (this.#discovered = discovered);
  discoveryState = () => this.#discovered;

  saveTokens(tokens) {
    keep(tokens);
    this.#tokens = tokens;
  }

  /** Sign in, agree, and come back: what a browser does, with its cookies. */
  async redirectToAuthorization(url) {
    url.searchParams.set("login_hint", plan.who);
    // So that there is an ID token, too: proof of who signed in, and of nothing else.
    url.searchParams.set("scope", `openid ${url.searchParams.get("scope")}`);
    this.asked = Object.fromEntries(url.searchParams);
    const jar = new Map();
    let at = url;
    for (let hops = 0; !at.href.startsWith(this.redirectUrl); hops++) {
      if (hops > 10) throw new Error(`round in circles, to ${at}`);
      const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
      const response = await follow(at, { method: "GET", redirect: "manual", headers: { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [name, value] = line.split(";")[0].split("=");
        value ? jar.set(name, value) : jar.delete(name);
      }
      const next = response.headers.get("location");
      if (!next) throw new Error(`no way on from ${at}: ${response.status} ${await response.text()}`);
      at = new URL(next, at);
    }
    this.back = at.searchParams;
    if (this.back.get("state") !== this.#expected) throw new Error("an answer to somebody else's question");
  }
}

const proof = plan.flow === "desk" ? new Desk() : new Machine();
const reach = () => new StreamableHTTPClientTransport(new URL(plan.url), { authProvider: proof, fetch: follow });

/** Do it; where the SDK says that somebody must sign in first, they just have: take the code and do it again. */
async function signedIn(act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !proof.back) throw error;
    const back = proof.back;
    proof.back = undefined;
    await transport.finishAuth(back);
    return await act();
  }
}

let transport, client;
await signedIn(async () => {
  transport = reach();
  client = new Client({ name: "oauth", version: "1" }, { versionNegotiation: { mode: plan.mode } });
  await client.connect(transport);
});
const { tools } = await signedIn(() => client.listTools());
const results = [];
for (const [name, args] of plan.calls) {
  const call = () => client.callTool({ name, arguments: args });
  results.push(await signedIn(call).catch((error) => ({ thrown: String(error) })));
}
const version = client.getNegotiatedProtocolVersion();
await client.close();
const names = tools.map((tool) => tool.name);
const tokens = { access: last.access_token, id: last.id_token };
process.stdout.write(`${JSON.stringify({ version, tools: names, results, trail, scopes, tokens, asked: proof.asked })}\n`);
process.exit(0);
