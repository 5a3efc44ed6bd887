//! One tool: the products of which few are left.

#![allow(missing_docs, unsafe_code, reason = "generated from the contract")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" }); // wherever the copy of wit/ is

use exports::rowhouse::plugin::tools::{Annotations, Answer, Guest, PluginInfo, Tool, ToolError};
use rowhouse::plugin::{sql, types::Value};

struct Stock;
export!(Stock);

/// JSON Schema of the arguments. The host holds every call to it before `call` runs.
const INPUT: &str = r#"{
  "type": "object",
  "properties": { "at_most": { "type": "integer", "minimum": 0, "default": 5 } },
  "additionalProperties": false
}"#;

#[derive(serde::Deserialize)]
struct Arguments {
    #[serde(default = "few")]
    at_most: i64,
}

fn few() -> i64 {
    5
}

impl Guest for Stock {
    fn describe() -> PluginInfo {
        PluginInfo {
            // The file must have this name, too: stock.wasm.
            name: "stock".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            tools: vec![Tool {
                name: "low_stock".into(),
                title: "Low stock".into(),
                description: "Products of which few are left, fewest first.".into(),
                input_schema: INPUT.into(),
                output_schema: None,
                annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
            }],
        }
    }

    fn call(_name: String, arguments: String) -> Result<Answer, ToolError> {
        let asked: Arguments =
            serde_json::from_str(&arguments).map_err(|error| ToolError::InvalidArguments(error.to_string()))?;
        // No filter by tenant: rows of others do not exist for this statement.
        let statement = "SELECT store_name, product_name, stock_level FROM retail.inventory \
             JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id) \
             WHERE stock_level <= $1 ORDER BY stock_level, product_name LIMIT 10";
        // The handle is the answer: the rows never enter the plugin.
        sql::query(statement, &[Value::Int(asked.at_most)]).map(Answer::Rows).map_err(ToolError::Sql)
    }
}
