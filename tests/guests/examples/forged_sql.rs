//! Tries to see, change or outlive more than it may by what it writes into statements, and reports what came of it.

use guests::{
    Answer, PluginInfo, ToolError, sql,
    values::{error_json, to_json},
};
use serde_json::{Value as Json, json};

/// Statements that must not give rows of another tenant, change anything, or leave anything behind.
const FORGERIES: &[&str] = &[
    // Another context.
    "SET app.context = 'forged'",
    "SET ROLE rowhouse_owner",
    "RESET ALL",
    "SELECT set_config('rowhouse.context', 'forged', true)",
    "SELECT pg_catalog.set_config('rowhouse.context', 'forged', false)",
    "WITH f AS MATERIALIZED (SELECT set_config('rowhouse.context', 'forged', true) x) SELECT s.store_name FROM f, retail.stores s WHERE x IS NOT NULL",
    "SELECT store_name FROM retail.stores ORDER BY set_config('rowhouse.context', 'forged', true)",
    "SELECT (SELECT set_config('role', 'rowhouse_owner', true)), count(*) FROM retail.orders",
    "SELECT current_setting('rowhouse.context', true)",
    "SELECT rowhouse.enter('forged')",
    "SELECT x FROM rowhouse.enter('forged') x",
    "SELECT * FROM ROWS FROM (set_config('rowhouse.context', 'forged', true)) AS f",
    "UPDATE pg_settings SET setting = 'forged' WHERE name = 'rowhouse.context'",
    // Another statement.
    "SELECT 1; SELECT 2",
    "SELECT 1; COMMIT; SELECT store_name FROM retail.stores",
    "COMMIT",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT s",
    "DO $$ BEGIN PERFORM 1; END $$",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM c",
    "COPY retail.stores TO STDOUT",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "EXPLAIN SELECT store_name FROM retail.stores",
    "SHOW ALL",
    "LISTEN x",
    "NOTIFY x, 'forged'",
    "VACUUM",
    "LOAD 'auto_explain'",
    // Writing.
    "INSERT INTO retail.stores SELECT * FROM retail.stores",
    "UPDATE retail.stores SET store_name = 'forged'",
    "DELETE FROM retail.stores",
    "WITH d AS (DELETE FROM retail.orders RETURNING order_id) SELECT count(*) FROM d",
    "SELECT store_name INTO stolen FROM retail.stores",
    "CREATE TEMP TABLE t AS SELECT 1",
    "SELECT store_name FROM retail.stores FOR UPDATE",
    "SELECT lo_create(0)",
    "SELECT nextval('s')",
    // Reading past the wall.
    "SELECT rolname FROM pg_catalog.pg_roles",
    "SELECT rolpassword FROM pg_authid",
    "SELECT query FROM pg_stat_activity",
    "SELECT most_common_vals FROM pg_catalog.pg_stats",
    "SELECT table_name FROM information_schema.tables",
    "SELECT * FROM rowhouse.keys",
    "SELECT * FROM rowhouse.tenants",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT query_to_xml('SELECT * FROM retail.stores', true, false, '')",
    "SELECT table_to_xml('retail.stores', true, false, '')",
    "SELECT database_to_xml(true, false, '')",
    "SELECT dblink('', 'SELECT 1')",
    "SELECT ctid, xmin, tableoid FROM retail.stores",
    "SELECT 'rowhouse.keys'::regclass",
    "SELECT 'set_config'::regproc",
    // Disturbing others.
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_notify('x', 'forged')",
    "SELECT pg_sleep(60)",
    "SELECT pg_reload_conf()",
    "LOCK TABLE retail.stores",
    // Spelling.
    "SELECT \"set_config\"('rowhouse.context', 'forged', true)",
    "SELECT U&\"set\\005fconfig\"('rowhouse.context', 'forged', true)",
    "SELECT/**/pg_catalog . set_config('rowhouse.context', 'forged', true)",
    "SELECT 1 OPERATOR(rowhouse.=) 1",
    "SELECT 1 -- \n; COMMIT",
    "",
    "\u{0}SELECT 1",
];

fn describe() -> PluginInfo {
    let about = "Tries forging statements (`statements`, or its own list from `from` on, at most `most`) and says what came of each.";
    guests::plugin("forged-sql", vec![guests::tool("forged_sql", about, guests::ANYTHING)])
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let given: Option<Vec<&str>> =
        arguments["statements"].as_array().map(|list| list.iter().filter_map(Json::as_str).collect());
    let statements = given.as_deref().unwrap_or(FORGERIES);
    let at = |name, default| usize::try_from(guests::number(&arguments, name, default)).unwrap_or(usize::MAX);
    // A call may run only so many statements: the list is taken in parts.
    let outcomes: Vec<_> = statements.iter().skip(at("from", 0)).take(at("most", 16)).map(|one| attempt(one)).collect();
    Ok(guests::json(&json!({ "total": statements.len(), "outcomes": outcomes })))
}

fn attempt(statement: &str) -> Json {
    match sql::query(statement, &[]) {
        Ok(rows) => json!({
            "statement": statement,
            "rows": rows.count(),
            "first": rows.next(1).first().map(|row| row.iter().map(to_json).collect::<Vec<_>>()),
        }),
        Err(error) => json!({ "statement": statement, "error": error_json(&error) }),
    }
}

guests::serve!(describe, call);
