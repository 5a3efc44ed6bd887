//! What the gate is told of a database's own names, and what becomes of a statement that nothing stops.

use crate::harness::{App, Shared, Silent, settings, shared};
use crate::patience::soon;
use rowhouse::config::Person;
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use rowhouse_migrations as shape;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::Client;
use uuid::Uuid;

/// A database with an operator's own schema, and a host that serves it.
async fn shop(shared: &Shared, name: &str, functions: &[&str]) -> (Client, App) {
    let admin = shared.admin("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    let mut mine = settings(shared);
    mine.database.url = Some(shared.url_of(name).into());
    // As an operator's own server is, and what an extension brings is open.
    mine.database.harden = Some(false);
    mine.database.schemas = vec!["shop".to_owned()];
    mine.database.functions = functions.iter().map(ToString::to_string).collect();
    mine.database.pool.statement_timeout_seconds = 3;
    mine.identity.people = vec![Person {
        name: "ann".to_owned(),
        display_name: "Ann".to_owned(),
        roles: vec!["store_manager".to_owned()],
        tenants: vec![Uuid::from_u128(1)],
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    }];
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("a database");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("the core alone");
    let admin = shared.admin(name).await;
    admin.batch_execute(SHOP).await.expect("a schema of one's own");
    let app = App::plan(|plan| (plan.settings, plan.guests) = (mine, vec!["sales"]));
    (admin, soon(app).await)
}

/// One tenant, one table, and names that could be taken for others.
const SHOP: &str = "
    CREATE SCHEMA shop;
    CREATE TYPE shop.status AS ENUM ('open', 'paid');
    CREATE DOMAIN shop.checked AS text CHECK (length(VALUE) < 9);
    CREATE TABLE shop.customers (tenant uuid NOT NULL, id int NOT NULL, store_name text, status shop.status,
                                 PRIMARY KEY (tenant, id));
    INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES ('00000000-0000-0000-0000-000000000001', 'A', 'Here');
    INSERT INTO shop.customers VALUES ('00000000-0000-0000-0000-000000000001', 1, 'North', 'paid');
    CALL rowhouse.protect('shop.customers', 'tenant');
    CREATE FUNCTION shop.steal(shop.customers) RETURNS text LANGUAGE sql AS $$ SELECT 'stolen' $$;
    CREATE FUNCTION shop.digest(numeric) RETURNS text LANGUAGE sql AS $$ SELECT 'digest' $$;
    CREATE FUNCTION shop.same(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
    CREATE OPERATOR shop.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = shop.same);
    CREATE EXTENSION pg_stat_statements SCHEMA shop;
    ALTER VIEW shop.pg_stat_statements RENAME TO everybody;";

#[tokio::test(flavor = "multi_thread")]
async fn names_mean_what_the_gate_takes_them_for() {
    let shared = shared().await;
    let (admin, app) = shop(shared, "names_shop", &["shop.digest"]).await;
    for (statement, expect) in [
        // A field of a row, selected as one.
        ("SELECT (c).store_name FROM shop.customers c", Ok(json!([["North"]]))),
        ("SELECT ((array_agg(c))[1]).store_name FROM shop.customers c", Ok(json!([["North"]]))),
        ("SELECT c.store_name FROM shop.customers c", Ok(json!([["North"]]))),
        // The same as a call.
        ("SELECT c.steal FROM shop.customers c", Err("QUERY_REJECTED")),
        ("SELECT customers.steal FROM customers", Err("QUERY_REJECTED")),
        ("SELECT (c).steal FROM shop.customers c", Err("QUERY_REJECTED")),
        ("SELECT shop.steal(c) FROM shop.customers c", Err("QUERY_REJECTED")),
        // One the operator allows, by its whole name.
        ("SELECT shop.digest(1)", Ok(json!([["digest"]]))),
        ("SELECT digest(1)", Err("QUERY_REJECTED")),
        // Operators.
        ("SELECT 1 === 2", Err("QUERY_REJECTED")),
        ("SELECT 1 = 1, 'a' LIKE 'a', 2 BETWEEN 1 AND 3", Ok(json!([[true, true, true]]))),
        // Types of the schema.
        ("SELECT count(*) FROM shop.customers WHERE status = 'paid'::shop.status", Ok(json!([[1]]))),
        ("SELECT 'a'::shop.checked", Err("QUERY_REJECTED")),
        ("SELECT to_tsvector('english'::regconfig, 'lamps') IS NULL", Ok(json!([[false]]))),
        ("SELECT to_tsvector('shop.customers'::regclass, 'lamps')", Err("QUERY_REJECTED")),
        // What an extension made in the schema, whatever it is called.
        ("SELECT query FROM shop.everybody", Err("QUERY_REJECTED")),
        ("SELECT * FROM shop.pg_stat_statements_info", Err("QUERY_REJECTED")),
        ("SELECT * FROM everybody", Err("QUERY_REJECTED")),
    ] {
        let reply = soon(app.post("ann", "execute_sales_query", json!({ "query": statement }))).await;
        let got = match reply["result"]["_meta"]["rowhouse/error"]["code"].as_str() {
            Some(code) => Err(code),
            None => Ok(reply["result"]["structuredContent"]["r"].clone()),
        };
        assert_eq!(got, expect, "{statement}: {reply}");
    }
    // What agents may call of the operator's own is told, but for what was allowed; and the views of the extension.
    let found = shape::lint(&admin, &["shop.digest".to_owned()]).await.expect("a look");
    let told = |rule: &str| -> Vec<&str> {
        found.iter().filter(|found| found.rule.contains(rule)).map(|found| found.object.as_str()).collect()
    };
    assert_eq!(told("function of your own"), ["shop.same(integer,integer)", "shop.steal(shop.customers)"]);
    assert_eq!(told("extension's relation"), ["shop.everybody", "shop.pg_stat_statements_info"]);
    soon(app.stop()).await;
}

/// How often a test looks again.
const LOOK: Duration = Duration::from_millis(50);

/// A backend that is stopped like a C loop: it hears neither a time-out nor a cancel until it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_nothing_stops_keeps_its_place() {
    let shared = shared().await;
    let (admin, app) = shop(shared, "stragglers", &[]).await;
    let in_use = || app.host.database.status().in_use;
    let endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let call = app.post("ann", "execute_sales_query", json!({ "query": endless }));
    let stop = async {
        loop {
            let running = "SELECT pid FROM pg_stat_activity WHERE datname = 'stragglers' AND usename = 'rowhouse_one'
                           AND state = 'active'";
            let running = admin.query(running, &[]).await.expect("a look at the backends");
            if let (1.., [backend]) = (in_use(), running.as_slice()) {
                return signal(backend.get(0), Signal::STOP);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let (reply, backend): (Value, Pid) = soon(async { tokio::join!(call, stop) }).await;
    assert_eq!(reply["result"]["_meta"]["rowhouse/error"]["code"], "QUERY_TIMEOUT", "{reply}");
    assert_eq!(in_use(), 1, "who asked was answered, and the backend is there");
    kill_process(backend, Signal::CONT).expect("it goes on");
    soon(async {
        while in_use() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    let pid = backend.as_raw_nonzero().get();
    let left = admin.query("SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", &[&pid]).await;
    assert!(left.expect("a look").is_empty(), "a place is free only when its backend is");
    soon(app.stop()).await;
}

fn signal(pid: i32, signal: Signal) -> Pid {
    let pid = Pid::from_raw(pid).expect("a process");
    kill_process(pid, signal).expect("a backend of ours");
    pid
}
