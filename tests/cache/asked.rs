//! Equal questions at one time.

use super::{SLOW, ask, asks, counted, right, shop, status};
use crate::harness::App;
use crate::patience::soon;
use rowhouse::query::SqlCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);

/// Until the database works on so many statements.
async fn at_work(app: &App, statements: u32) {
    soon(async {
        while app.host.database.status().in_use != statements {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_equal_questions_ask_the_database_once() {
    let shop = shop("cache_hundred", |_| {}).await;
    let app = Arc::new(shop.app);
    let mut all = JoinSet::new();
    for n in 0..100 {
        let app = Arc::clone(&app);
        // Two people of one tenant, and one of the other.
        let who = ["ann", "ada", "bob"][n % 3];
        all.spawn(async move { (who, ask(&app, who, SLOW).await.0) });
    }
    let answers = soon(all.join_all()).await;
    assert_eq!(answers.len(), 100);
    assert!(answers.iter().all(|(_, answer)| answer.contains("[[16000000,3]]")), "{answers:?}");
    let Some(app) = Arc::into_inner(app) else { panic!("nobody asks any more") };
    let counted = counted(&app);
    assert_eq!((counted.misses, counted.hits + counted.joined, counted.stored), (2, 98, 2), "{counted:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_leaves_or_runs_out_of_time_takes_nobody_along() {
    let shop = shop("cache_leaving", |_| {}).await;
    let app = &shop.app;
    let leaves = CancellationToken::new();
    let run = |cancel: CancellationToken, time: Duration| {
        let transaction = right(app, "ann", cancel, time);
        tokio::spawn(async move { transaction.run(SLOW, &[]).await.map(|rows| rows.to_json()) })
    };
    let first = run(leaves.clone(), MINUTE);
    at_work(app, 1).await;
    // One has less time than the statement takes; one goes by itself; one is simply dropped; two stay.
    let hurried = run(CancellationToken::new(), Duration::from_millis(50));
    let gone = CancellationToken::new();
    let (goes, dropped) = (run(gone.clone(), MINUTE), run(CancellationToken::new(), MINUTE));
    let stay = [run(CancellationToken::new(), MINUTE), run(CancellationToken::new(), MINUTE)];
    let late = soon(hurried).await.expect("no panic").expect_err("its own time was over");
    assert_eq!(late.code, SqlCode::Cancelled);
    gone.cancel();
    dropped.abort();
    assert_eq!(soon(goes).await.expect("no panic").expect_err("it left").code, SqlCode::Cancelled);
    leaves.cancel();
    assert_eq!(soon(first).await.expect("no panic").expect_err("it left").code, SqlCode::Cancelled);
    for one in stay {
        let answer = soon(one).await.expect("no panic").expect("those who stay are answered");
        assert!(answer.contains("[[16000000,3]]"), "{answer}");
    }
    // Who left first asked once, who stayed once more, whoever of them it was.
    assert!(counted(app).stored >= 1 && ask(app, "ann", SLOW).await.1);
    assert_eq!(app.host.database.status().in_use, 0, "nothing is left behind");
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failure_is_nobody_elses() {
    let shop = shop("cache_failing", |_| {}).await;
    let app = Arc::new(shop.app);
    let fails = "SELECT 1 / (count(*) - 16000000) FROM many a, many b WHERE a.n + b.n > 0";
    let mut all = JoinSet::new();
    for _ in 0..6 {
        let app = Arc::clone(&app);
        all.spawn(async move { asks(&app, "ann", fails, &[]).await.err().map(|error| error.code) });
    }
    let codes = soon(all.join_all()).await;
    assert_eq!(codes, [Some(SqlCode::Invalid); 6], "each hears its own failure");
    let Some(app) = Arc::into_inner(app) else { panic!("nobody asks any more") };
    assert_eq!((counted(&app).stored, status(&app).answers), (0, 0));
    app.stop().await;
}
