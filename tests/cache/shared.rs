//! The second level, in a real Redis, over several hosts.

use super::{NOTES, ask, counted, host, shop, until};
use crate::harness::App;
use crate::patience::soon;
use crate::redis::RedisServer;
use std::time::Duration;

/// The names of what is kept there.
async fn names(redis: &RedisServer) -> Vec<String> {
    let said = redis.say("KEYS rowhouse:answer:*").await;
    said.lines().filter(|line| line.starts_with("rowhouse:answer:")).map(str::to_owned).collect()
}

/// Until so many answers are there: they are sent behind the calls.
async fn there(redis: &RedisServer, answers: usize) -> Vec<String> {
    soon(async {
        loop {
            let names = names(redis).await;
            if names.len() == answers {
                return names;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Until this host puts its answers there: it tells of itself first.
async fn keeps(app: &App, redis: &RedisServer, who: &str, statement: &str, answers: usize) -> Vec<String> {
    soon(async {
        loop {
            // In memory it would be found, and not be sent.
            app.host.database.answers().expect("a cache").forget();
            let _ = ask(app, who, statement).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if names(redis).await.len() == answers {
                return;
            }
        }
    })
    .await;
    there(redis, answers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_answers_and_tenants_do_not() {
    let redis = RedisServer::start().await;
    let shop = shop("cache_redis", |settings| settings.cache.redis = Some(redis.url().into())).await;
    // A second host before the first answer: one that comes puts all there is out of date.
    let second = host(&shop.settings).await;
    keeps(&shop.app, &redis, "ann", NOTES, 1).await;
    soon(async { while !ask(&second, "ann", NOTES).await.1 {} }).await;
    let (answer, again) = ask(&second, "ada", NOTES).await;
    assert!(again && answer.contains("One 1") && !answer.contains("Two"), "{answer}");
    // The same words of another tenant meet nothing of it, on either host.
    for (app, again) in [(&shop.app, false), (&shop.app, true)] {
        let (answer, was) = ask(app, "bob", NOTES).await;
        assert!(was == again && answer.contains("Two 1") && !answer.contains("One"), "{answer}");
    }
    assert!(ask(&second, "both", NOTES).await.0.contains("One 1"));
    // Nothing of a row can be read there, nor of a question.
    let all = there(&redis, 3).await;
    for name in &all {
        let value = redis.say(&format!("GET {name}")).await;
        assert!(!value.contains("One") && !value.contains("Two"), "{value}");
    }
    // A change is heard by both, and neither takes it from there any more.
    shop.admin.batch_execute("UPDATE shop.orders SET note = 'changed' WHERE id = 1").await.expect("a change");
    for app in [&shop.app, &second] {
        until(app, "ann", NOTES, "changed").await;
        until(app, "bob", NOTES, "changed").await;
    }
    second.stop().await;
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_changed_or_old_there_is_nobodys() {
    let redis = RedisServer::start().await;
    let shop = shop("cache_moved", |settings| settings.cache.redis = Some(redis.url().into())).await;
    let [ann] = &keeps(&shop.app, &redis, "ann", NOTES, 1).await[..] else { panic!("one answer") };
    let ask_bob = ask(&shop.app, "bob", NOTES).await;
    assert!(ask_bob.0.contains("Two 1"));
    let both = there(&redis, 2).await;
    let bob = both.iter().find(|name| *name != ann).expect("another one");
    // Whoever can write there puts Ann's answer where Bob's is looked for, and Bob's where Ann's is.
    for line in [format!("RENAME {ann} aside"), format!("RENAME {bob} {ann}"), format!("RENAME aside {bob}")] {
        assert!(redis.say(&line).await.starts_with("+OK"), "{line}");
    }
    // Not `forget`, which would put it out of date; a memory that holds nothing is enough.
    let answers = shop.app.host.database.answers().expect("a cache");
    answers.empty();
    let before = counted(&shop.app);
    for (who, has, has_not) in [("ann", "One 1", "Two"), ("bob", "Two 1", "One")] {
        let (answer, again) = ask(&shop.app, who, NOTES).await;
        assert!(!again && answer.contains(has) && !answer.contains(has_not), "{who}: {answer}");
    }
    assert_eq!(counted(&shop.app).shared_hits, before.shared_hits);
    // Where nothing was moved it is found: the two lines above prove something.
    soon(async {
        loop {
            answers.empty();
            if ask(&shop.app, "ann", NOTES).await.1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(counted(&shop.app).shared_hits > before.shared_hits);
    // Cut, or marks that are gone: asked anew.
    assert!(redis.say(&format!("SETRANGE {ann} 20 xx")).await.starts_with(':'));
    answers.empty();
    assert!(!ask(&shop.app, "ann", NOTES).await.1);
    soon(async {
        while !{
            answers.empty();
            tokio::time::sleep(Duration::from_millis(20)).await;
            ask(&shop.app, "ann", NOTES).await.1
        } {}
    })
    .await;
    let marks = redis.say("KEYS rowhouse:answers:*").await;
    for mark in marks.lines().filter(|line| line.starts_with("rowhouse:answers:")) {
        assert!(redis.say(&format!("DEL {mark}")).await.starts_with(":1"), "{mark}");
    }
    answers.empty();
    assert!(!ask(&shop.app, "ann", NOTES).await.1, "a mark that is gone is never the same");
    shop.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_silent_fails_no_call() {
    let mut redis = RedisServer::start().await;
    let shop = shop("cache_away", |settings| settings.cache.redis = Some(redis.url().into())).await;
    keeps(&shop.app, &redis, "ann", NOTES, 1).await;
    redis.freeze();
    shop.app.host.database.answers().expect("a cache").empty();
    let (answer, again) = ask(&shop.app, "ann", NOTES).await;
    assert!(!again && answer.contains("One 1"), "{answer}");
    assert!(ask(&shop.app, "ann", NOTES).await.1, "memory does without");
    assert!(counted(&shop.app).shared_failures >= 1);
    // A change it could not be told of: it is not believed until it was.
    shop.admin.batch_execute("UPDATE shop.orders SET note = 'meanwhile' WHERE id = 1").await.expect("a change");
    until(&shop.app, "ann", NOTES, "meanwhile").await;
    redis.thaw();
    let answers = shop.app.host.database.answers().expect("a cache");
    soon(async {
        let before = counted(&shop.app).shared_hits;
        while counted(&shop.app).shared_hits == before {
            answers.empty();
            let (answer, _) = ask(&shop.app, "ann", NOTES).await;
            assert!(answer.contains("meanwhile"), "an answer from before the outage: {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    redis.crash().await;
    answers.empty();
    assert!(ask(&shop.app, "bob", NOTES).await.0.contains("Two"));
    shop.app.stop().await;
}
