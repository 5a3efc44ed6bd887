//! Writes more log than a call may.

use guests::{Answer, PluginInfo, ToolError, log};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "log-flood",
        vec![guests::tool("log_flood", "Writes `lines` lines of `bytes` bytes, then answers.", guests::ANYTHING)],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let lines = guests::number(&arguments, "lines", 1_000);
    let bytes = usize::try_from(guests::number(&arguments, "bytes", 1_000)).unwrap_or(usize::MAX);
    // A line break in a message must not become a line of its own in the log.
    let line = format!("first\nsecond {}", "x".repeat(bytes));
    for _ in 0..lines {
        log::write(log::Level::Info, &line);
    }
    Ok(guests::text(format!("{lines} lines")))
}

guests::serve!(describe, call);
