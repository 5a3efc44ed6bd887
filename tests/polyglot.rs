//! Plugins in Python and JavaScript: what they answer, and that they are walled in like any other.

mod truth; // What they answer, beside what the administrator's own statements say.
mod sources; // Their sources: the tests beside them.

use crate::harness::{App, Plan};
use crate::patience::soon;
use rowhouse::call::Request;
use rowhouse::plugin::{Listener, LogLevel};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// The test guests, and what their tools' names begin with.
const GUESTS: [(&str, &str); 2] = [("in_python", "py"), ("in_javascript", "js")];

/// A house of one's own. The first of the run compiles all that is not Rust, alone: other houses then find the code, in
/// place of each spending the same minute on it.
async fn house(change: impl FnOnce(&mut Plan)) -> App {
    static COMPILED: OnceCell<()> = OnceCell::const_new();
    let compile = || async {
        let plan = |plan: &mut Plan| plan.guests = vec!["basket", "report", "in_python", "in_javascript"];
        App::plan(plan).await.stop().await;
    };
    COMPILED.get_or_init(compile).await;
    soon(App::plan(change)).await
}

async fn guests(change: impl FnOnce(&mut Plan)) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["in_python", "in_javascript", "echo"];
        change(plan);
    };
    house(plan).await
}

#[tokio::test]
async fn they_need_no_grant_beyond_the_usual() {
    let plan = |plan: &mut Plan| plan.guests = vec!["basket", "report", "in_python", "in_javascript"];
    let app = house(plan).await;
    let published = app.host.plugins.published();
    assert!(published.refused.is_empty(), "{:?}", published.refused);
    assert_eq!(published.plugins.len(), 4);
    for plugin in published.plugins.values() {
        let foreign: Vec<_> = plugin.imports.iter().filter(|name| !name.starts_with("rowhouse:plugin/")).collect();
        assert!(foreign.is_empty(), "{}: {foreign:?}", plugin.name);
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_call() {
    let app = guests(|_| {}).await;
    for (_, language) in GUESTS {
        for who in ["seattle", "spokane", "seattle"] {
            let answer = soon(app.answer(who, &format!("{language}_count"), json!({}))).await;
            assert_eq!(answer["calls"], 1, "{language}, {who}: a global of another call");
        }
    }
}

#[tokio::test]
async fn values_and_rows_cross_whole() {
    let app = guests(|_| {}).await;
    let statement = "SELECT 12.50::numeric AS n, 'zoë €😀' AS t, NULL::date AS d, date '2026-01-31' AS day, 7::bigint AS i \
                     UNION ALL SELECT NULL, '', date '2024-02-29', NULL, -7";
    let whole = json!({ "b": true, "f": 0.5, "t": "zoë €😀", "j": { "a": [1, null] }, "a": ["x", "y"], "n": null });
    for (language, numeric, int) in [("py", parsed("12.50"), -(1_i64 << 53)), ("js", json!("12.50"), 1 - (1 << 53))] {
        let ask =
            async |tool: &str, arguments| soon(app.answer("seattle", &format!("{language}_{tool}"), arguments)).await;
        let mut expect = whole.clone();
        expect["i"] = json!(int);
        assert_eq!(ask("values", json!({})).await, expect, "{language}");
        let read = ask("read", json!({ "statement": statement })).await;
        let first = json!({ "n": numeric, "t": "zoë €😀", "d": null, "day": "2026-01-31", "i": 7 });
        let second = json!({ "n": null, "t": "", "d": "2024-02-29", "day": null, "i": -7 });
        assert_eq!(read["rows"], json!([first, second]), "{language}");
        let passed = ask("rows", json!({ "statement": "SELECT 1.10 AS a" })).await;
        assert_eq!(passed, parsed(r#"{"c":["a"],"r":[[1.10]],"n":1}"#), "{language}");
        let context = ask("context", json!({})).await;
        assert_eq!(context["scope"], "single", "{language}: {context}");
        assert!(context["year"].as_i64() >= Some(2026) && context["left"].as_u64() > Some(0), "{language}: {context}");
    }
}

/// JSON as an answer's reader sees it.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn every_misbehaviour_has_its_code() {
    let app = guests(|plan| plan.settings.plugins.limits.cpu_ms = 500).await;
    let statement = json!({ "statement": "DELETE FROM retail.orders" });
    for (guest, language) in GUESTS {
        for (tool, arguments, code, blamed) in [
            ("memory", json!({ "mebibytes": 100 }), "PLUGIN_MEMORY", true),
            ("spin", json!({}), "PLUGIN_CPU", true),
            ("fault", json!({}), "PLUGIN_TRAPPED", true),
            ("clock", json!({}), "PLUGIN_TRAPPED", true),
            ("refuse", json!({}), "VALIDATION_ERROR", false),
            ("rows", statement.clone(), "QUERY_REJECTED", false),
        ] {
            let (got, text) = soon(app.failure("seattle", &format!("{language}_{tool}"), arguments)).await;
            assert_eq!(got, code, "{language} {tool}: {text}");
            assert_eq!(text.contains(&format!("`{guest}`")), blamed, "{language} {tool}: {text}");
            let neighbour = soon(app.answer("spokane", "echo", json!({ "text": "here" }))).await;
            assert_eq!(neighbour["text"], "here", "after {language} {tool}");
        }
        let small = soon(app.answer("seattle", &format!("{language}_memory"), json!({ "mebibytes": 8 }))).await;
        assert_eq!(small["bytes"], 8 << 20, "{language}: within the bound it is answered");
    }
}

/// Keeps what a guest logs.
#[derive(Default)]
struct Ear(Mutex<Vec<(LogLevel, String)>>);

impl Listener for Ear {
    fn log(&self, level: LogLevel, _logger: &str, message: &str) {
        self.0.lock().expect("nobody panicked").push((level, message.to_owned()));
    }

    fn progress(&self, _done: f64, _total: Option<f64>, _message: Option<&str>) {}
}

#[tokio::test]
async fn a_fault_says_where_it_is_without_a_rows_value() {
    let app = guests(|_| {}).await;
    for (language, kind, file) in [("py", "KeyError", "app.py"), ("js", "TypeError", "app.js")] {
        let ear = Arc::new(Ear::default());
        let request = Request {
            id: "fault".to_owned(),
            tool: format!("{language}_fault"),
            arguments: json!({ "text": "a secret" }).as_object().expect("an object").clone(),
            tenants: None,
            listener: Some(Arc::clone(&ear) as Arc<dyn Listener>),
            cancelled: CancellationToken::new(),
        };
        assert!(soon(app.host.call(&app.principal("seattle"), request)).await.is_err(), "{language}");
        let said = ear.0.lock().expect("nobody panicked").clone();
        let [(level, text)] = said.as_slice() else { panic!("{language}: one line, not {said:?}") };
        assert!(matches!(level, LogLevel::Error), "{language}: {text}");
        assert!(text.contains(kind) && text.contains(file), "{language}: {text}");
        assert!(!text.contains("secret"), "{language}: {text}");
    }
}
