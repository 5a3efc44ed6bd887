//! No private text ever reaches the wire, nor anybody's rows the log.

use crate::harness::{App, shared};
use crate::patience::soon;
use crate::piped;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What no answer to a failed call may hold: names of the server's insides, of its files, of its source.
const INSIDES: [&str; 16] = [
    "rowhouse_",
    "rowhouse.ctx",
    "retail_owner",
    "ticket",
    "DECLARE",
    "CURSOR",
    "CONTEXT:",
    "DETAIL:",
    "HINT:",
    "PL/pgSQL",
    ".c:",
    "/home/",
    "/var/",
    "/tmp/",
    "/usr/",
    "hmac",
];

/// Statements that fail, most of them on a row, and the code they fail with.
const FAILING: &[(&str, &str)] = &[
    // What a row says, read as something it is not. PostgreSQL's own message quotes the row.
    ("SELECT email::int FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::bigint FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::numeric FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::float8 FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::bool FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::date FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::timestamptz FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::time FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::interval FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::uuid FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::json FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::jsonb FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email::int[] FROM retail.customers", "QUERY_INVALID"),
    ("SELECT ('\\x' || email)::bytea FROM retail.customers", "QUERY_INVALID"),
    ("SELECT ('[' || email || ']')::vector FROM retail.customers", "QUERY_INVALID"),
    ("SELECT to_date(email, 'YYYY-MM-DD') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT to_timestamp(email, 'YYYY-MM-DD') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT to_number(email, '999') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT 'x' ~ ('(' || email) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT regexp_replace('x', email || '[', 'y') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT 'x' LIKE email || '\\' FROM retail.customers WHERE email NOT LIKE 'x%'", ""),
    ("SELECT date_trunc(email, now()) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT extract(year FROM email::date) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT date_part(email, now()) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT now() AT TIME ZONE email FROM retail.customers", "QUERY_INVALID"),
    ("SELECT to_tsquery('english', left(email || ' ! (', 200)) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT to_tsquery('simple', '!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!a')", "QUERY_INVALID"),
    // PostgreSQL calls these faults of its own.
    ("SELECT \"interval\"('1 day', length(email) * 0) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT setweight('a'::tsvector, 'x') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT setweight('a'::tsvector, 'x', '{a}') FROM retail.customers", "QUERY_INVALID"),
    ("SELECT jsonb_path_query('{}', ('$.' || email)::jsonpath) FROM retail.customers", ""),
    ("SELECT encode(email::bytea, email) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT format('%' || email, 1) FROM retail.customers", ""),
    ("SELECT chr(-length(email)) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT make_date(length(email), 13, 99) FROM retail.customers", ""),
    // Arithmetic on a row.
    ("SELECT 1 / (length(email) - length(email)) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT (length(email) + 2147483647)::int FROM retail.customers", "QUERY_INVALID"),
    ("SELECT 9223372036854775807 + length(email) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT power(10::numeric, length(email) + 200000) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT exp(length(email) * 1000.0::float8) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT sqrt(-length(email)) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT ln(0 * length(email)) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT total_amount::numeric(3, 2) FROM retail.orders WHERE total_amount > 100", "QUERY_INVALID"),
    ("SELECT date '2026-01-01' + length(email) * 100000000 FROM retail.customers", "QUERY_INVALID"),
    ("SELECT (SELECT email FROM retail.customers)", "QUERY_INVALID"),
    ("SELECT email FROM retail.customers LIMIT -1", "QUERY_INVALID"),
    ("SELECT email FROM retail.customers OFFSET -1", "QUERY_INVALID"),
    ("SELECT substr(email, 1, -1) FROM retail.customers", "QUERY_INVALID"),
    // More than there is room for.
    ("SELECT length(repeat(email, 200000000)) FROM retail.customers", "QUERY_REJECTED"),
    ("SELECT repeat(email, 10000) FROM retail.customers", "QUERY_LIMIT"),
    (
        "SELECT length(string_agg(repeat(email, 10000), '')) FROM retail.customers, generate_series(1, 100)",
        "QUERY_LIMIT",
    ),
    // The statement itself.
    ("SELECT e-mail FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email FROM retail.customer", ""),
    ("SELECT customers.nope FROM retail.customers", "QUERY_INVALID"),
    ("SELECT max(email, 1) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email, count(*) FROM retail.customers", "QUERY_INVALID"),
    ("SELECT email FROM retail.customers UNION SELECT 1", "QUERY_INVALID"),
    ("SELECT 'x'::no_such_type", ""),
    ("SELECT email FROM", "QUERY_INVALID"),
    ("SELECT $1::int", "QUERY_INVALID"),
    // What is not for a caller.
    ("DELETE FROM retail.customers RETURNING email", "QUERY_REJECTED"),
    ("SELECT email FROM retail.customers FOR UPDATE", "QUERY_REJECTED"),
    ("SELECT * FROM rowhouse.tenants_directory", "QUERY_REJECTED"),
    ("SELECT * FROM rowhouse_private.key", "QUERY_REJECTED"),
    ("SELECT current_setting('rowhouse.ctx')", "QUERY_REJECTED"),
    ("SELECT * FROM pg_catalog.pg_authid", "QUERY_REJECTED"),
    ("SELECT pg_read_file('postgresql.conf')", "QUERY_REJECTED"),
    ("SELECT rowhouse.enter('junk')", "QUERY_REJECTED"),
    ("SET ROLE rowhouse_all", "QUERY_REJECTED"),
    ("SELECT current_user", "QUERY_REJECTED"),
    ("SELECT 1; SELECT email FROM retail.customers", "QUERY_REJECTED"),
];

/// Texts of rows: every address and telephone number there is, and where other tenants are.
async fn canaries() -> BTreeSet<String> {
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let rows = admin
        .query(
            "SELECT email FROM retail.customers UNION SELECT split_part(email, '@', 1) FROM retail.customers
             UNION SELECT phone FROM retail.customers WHERE phone IS NOT NULL
             UNION SELECT store_name FROM retail.stores WHERE store_name NOT IN ('Online')
             UNION SELECT store_id::text FROM retail.stores",
            &[],
        )
        .await
        .expect("every row, as the superuser");
    let texts: BTreeSet<String> = rows.iter().map(|row| row.get::<_, String>(0).to_lowercase()).collect();
    assert!(texts.len() > 500, "{}", texts.len());
    texts
}

/// What of `secrets` stands in `text`.
fn spilt<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let text = text.to_lowercase();
    secrets.into_iter().filter(|secret| text.contains(&secret.to_lowercase())).collect()
}

/// A statement nested beyond what a parser's stack holds.
fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_say_nothing_of_the_inside() {
    let app = App::start().await;
    let canaries = canaries().await;
    let private: Vec<&str> = canaries.iter().map(String::as_str).chain(INSIDES).collect();
    let deep =
        [nested("(", ")", 5_000), nested("-(", ")", 2_000), nested("ARRAY[", "]", 2_000), nested("(SELECT ", ")", 500)];
    let deep = deep.iter().map(|statement| (statement.as_str(), ""));
    let mut problems = Vec::new();
    for (statement, expect) in FAILING.iter().copied().chain(deep) {
        let shown = &statement[..statement.len().min(100)];
        let reply = soon(app.post("seattle", "execute_sales_query", json!({ "query": statement }))).await;
        let code = reply["result"]["_meta"]["rowhouse/error"]["code"].as_str();
        // Where PostgreSQL takes what looks like a mistake, there is no error to look at, and rows are the caller's own.
        let Some(code) = code else {
            if !expect.is_empty() {
                problems.push(format!("{shown}: {expect} expected, and it succeeded"));
            }
            continue;
        };
        if !expect.is_empty() && code != expect {
            problems.push(format!("{shown}: {expect} expected: {reply}"));
        }
        // What the caller wrote may come back.
        let spilt: Vec<_> = spilt(&reply.to_string(), private.iter().copied())
            .into_iter()
            .filter(|text| !statement.to_lowercase().contains(&text.to_lowercase()))
            .collect();
        if !spilt.is_empty() {
            problems.push(format!("{shown}: {spilt:?} in {reply}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn tools_that_fail_say_nothing_of_the_inside() {
    let app = App::plan(|plan| plan.guests.extend(["trap", "bad_output"])).await;
    let canaries = canaries().await;
    let private: Vec<&str> =
        canaries.iter().map(String::as_str).chain(INSIDES).chain(["this guest", "wasm", "0x"]).collect();
    for (tool, arguments, code) in [
        ("trap", json!({}), "PLUGIN_TRAPPED"),
        ("bad_output", json!({}), "PLUGIN_CONTRACT"),
        ("bad_output", json!({ "answer": "canary-of-an-answer" }), "PLUGIN_CONTRACT"),
        ("get_sales_trend", json!({ "from": "2026-99-99" }), "VALIDATION_ERROR"),
        ("get_top_products", json!({ "category": "canary-of-a-category" }), ""),
        ("get_multiple_table_schemas", json!({ "table_names": ["rowhouse_private.key"] }), ""),
        ("search_products", json!({ "query": "'; DROP TABLE retail.orders; --" }), ""),
        ("no_such_tool", json!({}), "unknown tool"),
    ] {
        let reply = soon(app.post("seattle", tool, arguments.clone())).await;
        if reply["result"]["isError"] == false {
            // An answer after all: rows and names are what it is for.
            assert!(code.is_empty(), "{tool} {arguments}: {reply}");
            continue;
        }
        assert!(reply.to_string().contains(code), "{tool} {arguments}: {reply}");
        let spilt = spilt(&reply.to_string(), private.iter().copied().chain(["canary-of-an-answer"]));
        let spilt: Vec<_> = spilt.into_iter().filter(|text| !arguments.to_string().contains(text)).collect();
        assert!(spilt.is_empty(), "{tool} {arguments}: {spilt:?} in {reply}");
    }
}

/// What a whole process says in its log while calls fail, at its most talkative.
async fn log_of(statements: &[&str]) -> (Vec<Value>, String) {
    let queries = statements
        .iter()
        .map(|statement| json!({ "name": "execute_sales_query", "arguments": { "query": statement } }))
        .chain([json!({ "name": "trap", "arguments": { "text": "canary-of-an-argument" } })]);
    piped::called(&["--log", "debug"], &[], queries.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_no_row_and_no_secret() {
    let statements = [
        "SELECT email::int FROM retail.customers",
        "SELECT 'canary-of-a-statement'::int",
        "SELECT 1 FROM retail.orders WHERE 'x' ~ '('",
        "SELECT email FROM retail.customers LIMIT 3",
        "SELECT current_setting('rowhouse.ctx')",
        "SELECT length(repeat(email, 200000000)) FROM retail.customers",
    ];
    let (replies, log) = log_of(&statements).await;
    assert_eq!(replies.len(), statements.len() + 2);
    assert_eq!(replies[1]["result"]["isError"], true, "{}", replies[1]);
    assert!(replies[4].to_string().contains('@'), "the one good statement gives rows: {}", replies[4]);
    // A log that is empty would prove nothing.
    for part in ["QUERY_INVALID", "QUERY_REJECTED", "PLUGIN_TRAPPED", "execute_sales_query"] {
        assert!(log.contains(part), "no {part} in\n{log}");
    }
    let shared = shared().await;
    let keys = rowhouse::keys::Keys::open(&shared.state).expect("keys");
    let password = |role: &str| secrecy::ExposeSecret::expose_secret(&keys.password(role)).to_owned();
    let hex: String =
        secrecy::ExposeSecret::expose_secret(&keys.ticket).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut private: Vec<String> = canaries().await.into_iter().collect();
    private.retain(|text| text.contains('@') || text.len() == 36);
    private.extend([
        password("rowhouse_one"),
        password("rowhouse_all"),
        shared.password.clone(),
        shared.url.clone(),
        hex,
    ]);
    private.extend(["canary-of", "one:", "|all|", "eyJ", "Bearer "].map(str::to_owned));
    assert_eq!(spilt(&log, private.iter().map(String::as_str)), Vec::<&str>::new(), "{log}");
}
