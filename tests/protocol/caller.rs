//! A client that speaks raw HTTP.

use crate::harness::App;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// The revision without sessions.
pub const MODERN: &str = "2026-07-28";
/// The last revision with a handshake.
pub const LEGACY: &str = "2025-11-25";

/// How long a message may take before the test has failed. Far more than any does on a busy machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// One caller on one server.
pub struct Caller {
    pub http: reqwest::Client,
    pub url: String,
    pub token: String,
}

impl Caller {
    pub fn new(app: &App, name: &str) -> Self {
        Self { http: reqwest::Client::new(), url: app.url(), token: app.token(name) }
    }

    pub fn request(&self, method: Method) -> RequestBuilder {
        self.http
            .request(method, &self.url)
            .bearer_auth(&self.token)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
    }

    pub fn post(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST).body(body)
    }

    /// A request of 2026-07-28, with everything that revision asks for.
    pub fn modern(&self, method: &str, mut params: Value) -> RequestBuilder {
        // The mirror of what a request is about: a resource's is its URI.
        let about = if method.starts_with("resources/") { "uri" } else { "name" };
        let about = params[about].as_str().map(str::to_owned);
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
        let known = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        if known.is_null() {
            *known = json!({});
        }
        let request = self.legacy(method, params).header("mcp-protocol-version", MODERN).header("mcp-method", method);
        match about {
            Some(about) => request.header("mcp-name", about),
            None => request,
        }
    }

    /// A request as such.
    pub fn legacy(&self, method: &str, params: Value) -> RequestBuilder {
        self.post(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string())
    }

    /// Shake hands as clients did until 2025-11-25; the session's id.
    pub async fn session(&self) -> String {
        let hello =
            json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
        let reply = self.legacy("initialize", hello).send().await.expect("a reply");
        assert_eq!(reply.status(), 200);
        let id = reply.headers()["mcp-session-id"].to_str().expect("a text").to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
        let reply = self.post(ready).header("mcp-session-id", &id).send().await.expect("a reply");
        assert_eq!(reply.status(), 202);
        id
    }
}

/// Status, headers and body of a reply that is one message, streamed or not.
pub async fn whole(request: RequestBuilder) -> (u16, HeaderMap, Value) {
    let reply = request.send().await.expect("a reply");
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    let text = reply.text().await.expect("a body");
    let json = text.lines().filter_map(|line| line.strip_prefix("data:")).rfind(|data| !data.trim().is_empty());
    (status, headers, serde_json::from_str(json.unwrap_or(&text)).unwrap_or(Value::String(text)))
}

/// A refusal has this status and this JSON-RPC code, and is JSON.
#[track_caller]
pub fn refused((status, headers, body): (u16, HeaderMap, Value), expect: (u16, i64)) {
    assert_eq!((status, body["error"]["code"].as_i64().unwrap_or(0)), expect, "{body}");
    assert_eq!(headers["content-type"], "application/json", "{body}");
    assert_eq!(body["jsonrpc"], "2.0", "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

/// The messages of a stream, one at a time.
pub struct Stream(Response, String);

impl Stream {
    pub async fn open(request: RequestBuilder) -> Self {
        let reply = request.send().await.expect("a reply");
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()["content-type"]),
            (200, &"text/event-stream".parse().expect("a header"))
        );
        Self(reply, String::new())
    }

    /// The next message; `None` when the server ended the stream.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) =
                self.1.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
            {
                self.1 = rest;
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if !data.trim().is_empty() {
                    return Some(serde_json::from_str(&data).expect("a message is JSON"));
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.0.chunk()).await.expect("a message in time");
            let chunk = chunk.expect("a stream that ends properly")?;
            self.1.push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }
}
