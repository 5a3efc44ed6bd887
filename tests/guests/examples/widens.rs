//! Asks for more than most grants give: the embedding model and the catalogue.

use guests::{Answer, PluginInfo, ToolError, embedding, schema};
use serde_json::{Value as Json, json};

fn describe() -> PluginInfo {
    guests::plugin(
        "widens",
        vec![guests::tool("widens", "Counts the tables it may read and names the embedding model.", guests::ANYTHING)],
    )
}

fn call(_: &str, _: Json) -> Result<Answer, ToolError> {
    let tables = schema::tables().map_err(ToolError::Sql)?;
    let model = embedding::current().map(|model| model.name);
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    Ok(guests::json(&json!({ "tables": names, "model": model })))
}

guests::serve!(describe, call);
