// A real authorization server on a free port of this machine, and a hand behind its back for what goes wrong in the
// world: keys that change, an outage, forgeries made with its own keys.
//
// The plan (first argument, JSON): `packages`, where npm put oidc-provider; `algorithm`, RS256, ES256 or EdDSA; `path`
// of the issuer, if any; `scopes`; `people` by name, each with `scopes` it may have, seconds its tokens live (`ttl`)
// and `claims` that go into them. Each of them is a client for client_credentials (secret: `secret of <name>`), and may
// sign in at the public client `desk` by naming itself (`login_hint`).
//
// Ready is one line of JSON with the issuer. Ends when standard input does.

import { constants, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const plan = JSON.parse(process.argv[2]);
// Standard output is for the one line: nobody reads on.
console.info = console.error;
const { default: Provider, errors } = await import(
  pathToFileURL(createRequire(`${plan.packages}/`).resolve("oidc-provider")).href
);

const MAKE = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

/** How a pair of keys signs. */
const SIGN = {
  RS256: (data, key) => sign("sha256", data, { key, padding: constants.RSA_PKCS1_PADDING }),
  ES256: (data, key) => sign("sha256", data, { key, dsaEncoding: "ieee-p1363" }),
  EdDSA: (data, key) => sign(null, data, key),
};

/** Signs cookies. One for all keys: a rotation must not end a sign-in under way. */
const COOKIES = randomUUID();

function makeKey() {
  const { publicKey, privateKey } = MAKE[plan.algorithm]();
  return { kid: randomUUID(), publicKey, privateKey };
}

const jwk = ({ kid, privateKey }) => ({ ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: plan.algorithm });

const person = (name) => plan.people[name] ?? { scopes: [], claims: {} };

/** The server with these keys; the first one signs. What it has handed out is kept outside it and outlives it. */
function open(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys: keys.map(jwk) },
    scopes: ["openid", ...plan.scopes],
    clientDefaults: { id_token_signed_response_alg: plan.algorithm },
    clients: [
      ...Object.entries(plan.people).map(([name, { scopes }]) => ({
        client_id: name,
        client_secret: `secret of ${name}`,
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
        scope: scopes.join(" "),
      })),
      {
        client_id: "desk",
        token_endpoint_auth_method: "none",
        application_type: "native",
        grant_types: ["authorization_code"],
        response_types: ["code"],
        redirect_uris: ["http://127.0.0.1/callback"],
      },
    ],
    cookies: { keys: [COOKIES] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => person(token.accountId ?? token.clientId).claims,
    // Nobody sits at this desk: whoever signs in has agreed to all they may have.
    interactions: { url: (_, interaction) => `${new URL(issuer).pathname.replace(/\/$/, "")}/test/agree/${interaction.uid}` },
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
      const may = ["openid", ...person(oidc.session.accountId).scopes];
      const [yes, no] = [true, false].map((wanted) =>
        oidc.params.scope.split(" ").filter((scope) => may.includes(scope) === wanted).join(" "),
      );
      grant.addOIDCScope(yes);
      grant.rejectOIDCScope(no);
      for (const resource of [oidc.params.resource ?? []].flat()) {
        grant.addResourceScope(resource, yes);
        grant.rejectResourceScope(resource, no);
      }
      await grant.save();
      return grant;
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource, client) => {
          if (new URL(resource).hostname !== "127.0.0.1") throw new errors.InvalidTarget();
          return {
            scope: plan.scopes.join(" "),
            audience: resource,
            accessTokenTTL: person(client.clientId).ttl ?? 300,
            accessTokenFormat: "jwt",
            jwt: { sign: { alg: plan.algorithm } },
          };
        },
      },
    },
  });
  provider.on("server_error", (_, error) => console.error(error));
  return { provider, answer: provider.callback() };
}

/** A token with this header and this body, both JSON as text, signed as told. */
function forge({ header, payload, key }) {
  const data = [header, payload].map((text) => Buffer.from(text).toString("base64url")).join(".");
  const { publicKey, privateKey } = keys[0];
  const made = {
    own: () => SIGN[plan.algorithm](Buffer.from(data), privateKey),
    foreign: () => SIGN[plan.algorithm](Buffer.from(data), foreign.privateKey),
    // What everybody can read, taken for a shared secret.
    pem: () => createHmac("sha256", publicKey.export({ format: "pem", type: "spki" })).update(data).digest(),
    modulus: () => createHmac("sha256", publicKey.export({ format: "jwk" }).n).update(data).digest(),
    none: () => Buffer.alloc(0),
  }[key];
  return `${data}.${made().toString("base64url")}`;
}

/** What the test may do, by path. Each answers with JSON. */
const HAND = {
  // New keys from now on. With `keep` the old ones are still published, as in a rotation that was planned.
  "/test/rotate": ({ keep }) => {
    keys = [makeKey(), ...(keep ? keys : [])];
    ({ provider, answer } = open(issuer, keys));
    return { kid: keys[0].kid };
  },
  // Everything fails that a resource server asks for, or works again.
  "/test/outage": (on) => (outage = on),
  // How often each path was asked for.
  "/test/seen": () => seen,
  "/test/forge": (wanted) => ({ token: forge(wanted) }),
  // The public half of the foreign key, as a header would carry it.
  "/test/foreign": () => foreign.publicKey.export({ format: "jwk" }),
};

let [keys, foreign, outage, seen] = [[makeKey()], makeKey(), false, {}];
let issuer, provider, answer;

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || "{}");
}

const server = createServer(async (request, response) => {
  const base = plan.path ?? "";
  const { pathname } = new URL(request.url, issuer);
  const path = pathname.startsWith(base) ? pathname.slice(base.length) : undefined;
  seen[pathname] = (seen[pathname] ?? 0) + 1;
  if (HAND[path]) {
    const result = JSON.stringify(HAND[path](await read(request)));
    return response.writeHead(200, { "content-type": "application/json" }).end(result);
  }
  if (path === undefined) return response.writeHead(404).end();
  if (outage && (path.includes("/.well-known/") || path === "/jwks")) return response.writeHead(503).end();
  if (path.startsWith("/test/agree/")) {
    const { params } = await provider.interactionDetails(request, response);
    const agreed = { login: { accountId: params.login_hint }, consent: {} };
    return provider.interactionFinished(request, response, agreed);
  }
  request.originalUrl = request.url;
  request.url = request.url.slice(base.length) || "/";
  return answer(request, response);
});

server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}${plan.path ?? ""}`;
  ({ provider, answer } = open(issuer, keys));
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
