//! Panics, which in a guest is a trap.

use guests::{Answer, PluginInfo, ToolError};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin("trap", vec![guests::tool("trap", "Panics.", guests::ANYTHING)])
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    panic!("this guest always traps")
}

guests::serve!(describe, call);
