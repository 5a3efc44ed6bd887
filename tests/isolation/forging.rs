//! Statements that try to see more than they may: as a caller writes them, and as a hostile plugin does.

use crate::harness::{App, Plan};
use crate::patience::soon;
use rowhouse_migrations::retail::STORES;
use serde_json::{Value, json};

/// How an attempt ends.
enum End {
    /// The gate refuses it.
    Rejected,
    /// It is a mistake.
    Invalid,
    /// It is answered, with these rows and no others.
    Own(Value),
}
use End::{Invalid, Own, Rejected};

/// What the Seattle store manager tries.
#[rustfmt::skip]
fn attempts() -> Vec<(String, End)> {
    let spokane = STORES.iter().find(|store| store.key == "spokane").expect("a store").id();
    let seattle = || Own(json!([["Seattle"]]));
    let of_spokane = |text: &str| text.replace("SPOKANE", &spokane.to_string());
    let fixed: Vec<(&str, End)> = vec![
        // Another context: set, asked for, called for.
        ("SELECT set_config('rowhouse.ctx', 'forged', true)", Rejected),
        ("SELECT pg_catalog.set_config('rowhouse.ctx', '', false)", Rejected),
        ("WITH f AS MATERIALIZED (SELECT set_config('rowhouse.ctx', 'forged', true) x) SELECT s.store_name FROM f, retail.stores s WHERE x IS NOT NULL", Rejected),
        ("SELECT store_name FROM retail.stores ORDER BY set_config('role', 'postgres', true)", Rejected),
        ("SELECT store_name FROM retail.stores s, LATERAL (SELECT set_config('role', s.store_name, true)) f", Rejected),
        ("SELECT * FROM ROWS FROM (set_config('role', 'postgres', true)) f", Rejected),
        ("SELECT U&\"set\\005fconfig\"('role', 'postgres', true)", Rejected),
        ("SELECT ('rowhouse.ctx'::text).current_setting", Rejected),
        ("SELECT current_setting('rowhouse.ctx')", Rejected),
        ("SELECT rowhouse.enter('v1|k|all|p|9999999999|0|n|m')", Rejected),
        ("SELECT rowhouse.every_tenant()", Rejected),
        ("SELECT rowhouse_private.scope()", Rejected),
        ("SET ROLE rowhouse_all", Rejected),
        ("SET LOCAL rowhouse.ctx = 'forged'", Rejected),
        ("SET row_security = off", Rejected),
        ("SHOW rowhouse.ctx", Rejected),
        ("RESET SESSION AUTHORIZATION", Rejected),
        // Another statement, another transaction.
        ("SELECT 1; SELECT store_name FROM retail.stores", Rejected),
        ("ROLLBACK; SELECT store_name FROM retail.stores", Rejected),
        ("COMMIT", Rejected),
        ("SELECT 1 /* */; -- \n COMMIT", Rejected),
        ("DO $$ BEGIN PERFORM set_config('role', 'postgres', false); END $$", Rejected),
        ("EXPLAIN ANALYZE SELECT store_name FROM retail.stores", Rejected),
        ("COPY retail.stores TO STDOUT", Rejected),
        ("CREATE TEMP TABLE stores AS SELECT 1", Rejected),
        ("WITH d AS (DELETE FROM retail.orders RETURNING 1) SELECT count(*) FROM d", Rejected),
        ("SELECT store_name FROM retail.stores FOR UPDATE", Rejected),
        // Another table.
        ("SELECT kid FROM rowhouse_private.key", Rejected),
        ("SELECT name FROM rowhouse.tenants_directory", Rejected),
        ("SELECT rolpassword FROM pg_authid", Rejected),
        ("SELECT relname, reltuples FROM pg_catalog.pg_class", Rejected),
        ("SELECT most_common_vals FROM pg_stats", Rejected),
        ("SELECT query FROM pg_stat_activity", Rejected),
        ("SELECT table_name FROM information_schema.tables", Rejected),
        ("SELECT ctid, xmin FROM retail.stores", Rejected),
        ("SELECT 'rowhouse_private.key'::regclass", Rejected),
        ("SELECT query_to_xml('SELECT * FROM retail.stores', true, true, '')", Rejected),
        ("SELECT pg_read_file('/etc/passwd')", Rejected),
        ("SELECT * FROM dblink('dbname=rowhouse user=postgres', 'SELECT 1') AS t (a int)", Rejected),
        // No statement.
        ("SELEC store_name FROM retail.stores", Invalid),
        ("SELECT store_name FROM retail.stores WHERE store_id = $1", Invalid),
        ("SELECT store_name::int FROM retail.stores", Invalid),
        ("SELECT 1 / (CASE WHEN store_name = 'Seattle' THEN 0 ELSE 1 END) FROM retail.stores", Invalid),
        // Good statements that hope for more.
        ("SELECT store_name FROM retail.stores", seattle()),
        ("TABLE retail.stores ORDER BY 1 LIMIT 0", Own(json!([]))),
        ("SELECT store_name FROM retail.stores WHERE store_name = 'Spokane' OR 1 = 1", seattle()),
        ("SELECT store_name FROM retail.stores UNION SELECT store_name FROM retail.stores s WHERE s.region <> ''", seattle()),
        ("SELECT store_name FROM retail.stores WHERE store_id = 'SPOKANE'", Own(json!([]))),
        ("SELECT count(*) FROM retail.orders WHERE store_id = 'SPOKANE'", Own(json!([[0]]))),
        ("SELECT count(*) FROM retail.customers c WHERE NOT EXISTS (SELECT FROM retail.stores s WHERE s.store_id = c.store_id)", Own(json!([[0]]))),
        ("SELECT DISTINCT s.store_name FROM retail.inventory i FULL JOIN retail.stores s USING (store_id)", seattle()),
        ("SELECT o.n FROM (SELECT count(DISTINCT store_id) n FROM retail.order_items) o", Own(json!([[1]]))),
        ("WITH RECURSIVE w AS (SELECT store_name, 1 n FROM retail.stores UNION ALL SELECT s.store_name, n + 1 FROM w, retail.stores s WHERE n < 5) SELECT DISTINCT store_name FROM w", seattle()),
        ("SELECT (SELECT string_agg(store_name, ',') FROM retail.stores)", seattle()),
        ("SELECT to_jsonb(s) ->> 'store_name' FROM retail.stores s", seattle()),
        ("WITH stores AS (SELECT 'Spokane' AS store_name) SELECT store_name FROM retail.stores", seattle()),
        // An error, or none, as an oracle: the condition is never asked of a row that is not ours.
        ("SELECT store_name FROM retail.stores WHERE 1 / (CASE WHEN store_name = 'Spokane' THEN 0 ELSE 1 END) = 1", seattle()),
        ("SELECT store_name FROM retail.stores WHERE CASE WHEN store_name <> 'Seattle' THEN store_name::int = 1 ELSE true END", seattle()),
        ("SELECT count(*) FROM retail.customers WHERE store_id = 'SPOKANE' AND email::int > 0", Own(json!([[0]]))),
    ];
    fixed.into_iter().map(|(text, end)| (of_spokane(text), end)).collect()
}

/// Whatever came back speaks of no store but our own.
fn speaks_of_nobody_else(statement: &str, said: &str) {
    for store in STORES.iter().filter(|store| store.key != "seattle") {
        let id = store.id().to_string();
        assert!(!said.contains(&id) && !said.contains(store.name), "{statement}: {said}");
    }
    for thing in ["SCRAM-SHA-256", "root:x:0", "rowhouse_keeper", "v1|"] {
        assert!(!said.contains(thing), "{statement}: {said}");
    }
}

async fn app() -> App {
    let plan = |plan: &mut Plan| plan.guests = vec!["sales", "forged_sql"];
    soon(App::plan(plan)).await
}

/// Nothing an attempt did outlives it: the next caller on the same connections sees what it always saw.
async fn nothing_is_left(app: &App, after: &str) {
    for (who, store) in [("seattle", "Seattle"), ("spokane", "Spokane")] {
        let rows = soon(app.rows(who, "SELECT store_name FROM retail.stores")).await;
        assert_eq!(rows, [json!([store])], "{who} after {after}");
    }
}

#[tokio::test]
async fn no_caller_gets_around_the_wall() {
    let app = app().await;
    let attempts = attempts();
    assert!(attempts.len() >= 40);
    for (statement, end) in attempts {
        let reply = soon(app.post("seattle", "execute_sales_query", json!({ "query": statement }))).await;
        let result = &reply["result"];
        let code = result["_meta"]["rowhouse/error"]["code"].as_str();
        let (expect, rows) = match end {
            Rejected => (Some("QUERY_REJECTED"), None),
            Invalid => (Some("QUERY_INVALID"), None),
            Own(rows) => (None, Some(rows)),
        };
        assert_eq!(code, expect, "{statement}: {reply}");
        assert_eq!(result["structuredContent"].get("r"), rows.as_ref(), "{statement}: {reply}");
        // A refusal may quote the statement's own words, never a row's.
        if rows.is_some() || !statement.contains("Spokane") {
            speaks_of_nobody_else(&statement, &result.to_string());
        }
        nothing_is_left(&app, &statement).await;
    }
}

/// Errors a plugin may be told; everything else would be a wall that was reached behind the gate.
fn is_refusal(outcome: &Value) -> bool {
    matches!(outcome["error"]["code"].as_str(), Some("rejected" | "invalid"))
}

#[tokio::test]
async fn no_plugin_gets_around_the_wall() {
    let app = app().await;
    let mut tried = 0;
    loop {
        let page = soon(app.answer("seattle", "forged_sql", json!({ "from": tried, "most": 16 }))).await;
        let outcomes = page["outcomes"].as_array().expect("a list");
        for outcome in outcomes {
            let statement = outcome["statement"].as_str().expect("a text");
            assert!(is_refusal(outcome), "{outcome}");
            speaks_of_nobody_else(statement, &outcome["error"].to_string());
        }
        tried += outcomes.len();
        nothing_is_left(&app, "a page of forgeries").await;
        if page["total"] == tried {
            break;
        }
        assert!(!outcomes.is_empty(), "the list has no end: {tried} of {}", page["total"]);
    }
    assert!(tried >= 40, "{tried}");
    // And the caller's list, through the plugin.
    for (statement, end) in attempts() {
        let page = soon(app.answer("seattle", "forged_sql", json!({ "statements": [statement] }))).await;
        let outcome = &page["outcomes"][0];
        match end {
            Own(rows) => assert_eq!(outcome["rows"], rows.as_array().map_or(0, Vec::len), "{outcome}"),
            Rejected => assert_eq!(outcome["error"]["code"], "rejected", "{outcome}"),
            Invalid => assert_eq!(outcome["error"]["code"], "invalid", "{outcome}"),
        }
    }
    nothing_is_left(&app, "the caller's list").await;
}
