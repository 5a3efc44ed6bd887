//! The `sales` plugin: what was sold, where, to whom, and how that changed.
//!
//! `catalogue` says what there is, `bindings` is generated, `database` reads rows, and each tool has a file of its own
//! in which everything but the statement is plain computing that the tests run without WebAssembly. No tool filters
//! by store: which stores' rows exist at all is decided by row security before a statement sees any.

mod answer;
mod bindings;
mod catalogue;
mod database;
mod date;
mod money;
mod performance;
mod period;
mod products;
mod segments;
mod tables;
mod trend;

use bindings::{
    exports::rowhouse::plugin::tools::{Answer, Guest, PluginInfo, ToolError},
    rowhouse::plugin::{call_context, sql},
};

/// The plugin.
pub struct Sales;

impl Guest for Sales {
    fn describe() -> PluginInfo {
        catalogue::describe()
    }

    fn call(name: String, arguments: String) -> Result<Answer, ToolError> {
        match name.as_str() {
            "execute_sales_query" => execute(&arguments),
            "get_multiple_table_schemas" => tables::call(&arguments),
            "get_current_utc_date" => answer::now(call_context::now()),
            "get_store_performance" => performance::call(&arguments),
            "get_top_products" => products::call(&arguments),
            "get_sales_trend" => trend::call(&arguments),
            "get_customer_segments" => segments::call(&arguments),
            other => Err(ToolError::NotFound(format!("there is no tool `{other}`"))),
        }
    }
}

/// The model's own statement. The rows go to the caller without entering this plugin.
fn execute(arguments: &str) -> Result<Answer, ToolError> {
    #[derive(serde::Deserialize)]
    struct Arguments {
        query: String,
    }
    let Arguments { query } = answer::arguments(arguments)?;
    sql::query(&query, &[]).map(Answer::Rows).map_err(ToolError::Sql)
}
