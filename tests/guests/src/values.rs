//! Cells as JSON, for guests that report what they were given.

use serde_json::{Value as Json, json};

use crate::{
    sql::{Batch, Packed, PackedData},
    types::{SqlError, Value},
};

/// The cell with the name of its case: `{"int":7}`; null is null.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(v) => json!({ "boolean": v }),
        Value::Int(v) => json!({ "int": v }),
        // JSON has no NaN and no infinity: those are told by name.
        Value::Float(v) if !v.is_finite() => json!({ "float": v.to_string() }),
        Value::Float(v) => json!({ "float": v }),
        Value::Numeric(v) => json!({ "numeric": v }),
        Value::Text(v) => json!({ "text": v }),
        Value::Timestamp(v) => json!({ "timestamp": v }),
        Value::Date(v) => json!({ "date": v }),
        Value::Uuid(v) => json!({ "uuid": v }),
        Value::Json(v) => json!({ "json": v }),
        Value::Bytes(v) => json!({ "bytes": v }),
        Value::BooleanArray(v) => json!({ "boolean-array": v }),
        Value::IntArray(v) => json!({ "int-array": v }),
        Value::FloatArray(v) => json!({ "float-array": v }),
        Value::TextArray(v) => json!({ "text-array": v }),
        Value::UuidArray(v) => json!({ "uuid-array": v }),
        Value::Vector(v) => json!({ "vector": v }),
    }
}

/// A parameter: JSON's own null, boolean, whole number, number or text; `{"uuid":"…"}` and the like for the rest.
///
/// # Errors
/// A name that is no case of `value`, or a value of another shape; the text says which.
pub fn from_json(json: &Json) -> Result<Value, String> {
    let wrong = || format!("not a parameter: {json}");
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(v) => Value::Boolean(*v),
        Json::Number(v) => match v.as_i64() {
            Some(v) => Value::Int(v),
            None => Value::Float(v.as_f64().ok_or_else(wrong)?),
        },
        Json::String(v) => Value::Text(v.clone()),
        Json::Array(_) => return Err(wrong()),
        Json::Object(map) => {
            let (case, inner) = map.iter().next().ok_or_else(wrong)?;
            let text = || inner.as_str().map(str::to_owned).ok_or_else(wrong);
            match case.as_str() {
                "float" => Value::Float(inner.as_f64().ok_or_else(wrong)?),
                "numeric" => Value::Numeric(text()?),
                "timestamp" => Value::Timestamp(text()?),
                "date" => Value::Date(text()?),
                "uuid" => Value::Uuid(text()?),
                "json" => Value::Json(text()?),
                "bytes" => Value::Bytes(list(inner)?),
                "boolean-array" => Value::BooleanArray(list(inner)?),
                "int-array" => Value::IntArray(list(inner)?),
                "float-array" => Value::FloatArray(list(inner)?),
                "text-array" => Value::TextArray(list(inner)?),
                "uuid-array" => Value::UuidArray(list(inner)?),
                "vector" => Value::Vector(list(inner)?),
                _ => return Err(wrong()),
            }
        }
    })
}

fn list<T: for<'de> serde::Deserialize<'de>>(json: &Json) -> Result<Vec<T>, String> {
    serde_json::from_value(json.clone()).map_err(|error| error.to_string())
}

/// A statement's error, field by field.
#[must_use]
pub fn error_json(error: &SqlError) -> Json {
    json!({
        "code": case(&error.code),
        "message": error.message,
        "sqlstate": error.sqlstate,
        "position": error.position,
    })
}

/// A case's name as `wit/` writes it (`boolean-array`), from what `Debug` makes of it (`Kind::BooleanArray`).
#[must_use]
pub fn case(debug: &impl std::fmt::Debug) -> String {
    let debug = format!("{debug:?}");
    let mut name = String::new();
    for letter in debug.rsplit("::").next().unwrap_or_default().chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// A batch, row by row, as its cells stand: a null cell is null.
#[must_use]
pub fn rows_of(batch: &Batch) -> Vec<Vec<Json>> {
    (0..batch.rows as usize).map(|row| batch.columns.iter().map(|column| cell(column, row)).collect()).collect()
}

fn cell(column: &Packed, row: usize) -> Json {
    if column.validity.as_ref().is_some_and(|bits| bits[row / 8] >> (row % 8) & 1 == 0) {
        return Json::Null;
    }
    match &column.data {
        PackedData::Booleans(v) => json!(v[row]),
        PackedData::Ints(v) => json!(v[row]),
        PackedData::Floats(v) => json!(v[row]),
        PackedData::Texts(v) => json!(v.data[v.offsets[row] as usize..v.offsets[row + 1] as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Kind, SqlErrorCode};

    #[test]
    fn cases_are_named_as_in_the_contract() {
        assert_eq!(case(&Kind::BooleanArray), "boolean-array");
        assert_eq!(case(&Kind::Int), "int");
        assert_eq!(case(&SqlErrorCode::Rejected), "rejected");
    }

    #[test]
    fn parameters_are_read_as_they_are_reported() {
        for text in [
            r#"{"numeric":"1.50"}"#,
            r#"{"uuid":"0b9f6a3e-6c0a-4e7e-9f0e-0c9a5a1d2e3f"}"#,
            r#"{"bytes":[0,255]}"#,
            r#"{"text-array":["a",""]}"#,
            r#"{"vector":[0.5,-1.0]}"#,
            "null",
        ] {
            let json: Json = serde_json::from_str(text).expect(text);
            assert_eq!(to_json(&from_json(&json).expect(text)), json, "{text}");
        }
        for text in ["[1]", "{}", r#"{"no-case":1}"#, r#"{"bytes":["x"]}"#, r#"{"date":1}"#] {
            let json: Json = serde_json::from_str(text).expect(text);
            assert!(from_json(&json).is_err(), "{text}");
        }
    }
}
