//! The first day of a plugin: begun, tried, changed while it is served, broken, mended.

use super::desk::{Desk, LANGUAGES};
use super::dev::Dev;
use super::{NAME, TOOL};
use serde_json::{Value, json};

/// The commands of the README's block, without their comments.
fn commands(readme: &str) -> Vec<String> {
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of commands");
    block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned()).collect()
}

/// Everything the README has somebody do, for one language.
async fn day(language: &'static str) {
    let (_, source) = LANGUAGES.into_iter().find(|it| it.0 == language).expect("a language");
    let desk = Desk::begin(language).await;
    let told = commands(&desk.read("README.md"));
    let ours: Vec<&str> = told.iter().filter_map(|it| it.strip_prefix("rowhouse plugin ")).collect();
    assert_eq!(ours, ["dev", "test", "check", "bench", "build"], "what is done below is what is told");

    // Built, and good as it is.
    let tested: Value = serde_json::from_str(&desk.does(&["test", desk.here(), "--json"])).expect("JSON");
    let outcomes: Vec<&Value> = tested["cases"].as_array().expect("cases").iter().map(|it| &it["outcome"]).collect();
    assert_eq!(outcomes, ["passed"; 2], "{tested}");
    let checked = desk.does(&["check", desk.here(), "--strict"]);
    assert!(checked.contains("nothing to mend"), "{checked}");
    // Its own tests, over a host that is made up.
    let own = told.iter().find(|it| !it.starts_with("rowhouse") && it.contains("test")).expect("tests of its own");
    let said = desk.shell(own);
    assert!(["test result: ok. 1 passed", "Ran 1 test", "pass 1\n"].iter().any(|it| said.contains(it)), "{said}");

    // Served, and changed while it is.
    let component = desk.plugin.join(format!("{NAME}.wasm"));
    let first = std::fs::read(&component).expect("a component");
    let mut dev = Dev::start(&desk).await;
    let snapshot: Value = serde_json::from_str(&desk.read("tests/snapshots/few-left.json")).expect("JSON");
    assert_eq!(dev.answer().await, snapshot, "the same over MCP");
    desk.edit(source, "LIMIT 10", "LIMIT 3");
    let said = dev.swapped().await;
    assert!(said.starts_with(&format!("{NAME} 0.1.0")), "{said}");
    assert_eq!(dev.answer().await["n"], 3, "the function that was edited answers");
    let second = std::fs::read(&component).expect("a component");
    assert!(first != second, "what serves lies beside its sources");

    // Broken: the last good one serves on, there and on disk.
    let good = desk.read(source);
    desk.edit(source, "LIMIT 3", "LIMIT 3\"`'''\"\"\" (");
    let why = dev.failed().await;
    assert!(why.contains("serves on"), "{why}");
    assert_eq!(dev.answer().await["n"], 3);
    assert!(std::fs::read(&component).expect("a component") == second);
    std::fs::write(desk.plugin.join(source), good).expect("mended");
    dev.swapped().await;
    dev.stop().await;

    // The cases notice what was changed, until they are told that it is meant.
    let file = component.to_str().expect("a path in ASCII");
    let changed = desk.run(&["test", file]);
    let said = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert_eq!(changed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("FAILED   few-left") && said.contains("-  \"n\": 10") && said.contains("1 of 2 passed"),
        "{said}"
    );
    assert!(desk.does(&["test", file, "--update"]).contains("written  few-left"));
    assert!(desk.does(&["test", file]).contains("2 of 2 passed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_rust() {
    day("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_python() {
    day("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_javascript() {
    day("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_costs_is_told_beside_one_that_does_nothing() {
    let desk = Desk::begin("js").await;
    let told = desk.does(&["bench", desk.here(), "--calls", "5", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["plugin"], &told["tool"], &told["calls"]), (&json!(NAME), &json!(TOOL), &json!(5)));
    for (what, at_least) in [("instance", 1.0), ("guest", 1.0), ("call", 1.0), ("memory", 65_536.0), ("rows", 10.0)] {
        let measured = &told["measured"][what];
        let number = |name: &str| measured[name].as_f64().unwrap_or_else(|| panic!("{what}, {name}: {told}"));
        assert!(number("median") >= at_least && number("p95") >= number("median"), "{what}: {measured}");
    }
    // JavaScript, ten rows and a statement cost more than nothing does, on any machine.
    assert!(told["measured"]["guest"]["ratio"].as_f64().is_some_and(|ratio| ratio > 1.0), "{told}");
    let wrong = desk.run(&["bench", desk.here(), "--calls", "5", "--arguments", "{\"at_most\": -1}"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("VALIDATION_ERROR"), "{said}");
}
