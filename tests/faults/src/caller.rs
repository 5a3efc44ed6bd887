//! What is asked, and what comes back.

use crate::host::DEADLINE;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// The revision without sessions.
const REVISION: &str = "2026-07-28";

/// When a caller stops waiting: far past the deadline, so that an answer that is late is seen to be late.
const PATIENCE: Duration = Duration::from_secs(4 * DEADLINE.as_secs());

/// A question whose right answer is always the same.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// For people.
    pub(crate) name: &'static str,
    /// The tool.
    pub(crate) tool: &'static str,
    /// Its arguments.
    pub(crate) arguments: Value,
}

impl Question {
    fn sql(name: &'static str, statement: &str) -> Self {
        Self { name, tool: "execute_sales_query", arguments: json!({ "query": statement }) }
    }

    /// A total, whose answer the database's administrator knows as well; an answer of some kilobytes, long enough to be
    /// cut in the middle; a search by meaning, or by words where there are no vectors.
    pub(crate) fn all() -> [Self; 3] {
        let search = json!({ "query": "cordless drill", "max_rows": 5 });
        [
            Self::sql(TOTAL, "SELECT count(*), sum(total_amount)::text FROM retail.orders"),
            Self::sql("list", "SELECT order_id, total_amount FROM retail.orders ORDER BY order_id LIMIT 150"),
            Self { name: SEARCH, tool: "hybrid_search_products", arguments: search },
        ]
    }

    /// One that no machine finishes within any deadline.
    pub(crate) fn endless() -> Self {
        let rows = "retail.order_items";
        Self::sql("endless", &format!("SELECT count(*) FROM {rows} a, {rows} b, {rows} c"))
    }
}

/// The question whose answer is known from elsewhere.
pub(crate) const TOTAL: &str = "total";

/// The question that can be answered in two ways.
pub(crate) const SEARCH: &str = "search";

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// An answer, without words about how it was found; and whether it says that it was found by words alone.
    Answer(Value, bool),
    /// A code: Rowhouse's own, JSON-RPC's, `HTTP` and a status, or `NO_ANSWER`.
    Failed(String),
}

/// One caller's way to a host.
pub(crate) struct Line {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Line {
    /// A caller with this token, and connections of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("make an HTTP client")?;
        Ok(Self { http, url: url.to_owned(), token: token.to_owned() })
    }

    /// Ask.
    pub(crate) async fn ask(&self, question: &Question) -> Said {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": question.tool, "arguments": question.arguments, "_meta": meta });
        let request = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", "tools/call")
            .header("mcp-name", question.tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        let reply = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        };
        match reply.await {
            Ok((status, text)) => read(status, &text),
            Err(_) => Said::Failed("NO_ANSWER".to_owned()),
        }
    }
}

/// What a reply says.
fn read(status: u16, text: &str) -> Said {
    // Whatever it says besides.
    if status == 401 {
        return Said::Failed(format!("HTTP {status}"));
    }
    let mut reply = envelope(text);
    if let Some(code) = reply.pointer("/result/_meta/rowhouse~1error/code").and_then(Value::as_str) {
        return Said::Failed(code.to_owned());
    }
    if let Some(code) = reply.pointer("/error/code") {
        return Said::Failed(format!("JSON-RPC {code}"));
    }
    let answered = (200..300).contains(&status) && reply["result"]["isError"] != true;
    match reply.pointer_mut("/result/structuredContent").map(Value::take) {
        Some(mut answer) if answered => {
            let degraded = answer.as_object_mut().and_then(|fields| fields.remove("degraded"));
            Said::Answer(answer, degraded.is_some())
        }
        _ => Said::Failed(format!("HTTP {status}")),
    }
}

/// The message of a reply, sent as JSON or as the last event of a stream.
fn envelope(text: &str) -> Value {
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let last =
        events.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok()).rfind(|it| it.get("id").is_some());
    last.or_else(|| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, text: &str, expected: Said) {
        assert_eq!(read(status, text), expected, "{text}");
    }

    #[test]
    fn replies_are_read_however_they_come() {
        let failed = |code: &str| Said::Failed(code.to_owned());
        let answer = r#"{"id":1,"result":{"structuredContent":{"r":[[1]]},"isError":false}}"#;
        check(200, answer, Said::Answer(json!({ "r": [[1]] }), false));
        check(200, &format!("event: message\ndata: {answer}\n\n"), Said::Answer(json!({ "r": [[1]] }), false));
        let words = r#"{"id":1,"result":{"structuredContent":{"degraded":"why","products":[]}}}"#;
        check(200, words, Said::Answer(json!({ "products": [] }), true));
        let error = r#"{"id":1,"result":{"isError":true,"_meta":{"rowhouse/error":{"code":"DATABASE_ERROR"}}}}"#;
        check(200, error, failed("DATABASE_ERROR"));
        check(200, r#"{"id":1,"error":{"code":-32602,"message":"no"}}"#, failed("JSON-RPC -32602"));
        check(401, r#"{"error":"unproven"}"#, failed("HTTP 401"));
        check(401, r#"{"id":1,"error":{"code":-32000,"message":"no"}}"#, failed("HTTP 401"));
        check(503, answer, failed("HTTP 503"));
        // Half an answer is none.
        check(200, &answer[..40], failed("HTTP 200"));
        check(200, "", failed("HTTP 200"));
    }
}
