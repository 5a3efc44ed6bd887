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
        "code": format!("{:?}", error.code),
        "message": error.message,
        "sqlstate": error.sqlstate,
        "position": error.position,
    })
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
