//! Arguments in, answers out.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    bindings::exports::rowhouse::plugin::tools::{Answer, Structured, ToolError},
    date::Date,
    period::Mistake,
};

impl From<Mistake> for ToolError {
    fn from(Mistake(text): Mistake) -> ToolError {
        ToolError::InvalidArguments(text)
    }
}

/// The arguments as a tool wants them. The host has validated them against the tool's schema.
///
/// # Errors
/// JSON of another shape.
pub(crate) fn arguments<T: DeserializeOwned>(text: &str) -> Result<T, ToolError> {
    serde_json::from_str(text).map_err(|error| ToolError::InvalidArguments(error.to_string()))
}

/// An answer as JSON for programs and as text for models.
///
/// # Errors
/// Only a value that is no JSON, which none of ours is.
pub(crate) fn structured(value: &impl Serialize, text: String) -> Result<Answer, ToolError> {
    let json = serde_json::to_string(value).map_err(|error| ToolError::Failed(error.to_string()))?;
    Ok(Answer::Structured(Structured { json, text: Some(text) }))
}

/// Rows as models read them cheapest, in the shape of a statement's answer: names once, then cells.
pub(crate) fn table<R: Serialize>(columns: &[&str], rows: &[R]) -> String {
    #[derive(Serialize)]
    struct Table<'a, R> {
        c: &'a [&'a str],
        r: &'a [R],
        n: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        msg: Option<&'a str>,
    }
    let msg = rows.is_empty().then_some("No rows");
    serde_json::to_string(&Table { c: columns, r: rows, n: rows.len(), msg }).unwrap_or_default()
}

/// The host's clock, given in microseconds since 1970-01-01T00:00:00Z.
///
/// # Errors
/// None.
pub(crate) fn now(micros: i64) -> Result<Answer, ToolError> {
    #[derive(Serialize)]
    struct Now {
        utc: String,
        date: Date,
    }
    let (date, utc) = moment(micros);
    structured(&Now { utc: utc.clone(), date }, utc)
}

/// The day, and the moment in ISO 8601 to the second.
fn moment(micros: i64) -> (Date, String) {
    const DAY: i64 = 86_400;
    let seconds = micros.div_euclid(1_000_000);
    let (date, of_day) = (Date::from_days(seconds.div_euclid(DAY)), seconds.rem_euclid(DAY));
    (date, format!("{date}T{:02}:{:02}:{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_iso_8601() {
        for (micros, text) in
            [(0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (1_793_491_199_999_999, "2026-10-31T23:59:59Z")]
        {
            assert_eq!(moment(micros).1, text);
        }
    }

    #[test]
    fn tables_are_short() {
        assert_eq!(table(&["a", "b"], &[(1, "x")]), r#"{"c":["a","b"],"r":[[1,"x"]],"n":1}"#);
        assert_eq!(table::<(i32,)>(&["a"], &[]), r#"{"c":["a"],"r":[],"n":0,"msg":"No rows"}"#);
    }
}
