//! The host as an OAuth resource server, with everything around it real: an authorization server, clients that find
//! their way from a refusal to a token by themselves, keys that change, servers that go away.

mod clients; // From a 401 to an answer, by official clients.
mod door; // The document, the challenges, scopes and the tenant header.
mod forged; // Tokens that are almost right.
mod keys; // Signing keys that change, go away, and are several issuers'.
mod provider; // The authorization server.
mod taken_back; // Revoked tokens and the host's own API keys.

use crate::harness::{App, Plan};
use provider::Provider;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long something that is sure to come may take before the test has failed. More than the ten seconds between two
/// fetches of an issuer's keys, far more than anything else takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every call needs.
const TOOLS: &str = "mcp:tools";
/// What [`WIDER`] needs besides.
const ADMIN: &str = "mcp:admin";
/// Both.
const BOTH: &str = "mcp:tools mcp:admin";
/// The tool that needs more than others.
const WIDER: &str = "echo_context";
/// A statement that tells whose rows are seen.
const STORES: &str = "SELECT store_name FROM retail.stores ORDER BY store_name";

/// A house that believes these issuers and no other, not even itself.
async fn house(providers: &[&Provider]) -> App {
    house_with(providers, |_| {}).await
}

/// The same, with whatever changed.
async fn house_with(providers: &[&Provider], change: impl FnOnce(&mut Plan)) -> App {
    App::plan(|plan| {
        let issuers: Vec<Value> = providers.iter().map(|provider| json!({ "url": provider.issuer })).collect();
        let scopes = json!({ format!("echo/{WIDER}"): [ADMIN] });
        let identity = json!({ "issuers": issuers, "tool_scopes": scopes });
        plan.settings.identity = serde_json::from_value(identity).expect("settings of ours");
        plan.guests = vec!["sales", "echo"];
        change(plan);
    })
    .await
}

/// What came back, to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    /// All of them but the time.
    headers: BTreeMap<String, Vec<u8>>,
    body: String,
}

impl Reply {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let reply = request.send().await.expect("a reply");
        let (status, headers) = (reply.status().as_u16(), without_date(reply.headers()));
        Self { status, headers, body: reply.text().await.expect("a body") }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        std::str::from_utf8(value).expect("a header in ASCII")
    }

    /// The parts of the bearer challenge.
    fn challenge(&self) -> BTreeMap<&str, &str> {
        let parts = self.header("www-authenticate").strip_prefix("Bearer ").expect("a bearer challenge");
        let parts = parts.split(", ").map(|part| part.split_once('=').expect("name and value"));
        parts.map(|(name, value)| (name, value.trim_matches('"'))).collect()
    }
}

fn without_date(headers: &HeaderMap) -> BTreeMap<String, Vec<u8>> {
    let all = headers.iter().filter(|(name, _)| *name != "date");
    all.map(|(name, value)| (name.to_string(), value.as_bytes().to_owned())).collect()
}

/// The words of a list of scopes, in order.
fn words(scopes: &str) -> Vec<&str> {
    let mut words: Vec<_> = scopes.split(' ').collect();
    words.sort_unstable();
    words
}

/// A request in the modern revision, as such.
fn request(app: &App, method: &str, mut params: Value) -> reqwest::RequestBuilder {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let request = provider::http()
        .post(app.url())
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    let about = params["name"].as_str().map(str::to_owned);
    let request = about.into_iter().fold(request, |request, name| request.header("mcp-name", name));
    request.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

/// What a bearer of this token is told when it asks for the list of tools.
async fn list(app: &App, token: &str) -> Reply {
    Reply::of(request(app, "tools/list", json!({})).bearer_auth(token)).await
}

/// The same, of a call.
async fn call(app: &App, token: &str, tool: &str, arguments: Value) -> Reply {
    let call = json!({ "name": tool, "arguments": arguments });
    Reply::of(request(app, "tools/call", call).bearer_auth(token)).await
}

/// The stores whose rows a bearer of this token sees.
async fn stores(app: &App, token: &str) -> Vec<String> {
    let reply = call(app, token, "execute_sales_query", json!({ "query": STORES })).await;
    names(&reply)
}

/// The names of stores in an answer to [`STORES`].
#[track_caller]
fn names(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let rows = reply.json()["result"]["structuredContent"]["r"].take();
    let rows: Vec<[String; 1]> = serde_json::from_value(rows).unwrap_or_else(|_| panic!("no stores: {reply:?}"));
    rows.into_iter().flatten().collect()
}

/// Ask again until the answer has this status.
async fn until(app: &App, token: &str, status: u16) -> Reply {
    within(PATIENCE, app, token, status).await
}

/// The same, with less patience.
async fn within(patience: Duration, app: &App, token: &str, status: u16) -> Reply {
    let end = Instant::now() + patience;
    loop {
        let reply = list(app, token).await;
        if reply.status == status {
            return reply;
        }
        assert!(Instant::now() < end, "still not {status}: {reply:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What everybody is told whose token does not hold: anything else would tell a forger how far it came.
async fn refusal(app: &App) -> Reply {
    let reply = list(app, "garbage").await;
    assert_eq!(reply.status, 401, "{reply:?}");
    reply
}
