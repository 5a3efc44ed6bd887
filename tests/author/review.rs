//! What `plugin check` says of a plugin that is not good. Each rule has its table beside it in `cli/plugin/author/check`;
//! here is that they reach a component.

use super::desk::Desk;
use crate::harness::guest;
use serde_json::Value;
use std::collections::BTreeSet;

/// The codes of what is said of a subject, and the exit code.
fn check(desk: &Desk, subject: &str, more: &[&str]) -> (BTreeSet<String>, Option<i32>) {
    let output = desk.run(&[&["check", subject, "--json"], more].concat());
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let lints = said["lints"].as_array().expect("a list").iter();
    (lints.map(|lint| lint["code"].as_str().expect("a code").to_owned()).collect(), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_good_is_said_of_a_component() {
    let desk = Desk::begin("js").await;
    let good = desk.read("tools.js");
    for (from, to, want) in [
        ("Products of which few are left, fewest first.", "", &["description-missing"][..]),
        ("Products of which few are left, fewest first.", "Low stock.", &["description-is-title"]),
        ("additionalProperties: false", "additionalProperties: true", &["schema-open"]),
        (
            "minimum: 0, maximum: 1000, description: \"At most so many left (default 5).\"",
            "",
            &["argument-undescribed", "integer-unbounded"],
        ),
        ("ORDER BY stock_level, product_name LIMIT 10", "ORDER BY stock_level", &["query-unbounded"]),
        ("SELECT store_name,", "SELECT pg_backend_pid(),", &["query-refused"]),
        ("_low_stock\"", "_lowStock\"", &["name-not-snake-case"]),
    ] {
        std::fs::write(desk.plugin.join("tools.js"), &good).expect("a file");
        desk.edit("tools.js", from, to);
        let (codes, exit) = check(&desk, desk.here(), &[]);
        assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), want, "{from} to {to:?}");
        let fatal = want == ["description-missing"];
        assert_eq!(exit, Some(i32::from(fatal)), "{want:?}: a warning is none to fail for, unless it is asked");
        let component = desk.plugin.join("left-over.wasm");
        assert_eq!(check(&desk, component.to_str().expect("ASCII"), &["--strict"]).1, Some(1), "{want:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_host_would_serve_is_said_before_anybody_tries() {
    let desk = Desk::begin("js").await;
    for (name, want) in [("wasi_probe", "import-not-granted"), ("loop_in_describe", "refused")] {
        let component = guest(name);
        let (codes, exit) = check(&desk, component.to_str().expect("ASCII"), &[]);
        assert!(codes.contains(want) && exit == Some(1), "{name}: {codes:?}");
    }
    let text = desk.plugin.join("text.wasm");
    std::fs::write(&text, "no component").expect("a file");
    let (codes, exit) = check(&desk, text.to_str().expect("ASCII"), &[]);
    assert!(codes.contains("refused") && exit == Some(1), "{codes:?}");
}
