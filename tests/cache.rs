//! Answers that are kept: given again to whoever asks the same over the same rows, and to nobody else; gone with the first
//! word of a change; never kept where anything but rows decides.

mod asked; // Once for all who ask at one time.
mod changes; // Until a table changes, or nobody tells any more.
mod shared; // In Redis, over several hosts.
mod told; // What callers, the trail and operators hear of it.

use crate::harness::{App, Shared, Silent, settings, shared};
use crate::patience::soon;
use rowhouse::config::{Person, Settings};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use rowhouse::query::{Bounds, CacheStatus, Counted, Rows, SqlError, TenantTx, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Two tenants with rows of one shape, things nobody owns, and everything answers are kept of or not.
const SHOP: &str = "
    CREATE SCHEMA shop;
    INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES
      ('00000000-0000-0000-0000-000000000001', 'One', 'Here'), ('00000000-0000-0000-0000-000000000002', 'Two', 'Here');
    CREATE TABLE shop.orders (tenant uuid NOT NULL, id int NOT NULL, day date NOT NULL, note text, PRIMARY KEY (tenant, id));
    CREATE TABLE shop.items (tenant uuid NOT NULL, order_id int NOT NULL, n int NOT NULL, PRIMARY KEY (tenant, order_id, n),
      FOREIGN KEY (tenant, order_id) REFERENCES shop.orders ON DELETE CASCADE);
    CREATE TABLE shop.sales (tenant uuid NOT NULL, day date NOT NULL, n int NOT NULL) PARTITION BY RANGE (day);
    CREATE TABLE shop.sales_old PARTITION OF shop.sales FOR VALUES FROM ('2000-01-01') TO ('2026-01-01');
    CREATE TABLE shop.sales_new PARTITION OF shop.sales FOR VALUES FROM ('2026-01-01') TO ('2100-01-01');
    CREATE INDEX ON shop.sales (tenant);
    CREATE TABLE shop.many (n int PRIMARY KEY);
    CREATE TABLE shop.silent (n int PRIMARY KEY);
    CREATE TABLE shop.narrowed (n int PRIMARY KEY);
    CREATE TABLE shop.hours (n int PRIMARY KEY, opens timetz);
    CREATE DOMAIN shop.small AS int CHECK (VALUE < 10);
    CREATE TABLE shop.own (n shop.small PRIMARY KEY);
    CALL rowhouse.protect('shop.orders', 'tenant');
    CALL rowhouse.protect('shop.items', 'tenant');
    CALL rowhouse.protect('shop.sales', 'tenant');
    CALL rowhouse.share('shop.many');
    CALL rowhouse.share('shop.silent');
    CALL rowhouse.share('shop.narrowed');
    CALL rowhouse.share('shop.hours');
    CALL rowhouse.share('shop.own');
    CREATE POLICY by_day ON shop.narrowed AS RESTRICTIVE FOR SELECT TO PUBLIC USING (now() > '2000-01-01');
    CREATE VIEW shop.big WITH (security_invoker = true) AS SELECT o.id, i.n FROM shop.orders o JOIN shop.items i ON i.order_id = o.id;
    CREATE VIEW shop.behind WITH (security_invoker = true) AS SELECT count(*) AS n FROM shop.big;
    CREATE VIEW shop.lately WITH (security_invoker = true) AS SELECT id FROM shop.orders WHERE day > now() - interval '7 days';
    CREATE FUNCTION shop.digest(int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT count(*)::text FROM shop.silent $$;
    GRANT SELECT ON shop.big, shop.behind, shop.lately TO rowhouse_one, rowhouse_some, rowhouse_all;
    CALL rowhouse.announce_all();
    CALL rowhouse.hush('shop.silent');
    INSERT INTO shop.orders SELECT t.id, n, '2026-11-20', t.name || ' ' || n FROM rowhouse.tenants_directory t, generate_series(1, 3) n;
    INSERT INTO shop.items SELECT tenant, id, 1 FROM shop.orders;
    INSERT INTO shop.sales SELECT t.id, '2026-11-20', 1 FROM rowhouse.tenants_directory t;
    INSERT INTO shop.many SELECT generate_series(1, 4000);";

/// Some seconds of counting that follow from rows alone: sixteen million pairs, and then the orders.
const SLOW: &str = "SELECT (SELECT count(*) FROM many a, many b WHERE a.n + b.n > 0), (SELECT count(*) FROM orders)";

/// An hour: what goes earlier went for another reason.
const LONG: u64 = 3_600;

/// A host over a shop of its own.
struct Shop {
    admin: Client,
    settings: Settings,
    app: App,
}

fn people() -> Vec<Person> {
    let one = |name: &str, role: &str, tenants: &[u128]| Person {
        name: name.to_owned(),
        display_name: name.to_owned(),
        roles: vec![role.to_owned()],
        tenants: tenants.iter().copied().map(Uuid::from_u128).collect(),
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    };
    vec![
        one("ann", "store_manager", &[1]),
        one("ada", "store_manager", &[1]),
        one("bob", "store_manager", &[2]),
        one("both", "store_manager", &[1, 2]),
        one("head", "super_admin", &[]),
    ]
}

/// Open one, on a database of this name.
async fn shop(name: &str, change: impl FnOnce(&mut Settings)) -> Shop {
    let shared: &Shared = shared().await;
    let admin = shared.admin("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
    let mut mine = settings(shared);
    mine.database.url = Some(shared.url_of(name).into());
    mine.database.harden = Some(false);
    mine.database.schemas = vec!["shop".to_owned()];
    mine.database.functions = vec!["shop.digest".to_owned()];
    mine.identity.people = people();
    mine.cache.enabled = true;
    mine.cache.seconds = LONG;
    change(&mut mine);
    let keys = Keys::open(&shared.state).expect("keys");
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("a database");
    soon(ground.prepare(&mine, &keys, &mut Silent)).await.expect("the core alone");
    let admin = shared.admin(name).await;
    admin.batch_execute(SHOP).await.expect("a schema of one's own");
    let app = host(&mine).await;
    Shop { admin, settings: mine, app }
}

/// One more host with these settings, once it keeps answers.
async fn host(settings: &Settings) -> App {
    let settings = settings.clone();
    let app = soon(App::plan(|plan| (plan.settings, plan.guests) = (settings, vec!["echo"]))).await;
    soon(async {
        while status(&app).standing.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    app
}

fn status(app: &App) -> CacheStatus {
    app.host.database.answers().expect("a cache").status()
}

fn counted(app: &App) -> Counted {
    status(app).counted
}

/// The right to ask as somebody, as a call of the plugin `echo` has it.
fn right(app: &App, who: &str, cancel: CancellationToken, time: Duration) -> Arc<TenantTx> {
    let permit = app.host.policy.current().permit(&app.principal(who), "echo", "echo_rows", None).expect("a permit");
    let bounds = Bounds { rows: 1_000, bytes: 4 << 20, time, database: Duration::from_secs(60) };
    let transaction = app.host.database.open(&permit, bounds, cancel).expect("a safe database");
    Arc::new(transaction.cached_for("a component", permit.scope()))
}

/// What somebody is answered, as JSON, and whether it had been read before.
async fn ask(app: &App, who: &str, statement: &str) -> (String, bool) {
    let (rows, again) = asks(app, who, statement, &[]).await.unwrap_or_else(|e| panic!("{statement}: {e:?}"));
    (rows.to_json(), again)
}

async fn asks(app: &App, who: &str, statement: &str, parameters: &[Value]) -> Result<(Rows, bool), SqlError> {
    let transaction = right(app, who, CancellationToken::new(), Duration::from_secs(60));
    let rows = soon(transaction.run(statement, parameters)).await?;
    let ran = transaction.ran().pop().expect("one statement");
    assert_eq!((ran.rows, ran.bytes, ran.failed), (rows.len() as u64, rows.bytes() as u64, None), "{statement}");
    assert_eq!(ran.age.is_some(), ran.time.is_zero(), "only what the database was asked takes its time: {ran:?}");
    Ok((rows, ran.age.is_some()))
}

/// Until somebody is answered this.
async fn until(app: &App, who: &str, statement: &str, expect: &str) {
    let begun = async {
        while !ask(app, who, statement).await.0.contains(expect) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(begun).await;
}

const NOTES: &str = "SELECT id, note FROM orders ORDER BY tenant, id";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_is_answered_again_to_the_same_people_only() {
    let shop = shop("cache_people", |_| {}).await;
    let app = &shop.app;
    // Who sees what, and who shares an answer with somebody before.
    let mut known = Vec::new();
    for (who, again, has, has_not) in [
        ("ann", false, "One 1", "Two"),
        ("ann", true, "One 1", "Two"),
        ("ada", true, "One 1", "Two"),
        ("bob", false, "Two 1", "One"),
        ("bob", true, "Two 1", "One"),
        ("both", false, "One 1", "Three"),
        ("head", false, "Two 3", "Three"),
        ("ann", true, "One 1", "Two"),
    ] {
        let (answer, was) = ask(app, who, NOTES).await;
        assert_eq!(was, again, "{who}");
        assert!(answer.contains(has) && !answer.contains(has_not), "{who}: {answer}");
        known.push((who, answer));
    }
    for (who, answer) in &known {
        assert!(known.iter().all(|(other, theirs)| other != who || theirs == answer), "{who}");
    }
    assert_eq!((counted(app).hits, counted(app).misses, counted(app).stored), (4, 4, 4));
    // Another text, another parameter, another bound, another component: another question.
    let by = "SELECT note FROM orders WHERE id = $1";
    for (statement, parameter, again) in [
        (by, Value::Int(1), false),
        (by, Value::Int(1), true),
        (by, Value::Int(2), false),
        (by, Value::Numeric("1".to_owned()), false),
        ("SELECT note FROM orders WHERE id =  $1", Value::Int(1), false),
        (by, Value::Int(9), false),
        (by, Value::Int(9), true),
    ] {
        let (_, was) = asks(app, "ann", statement, std::slice::from_ref(&parameter)).await.expect("rows");
        assert_eq!(was, again, "{statement} {parameter:?}");
    }
    let permit = app.host.policy.current().permit(&app.principal("ann"), "echo", "echo_rows", None).expect("a permit");
    let minute = Duration::from_secs(60);
    let usual = Bounds { rows: 1_000, bytes: 4 << 20, time: minute, database: minute };
    for (bounds, component, again, truncated) in [
        (usual, Some("a component"), true, false),
        (usual, Some("another"), false, false),
        (usual, None, false, false),
        (usual, None, false, false),
        (Bounds { rows: 2, ..usual }, Some("a component"), false, true),
        (Bounds { rows: 2, ..usual }, Some("a component"), true, true),
        (Bounds { bytes: 2 << 20, ..usual }, Some("a component"), false, false),
    ] {
        let opened = app.host.database.open(&permit, bounds, CancellationToken::new()).expect("a safe database");
        let opened = Arc::new(match component {
            Some(component) => opened.cached_for(component, permit.scope()),
            None => opened,
        });
        let rows = soon(opened.run(NOTES, &[])).await.expect("rows");
        let was = opened.ran()[0].age.is_some();
        assert_eq!((was, rows.truncated()), (again, truncated), "{bounds:?} {component:?}");
    }
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rows_alone_do_not_decide_is_read_each_time() {
    let shop = shop("cache_never", |_| {}).await;
    let today = || Value::Text("today".to_owned());
    for (statement, parameters, again) in [
        ("SELECT count(*) FROM orders", vec![], true),
        ("SELECT 1", vec![], true),
        ("SELECT n FROM behind", vec![], true),
        ("SELECT o.day::date FROM orders o WHERE o.day = $1::date", vec![Value::Text("2026-11-20".to_owned())], true),
        // The clock, chance, and what an operator's own function does.
        ("SELECT count(*) FROM orders WHERE day < now()", vec![], false),
        ("SELECT count(*) FROM orders WHERE day < 'tomorrow'", vec![], false),
        ("SELECT count(*) FROM orders WHERE day < $1::date", vec![today()], false),
        ("SELECT random() FROM orders", vec![], false),
        ("SELECT id FROM orders TABLESAMPLE system (100)", vec![], false),
        ("SELECT shop.digest(1)", vec![], false),
        // A table that does not tell, by itself and beside others; a view that looks at the clock.
        ("SELECT count(*) FROM silent", vec![], false),
        ("SELECT count(*) FROM orders, silent", vec![], false),
        ("SELECT count(*) FROM lately", vec![], false),
        // A policy, a zone and a type of one's own.
        ("SELECT count(*) FROM narrowed", vec![], false),
        ("SELECT count(*) FROM hours", vec![], false),
        ("SELECT count(*) FROM own", vec![], false),
    ] {
        for turn in [false, again] {
            let (_, was) = asks(&shop.app, "ann", statement, &parameters).await.unwrap_or_else(|e| panic!("{e:?}"));
            assert_eq!(was, turn, "{statement}");
        }
    }
    // A failure is nobody else's.
    for _ in 0..2 {
        let transaction = right(&shop.app, "ann", CancellationToken::new(), Duration::from_secs(60));
        soon(transaction.run("SELECT 1 / (id - id) FROM orders", &[])).await.expect_err("a division by zero");
        assert!(transaction.ran()[0].failed.is_some());
    }
    // Neither what is too large to keep.
    let small = App::plan(|plan| {
        (plan.settings, plan.guests) = (shop.settings.clone(), vec!["echo"]);
        plan.settings.cache.answer_bytes = 1_024;
    });
    let small = soon(small).await;
    for _ in 0..2 {
        let (rows, again) = asks(&small, "ann", "SELECT n, n, n, n FROM many LIMIT 900", &[]).await.expect("rows");
        assert_eq!((rows.len(), again), (900, false));
    }
    small.stop().await;
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_called_unseen_keeps_everything_from_being_kept() {
    let shop = shop("cache_shadows", |_| {}).await;
    let count = "SELECT count(*) FROM orders WHERE round(id) = id";
    assert!(!ask(&shop.app, "ann", count).await.1);
    assert!(ask(&shop.app, "ann", count).await.1);
    let own = "CREATE FUNCTION shop.round(int) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT (random() * 9)::int $$";
    shop.admin
        .batch_execute(&format!("{own}; NOTIFY rowhouse_changes, 'shape'"))
        .await
        .expect("a function of one's own");
    soon(async {
        while status(&shop.app).standing.is_ok_and(|()| true) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Known, and not only on the way to be.
        while !status(&shop.app).standing.is_err_and(|why| why.contains("of your own")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for _ in 0..2 {
        assert!(!ask(&shop.app, "ann", "SELECT count(*) FROM orders").await.1);
    }
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_functions_are_what_the_database_says_of_them() {
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let reviewed: Vec<&str> = rowhouse_migrations::reviewed_functions().collect();
    for name in rowhouse_migrations::settled_functions() {
        let rows = admin
            .query("SELECT provolatile::text, oid::regprocedure::text FROM pg_proc WHERE proname = $1", &[&name])
            .await
            .expect("the catalog");
        for row in rows {
            let (volatile, signature): (String, String) = (row.get(0), row.get(1));
            let may = if reviewed.contains(&name) { "is" } else { "i" };
            assert!(may.contains(&volatile), "{signature} is {volatile}");
        }
    }
    // Operators are called without being named one by one.
    let volatile = "SELECT count(*) FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v'";
    let count: i64 = admin.query_one(volatile, &[]).await.expect("the catalog").get(0);
    assert_eq!(count, 0);
}
