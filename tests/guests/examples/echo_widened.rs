//! A later version of `echo` that imports more than the one before it.

use guests::{Answer, PluginInfo, ToolError, echo, embedding, schema};
use serde_json::Value as Json;

const VERSION: &str = "0.1.3";

fn describe() -> PluginInfo {
    echo::describe(VERSION)
}

fn call(name: &str, arguments: Json) -> Result<Answer, ToolError> {
    if arguments["text"] == "wider" {
        let tables = schema::tables().map_err(ToolError::Sql)?.len();
        return Ok(guests::text(format!("{tables} tables, a model: {}", embedding::current().is_some())));
    }
    echo::call(VERSION, name, &arguments)
}

guests::serve!(describe, call);
