//! The `sales` plugin: what was sold, where, to whom, and how that changed.
//!
//! Each tool has a file of its own, in which everything but the statement is plain computing; the tests run it natively
//! against a host that is made up. No tool filters by store: which stores' rows exist at all is decided by row security
//! before a statement sees any.

mod chart;
mod database;
mod money;
mod performance;
mod period;
mod products;
mod review;
mod segments;
mod tables;
mod trend;

use rowhouse_plugin::{chrono::SecondsFormat, prelude::*};

plugin! {
    name: "sales",
    tools: [
        execute_sales_query,
        tables::get_multiple_table_schemas,
        get_current_utc_date,
        performance::get_store_performance,
        products::get_top_products,
        trend::get_sales_trend,
        chart::chart_sales_trend,
        segments::get_customer_segments,
    ],
    prompts: [review::monthly_review],
    resources: [tables::retail_tables, trend::trend_view],
    views: [trend::get_sales_trend => trend::trend_view],
}

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// One PostgreSQL SELECT (or WITH ... SELECT, VALUES). Tables are written with their schema: retail.orders.
    #[schemars(length(min = 1, max = 32768))]
    query: String,
}

/// Runs one read-only PostgreSQL SELECT on the retail data and gives back its rows as {c: columns, r: rows, n: count}.
/// Call get_multiple_table_schemas first: write only names it gave, tables with their schema (retail.orders). Row security
/// already shows only the stores the caller may see, so do not filter by store for that; filter by store_name only when
/// the question names a store. Join and show names, never the uuid keys. Aggregate in the query and end it with LIMIT (20
/// unless asked for more): long answers are cut. The newest data is not from today: count 'last month' back from
/// max(order_date). For ready figures prefer get_store_performance, get_top_products, get_sales_trend or
/// get_customer_segments.
#[tool(title = "Query sales data")]
fn execute_sales_query(Query { query }: Query) -> Result<Rows> {
    Statement::new(query).rows()
}

#[derive(Debug, Serialize, JsonSchema)]
struct Now {
    /// Now, in ISO 8601: 2026-10-31T12:00:00Z.
    utc: String,
    /// Today in UTC.
    date: Date,
}

/// Today's date and the time in UTC. Use it to understand 'today' or 'this year' in a question; the sales data may end
/// earlier (see get_multiple_table_schemas).
#[tool(title = "Current date")]
fn get_current_utc_date() -> Worded<Now> {
    let now = context::now();
    let utc = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    Worded::new(Now { utc, date: now.date_naive() }, |now| now.utc.clone())
}

#[cfg(test)]
mod tests;
