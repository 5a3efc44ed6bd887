//! The well-behaved neighbour: says back what it is told, and reads rows in every way there is. Its versions differ
//! in what a host must notice, and in nothing else.

use serde_json::{Value as Json, json};

use crate::{
    Answer, PluginInfo, ToolError, call_context, number, plugin, sql, string, tool,
    types::Value,
    values::{case, error_json, from_json, rows_of, to_json},
};

const ECHO: &str = r#"{"type":"object","properties":{"text":{"type":"string"}},"additionalProperties":false}"#;
const ROWS: &str = r#"{"type":"object","required":["statement"],"properties":{
"statement":{"type":"string"},"parameters":{"type":"array"},"how":{"enum":["pass","next","batch"]},
"page":{"type":"integer","minimum":0}},"additionalProperties":false}"#;
const MANY: &str = r#"{"type":"object","required":["statement"],"properties":{
"statement":{"type":"string"},"parameters":{"type":"array"},"count":{"type":"integer","minimum":1},
"wait":{"type":"boolean"}},"additionalProperties":false}"#;

/// The plugin `echo` in the version given.
#[must_use]
pub fn describe(version: &str) -> PluginInfo {
    let mut info = plugin(
        "echo",
        vec![
            tool("echo", "Says back the text, and which version said it.", ECHO),
            tool("echo_rows", "Runs a statement and reads its rows: passed through, by `next`, or by batch.", ROWS),
            tool("echo_many", "Runs a statement several times at once.", MANY),
            tool("echo_values", "Sends a value of every kind to the database and back.", crate::ANYTHING),
            tool("echo_context", "What the call knows about itself.", crate::ANYTHING),
        ],
    );
    version.clone_into(&mut info.version);
    info
}

/// Answer a call as that version.
///
/// # Errors
/// Whatever the database says, handed on as it came.
pub fn call(version: &str, name: &str, arguments: &Json) -> Result<Answer, ToolError> {
    match name {
        "echo" => Ok(crate::json(&json!({ "text": arguments["text"], "version": version }))),
        "echo_rows" => rows(arguments),
        "echo_many" => many(arguments),
        "echo_values" => round_trip(),
        "echo_context" => Ok(context()),
        other => Err(ToolError::NotFound(format!("no tool `{other}`"))),
    }
}

fn parameters(arguments: &Json) -> Result<Vec<Value>, ToolError> {
    let given = arguments["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    given.iter().map(from_json).collect::<Result<_, _>>().map_err(ToolError::InvalidArguments)
}

fn rows(arguments: &Json) -> Result<Answer, ToolError> {
    let statement = string(arguments, "statement", "");
    let rows = sql::query(statement, &parameters(arguments)?).map_err(ToolError::Sql)?;
    let page = u32::try_from(number(arguments, "page", 100)).unwrap_or(u32::MAX);
    let mut read: Vec<Json> = Vec::new();
    let mut pages = 0_u32;
    match string(arguments, "how", "pass") {
        "next" => loop {
            let next = rows.next(page);
            if next.is_empty() {
                break;
            }
            pages += 1;
            read.extend(next.iter().map(|row| Json::Array(row.iter().map(to_json).collect())));
        },
        "batch" => {
            while let Some(batch) = rows.next_batch(page) {
                pages += 1;
                read.extend(rows_of(&batch).into_iter().map(Json::Array));
            }
        }
        _ => return Ok(Answer::Rows(rows)),
    }
    let columns: Vec<_> = rows.columns().iter().map(|c| json!({ "name": c.name, "kind": case(&c.kind) })).collect();
    Ok(crate::json(&json!({
        "columns": columns, "rows": read, "pages": pages, "count": rows.count(), "truncated": rows.truncated(),
    })))
}

fn many(arguments: &Json) -> Result<Answer, ToolError> {
    let (statement, parameters) = (string(arguments, "statement", ""), parameters(arguments)?);
    let pending = (0..number(arguments, "count", 4))
        .map(|_| sql::submit(statement, &parameters))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ToolError::Sql)?;
    if arguments["wait"] == false {
        let left = pending.len();
        drop(pending);
        return Ok(crate::json(&json!({ "dropped": left })));
    }
    let waited: Vec<_> = pending
        .iter()
        .map(|one| match one.wait() {
            Ok(rows) => json!({ "count": rows.count(), "first": rows.next(1).first().map(|r| r.iter().map(to_json).collect::<Vec<_>>()) }),
            Err(error) => error_json(&error),
        })
        .collect();
    // The contract: a second wait is an `invalid` error.
    let again = pending.first().map(|one| one.wait().map(|rows| rows.count()).map_err(|e| error_json(&e)));
    let again = match again {
        Some(Err(error)) => error,
        Some(Ok(count)) => json!({ "count": count }),
        None => Json::Null,
    };
    Ok(crate::json(&json!({ "waited": waited, "again": again })))
}

/// Every kind, there and back. What cannot be the same text twice (a zone, say) is sent as PostgreSQL writes it.
fn kinds() -> Vec<(&'static str, Value)> {
    let uuid = || "0b9f6a3e-6c0a-4e7e-9f0e-0c9a5a1d2e3f".to_owned();
    vec![
        ("boolean", Value::Boolean(true)),
        ("bigint", Value::Int(i64::MIN)),
        ("double precision", Value::Float(-0.1)),
        ("double precision", Value::Float(f64::INFINITY)),
        ("numeric", Value::Numeric("12345678901234567890.012345678900".to_owned())),
        ("text", Value::Text("Zażółć 'gęślą' \"jaźń\"; -- $1".to_owned())),
        ("timestamptz", Value::Timestamp("2026-01-31 13:45:00.25+00".to_owned())),
        ("date", Value::Date("2026-01-31".to_owned())),
        ("uuid", Value::Uuid(uuid())),
        ("jsonb", Value::Json(r#"{"a": [1, null, "b"]}"#.to_owned())),
        ("bytea", Value::Bytes(vec![0, 1, 0x5c, 0xff])),
        ("boolean[]", Value::BooleanArray(vec![true, false])),
        ("bigint[]", Value::IntArray(vec![1, -2, i64::MAX])),
        ("double precision[]", Value::FloatArray(vec![1.5, -2.25])),
        ("text[]", Value::TextArray(vec!["a,b".to_owned(), "{\"c\"}".to_owned(), String::new()])),
        ("uuid[]", Value::UuidArray(vec![uuid()])),
        ("vector", Value::Vector(vec![0.5, -1.0, 2.0])),
        ("text", Value::Null),
    ]
}

fn round_trip() -> Result<Answer, ToolError> {
    let mut report = Vec::new();
    for (name, sent) in kinds() {
        let came = match sql::query(&format!("SELECT $1::{name}"), std::slice::from_ref(&sent)) {
            Ok(rows) => rows.next(1).into_iter().flatten().next(),
            Err(error) => {
                report.push(json!({ "type": name, "sent": to_json(&sent), "error": error_json(&error) }));
                continue;
            }
        };
        let same = came.as_ref().map(to_json) == Some(to_json(&sent));
        report.push(json!({ "type": name, "sent": to_json(&sent), "came": came.as_ref().map(to_json), "same": same }));
    }
    Ok(crate::json(&json!({ "values": report })))
}

fn context() -> Answer {
    let principal = call_context::caller();
    crate::json(&json!({
        "request_id": call_context::request_id(),
        "deadline_left": call_context::deadline_left(),
        "now": call_context::now(),
        "now_again": call_context::now(),
        "display_name": principal.display_name,
        "roles": principal.roles,
        "scope": case(&principal.scope),
    }))
}
