//! Keeps every result it is given.

use guests::{Answer, PluginInfo, ToolError, sql};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "handle-hoard",
        vec![guests::tool("handle_hoard", "Holds `handles` results, or as many as it gets.", guests::ANYTHING)],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let mut held = Vec::new();
    for _ in 0..guests::number(&arguments, "handles", u64::MAX) {
        held.push(sql::query("SELECT 1", &[]).map_err(ToolError::Sql)?);
    }
    Ok(guests::text(format!("{} handles", held.len())))
}

guests::serve!(describe, call);
