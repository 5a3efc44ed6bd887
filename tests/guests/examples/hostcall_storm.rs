//! Asks the host for the time, for ever.

use guests::{Answer, PluginInfo, ToolError, call_context};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "hostcall-storm",
        vec![guests::tool("hostcall_storm", "Calls the host `calls` times, or without end.", guests::ANYTHING)],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let calls = guests::number(&arguments, "calls", u64::MAX);
    let latest = (0..calls).map(|_| call_context::now()).max();
    Ok(guests::text(format!("{calls} calls, {latest:?}")))
}

guests::serve!(describe, call);
