//! Calls itself until the stack ends.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin("recursion", vec![guests::tool("recursion", "Recurses without end.", guests::ANYTHING)])
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    Ok(guests::text(deeper(1).to_string()))
}

fn deeper(depth: u64) -> u64 {
    // An address that escapes keeps the frame: without it the compiler makes this a loop.
    let frame = std::hint::black_box([depth; 16]);
    if std::hint::black_box(depth) == 0 { 0 } else { deeper(depth + 1) + std::hint::black_box(&frame)[0] }
}

guests::serve!(describe, call);
