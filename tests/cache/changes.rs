//! Until a table changes, or nobody tells any more.

use super::{NOTES, SLOW, ask, counted, host, right, shop, status, until};
use crate::patience::soon;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_change_a_table_is_heard() {
    let shop = shop("cache_changes", |_| {}).await;
    let (app, admin) = (&shop.app, &shop.admin);
    let orders = "SELECT count(*), sum(length(note)) FROM orders";
    for (statement, change, expect) in [
        (
            orders,
            "INSERT INTO shop.orders VALUES ('00000000-0000-0000-0000-000000000001', 4, '2026-11-21', 'x')",
            "[[4,16]]",
        ),
        (orders, "UPDATE shop.orders SET note = 'xx' WHERE id = 4", "[[4,17]]"),
        (orders, "DELETE FROM shop.orders WHERE id = 4", "[[3,15]]"),
        (
            orders,
            "MERGE INTO shop.orders o USING (SELECT 3 AS id) s ON o.id = s.id WHEN MATCHED THEN UPDATE SET note = 'y'",
            "[[3,11]]",
        ),
        // Another tenant's row is a change of the table, too; whose it was is not told.
        (
            orders,
            "BEGIN; DELETE FROM shop.items WHERE order_id = 3; UPDATE shop.orders SET note = 'zz' WHERE id = 3; COMMIT",
            "[[3,12]]",
        ),
        // Views, one behind the other, and rows that go because others do.
        ("SELECT n FROM behind", "INSERT INTO shop.items SELECT tenant, id, 2 FROM shop.orders", "[[5]]"),
        ("SELECT count(*) FROM items", "DELETE FROM shop.orders WHERE id = 2", "[[3]]"),
        // By a partition's own name, and with triggers off for the session.
        ("SELECT sum(n) FROM sales", "UPDATE shop.sales_new SET n = 2", "[[2]]"),
        ("SELECT sum(n) FROM sales", "UPDATE shop.sales SET n = 3", "[[3]]"),
        (
            "SELECT sum(n) FROM sales",
            "SET session_replication_role = replica; UPDATE shop.sales SET n = 4; RESET session_replication_role",
            "[[4]]",
        ),
        ("SELECT count(*) FROM sales", "TRUNCATE shop.sales_new", "[[0]]"),
        ("SELECT count(*) FROM many", "TRUNCATE shop.many", "[[0]]"),
        // What reads what.
        ("SELECT count(*) FROM behind", "CALL rowhouse.hush('shop.many')", "[[1]]"),
    ] {
        let first = ask(app, "ann", statement).await;
        assert!(!first.0.contains(expect) || change.contains("hush"), "{change}: {first:?}");
        assert_eq!(ask(app, "ann", statement).await, (first.0, true), "{change}");
        let before = counted(app).misses;
        admin.batch_execute(change).await.unwrap_or_else(|e| panic!("{change}: {e:?}"));
        soon(async {
            while counted(app).misses == before {
                let _ = ask(app, "ann", statement).await;
            }
        })
        .await;
        until(app, "ann", statement, expect).await;
        soon(async { while !ask(app, "ann", statement).await.1 {} }).await;
    }
    // What was hushed is not kept any more.
    assert!(!ask(app, "ann", "SELECT count(*) FROM many").await.1);
    assert!(!ask(app, "ann", "SELECT count(*) FROM many").await.1);
    // A change that was taken back is none.
    let kept = ask(app, "ann", NOTES).await.0;
    admin.batch_execute("BEGIN; UPDATE shop.orders SET note = 'never'; ROLLBACK").await.expect("nothing");
    assert_eq!(ask(app, "ann", NOTES).await, (kept, true));
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_that_was_read_before_a_change_is_not_kept_after_it() {
    let shop = shop("cache_race", |_| {}).await;
    let app = &shop.app;
    // It reads the orders as they are when it begins, and takes its time.
    let slow = right(app, "ann", CancellationToken::new(), Duration::from_secs(60));
    let slow = tokio::spawn(async move { slow.run(SLOW, &[]).await.map(|rows| rows.to_json()) });
    soon(async {
        while app.host.database.status().in_use == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    // The transaction has begun when somebody else can see that it has.
    let begun = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xmin IS NOT NULL
                 AND pid <> pg_backend_pid()";
    soon(async { while shop.admin.query_one(begun, &[]).await.expect("activity").get::<_, i64>(0) == 0 {} }).await;
    let heard = status(app).changes;
    let change = "DELETE FROM shop.orders WHERE id = 3";
    shop.admin.batch_execute(change).await.expect("a change");
    soon(async {
        while status(app).changes == heard {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(!slow.is_finished(), "the statement is to be slower than the word of a change");
    // Who asks now is not given what was read before.
    let now = ask(app, "ann", SLOW).await;
    assert!(now.0.contains("[[16000000,2]]"), "{now:?}");
    let answer = soon(slow).await.expect("no panic").expect("rows");
    assert!(answer.contains("[[16000000,3]]"), "it saw the rows of its own time: {answer}");
    assert!(ask(app, "ann", SLOW).await.0.contains("[[16000000,2]]"));
    assert!(counted(app).invalidated >= 1);
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_word_of_changes_nothing_is_kept() {
    let shop = shop("cache_deaf", |_| {}).await;
    let app = &shop.app;
    for round in 1..=3 {
        assert!(!ask(app, "ann", NOTES).await.1, "{round}");
        assert!(ask(app, "ann", NOTES).await.1, "{round}");
        // The connection ends and a row changes, in one go: no word of it can come.
        let lost = format!(
            "BEGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'rowhouse-clerk';
             ALTER TABLE shop.orders DISABLE TRIGGER ALL; UPDATE shop.orders SET note = 'deaf {round}' WHERE id = 1;
             ALTER TABLE shop.orders ENABLE TRIGGER ALL; COMMIT"
        );
        shop.admin.batch_execute(&lost).await.expect("the administrator may");
        until(app, "ann", NOTES, &format!("deaf {round}")).await;
        // It heals by itself.
        soon(async { while status(app).standing.is_err() || !ask(app, "ann", NOTES).await.1 {} }).await;
        shop.admin.batch_execute("UPDATE shop.orders SET note = note || '.' WHERE id = 1").await.expect("a change");
        until(app, "ann", NOTES, &format!("deaf {round}.")).await;
        soon(async { while !ask(app, "ann", NOTES).await.1 {} }).await;
        // For the next round to begin with a question nobody asked.
        app.host.database.answers().expect("a cache").forget();
    }
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_gets_no_older_than_the_settings_say() {
    let shop = shop("cache_age", |settings| settings.cache.seconds = 1).await;
    let app = &shop.app;
    assert!(!ask(app, "ann", NOTES).await.1);
    // Changed where no word of it comes.
    let silently = "ALTER TABLE shop.orders DISABLE TRIGGER ALL; UPDATE shop.orders SET note = 'silent' WHERE id = 1;
                    ALTER TABLE shop.orders ENABLE TRIGGER ALL";
    shop.admin.batch_execute(silently).await.expect("a change");
    until(app, "ann", NOTES, "silent").await;
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_through_a_hole_is_not_given_when_it_is_mended() {
    let shop = shop("cache_hole", |_| {}).await;
    let database = &shop.app.host.database;
    assert!(!ask(&shop.app, "ann", NOTES).await.1);
    assert!(ask(&shop.app, "ann", NOTES).await.1);
    let right = right(&shop.app, "ann", CancellationToken::new(), Duration::from_secs(60));
    database.refuse(true);
    soon(right.run(NOTES, &[])).await.expect_err("while it is refused nothing is handed on");
    database.refuse(false);
    assert!(!ask(&shop.app, "ann", NOTES).await.1);
    assert!(ask(&shop.app, "ann", NOTES).await.1);
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_later_hears_of_changes_like_the_first() {
    let shop = shop("cache_second", |_| {}).await;
    let second = host(&shop.settings).await;
    for app in [&shop.app, &second] {
        assert!(!ask(app, "ann", NOTES).await.1);
        assert!(ask(app, "ann", NOTES).await.1);
    }
    shop.admin.batch_execute("UPDATE shop.orders SET note = 'for both' WHERE id = 1").await.expect("a change");
    for app in [&shop.app, &second] {
        until(app, "ann", NOTES, "for both").await;
    }
    second.stop().await;
    shop.app.stop().await;
}
