//! Asking a server, over MCP, and reading what it says whatever it says.

use crate::adapter::{Adapter, Protocol};
use crate::case::Http;
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// When the suite stops waiting: past the 35 seconds that count as a success, so that the two are told apart.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// How often a call that was too fast is made again. A server says how long to wait; the last wait is its word, too.
const TRIES: u32 = 20;

/// When the suite stops reading: twice what counts as a success.
const MOST: usize = 2 * crate::judge::MOST_BYTES;

/// A server, as one caller sees it.
pub(crate) struct Server {
    http: reqwest::Client,
    url: String,
    adapter: Adapter,
    headers: BTreeMap<String, String>,
    token: Option<String>,
    session: Mutex<Option<String>>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// HTTP status; 0 when there was no answer.
    pub(crate) status: u16,
    /// The call gave no answer.
    pub(crate) failed: bool,
    /// Rowhouse's stable code of a failed call, or that of JSON-RPC.
    pub(crate) code: String,
    /// Every text and number of the reply, one a line.
    pub(crate) said: String,
    /// The text of a failed call.
    pub(crate) error: String,
    /// Rows, as texts.
    pub(crate) rows: Option<Vec<Vec<String>>>,
    /// From the first byte sent to the last received.
    pub(crate) took: Duration,
    /// Length of the body.
    pub(crate) bytes: usize,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// What is called.
pub(crate) struct Call {
    /// The tool.
    pub(crate) tool: String,
    /// Its arguments.
    pub(crate) arguments: Value,
    /// What is unusual about the request.
    pub(crate) http: Option<Http>,
}

impl Server {
    /// A caller with a token, or without one.
    pub(crate) fn new(
        url: &str,
        adapter: &Adapter,
        token: Option<String>,
        headers: BTreeMap<String, String>,
    ) -> Result<Self> {
        // The client is built without cryptography of its own. An error says that there is some already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().context("make an HTTP client")?;
        Ok(Self { http, url: url.to_owned(), adapter: adapter.clone(), headers, token, session: Mutex::default() })
    }

    /// Run one statement.
    pub(crate) async fn sql(&self, sql: &str) -> Reply {
        let arguments = self.adapter.statement(sql);
        self.call(&Call { tool: self.adapter.tool.clone(), arguments, http: None }).await
    }

    /// Names of the tools this caller may call.
    ///
    /// # Errors
    /// When the server does not answer or lists none.
    pub(crate) async fn tools(&self) -> Result<Vec<String>> {
        let body = self.body("tools/list", json!({}));
        let (status, text) = self.send(&body, &Http::default()).await.context("ask for the tools")?;
        let reply = envelope(&text);
        let tools = reply.pointer("/result/tools").and_then(Value::as_array);
        let names = tools.into_iter().flatten().filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned()));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            let said: String = text.chars().take(300).collect();
            bail!("{} lists no tools (HTTP {status}): {said}", self.url);
        }
        Ok(names)
    }

    /// Call a tool, again after a pause where the server says that this was too fast: a limit on calls keeps no row
    /// from anybody, and would hide what the next wall does. A broken connection is an answer too: a failed one.
    pub(crate) async fn call(&self, call: &Call) -> Reply {
        let mut reply = self.once(call).await;
        for _ in 0..TRIES {
            let Some(pause) = reply.retry_after.filter(|_| reply.code == "RATE_LIMITED") else { break };
            tokio::time::sleep(pause).await;
            reply = self.once(call).await;
        }
        reply
    }

    async fn once(&self, call: &Call) -> Reply {
        let params = json!({ "name": call.tool, "arguments": call.arguments });
        let body = self.body("tools/call", params);
        let plain = Http::default();
        let started = Instant::now();
        match self.send(&body, call.http.as_ref().unwrap_or(&plain)).await {
            Ok((status, text)) => self.read(status, &text, started.elapsed()),
            Err(error) => {
                let (error, took) = (format!("{error:#}"), started.elapsed());
                Reply { failed: true, code: "NO_ANSWER".to_owned(), said: error, took, ..Reply::default() }
            }
        }
    }

    /// Open a session of the older revisions and give its id.
    ///
    /// # Errors
    /// When the server does not give one.
    pub(crate) async fn open_session(&self) -> Result<String> {
        // The last revision with sessions.
        let version = if self.adapter.protocol == Protocol::Session { &self.adapter.version } else { "2025-11-25" };
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "escape", "version": "1" } } });
        let request = self.http.post(&self.url).headers(self.usual(None, "initialize", "")?).json(&hello);
        let response = request.send().await.context("initialize")?;
        let session = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(session) = session else { bail!("initialize gave no session (HTTP {})", response.status()) };
        let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let request = self.http.post(&self.url).headers(self.usual(Some(&session), "notifications/initialized", "")?);
        request.json(&done).send().await.context("say that the session is open")?;
        Ok(session)
    }

    fn body(&self, method: &str, mut params: Value) -> Value {
        if self.adapter.protocol == Protocol::Stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.adapter.version,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    fn usual(&self, session: Option<&str>, method: &str, tool: &str) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| -> Result<()> {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
            Ok(())
        };
        set("content-type", "application/json")?;
        set("accept", "application/json, text/event-stream")?;
        if let Some(token) = &self.token {
            set("authorization", &format!("Bearer {token}"))?;
        }
        if let Some(session) = session {
            set("mcp-session-id", session)?;
        }
        if self.adapter.protocol == Protocol::Stateless && method != "initialize" && session.is_none() {
            set("mcp-protocol-version", &self.adapter.version)?;
            set("mcp-method", method)?;
            if !tool.is_empty() {
                set("mcp-name", tool)?;
            }
        }
        for (name, value) in &self.headers {
            set(name, value)?;
        }
        Ok(headers)
    }

    async fn send(&self, body: &Value, unusual: &Http) -> Result<(u16, String)> {
        let mut body = body.clone();
        if let (Value::Object(more), Value::Object(params)) = (&unusual.params, &mut body["params"]) {
            params.extend(more.clone());
        }
        let session = match self.adapter.protocol {
            Protocol::Stateless => None,
            Protocol::Session => {
                let mut session = self.session.lock().await;
                if session.is_none() {
                    *session = Some(self.open_session().await?);
                }
                session.clone()
            }
        };
        let text = |key: &str| body.pointer(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let mut headers = self.usual(session.as_deref(), &text("/method"), &ascii(&text("/params/name")))?;
        for name in &unusual.without {
            headers.remove(name.as_str());
        }
        for (name, value) in &unusual.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).with_context(|| format!("header {name}"))?;
            headers.append(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        let method = reqwest::Method::from_bytes(unusual.method.as_deref().unwrap_or("POST").as_bytes())?;
        let mut url = reqwest::Url::parse(&self.url).context("the URL of the endpoint")?;
        if let Some(path) = &unusual.path {
            url = url.join(path).context("the path of the case")?;
        }
        let body = unusual.body.clone().unwrap_or_else(|| body.to_string());
        let mut request = self.http.request(method.clone(), url).headers(headers);
        if method != reqwest::Method::GET {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let mut bytes: Vec<u8> = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > MOST {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read(&self, status: u16, text: &str, took: Duration) -> Reply {
        // The request's own id, by which the operator finds it in the log, is nobody's data.
        let id = envelope(text)
            .pointer("/result/_meta/rowhouse~1error/requestId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let text = &id.map_or_else(|| text.to_owned(), |id| text.replace(&id, "ID"));
        let reply = envelope(text);
        let mut said = Vec::new();
        gather(&reply, &mut said);
        if said.is_empty() {
            said.push(text.to_owned());
        }
        let result = reply.get("result");
        let failed = !(200..300).contains(&status)
            || result.is_none_or(|result| result.get("isError").and_then(Value::as_bool).unwrap_or(false));
        let code = reply
            .pointer("/result/_meta/rowhouse~1error/code")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| reply.pointer("/error/code").map(Value::to_string))
            .unwrap_or_default();
        let error = match failed {
            true => reply
                .pointer("/result/content/0/text")
                .or_else(|| reply.pointer("/error/message"))
                .and_then(Value::as_str)
                .map_or_else(|| text.clone(), str::to_owned),
            false => String::new(),
        };
        let wait = reply.pointer("/result/_meta/rowhouse~1error/retryAfterMs").and_then(Value::as_u64);
        let retry_after = wait.map(Duration::from_millis);
        let rows = if failed { None } else { result.and_then(|result| self.adapter.rows(result)) };
        Reply { status, failed, code, said: said.join("\n"), error, rows, took, bytes: text.len(), retry_after }
    }
}

/// The message of a reply, sent as JSON or as the last event of a stream.
fn envelope(text: &str) -> Value {
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let last =
        events.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok()).rfind(|it| it.get("id").is_some());
    last.or_else(|| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// Every text and number of a value.
fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Number(number) => into.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Object(fields) => {
            for (key, value) in fields {
                into.push(key.clone());
                gather(value, into);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// What can stand in a header; a name with anything else is for the server to refuse.
fn ascii(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_however_they_come() {
        let json = r#"{"id":1,"result":{"structuredContent":{"r":[[1,"a"]]},"isError":false}}"#;
        let server = Server::new("http://127.0.0.1:1/mcp", &Adapter::default(), None, BTreeMap::new()).unwrap();
        for text in [json.to_owned(), format!("event: message\ndata: {{\"method\":\"x\"}}\n\ndata: {json}\n\n")] {
            let reply = server.read(200, &text, Duration::ZERO);
            assert_eq!((reply.failed, reply.rows), (false, Some(vec![vec!["1".to_owned(), "a".to_owned()]])), "{text}");
        }
        let refused = r#"{"id":1,"error":{"code":-32602,"message":"no"}}"#;
        let reply = server.read(200, refused, Duration::ZERO);
        assert_eq!((reply.failed, reply.code.as_str(), reply.error.as_str()), (true, "-32602", "no"));
        assert!(server.read(401, "nobody", Duration::ZERO).said.contains("nobody"));
    }
}
