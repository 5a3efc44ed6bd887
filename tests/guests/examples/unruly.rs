//! Misbehaves on request: `deed` says how. Whatever a guest can do with the contract alone, in any language.

use guests::{
    Answer, PluginInfo, Structured, ToolError,
    bindings::exports::rowhouse::plugin::tools::{Embedded, Media, Part},
    embedding, log, number, progress, sql, string, text,
    types::Value,
};
use serde_json::Value as Json;

/// Ends a terminal's line, colours what follows, and pretends to be the host.
const ESCAPES: &str = "first\r\n2026-01-01T00:00:00Z ERROR forged \u{1b}[31m\u{0}\u{9b}2J\u{202e}";

fn describe() -> PluginInfo {
    guests::plugin("unruly", vec![guests::tool("unruly", "Does the `deed`, `times` over.", guests::ANYTHING)])
}

fn call(_: &str, arguments: Json) -> Result<Answer, ToolError> {
    let times = usize::try_from(number(&arguments, "times", 1)).unwrap_or(usize::MAX);
    match string(&arguments, "deed", "nothing") {
        "nothing" => Ok(text("nothing done")),
        // Answers.
        "nested" => structured(&format!("{{\"a\":{}{}}}", "[".repeat(times), "]".repeat(times))),
        "unbalanced" => structured(&"{\"a\":[".repeat(times)),
        "wordy" => Ok(Answer::Structured(Structured {
            json: format!("{{\"a\":\"{}\"}}", "x".repeat(times)),
            text: Some("short".to_owned()),
        })),
        "parts" => Ok(Answer::Parts(vec![Part::Text("x".to_owned()); times])),
        "large_parts" => Ok(Answer::Parts(vec![Part::Text("x".repeat(1_000)); times])),
        "mime" => Ok(Answer::Parts(vec![Part::Image(Media { data: vec![0], mime_type: "x".repeat(times) })])),
        "mime_header" => Ok(Answer::Parts(vec![Part::Audio(Media {
            data: vec![0],
            mime_type: "audio/wav\r\nSet-Cookie: forged".to_owned(),
        })])),
        "uri" => Ok(Answer::Parts(vec![Part::Resource(Embedded {
            uri: "x".repeat(times),
            mime_type: None,
            text: String::new(),
        })])),
        "error" => Err(ToolError::Failed("x".repeat(times))),
        "error_escapes" => Err(ToolError::NotFound(ESCAPES.to_owned())),
        // Words.
        "log" => {
            (0..times).for_each(|_| log::write(log::Level::Info, "x"));
            Ok(text("logged"))
        }
        "log_escapes" => {
            log::write(log::Level::Error, ESCAPES);
            Ok(text("logged"))
        }
        "progress" => {
            for done in [f64::NAN, f64::INFINITY, -1.0] {
                progress::report(done, Some(f64::NAN), Some(ESCAPES));
            }
            (0..times).for_each(|n| progress::report(n as f64, None, Some(ESCAPES)));
            Ok(text("reported"))
        }
        "embed" => {
            for _ in 0..times {
                let _ = embedding::embed(&["x".to_owned()]);
            }
            Ok(text("embedded"))
        }
        "embed_much" => {
            let texts = vec!["x".repeat(1_000); times];
            let _ = embedding::embed(&texts);
            Ok(text("embedded"))
        }
        // Statements.
        "hoard" => {
            let mut held = Vec::new();
            for _ in 0..times {
                held.push(sql::submit("SELECT 1", &[]).map_err(ToolError::Sql)?);
            }
            Ok(text(format!("{} pending", held.len())))
        }
        "wait_twice" => {
            let pending = sql::submit("SELECT 1", &[]).map_err(ToolError::Sql)?;
            drop(pending.wait().map_err(ToolError::Sql)?);
            pending.wait().map(Answer::Rows).map_err(ToolError::Sql)
        }
        "let_go" => {
            for _ in 0..times {
                drop(sql::submit("SELECT 1", &[]).map_err(ToolError::Sql)?);
            }
            Ok(text("let go"))
        }
        "busy" => {
            // Some seconds of the database each, all at once: their time is counted together.
            let slow = "SELECT count(*) FROM generate_series(1, $1) a, generate_series(1, $1) b WHERE a + b < 0";
            let submit = |_| sql::submit(slow, &[Value::Int(100_000)]);
            let pending: Vec<_> = (0..times).map(submit).collect::<Result<_, _>>().map_err(ToolError::Sql)?;
            for one in pending {
                // A guest that swallows the error does not get on by it.
                let _ = one.wait();
            }
            Ok(text("waited"))
        }
        "think" => {
            // So many millions of steps, with a statement under way meanwhile and another one after.
            let early = sql::submit("SELECT 1", &[]).map_err(ToolError::Sql)?;
            (0..times as u64 * 1_000_000).for_each(|step| _ = std::hint::black_box(step));
            drop(early.wait().map_err(ToolError::Sql)?);
            sql::query("SELECT store_name FROM retail.stores", &[]).map(Answer::Rows).map_err(ToolError::Sql)
        }
        "parameters" => {
            let rows = sql::query("SELECT $1", &[Value::Text("x".repeat(times))]).map_err(ToolError::Sql)?;
            Ok(Answer::Rows(rows))
        }
        "dive" => dive(times).map(Answer::Rows).map_err(ToolError::Sql),
        other => Err(ToolError::InvalidArguments(format!("no deed `{other}`"))),
    }
}

fn structured(json: &str) -> Result<Answer, ToolError> {
    Ok(Answer::Structured(Structured { json: json.to_owned(), text: None }))
}

/// Use up the stack, then ask from its bottom for as deep a statement as the gate reads.
fn dive(left: usize) -> Result<sql::Rows, sql::SqlError> {
    let frame = std::hint::black_box([left; 32]);
    let rows = match left {
        0 => sql::query(&format!("SELECT {}1{}", "(".repeat(16_000), ")".repeat(16_000)), &[]),
        left => dive(left - 1),
    };
    std::hint::black_box(&frame);
    rows
}

guests::serve!(describe, call);
