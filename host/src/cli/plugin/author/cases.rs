//! What the tools must answer: `rowhouse.test.toml`, and the snapshots beside it.

use crate::error::Code;
use crate::plugin::{Answer, Part};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of cases, in the directory of the sources.
pub(super) const FILE: &str = "rowhouse.test.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "case")]
    cases: Vec<Written>,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    tool: String,
    #[serde(rename = "as")]
    who: String,
    #[serde(default)]
    arguments: toml::Table,
    expect: Option<toml::Value>,
    error: Option<String>,
}

/// One question, and what must come back.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called.
    pub(super) name: String,
    /// The tool.
    pub(super) tool: String,
    /// Who asks.
    pub(super) who: String,
    /// The arguments.
    pub(super) arguments: Map<String, Value>,
    /// What must come back.
    pub(super) wanted: Wanted,
}

/// What must come back.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    /// Exactly this.
    Answer(Value),
    /// A failure with this code.
    Error(String),
    /// What this file has.
    Snapshot(PathBuf),
}

/// The cases of a directory, in their order. `None`: there is no file of them.
///
/// # Errors
/// A file that cannot be read, or a case that makes no sense.
pub(super) fn read(directory: &Path) -> Result<Option<Vec<Case>>> {
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("read {}", path.display()))?,
    };
    parse(&text, directory).map(Some).with_context(|| format!("read {}", path.display()))
}

fn parse(text: &str, directory: &Path) -> Result<Vec<Case>> {
    let file: File = toml::from_str(text)?;
    let mut names = BTreeSet::new();
    file.cases
        .into_iter()
        .map(|written| {
            let name = written.name;
            if !names.insert(name.clone()) {
                bail!("two cases are called {name:?}");
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                bail!(
                    "a case is called {name:?}: use lower-case letters, digits, - and _, for its snapshot is called so"
                );
            }
            let wanted = match (written.expect, written.error) {
                (Some(_), Some(_)) => bail!("the case {name:?} wants an answer and an error: leave out one of them"),
                // JSON in quotes: a null has no other way into TOML.
                (Some(toml::Value::String(text)), None) => Wanted::Answer(
                    serde_json::from_str(&text)
                        .with_context(|| format!("`expect` of the case {name:?} is a text, and so must be JSON"))?,
                ),
                (Some(value), None) => Wanted::Answer(to_json(value)),
                (None, Some(code)) if Code::ALL.iter().any(|it| it.as_str() == code) => Wanted::Error(code),
                (None, Some(code)) => bail!("the case {name:?} wants the error {code:?}, which no call ends with"),
                (None, None) => Wanted::Snapshot(directory.join(format!("tests/snapshots/{name}.json"))),
            };
            let arguments = written.arguments.into_iter().map(|(key, value)| (key, to_json(value))).collect();
            Ok(Case { name, tool: written.tool, who: written.who, arguments, wanted })
        })
        .collect()
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(when) => when.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, to_json(value))).collect(),
    }
}

/// An answer as cases see it: its structure where it has one, its parts otherwise. Of pictures and sounds a digest, which
/// is enough to see that they changed.
pub(super) fn shown(answer: &Answer) -> Value {
    let part = |part: &Part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image { data, mime_type } => media("image", data, mime_type),
        Part::Audio { data, mime_type } => media("audio", data, mime_type),
        Part::Resource { uri, mime_type, text } => {
            json!({ "type": "resource", "uri": uri, "mimeType": mime_type, "text": text })
        }
    };
    answer.structured.clone().unwrap_or_else(|| answer.parts.iter().map(part).collect())
}

fn media(kind: &str, data: &[u8], mime_type: &str) -> Value {
    let digest = hex::encode(Sha256::digest(data));
    json!({ "type": kind, "mimeType": mime_type, "bytes": data.len(), "sha256": digest })
}

/// Whether this is the shape of rows that a plugin handed on: the host's own, which no plugin describes.
pub(super) fn is_rows(answer: &Value) -> bool {
    answer.get("c").is_some_and(Value::is_array) && answer.get("r").is_some_and(Value::is_array)
}

/// What two answers have apart, a line each: `-` is what was wanted, `+` what came.
pub(super) fn difference(wanted: &Value, came: &Value) -> String {
    let text = |value: &Value| format!("{value:#}");
    let (wanted, came) = (text(wanted), text(came));
    let diff = similar::TextDiff::from_lines(&wanted, &came);
    diff.unified_diff().context_radius(2).missing_newline_hint(false).to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_or_refused_with_the_reason() {
        let head = "[[case]]\nname = \"a\"\ntool = \"t\"\nas = \"seattle\"\n";
        for (text, want) in [
            (head.to_owned(), Ok(Wanted::Snapshot("d/tests/snapshots/a.json".into()))),
            (format!("{head}expect = {{ n = 1 }}"), Ok(Wanted::Answer(json!({ "n": 1 })))),
            (format!("{head}expect = '''{{\"n\": null}}'''"), Ok(Wanted::Answer(json!({ "n": null })))),
            (format!("{head}error = \"NOT_FOUND\""), Ok(Wanted::Error("NOT_FOUND".to_owned()))),
            (format!("{head}expect = \"few\""), Err("must be JSON")),
            (format!("{head}error = \"MISSING\""), Err("which no call ends with")),
            (format!("{head}error = \"NOT_FOUND\"\nexpect = {{}}"), Err("an answer and an error")),
            (format!("{head}{head}"), Err("two cases are called")),
            (format!("{head}arguments = 1"), Err("invalid type")),
            (format!("{head}argument = {{}}"), Err("unknown field")),
            (head.replace("\"a\"", "\"../a\""), Err("lower-case letters")),
            (head.replace("as = \"seattle\"\n", ""), Err("missing field")),
        ] {
            match (parse(&text, Path::new("d")), want) {
                (Ok(cases), Ok(want)) => assert_eq!(cases[0].wanted, want, "{text}"),
                (Err(said), Err(part)) => assert!(format!("{said:#}").contains(part), "{text}\n{said:#}"),
                (came, want) => panic!("{text}\n{came:?}\n{want:?}"),
            }
        }
    }

    #[test]
    fn arguments_are_json() {
        let text =
            "[[case]]\nname = \"a\"\ntool = \"t\"\nas = \"x\"\narguments = { day = 2026-01-31, n = [1, 0.5, true] }";
        let cases = parse(text, Path::new("d")).expect("a case");
        assert_eq!(Value::Object(cases[0].arguments.clone()), json!({ "day": "2026-01-31", "n": [1, 0.5, true] }));
    }

    #[test]
    fn a_difference_is_shown_by_its_lines() {
        let said = difference(&json!({ "a": 1, "b": [1, 2] }), &json!({ "a": 1, "b": [1, 3] }));
        assert!(said.contains("-    2") && said.contains("+    3"), "{said}");
        assert_eq!(difference(&json!({ "a": 1 }), &json!({ "a": 1 })), "");
    }
}
