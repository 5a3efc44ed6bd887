//! Runs a statement that takes long.

use guests::{Answer, PluginInfo, ToolError, sql, types::Value};
use serde_json::Value as Json;

fn describe() -> PluginInfo {
    guests::plugin(
        "slow-query",
        vec![guests::tool(
            "slow_query",
            "Counts the pairs of two series of `size`: the work grows with its square. `drop`: starts it and lets go.",
            guests::ANYTHING,
        )],
    )
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    // No function that sleeps is on the allow-list, so the time has to be spent: some seconds at 20 000.
    let size = i64::try_from(guests::number(&arguments, "size", 20_000)).unwrap_or(i64::MAX);
    let statement = "SELECT count(*) FROM generate_series(1, $1) a, generate_series(1, $1) b WHERE a + b < 0";
    if arguments["drop"] == true {
        drop(sql::submit(statement, &[Value::Int(size)]).map_err(ToolError::Sql)?);
        return Ok(guests::text("dropped"));
    }
    sql::query(statement, &[Value::Int(size)]).map(Answer::Rows).map_err(ToolError::Sql)
}

guests::serve!(describe, call);
