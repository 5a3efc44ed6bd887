//! What a guest gets of an operating system: nothing without the grant; with it, clocks, random numbers and a way into
//! the log, and never a file, a variable or a socket.

use super::neighbour_answers;
use crate::harness::{App, Plan};
use crate::patience::soon;
use rowhouse::config::Grant;
use serde_json::{Value, json};

async fn app(wasi: bool) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["wasi_probe", "echo"];
        plan.settings.plugins.grants.insert("wasi_probe".to_owned(), Grant { wasi, ..Grant::default() });
    };
    soon(App::plan(plan)).await
}

#[tokio::test]
async fn without_the_grant_it_is_not_loaded() {
    let app = app(false).await;
    let published = app.host.plugins.published();
    let why = published.refused.get("wasi_probe").expect("refused");
    assert_eq!(why.step, "grant");
    for part in ["wasi:", "plugins.grants.wasi_probe.wasi = true", "not granted"] {
        assert!(why.reason.contains(part), "{why}");
    }
    neighbour_answers(&app).await;
}

/// What a probe of one thing came to: its report, or the code and the text it ended with.
async fn probe(app: &App, what: &str) -> Result<Value, (String, String)> {
    let mut reply = soon(app.post("seattle", "wasi_probe", json!({ "what": what }))).await;
    let result = reply["result"].take();
    if result["isError"] == false {
        return Ok(result["structuredContent"].clone());
    }
    let code = result["_meta"]["rowhouse/error"]["code"].as_str().expect("a code").to_owned();
    Err((code, result["content"][0]["text"].to_string()))
}

#[tokio::test]
async fn with_the_grant_nothing_of_the_machine_is_to_be_had() {
    let app = app(true).await;
    for what in ["files", "environment", "network"] {
        match probe(&app, what).await {
            Ok(report) => {
                let got: Vec<_> =
                    report.as_object().expect("an object").iter().filter(|(_, told)| !is_nothing(told)).collect();
                assert!(got.is_empty(), "{what}: {got:?}");
            }
            Err((code, text)) => {
                assert_eq!(code, "PLUGIN_DENIED", "{what}: {text}");
                assert!(text.contains("denied capability: wasi:"), "{what}: {text}");
            }
        }
        neighbour_answers(&app).await;
    }
    assert!(!std::path::Path::new("/tmp/wasi_probe").exists(), "it wrote a file");
    let (code, text) = probe(&app, "exit").await.expect_err("an exit is no answer");
    assert_eq!(code, "PLUGIN_TRAPPED", "{text}");
    neighbour_answers(&app).await;
}

/// Refused, none, or the directory every guest believes to be in.
fn is_nothing(told: &Value) -> bool {
    told.get("refused").is_some() || told == 0 || told["got"] == "\"/\""
}

#[tokio::test]
async fn with_the_grant_clocks_random_numbers_and_output_work() {
    let app = app(true).await;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
    let clock = probe(&app, "clock").await.expect("a clock");
    let wall: u64 = clock["wall"]["got"].as_str().and_then(|told| told.parse().ok()).expect("seconds");
    // An hour is no measure of speed, only of which clock it is.
    assert!(wall.abs_diff(now) < 3_600, "{clock}");
    assert_eq!(clock["slept_at_least_5_ms"], true, "{clock}");
    assert_eq!(probe(&app, "random").await.expect("random numbers")["differ"], true);
    let output = probe(&app, "output").await.expect("output");
    assert_eq!((&output["stdout"]["got"], &output["stderr"]["got"]), (&json!("()"), &json!("()")), "{output}");
    assert_eq!(output["stdin"]["got"], "None", "{output}");
    assert_eq!(probe(&app, "sql").await.expect("rows")["got"], "1");
}
