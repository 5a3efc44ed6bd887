//! Declares a tool whose input schema is no JSON Schema.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    let schema = r#"{"type":"object","properties":{"n":{"type":7}}}"#;
    guests::plugin("lies-in-describe", vec![guests::tool("lies_in_describe", "Its schema says type 7.", schema)])
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    Ok(guests::text("never loaded"))
}

guests::serve!(describe, call);
