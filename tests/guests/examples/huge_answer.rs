//! Answers with more than an answer may hold.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin("huge-answer", vec![guests::tool("huge_answer", "A text of `bytes` bytes.", guests::ANYTHING)])
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    // By default twice the largest answer any host is likely to allow, and well below a guest's own memory.
    let bytes = guests::number(&arguments, "bytes", 16 << 20);
    Ok(guests::text("x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX))))
}

guests::serve!(describe, call);
