//! Guests that misbehave: each ends with its own stable code, is blamed by name, and its neighbours do not notice.

mod envelope; // Which bounds hold for which call.
mod hostile; // The collection: every way to misbehave, with its code.
mod raw; // Guests written by hand.
mod refusals; // What is refused before anyone can call it.
mod rows; // What bounds a statement and its rows.
mod wasi; // What of an operating system there is.

use crate::harness::{App, Plan};
use crate::patience::soon;
use rowhouse::call::Request;
use rowhouse::plugin::{Listener, LogLevel, Part};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Call a tool as Seattle's manager, who must be told this code and this part of a text.
async fn fails(app: &App, tool: &str, arguments: Value, code: &str, part: &str) {
    let (got, text) = soon(app.failure("seattle", tool, arguments.clone())).await;
    assert_eq!(got, code, "{tool} {arguments}: {text}");
    assert!(text.contains(part), "{tool} {arguments}: {text:?} does not say {part:?}");
    assert!(text.contains(&format!("`{tool}`")), "{tool}: {text:?} blames nobody");
}

/// The neighbour answers, whatever happened.
async fn neighbour_answers(app: &App) {
    let answer = soon(app.answer("spokane", "echo", json!({ "text": "still here" }))).await;
    assert_eq!(answer["text"], "still here");
}

#[tokio::test]
async fn a_call_ends_when_its_time_is_over() {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["slow_query", "echo"];
        plan.settings.plugins.limits.wall_ms = 2_000;
    };
    let app = soon(App::plan(plan)).await;
    // Two hundred thousand squared: many minutes.
    fails(&app, "slow_query", json!({ "size": 200_000 }), "PLUGIN_DEADLINE", "longer than 2000 ms").await;
    neighbour_answers(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_fail_do_not_use_up_the_pool() {
    let app = hostile::calls::app(|_| {}).await;
    // Many times what the pool of a house with eight calls at once can hold. What takes half a second each is left out.
    let deeds = hostile::calls::deeds();
    let quick: Vec<_> = deeds.iter().filter(|deed| !["PLUGIN_CPU", "PLUGIN_DATABASE_TIME"].contains(&deed.3)).collect();
    for some in [&quick[..], &quick[..]].concat().chunks(8) {
        let differ = futures_util::future::join_all(some.iter().map(|deed| hostile::calls::check(&app, deed))).await;
        assert!(differ.iter().all(Option::is_none), "{differ:#?}");
    }
    futures_util::future::join_all((0..8).map(|_| neighbour_answers(&app))).await;
    assert_eq!(app.host.traffic.running(), 0, "every place was given back");
}

/// Counts what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Listener for Ear {
    fn progress(&self, _: f64, _: Option<f64>, _: Option<&str>) {}
    fn log(&self, _: LogLevel, logger: &str, message: &str) {
        assert_eq!(logger, "log_flood");
        self.0.lock().expect("nobody panicked").push(message.to_owned());
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_off_and_the_call_answered() {
    let app = soon(App::plan(|plan| plan.guests = vec!["log_flood", "echo"])).await;
    let most = rowhouse::config::Limits::default().log_bytes;
    let ear = Arc::new(Ear::default());
    let request = Request {
        id: "flood".to_owned(),
        tool: "log_flood".to_owned(),
        arguments: serde_json::Map::new(),
        tenants: None,
        listener: Some(Arc::clone(&ear) as Arc<dyn Listener>),
        cancelled: CancellationToken::new(),
    };
    let answer = soon(app.host.call(&app.principal("seattle"), request)).await.expect("an answer");
    assert!(matches!(&answer.parts[..], [Part::Text(text)] if text == "1000 lines"));
    let heard = ear.0.lock().expect("nobody panicked").iter().map(String::len).collect::<Vec<_>>();
    let bytes: usize = heard.iter().sum();
    assert!(!heard.is_empty() && bytes <= most, "{bytes} bytes of {most} in {} lines", heard.len());
    neighbour_answers(&app).await;
}
