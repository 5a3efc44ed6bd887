//! Answers otherwise than its output schema says.

use guests::{Answer, PluginInfo, Structured, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    let mut tool = guests::tool("bad_output", "Promises a number; `answer` is what it says instead.", guests::ANYTHING);
    tool.output_schema = Some(
        r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}},"additionalProperties":false}"#
            .to_owned(),
    );
    guests::plugin("bad-output", vec![tool])
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    // The text may also be no JSON at all.
    let json = guests::string(&arguments, "answer", r#"{"n":"seven"}"#).to_owned();
    Ok(Answer::Structured(Structured { json, text: None }))
}

guests::serve!(describe, call);
