//! The suite itself runs: one fault, from a database to a row. Times are printed and not judged.

use serde_json::Value;
use std::process::Command;

#[test]
fn postgresql_is_restarted_under_callers() {
    let output = Command::new(env!("CARGO_BIN_EXE_faults"))
        .args(["--only", "restarted", "--seconds", "1", "--untimed", "--json"])
        .output()
        .expect("the suite starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let row = &report["rows"][0];
    assert_eq!((output.status.code(), &report["good"]), (Some(0), &Value::Bool(true)), "{row}\n{said}");
    assert_eq!((row["fault"].as_str(), row["wrong"].as_u64()), (Some("restarted"), Some(0)), "{row}");
    assert!(row["right"].as_u64().is_some_and(|right| right > 0), "{row}");
}
