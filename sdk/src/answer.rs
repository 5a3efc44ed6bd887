//! What a call gives back.

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::{
    bindings::exports::rowhouse::plugin::tools::{Embedded, Media, Part as WitPart},
    error::{Error, Result},
    schemas,
    sql::Rows,
    value::Json,
};

/// What a call gives back. A tool returns something that can become one (see [`IntoAnswer`]).
#[derive(Debug)]
pub enum Answer {
    /// Rows, straight from the host to the caller.
    Rows(Rows),
    /// JSON for programs, and its wording for models that read only text.
    Structured {
        /// JSON text.
        json: String,
        /// None: the JSON itself.
        text: Option<String>,
    },
    /// Text for the model.
    Text(String),
    /// Several parts, in order.
    Parts(Vec<Part>),
}

/// What a tool can return: `Result<Rows>`, `Result<Json<T>>`, `Result<Worded<T>>`, `Result<String>`, `Result<Image>`,
/// `Result<Vec<Part>>`, or the same without `Result` where nothing can go wrong.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer",
    note = "a tool returns Rows, Json<T>, Worded<T>, String, Image or Vec<Part>, or a Result of one of these"
)]
pub trait IntoAnswer {
    /// The schema of the structured answer, where there is one. The host holds the plugin to it.
    fn output_schema() -> Option<Schema>;

    /// The answer.
    ///
    /// # Errors
    /// The tool's own; or a value that is no JSON.
    fn into_answer(self) -> Result<Answer>;
}

impl<T: IntoAnswer> IntoAnswer for Result<T> {
    fn output_schema() -> Option<Schema> {
        T::output_schema()
    }

    fn into_answer(self) -> Result<Answer> {
        self?.into_answer()
    }
}

impl IntoAnswer for Answer {
    fn output_schema() -> Option<Schema> {
        None
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(self)
    }
}

/// The schema of the host's own form of rows.
const ROWS: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "c": { "type": "array", "items": { "type": "string" }, "description": "Column names." },
        "r": {
            "type": "array",
            "items": { "type": "array" },
            "description": "Rows, each with its cells in the order of `c`."
        },
        "n": { "type": "integer", "description": "Number of rows." },
        "truncated": {
            "type": "boolean",
            "description": "True where there were more rows than fit: narrow the query or page on a key."
        },
        "msg": { "type": "string", "description": "Said where there are no rows." }
    },
    "required": ["c", "r", "n"],
    "additionalProperties": false
}"#;

/// The host's own form of rows: `{"c":[columns],"r":[[cells]],"n":count}`.
impl IntoAnswer for Rows {
    fn output_schema() -> Option<Schema> {
        // Read, not built: a seventh of the code.
        serde_json::from_str(ROWS).ok()
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Rows(self))
    }
}

impl<T: Serialize + JsonSchema> IntoAnswer for Json<T> {
    fn output_schema() -> Option<Schema> {
        Some(schemas::output::<T>())
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Structured { json: serde_json::to_string(&self.0)?, text: None })
    }
}

/// A structured answer with a text that a model should read in its place, because it is shorter or says more.
#[derive(Clone, Debug, PartialEq)]
pub struct Worded<T> {
    /// For programs.
    pub value: T,
    /// For models.
    pub text: String,
}

impl<T> Worded<T> {
    /// A value, and what `words` makes of it.
    pub fn new(value: T, words: impl FnOnce(&T) -> String) -> Worded<T> {
        Worded { text: words(&value), value }
    }
}

impl<T: Serialize + JsonSchema> IntoAnswer for Worded<T> {
    fn output_schema() -> Option<Schema> {
        Some(schemas::output::<T>())
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Structured { json: serde_json::to_string(&self.value)?, text: Some(self.text) })
    }
}

impl IntoAnswer for String {
    fn output_schema() -> Option<Schema> {
        None
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Text(self))
    }
}

/// One part of an answer of several.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text for the model.
    Text(String),
    /// A picture.
    Image(Image),
    /// A sound.
    Audio(Audio),
    /// A document, carried along whole.
    Document(Document),
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub data: Vec<u8>,
    /// `image/png`
    pub mime_type: String,
}

/// A sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// The file.
    pub data: Vec<u8>,
    /// `audio/wav`
    pub mime_type: String,
}

/// A text document that comes with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is called.
    pub uri: String,
    /// What it is; none: plain text.
    pub mime_type: Option<String>,
    /// What it says.
    pub text: String,
}

impl Image {
    /// A PNG file.
    #[must_use]
    pub fn png(data: Vec<u8>) -> Image {
        Image { data, mime_type: "image/png".to_owned() }
    }
}

macro_rules! parts {
    ($($ty:ty: $case:ident),*) => {$(
        impl From<$ty> for Part {
            fn from(part: $ty) -> Part {
                Part::$case(part)
            }
        }
    )*};
}
parts!(String: Text, Image: Image, Audio: Audio, Document: Document);

impl IntoAnswer for Vec<Part> {
    fn output_schema() -> Option<Schema> {
        None
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Parts(self))
    }
}

impl IntoAnswer for Image {
    fn output_schema() -> Option<Schema> {
        None
    }

    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::Parts(vec![self.into()]))
    }
}

impl From<Part> for WitPart {
    fn from(part: Part) -> WitPart {
        match part {
            Part::Text(text) => WitPart::Text(text),
            Part::Image(Image { data, mime_type }) => WitPart::Image(Media { data, mime_type }),
            Part::Audio(Audio { data, mime_type }) => WitPart::Audio(Media { data, mime_type }),
            Part::Document(Document { uri, mime_type, text }) => WitPart::Resource(Embedded { uri, mime_type, text }),
        }
    }
}

/// Rows as models read them cheapest, in the shape of a statement's answer: names once, then cells.
///
/// ```
/// assert_eq!(rowhouse_plugin::table(&["a", "b"], &[(1, "x")]), r#"{"c":["a","b"],"r":[[1,"x"]],"n":1}"#);
/// ```
#[must_use]
pub fn table<R: Serialize>(columns: &[&str], rows: &[R]) -> String {
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

/// JSON arguments into what a tool wants. The host has validated them against the tool's schema; what a schema cannot
/// say (a day that does not exist) is found here, and named by its place.
#[doc(hidden)]
pub fn arguments<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let why = error.into_inner().to_string();
        // serde_json's own place is a column of JSON the caller never saw.
        let why = why.split(" at line ").next().unwrap_or_default();
        Error::invalid(if place == "." { why.to_owned() } else { format!("`{place}`: {why}") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_schema() {
        let schema = Rows::output_schema().expect("the constant is a schema");
        for (rows, fits) in [
            (serde_json::json!({ "c": ["a"], "r": [[1], [null]], "n": 2, "truncated": true }), true),
            (serde_json::json!({ "c": ["a"], "r": [], "n": 0, "msg": "No rows" }), true),
            (serde_json::json!({ "c": ["a"], "r": [] }), false),
        ] {
            assert_eq!(jsonschema::is_valid(schema.as_value(), &rows), fits, "{rows}");
        }
    }
}
