//! Never comes back from `describe`.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    let mut count = 0_u64;
    loop {
        // The compiler may not assume that the loop does nothing.
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    Ok(guests::text("never loaded"))
}

guests::serve!(describe, call);
