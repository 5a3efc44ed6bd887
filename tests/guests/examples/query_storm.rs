//! Runs statements without end.

use guests::{Answer, PluginInfo, ToolError, sql};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "query-storm",
        vec![guests::tool("query_storm", "Runs `statements` statements, or without end.", guests::ANYTHING)],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let statements = guests::number(&arguments, "statements", u64::MAX);
    for _ in 0..statements {
        sql::query("SELECT 1", &[]).map_err(ToolError::Sql)?;
    }
    Ok(guests::text(format!("{statements} statements")))
}

guests::serve!(describe, call);
