//! What a model is told of each tool before it calls one.

use crate::bindings::exports::rowhouse::plugin::tools::{Annotations, PluginInfo, Tool};

/// A tool whose schemas are the two files of its name.
macro_rules! tool {
    ($name:literal, $title:literal, $description:literal) => {
        Tool {
            name: $name.to_owned(),
            title: $title.to_owned(),
            description: $description.to_owned(),
            input_schema: include_str!(concat!("schemas/", $name, ".input.json")).to_owned(),
            output_schema: Some(include_str!(concat!("schemas/", $name, ".output.json")).to_owned()),
            // Everything here only reads, from one database.
            annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
        }
    };
}

/// The plugin and its tools.
pub(crate) fn describe() -> PluginInfo {
    PluginInfo {
        name: "sales".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tools: vec![
            tool!(
                "execute_sales_query",
                "Query sales data",
                "Runs one read-only PostgreSQL SELECT on the retail data and gives back its rows as {c: columns, r: rows, \
                 n: count}. Call get_multiple_table_schemas first: write only names it gave, tables with their schema \
                 (retail.orders). Row security already shows only the stores the caller may see, so do not filter by \
                 store for that; filter by store_name only when the question names a store. Join and show names, never \
                 the uuid keys. Aggregate in the query and end it with LIMIT (20 unless asked for more): long answers \
                 are cut. The newest data is not from today: count 'last month' back from max(order_date). For ready \
                 figures prefer get_store_performance, get_top_products, get_sales_trend or get_customer_segments."
            ),
            tool!(
                "get_multiple_table_schemas",
                "Describe the tables",
                "Tables of the retail data with columns, types, keys, foreign keys and comments, the values of columns \
                 such as store and category names, and the days the orders cover. Call it once before the first \
                 execute_sales_query; without arguments it describes every table."
            ),
            tool!(
                "get_current_utc_date",
                "Current date",
                "Today's date and the time in UTC. Use it to understand 'today' or 'this year' in a question; the sales \
                 data may end earlier (see get_multiple_table_schemas)."
            ),
            tool!(
                "get_store_performance",
                "Store performance",
                "Revenue, orders, average basket and gross margin of every store the caller may see, with growth against \
                 the period before and sentences that sum it up. Name a period (day, week, month, quarter, year) and a \
                 date inside it, or from and to; without either, the last whole month of data. `from` and `to` are \
                 compared with as many days before, a period with the one before it in the calendar."
            ),
            tool!(
                "get_top_products",
                "Top products",
                "Products ranked by revenue, units or gross margin over a period, in the stores the caller may see, \
                 optionally of one category. Without a period, the last whole month of data. To find products by \
                 what they are good for, use search_products instead."
            ),
            tool!(
                "get_sales_trend",
                "Sales trend",
                "Revenue and orders over time by day, week, month, quarter or year, with moving average and growth from \
                 point to point, optionally of one category. Without dates, the latest 30 days, 13 weeks, 12 months, 8 \
                 quarters or 5 years. At most 400 points."
            ),
            tool!(
                "get_customer_segments",
                "Customer segments",
                "Customers of the stores the caller may see, grouped by how recently, how often and for how much they \
                 bought (RFM): Champions, Loyal, At risk and so on, with counts, revenue and advice. Names no customer."
            ),
        ],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn schema(text: &str) -> serde_json::Value {
        serde_json::from_str(text).expect("a schema is JSON")
    }

    fn output(tool: &str) -> serde_json::Value {
        let tools = describe().tools;
        let tool = tools.iter().find(|one| one.name == tool).expect(tool);
        schema(tool.output_schema.as_deref().expect("every tool has an output schema"))
    }

    /// Fails unless `answer` is what the tool's output schema says.
    #[track_caller]
    pub(crate) fn fits(tool: &str, answer: &impl serde::Serialize) {
        // Through text, as the host reads it.
        let text = serde_json::to_string(answer).expect("an answer is JSON");
        if let Err(error) = jsonschema::validate(&output(tool), &schema(&text)) {
            panic!("{tool}: {error} in {text}");
        }
    }

    #[test]
    fn schemas_are_closed_objects_of_the_dialect_we_name() {
        for tool in describe().tools {
            for text in [Some(tool.input_schema.as_str()), tool.output_schema.as_deref()].into_iter().flatten() {
                let schema = schema(text);
                assert!(jsonschema::draft202012::meta::is_valid(&schema), "{}", tool.name);
                assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", tool.name);
                assert_eq!(schema["type"], "object", "{}", tool.name);
                assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
            }
        }
    }

    #[test]
    fn the_hosts_rows_and_the_clock_fit() {
        fits("execute_sales_query", &serde_json::json!({ "c": ["a"], "r": [[1], [null]], "n": 2, "truncated": true }));
        fits("execute_sales_query", &serde_json::json!({ "c": ["a"], "r": [], "n": 0, "msg": "No rows" }));
        fits("get_current_utc_date", &serde_json::json!({ "utc": "2026-10-31T00:00:00Z", "date": "2026-10-31" }));
    }
}
