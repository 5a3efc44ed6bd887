//! What a call gave, as a test looks at it.

use serde_json::{Value as JsonValue, json};

use crate::{
    answer::{Answer, Part},
    value::Value,
};

/// What a tool answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    json: Option<JsonValue>,
    text: Option<String>,
    parts: Vec<Part>,
}

impl Outcome {
    pub(super) fn of(answer: Answer) -> Outcome {
        match answer {
            Answer::Rows(rows) => {
                let truncated = rows.truncated();
                let columns: Vec<String> = rows.columns().into_iter().map(|column| column.name).collect();
                let cells = rows.0.next(u32::MAX);
                let cells: Vec<Vec<JsonValue>> = cells.iter().map(|row| row.iter().map(cell).collect()).collect();
                let mut json = json!({ "c": columns, "n": cells.len(), "r": cells });
                if truncated {
                    json["truncated"] = true.into();
                }
                if cells.is_empty() {
                    json["msg"] = "No rows".into();
                }
                Outcome { json: Some(json), text: None, parts: Vec::new() }
            }
            Answer::Structured { json, text } => {
                let json = serde_json::from_str(&json).expect("a structured answer is JSON");
                Outcome { json: Some(json), text, parts: Vec::new() }
            }
            Answer::Text(text) => Outcome { json: None, text: Some(text), parts: Vec::new() },
            Answer::Parts(parts) => Outcome { json: None, text: None, parts },
        }
    }

    /// The structured answer; rows are in the host's form.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn json(&self) -> JsonValue {
        self.json.clone().unwrap_or_else(|| panic!("no structured answer: {self:?}"))
    }

    /// What a model reads.
    ///
    /// # Panics
    /// There is no text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_else(|| panic!("no text: {self:?}"))
    }

    /// The parts of an answer of several; empty for any other.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn structured(&self) -> Option<&JsonValue> {
        self.json.as_ref()
    }
}

/// A cell as the host writes it to a caller.
fn cell(value: &Value) -> JsonValue {
    match value {
        Value::Null => JsonValue::Null,
        Value::Boolean(v) => json!(v),
        Value::Int(v) => json!(v),
        Value::Float(v) => json!(v),
        Value::Numeric(v) | Value::Json(v) => serde_json::from_str(v).unwrap_or_else(|_| json!(v)),
        Value::Text(v) | Value::Timestamp(v) | Value::Date(v) | Value::Uuid(v) => json!(v),
        Value::Bytes(v) => json!(v),
        Value::BooleanArray(v) => json!(v),
        Value::IntArray(v) => json!(v),
        Value::FloatArray(v) => json!(v),
        Value::TextArray(v) | Value::UuidArray(v) => json!(v),
        Value::Vector(v) => json!(v),
    }
}
