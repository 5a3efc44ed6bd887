//! Never comes back from a call.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin("endless-loop", vec![guests::tool("endless_loop", "Loops for ever.", guests::ANYTHING)])
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    let mut count = 0_u64;
    loop {
        // The compiler may not assume that the loop does nothing.
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

guests::serve!(describe, call);
