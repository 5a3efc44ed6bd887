//! What a caller is told whom a limit stops, over the wire; and whose statements hold the database.

use crate::harness::{App, Plan, shared};
use crate::patience::soon;
use rowhouse::call::Request;
use rowhouse::config::{Quota, Rate, Traffic};
use rowhouse::query::{Bounds, Ran, SqlCode, TenantTx, Value};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Calls within which each limit below is met: the first may pay for all.
const CALLS: usize = 3;

/// Provoke a limit as Tacoma's manager, and look at what comes over the wire and into the trail.
async fn check(change: impl FnOnce(&mut Traffic), limit: &str, code: &str, parts: &[&str]) {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["sales"];
        change(&mut plan.settings.traffic);
    };
    let app = soon(App::plan(plan)).await;
    let mut refused = None;
    for _ in 0..CALLS {
        let reply = soon(app.post("tacoma", "execute_sales_query", json!({ "query": "SELECT 1" }))).await;
        if reply["result"]["isError"] == true {
            refused = Some(reply);
            break;
        }
    }
    let reply = refused.unwrap_or_else(|| panic!("{limit} lets {CALLS} calls through"));
    let (text, detail) = (&reply["result"]["content"][0]["text"], &reply["result"]["_meta"]["rowhouse/error"]);
    let text = text.as_str().expect("a text");
    assert_eq!((&detail["code"], &detail["blame"]), (&json!(code), &json!("caller")), "{text}");
    assert!(detail["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{detail}");
    for part in parts.iter().chain([&code]) {
        assert!(text.contains(part), "{limit}: no {part:?} in {text:?}");
    }
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let told = format!("%\"limit\":\"{limit}\"%");
    let count = "SELECT count(*) FROM rowhouse.audit WHERE event = 'limit_breached' AND record LIKE $1";
    soon(async {
        while admin.query_one(count, &[&told]).await.expect("the trail").get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn each_limit_is_told_with_its_name_and_the_wait() {
    // Slow enough that no test sees a bucket fill.
    let rate = Some(Rate { per_second: 0.001, burst: 1 });
    let (rated, wait) = ("the limit is 0.001 a second, 1 at once", "; try again in ");
    check(|t| t.principal = rate, "bucket.principal", "RATE_LIMITED", &["by this principal", rated, wait]).await;
    check(|t| t.tenant = rate, "bucket.tenant", "RATE_LIMITED", &["by this tenant", rated, wait]).await;
    let named = "sales/execute_sales_query".to_owned();
    let tool = ["of this tool by this tenant", rated, wait];
    check(|t| t.tools = [(named, rate)].into(), "bucket.tool", "RATE_LIMITED", &tool).await;
    let day = ["the day's quota of this tenant is used up: 1 ", "begins anew at 00:00 UTC, in "];
    let calls = Quota { calls: Some(1), ..Quota::default() };
    check(|t| t.quota = calls, "quota.calls", "QUOTA_EXCEEDED", &[day[0], "1 calls", day[1]]).await;
    let rows = Quota { rows: Some(1), ..Quota::default() };
    check(|t| t.quota = rows, "quota.rows", "QUOTA_EXCEEDED", &[day[0], "1 rows", day[1]]).await;
}

/// Pairs of a series this long are not counted within any test's patience, and one of it fits into a statement's memory.
const FOR_EVER: i64 = 100_000;
const SLOW: &str = "SELECT count(*) FROM generate_series(1, $1) a, generate_series(1, $1) b WHERE a + b < 0";

/// A house with two connections, where nothing ends by itself.
async fn small() -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["sales", "slow_query"];
        let pool = &mut plan.settings.database.pool;
        (pool.max, pool.statement_timeout_seconds, pool.acquire_timeout_ms) = (Some(2), 3_600, 3_000);
        plan.settings.plugins.limits.wall_ms = 3_600_000;
    };
    soon(App::plan(plan)).await
}

fn open(app: &App, who: &str) -> Arc<TenantTx> {
    let permit = app.host.policy.current().permit(&app.principal(who), "sales", "execute_sales_query", None);
    let bounds =
        Bounds { rows: 10, bytes: 1 << 20, time: Duration::from_secs(3_600), database: Duration::from_secs(3_600) };
    let opened = app.host.database.open(&permit.expect("a permit"), bounds, CancellationToken::new());
    Arc::new(opened.expect("a sound database"))
}

async fn in_use(app: &App, connections: u32) {
    soon(async {
        while app.host.database.status().in_use != connections {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_does_not_hold_every_connection() {
    let app = small().await;
    let seattle = open(&app, "seattle");
    let mut slow = JoinSet::new();
    for _ in 0..4 {
        slow.spawn(seattle.start(SLOW.to_owned(), vec![Value::Int(FOR_EVER)]).await);
    }
    in_use(&app, 1).await;
    // The neighbour has the other one, as often as it likes.
    for _ in 0..3 {
        assert_eq!(soon(app.rows("spokane", "SELECT 1")).await, [json!([1])]);
    }
    // Busy with its own, which is told apart from a busy database and from a slow statement.
    for _ in 0..3 {
        let error = soon(slow.join_next()).await.expect("one more").expect("no panic").expect_err("no connection");
        assert_eq!(error.code, SqlCode::Unavailable, "{error}");
        assert!(error.message.contains("statements of this tenant hold all they may have (1)"), "{error}");
    }
    // Who waited in vain has used nothing of the database; the one under way has, and counts before it ends.
    let (waited, ran): (Vec<Ran>, _) = seattle.ran().into_iter().partition(|ran| ran.time.is_zero());
    assert_eq!(waited.iter().map(|ran| ran.failed).collect::<Vec<_>>(), [Some(SqlCode::Unavailable); 3]);
    assert_eq!(ran.iter().map(|ran| ran.failed).collect::<Vec<_>>(), [Some(SqlCode::Cancelled)]);
    // Let go of: it ends in the database, and is still in the account.
    slow.shutdown().await;
    in_use(&app, 0).await;
    assert_eq!(seattle.ran().iter().filter(|ran| !ran.time.is_zero()).count(), 1);
    assert_eq!(soon(app.rows("seattle", "SELECT 1")).await, [json!([1])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_of_two_tenants_get_their_turn() {
    let app = small().await;
    let (seattle, spokane) = (open(&app, "seattle"), open(&app, "spokane"));
    let mut slow = JoinSet::new();
    for tenant in [&seattle, &spokane] {
        slow.spawn(tenant.start(SLOW.to_owned(), vec![Value::Int(FOR_EVER)]).await);
    }
    in_use(&app, 2).await;
    // A third finds both taken, none of them by itself.
    let error = soon(open(&app, "tacoma").run("SELECT 1", &[])).await.expect_err("all are taken");
    assert_eq!((error.code, error.message.as_str()), (SqlCode::Unavailable, "the database is busy; try again"));
    slow.shutdown().await;
    in_use(&app, 0).await;
    assert_eq!(soon(app.rows("tacoma", "SELECT 1")).await, [json!([1])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_a_guest_lets_go_of_is_in_the_record() {
    let app = small().await;
    let request = Request {
        id: "let-go-of".to_owned(),
        tool: "slow_query".to_owned(),
        arguments: json!({ "size": FOR_EVER, "drop": true }).as_object().expect("an object").clone(),
        tenants: None,
        listener: None,
        cancelled: CancellationToken::new(),
    };
    soon(app.host.call(&app.principal("seattle"), request)).await.expect("an answer");
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let text = "SELECT record FROM rowhouse.audit WHERE event = 'call' AND record LIKE '%let-go-of%'";
    let record = soon(async {
        loop {
            if let Some(row) = admin.query_opt(text, &[]).await.expect("the trail") {
                return row.get::<_, String>(0);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let outcomes: Vec<_> = record["statements"].as_array().expect("statements").iter().map(|s| &s["outcome"]).collect();
    assert_eq!(outcomes, [&json!("CANCELLED")], "{record}");
}
