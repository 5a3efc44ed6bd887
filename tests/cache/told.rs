//! What callers, the trail and operators hear of it.

use super::{SLOW, counted, shop};
use crate::desk::{self, door};
use crate::harness::App;
use crate::patience::soon;
use rowhouse::config::Grant;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn call(app: &App, statement: &str, how: &str) -> Value {
    let mut reply = soon(app.post("ann", "echo_rows", json!({ "statement": statement, "how": how }))).await;
    assert_eq!(reply["result"]["isError"], false, "{reply}");
    reply["result"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_read_before_says_how_old_it_is() {
    let shop = shop("cache_told", |_| {}).await;
    let statement = "SELECT id, note FROM orders ORDER BY id";
    let first = call(&shop.app, statement, "pass").await;
    assert!(first["_meta"].get("rowhouse/cache").is_none(), "{first}");
    // However the plugin takes its rows.
    for how in ["pass", "next", "batch"] {
        let again = call(&shop.app, statement, how).await;
        assert!(again["_meta"]["rowhouse/cache"]["ageMs"].is_u64(), "{how}: {again}");
        match how {
            "pass" => assert_eq!(again["structuredContent"], first["structuredContent"]),
            "next" => assert_eq!(again["structuredContent"]["rows"][0][1]["text"], "One 1", "{again}"),
            _ => assert_eq!(again["structuredContent"]["rows"][0][1], "One 1", "{again}"),
        }
    }
    // The trail has the rows, no time at the database, and the age.
    let node = shop.app.host.audit.status().expect("the trail is on").node;
    let query = "SELECT record FROM rowhouse.audit WHERE node = $1 AND event = 'call' ORDER BY seq";
    let records: Vec<Value> = soon(async {
        loop {
            let rows = shop.admin.query(query, &[&node]).await.expect("the trail");
            if rows.len() == 4 {
                return rows.iter().map(|row| serde_json::from_str(row.get(0)).expect("JSON")).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for (n, record) in records.iter().enumerate() {
        let statement = &record["statements"][0];
        assert_eq!((&statement["rows"], &record["rows"]), (&json!(3), &json!(3)), "{record}");
        assert_eq!(statement.get("age_ms").is_some(), n > 0, "{record}");
        assert_eq!(statement["ms"] == 0.0, n > 0, "{record}");
    }
    // So has the account: rows are charged, whoever read them.
    let usage = "SELECT coalesce(sum(rows), 0)::bigint FROM rowhouse.usage";
    soon(async {
        while shop.admin.query_one(usage, &[]).await.expect("the books").get::<_, i64>(0) != 12 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_be_left_out_and_so_may_all() {
    let left_out = shop("cache_left_out", |settings| {
        settings.plugins.grants.insert("echo".to_owned(), Grant { cache: false, ..Grant::default() });
    })
    .await;
    let off = shop("cache_off", |settings| {
        settings.cache.enabled = true;
    })
    .await;
    let mut without = off.settings.clone();
    without.cache.enabled = false;
    let without = soon(App::plan(|plan| (plan.settings, plan.guests) = (without, vec!["echo"]))).await;
    assert!(without.host.database.answers().is_none());
    for app in [&left_out.app, &without] {
        for _ in 0..2 {
            let answer = call(app, "SELECT count(*) FROM orders", "pass").await;
            assert!(answer["_meta"].get("rowhouse/cache").is_none(), "{answer}");
        }
    }
    assert_eq!(counted(&left_out.app).misses, 0);
    without.stop().await;
    off.app.stop().await;
    left_out.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_it_does() {
    let shop = shop("cache_health", |_| {}).await;
    for _ in 0..3 {
        call(&shop.app, SLOW, "pass").await;
    }
    call(&shop.app, "SELECT now()", "pass").await;
    let stop = CancellationToken::new();
    let (_desk, socket) = door(&shop.app, &stop);
    let body = desk::get(&socket, "/health").await;
    stop.cancel();
    let cache = serde_json::from_str::<Value>(&body).expect("JSON")["cache"].take();
    let counts = json!({ "hits": 2, "misses": 1, "passed": 1, "stored": 1, "joined": 0, "evicted": 0 });
    for (name, count) in counts.as_object().expect("counts") {
        assert_eq!(&cache["counts"][name], count, "{name}: {cache}");
    }
    assert_eq!(
        (&cache["keeps"], &cache["answers"], &cache["redis"]),
        (&json!(true), &json!(1), &Value::Null),
        "{cache}"
    );
    assert!(cache["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{cache}");
    shop.app.stop().await;
}
