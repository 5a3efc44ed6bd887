//! The host's terms in MCP's words.

use crate::error::{Blame, CallError};
use crate::plugin::{Answer, Part, Tool};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rmcp::model::{self, CallToolResult, ContentBlock, MetaObject, ResourceContents, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where a failed call's code is found by programs; its text is for the model.
pub(super) const ERROR_KEY: &str = "rowhouse/error";

/// Where an answer says how old it is that was not read for the call, whole or in part.
const CACHE_KEY: &str = "rowhouse/cache";

/// Where the server says what it is. Required nowhere, asked of every result from 2026-07-28 on.
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// A tool as a client sees it. The schemas are shared, not copied.
pub(super) fn tool(tool: &Tool) -> model::Tool {
    let hints = ToolAnnotations::from_raw(
        None,
        Some(tool.annotations.read_only),
        Some(tool.annotations.destructive),
        Some(tool.annotations.idempotent),
        Some(tool.annotations.open_world),
    );
    let shown = model::Tool::new(tool.name.clone(), tool.description.clone(), Arc::clone(&tool.input_schema))
        .with_title(tool.title.clone())
        .with_annotations(hints);
    let shown = match &tool.view {
        // MCP Apps (2026-01-26), "Tool Metadata".
        Some(uri) => shown.with_meta(MetaObject(Map::from_iter([("ui".to_owned(), json!({ "resourceUri": uri }))]))),
        None => shown,
    };
    match &tool.output_schema {
        Some(schema) => shown.with_raw_output_schema(Arc::clone(schema)),
        None => shown,
    }
}

/// A tool's answer.
pub(super) fn answer(answer: Answer) -> CallToolResult {
    let mut content: Vec<ContentBlock> = answer.parts.into_iter().map(content).collect();
    if let (true, Some(structured)) = (content.is_empty(), &answer.structured) {
        // Clients that predate structured content read only this.
        content.push(ContentBlock::text(structured.to_string()));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = answer.structured;
    if let Some(age) = answer.age {
        let told = json!({ "ageMs": u64::try_from(age.as_millis()).unwrap_or(u64::MAX) });
        result.meta.get_or_insert_default().insert(CACHE_KEY.to_owned(), told);
    }
    result
}

/// One part of an answer or of a prompt.
pub(super) fn content(part: Part) -> ContentBlock {
    match part {
        Part::Text(text) => ContentBlock::text(text),
        Part::Image { data, mime_type } => ContentBlock::image(BASE64_STANDARD.encode(data), mime_type),
        Part::Audio { data, mime_type } => ContentBlock::audio(BASE64_STANDARD.encode(data), mime_type),
        Part::Resource { uri, mime_type, text } => {
            ContentBlock::resource(ResourceContents::TextResourceContents { uri, mime_type, text, meta: None })
        }
    }
}

/// A failed call, as a result: a model reads results and can mend its call, a protocol error it often never sees.
pub(super) fn failure(error: &CallError, request: &str) -> CallToolResult {
    let blame = error.code.blame();
    let mut text = format!("{}: {error}", error.code);
    if blame == Blame::Host {
        // Only the operator can help, and the operator needs this to find the log line.
        text.push_str(&format!(" (request {request})"));
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.meta.get_or_insert_default().insert(ERROR_KEY.to_owned(), detail(error, request));
    result
}

/// What programs read of a failure.
pub(super) fn detail(error: &CallError, request: &str) -> Value {
    let blame = word(error.code.blame());
    let mut detail = json!({ "code": error.code.as_str(), "blame": blame, "requestId": request });
    if let Some(wait) = error.retry_after {
        // Rounded up: a caller that comes back a moment early would only be sent away again.
        detail["retryAfterMs"] = json!(wait.as_micros().div_ceil(1000));
    }
    detail
}

/// Who can act, in one word.
pub(super) fn word(blame: Blame) -> &'static str {
    match blame {
        Blame::Caller => "caller",
        Blame::Plugin => "plugin",
        Blame::Host => "host",
    }
}

/// What this server is, in a result's `_meta`. rmcp does it for discovery and subscriptions only.
pub(super) fn stamp(meta: &mut Option<MetaObject>) {
    let server = json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") });
    meta.get_or_insert_default().insert(SERVER_KEY.to_owned(), server);
}

/// An error and what caused it, on one line for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use std::time::Duration;

    #[track_caller]
    fn check(value: impl serde::Serialize, expect: Value) {
        assert_eq!(serde_json::to_value(value).expect("results are JSON"), expect);
    }

    #[test]
    fn parts_become_content() {
        let parts = vec![
            Part::Text("hello".into()),
            Part::Image { data: vec![1, 2], mime_type: "image/png".into() },
            Part::Audio { data: vec![3], mime_type: "audio/wav".into() },
            Part::Resource { uri: "test://a".into(), mime_type: None, text: "t".into() },
        ];
        check(
            answer(Answer { parts, ..Answer::default() }).content,
            json!([
                { "type": "text", "text": "hello" },
                { "type": "image", "data": "AQI=", "mimeType": "image/png" },
                { "type": "audio", "data": "Aw==", "mimeType": "audio/wav" },
                { "type": "resource", "resource": { "uri": "test://a", "text": "t" } },
            ]),
        );
    }

    #[test]
    fn structure_alone_is_mirrored_as_text() {
        let result = answer(Answer { structured: Some(json!({ "n": 1 })), ..Answer::default() });
        check(&result.content, json!([{ "type": "text", "text": "{\"n\":1}" }]));
        check(&result.structured_content, json!({ "n": 1 }));
    }

    #[test]
    fn a_failure_says_who_can_act_and_never_why_inside() {
        let caller = CallError::new(Code::Validation, "no such column").because("secret");
        let wait = CallError::new(Code::Overloaded, "busy").retry_after(Duration::from_micros(1500));
        for (error, text, detail) in [
            (
                caller,
                "VALIDATION_ERROR: no such column",
                json!({ "code": "VALIDATION_ERROR", "blame": "caller", "requestId": "7" }),
            ),
            (
                wait,
                "OVERLOADED: busy (request 7)",
                json!({ "code": "OVERLOADED", "blame": "host", "requestId": "7", "retryAfterMs": 2 }),
            ),
        ] {
            check(
                failure(&error, "7"),
                json!({
                    "resultType": "complete", "isError": true, "content": [{ "type": "text", "text": text }],
                    "_meta": { "rowhouse/error": detail },
                }),
            );
        }
    }
}
