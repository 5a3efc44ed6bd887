//! One record as one readable line.

use crate::audit::Exported;
use serde_json::{Map, Value};

/// What every record has, and what has its own place in the line.
const PLACED: [&str; 4] = ["v", "at", "event", "node"];

/// Of a call: what a reader looks for first. The rest is in `--json`.
const OF_A_CALL: [&str; 8] = ["outcome", "subject", "tool", "scope", "rows", "database_ms", "duration_ms", "request"];

/// Time, event, then the fields that matter. Whatever the record holds, it stays one line: control characters would let
/// a caller's text draw on the reader's terminal.
pub(super) fn of(one: &Exported) -> String {
    let Ok(Value::Object(record)) = serde_json::from_str(one.record.get()) else {
        return clean(&format!("{:<27} {:<18} {}", "?", "no record", one.record));
    };
    let word = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("?");
    let mut line = format!("{:<27} {:<18}", word("at"), word("event"));
    let mut add = |name: &str, record: &Map<String, Value>| {
        if let Some(value) = record.get(name) {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line.push_str(&format!(" {name}={shown}"));
        }
    };
    if word("event") == "call" {
        OF_A_CALL.iter().for_each(|name| add(name, &record));
    } else {
        record.keys().filter(|name| !PLACED.contains(&name.as_str())).for_each(|name| add(name, &record));
    }
    clean(&line)
}

fn clean(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn check(record: &str, line: &str) {
        let record = serde_json::value::RawValue::from_string(record.to_owned()).unwrap();
        assert_eq!(of(&Exported { node: Uuid::nil(), seq: 1, mac: String::new(), record }), line);
    }

    #[test]
    fn a_record_is_one_line() {
        check(
            r#"{"v":1,"at":"2026-11-21T05:00:00.000001Z","node":"n","event":"call","subject":"ann","tool":"t","arguments":{"a":"hmac:00"},"rows":3,"outcome":"ok"}"#,
            "2026-11-21T05:00:00.000001Z call               outcome=ok subject=ann tool=t rows=3",
        );
        check(
            r#"{"v":1,"at":"2026-11-21T05:00:00.000001Z","node":"n","event":"tool_forbidden","tool":"a\u001b[2J\nb"}"#,
            "2026-11-21T05:00:00.000001Z tool_forbidden     tool=a\u{fffd}[2J\u{fffd}b",
        );
        check(r#""made up""#, "?                           no record          \"made up\"");
    }
}
