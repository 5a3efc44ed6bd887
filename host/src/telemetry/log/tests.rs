use super::*;
use crate::config::Secret;
use crate::telemetry::trace;
use std::io;
use std::sync::{Arc, Mutex};

/// Lines, kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// What is logged while `work` is done.
fn logged(words: &str, json: bool, work: impl FnOnce()) -> String {
    let kept = Kept::default();
    let layer = lines(EnvFilter::try_new(words).unwrap(), json, kept.clone());
    tracing::subscriber::with_default(Registry::default().with(layer), work);
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_name_of_a_field_decides_whether_it_is_masked() {
    for name in
        ["password", "db.password", "api_key", "Authorization", "x-api-key", "session_token", "keys.secret", "key"]
    {
        assert!(is_secret(name), "{name}");
    }
    for name in ["tokens", "monkey", "plugin.name", "request.id", "keyboard", "tool.name", "rows", "passage"] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn what_is_secret_is_in_no_line() {
    let secret = Secret::from("canary-1".to_owned());
    for json in [false, true] {
        let text = logged("trace", json, || {
            let span =
                tracing::info_span!("door", password = "canary-2", request.id = "r-1", token = tracing::field::Empty);
            span.record("token", "canary-3");
            let _inside = span.enter();
            tracing::info!(authorization = "Bearer canary-4", api_key = 424_242, secret = ?secret, rows = 3, "it happened");
            tracing::warn!(db.password = %"canary-5", setting = ?secret, "again");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains("canary") && !text.contains("424242"), "{text}");
        assert!(text.contains(MASK) && text.contains("r-1") && text.contains("it happened"), "{text}");
    }
}

#[test]
fn a_line_of_a_call_says_which_call_it_is_of() {
    let work = || {
        let span = caller("ab12", Some("t-1")).in_scope(trace::call);
        span.record("otel.name", "tools/call");
        span.record("request.id", "r-1");
        span.record("tool.name", "get_top_products");
        span.record("plugin.digest", "cd34");
        span.in_scope(|| tracing::warn!(request.id = "r-1", ms = 12_u64, "slow"));
    };
    // Whatever is shown: the level of a line is its own, not its call's.
    let line = logged("warn", true, work);
    let line: Value = serde_json::from_str(&line).unwrap();
    let names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!((&line["level"], &line["message"], &line["fields"]["ms"]), (&"WARN".into(), &"slow".into(), &12.into()));
    let call = serde_json::json!({
        "principal": "ab12", "tenant": "t-1", "request.id": "r-1", "tool.name": "get_top_products", "plugin.digest": "cd34",
    });
    assert_eq!(line["call"], call);
    let line = logged("warn", false, work);
    for part in [
        "WARN",
        "principal=\"ab12\"",
        "tenant=\"t-1\"",
        "tool.name=\"get_top_products\"",
        "plugin.digest=\"cd34\"",
        "ms=12",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("otel"), "{line}");
}

#[test]
fn an_error_is_told_with_what_is_behind_it() {
    let error = anyhow::anyhow!("the end").context("the middle").context("the beginning");
    for json in [false, true] {
        let text = logged("info", json, || tracing::error!(error = &*error as &dyn std::error::Error, "it failed"));
        assert!(text.contains("the beginning: the middle: the end"), "{text}");
    }
}
