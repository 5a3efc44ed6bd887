//! Guests that misbehave: each ends with its own stable code, is blamed by name, and its neighbours do not notice.

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

/// Bounds that a misbehaving guest meets soon; a well-behaved one stays far below.
fn tight(plan: &mut Plan) {
    let limits = &mut plan.settings.plugins.limits;
    limits.cpu_ms = 500;
    limits.host_calls = 20_000;
    limits.statements = 20;
    limits.handles = 8;
    limits.transfer_bytes = 1 << 20;
}

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

/// Guest, arguments, code, and a part of the text that names the bound.
fn misbehaviour() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        ("endless_loop", json!({}), "PLUGIN_CPU", "computed for more than 500 ms"),
        ("memory_bomb", json!({}), "PLUGIN_MEMORY", "a call may use 64"),
        ("recursion", json!({}), "PLUGIN_TRAPPED", "recursion that is too deep"),
        ("trap", json!({}), "PLUGIN_TRAPPED", "panicked"),
        ("huge_answer", json!({}), "PLUGIN_ANSWER", "moved more data"),
        ("huge_answer", json!({ "bytes": (1 << 20) + 1 }), "PLUGIN_ANSWER", "moved more data"),
        ("hostcall_storm", json!({}), "PLUGIN_HOST_CALLS", "more than 20000 times"),
        ("query_storm", json!({}), "PLUGIN_STATEMENTS", "more than 20 statements"),
        ("handle_hoard", json!({}), "PLUGIN_HANDLES", "more than 8 row sets"),
        ("bad_output", json!({}), "PLUGIN_CONTRACT", "outside its own output schema"),
        ("bad_output", json!({ "answer": "{" }), "PLUGIN_CONTRACT", "not JSON"),
        ("bad_output", json!({ "answer": "[1]" }), "PLUGIN_CONTRACT", "not an object"),
    ]
}

/// The guests of the table, and a neighbour.
fn guests() -> Vec<&'static str> {
    let mut guests: Vec<_> = misbehaviour().into_iter().map(|(guest, ..)| guest).collect();
    guests.dedup();
    guests.extend(["echo", "log_flood", "slow_query"]);
    guests
}

#[tokio::test]
async fn every_misbehaviour_has_its_code() {
    let plan = |plan: &mut Plan| {
        plan.guests = guests();
        tight(plan);
    };
    let app = soon(App::plan(plan)).await;
    for (guest, arguments, code, part) in misbehaviour() {
        fails(&app, guest, arguments, code, part).await;
        neighbour_answers(&app).await;
    }
    // What stays within the same bounds is answered: the bound was the reason, not the guest.
    for (guest, arguments) in [
        ("memory_bomb", json!({ "mebibytes": 8 })),
        ("huge_answer", json!({ "bytes": 1 << 19 })),
        ("hostcall_storm", json!({ "calls": 10_000 })),
        ("query_storm", json!({ "statements": 20 })),
        ("handle_hoard", json!({ "handles": 8 })),
        ("bad_output", json!({ "answer": r#"{"n":7}"# })),
    ] {
        let reply = soon(app.post("seattle", guest, arguments)).await;
        assert_eq!(reply["result"]["isError"], false, "{guest}: {reply}");
    }
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

#[tokio::test]
async fn guests_that_fail_do_not_use_up_the_pool() {
    let plan = |plan: &mut Plan| {
        plan.guests = guests();
        tight(plan);
    };
    let app = soon(App::plan(plan)).await;
    // Five times what the pool of a house with eight calls at once can hold.
    let bad = misbehaviour().into_iter().filter(|(guest, ..)| *guest != "endless_loop").cycle().take(70);
    let calls: Vec<_> = bad.collect();
    for some in calls.chunks(8) {
        futures_util::future::join_all(
            some.iter().map(|(guest, arguments, code, part)| fails(&app, guest, arguments.clone(), code, part)),
        )
        .await;
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
