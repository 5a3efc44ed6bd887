//! Rows as compact JSON, written straight from PostgreSQL's text.
//!
//! Numbers keep the digits PostgreSQL wrote; JSON columns go in as they are; NaN and infinities, which JSON has no
//! number for, go in as strings.

use super::decode;
use super::rows::Rows;
use super::value::{Kind, Value};
use std::fmt::Write;

/// Longer numbers go out as strings: no reader keeps their digits, and some refuse them.
const NUMBER_CHARS: usize = 300;

/// Deeper JSON goes out as a string: common readers stop at 128 levels, of which the answer around it takes a few.
const DEPTH: u32 = 100;

pub(super) fn write(rows: &Rows, out: &mut String) {
    out.push_str("{\"c\":[");
    for (i, column) in rows.columns().iter().enumerate() {
        comma(i, out);
        string(&column.name, out);
    }
    out.push_str("],\"r\":[");
    for row in 0..rows.len() {
        comma(row, out);
        out.push('[');
        for (i, (cell, column)) in rows.row(row).zip(&**rows.columns()).enumerate() {
            comma(i, out);
            match cell {
                Some(text) => value(column.kind, text, out),
                None => out.push_str("null"),
            }
        }
        out.push(']');
    }
    let _ = write!(out, "],\"n\":{}", rows.len());
    if rows.truncated() {
        out.push_str(",\"truncated\":true");
    }
    if rows.is_empty() {
        out.push_str(",\"msg\":\"No rows\"");
    }
    out.push('}');
}

fn comma(i: usize, out: &mut String) {
    if i > 0 {
        out.push(',');
    }
}

fn value(kind: Kind, text: &str, out: &mut String) {
    let whole = match kind {
        Kind::Int | Kind::Float | Kind::Numeric => number(text, out),
        Kind::Boolean => match decode::boolean(text) {
            Some(b) => {
                out.push_str(if b { "true" } else { "false" });
                true
            }
            None => false,
        },
        // pgvector writes a vector as JSON does.
        Kind::Json | Kind::Vector => embed(text, out),
        Kind::BooleanArray | Kind::IntArray | Kind::FloatArray | Kind::TextArray | Kind::UuidArray => {
            array(kind, text, out)
        }
        Kind::Text | Kind::Timestamp | Kind::Date | Kind::Uuid | Kind::Bytes => false,
    };
    if !whole {
        string(text, out);
    }
}

/// Whether the text went in as a number.
fn number(text: &str, out: &mut String) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = text.len() <= NUMBER_CHARS && digits.starts_with(|c: char| c.is_ascii_digit());
    if plain {
        out.push_str(text);
    }
    plain
}

/// Whether the text, which PostgreSQL vouches for as JSON, went in as it is. Line ends, which JSON allows between
/// tokens only, become spaces: one of the transports ends a message at a line end.
fn embed(text: &str, out: &mut String) -> bool {
    let start = out.len();
    let (mut depth, mut within, mut escaped) = (0_u32, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            '[' | '{' if !within => depth += 1,
            ']' | '}' if !within => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            out.truncate(start);
            return false;
        }
        out.push(if matches!(c, '\n' | '\r') { ' ' } else { c });
    }
    true
}

/// Whether the text went in as an array: one with NULLs or more dimensions does not.
fn array(kind: Kind, text: &str, out: &mut String) -> bool {
    fn list<T>(items: &[T], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            comma(i, out);
            each(item, out);
        }
        out.push(']');
    }
    match decode::value(kind, Some(text)) {
        Value::TextArray(items) | Value::UuidArray(items) => list(&items, out, |t, out| string(t, out)),
        Value::BooleanArray(items) => list(&items, out, |b, out| out.push_str(if *b { "true" } else { "false" })),
        Value::IntArray(_) | Value::FloatArray(_) => {
            // The elements keep the digits PostgreSQL wrote.
            let elements = text.trim_start_matches('{').trim_end_matches('}');
            let elements: Vec<&str> = elements.split(',').filter(|t| !t.is_empty()).collect();
            list(&elements, out, |t, out| {
                if !number(t, out) {
                    string(t, out);
                }
            });
        }
        _ => return false,
    }
    true
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (i, b) in text.bytes().enumerate() {
        if b >= b' ' && b != b'"' && b != b'\\' {
            continue;
        }
        out.push_str(&text[plain..i]);
        plain = i + 1;
        match b {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{b:04x}");
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, text: &str, json: &str) {
        let mut out = String::new();
        value(kind, text, &mut out);
        assert_eq!(out, json);
        serde_json::from_str::<serde::de::IgnoredAny>(&out).expect("what is written is JSON");
    }

    #[test]
    fn cells_become_json() {
        check(Kind::Int, "-9223372036854775808", "-9223372036854775808");
        check(Kind::Numeric, "0.10", "0.10");
        check(Kind::Numeric, "NaN", "\"NaN\"");
        check(Kind::Numeric, &"9".repeat(301), &format!("\"{}\"", "9".repeat(301)));
        check(Kind::Float, "1e-07", "1e-07");
        check(Kind::Float, "-Infinity", "\"-Infinity\"");
        check(Kind::Boolean, "t", "true");
        check(Kind::Text, "a\"b\\c\n\u{1}ü", "\"a\\\"b\\\\c\\n\\u0001ü\"");
        check(Kind::Json, "{\"a\":\n [1, \"\\\"]\"]}", "{\"a\":  [1, \"\\\"]\"]}");
        check(Kind::Json, &"[".repeat(101), &format!("\"{}\"", "[".repeat(101)));
        check(Kind::Bytes, "\\x00ff", "\"\\\\x00ff\"");
        check(Kind::Timestamp, "2026-01-31 13:45:00+00", "\"2026-01-31 13:45:00+00\"");
        check(Kind::IntArray, "{1,2}", "[1,2]");
        check(Kind::IntArray, "{}", "[]");
        check(Kind::IntArray, "{1,NULL}", "\"{1,NULL}\"");
        check(Kind::FloatArray, "{1.50,NaN}", "[1.50,\"NaN\"]");
        check(Kind::BooleanArray, "{t,f}", "[true,false]");
        check(Kind::TextArray, "{a,\"b,c\"}", "[\"a\",\"b,c\"]");
        check(Kind::Vector, "[1,-0.5]", "[1,-0.5]");
    }
}
