//! What a plugin publishes and what it answers, in the host's own terms.

use super::offer::is_name;
use super::schema::Schema;
use super::text;
use crate::error::{BoxError, CallError, Code};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a title: a line.
const MAX_TITLE: usize = 200;

/// Bytes of a description: a few pages, which every caller pays for.
const MAX_DESCRIPTION: usize = 16 << 10;

/// A tool that callers may see. Immutable; shared by every list and call that mentions it.
#[derive(Debug)]
pub struct Tool {
    /// Unique in a host.
    pub name: String,
    /// For people.
    pub title: String,
    /// For the model that decides whether to call it.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Arc<Map<String, Value>>,
    /// JSON Schema of the structured answer.
    pub output_schema: Option<Arc<Map<String, Value>>>,
    /// Hints for clients.
    pub annotations: Annotations,
    /// The `ui://` document that shows its answers in clients that know MCP Apps.
    pub view: Option<String>,
    input: Schema,
    output: Option<Schema>,
}

/// Hints for clients (MCP `ToolAnnotations`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the MCP fields they become")]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

impl Tool {
    /// Build a tool from what its plugin says of it.
    ///
    /// # Errors
    /// A text that names the schema and what is wrong with it.
    pub fn new(
        name: String,
        title: String,
        description: String,
        input_schema: &str,
        output_schema: Option<&str>,
        annotations: Annotations,
    ) -> Result<Self, BoxError> {
        if !is_name(&name) {
            return Err(format!("tool name {:?}: use 1 to 64 of A-Z a-z 0-9 _ -", text::line(&name, 64)).into());
        }
        if let Some(fault) = wording(&title, &description) {
            return Err(format!("tool `{name}`: {fault}").into());
        }
        let schema = |which: &str, text: &str| {
            Schema::read(text).map_err(|fault| BoxError::from(format!("tool `{name}`: the {which} schema {fault}")))
        };
        let input = schema("input", input_schema)?;
        if input.shown.get("type").and_then(Value::as_str) != Some("object") {
            return Err(format!("tool `{name}`: the input schema must say \"type\": \"object\"").into());
        }
        let output = output_schema.map(|text| schema("output", text)).transpose()?;
        let (input_schema, output_schema) = (Arc::clone(&input.shown), output.as_ref().map(|it| Arc::clone(&it.shown)));
        Ok(Self { name, title, description, input_schema, output_schema, annotations, view: None, input, output })
    }

    /// Hold the caller to the input schema.
    ///
    /// # Errors
    /// [`Code::Validation`], naming the path and the rule of each mistake (the first five); [`Code::Arguments`] where
    /// there is more to check than a call may ask for.
    pub fn check_arguments(&self, arguments: &Value) -> Result<(), CallError> {
        if self.input.is_too_much(arguments) {
            let text = format!("the arguments for `{}` are too many to be held to its schema; send fewer", self.name);
            return Err(CallError::new(Code::Arguments, text));
        }
        let mut mistakes = mistakes(&self.input.validator, arguments);
        if mistakes.is_empty() {
            return Ok(());
        }
        // Five is enough for a model to mend a call in one go, and bounds the error.
        let more = mistakes.len().saturating_sub(5);
        mistakes.truncate(5);
        if more > 0 {
            mistakes.push(format!("and {more} more"));
        }
        Err(CallError::new(Code::Validation, format!("invalid arguments for `{}`: {}", self.name, mistakes.join("; "))))
    }

    /// Hold the plugin, which is `named`, to the output schema.
    ///
    /// # Errors
    /// [`Code::PluginContract`]; the mistakes, which may quote the answer, go to the cause without its values.
    pub fn check_answer(&self, structured: &Value, named: &str) -> Result<(), CallError> {
        let Some(output) = &self.output else { return Ok(()) };
        if output.is_too_much(structured) {
            let text =
                format!("the tool `{}` of {named} answered with too much to be held to its own schema", self.name);
            return Err(CallError::new(Code::PluginContract, text));
        }
        if output.validator.is_valid(structured) {
            return Ok(());
        }
        let places: Vec<String> = output
            .validator
            .iter_errors(structured)
            .take(5)
            .map(|e| format!("{} breaks {}", place(&e.instance_path().to_string()), e.schema_path()))
            .collect();
        Err(CallError::new(
            Code::PluginContract,
            format!("the tool `{}` of {named} answered outside its own output schema", self.name),
        )
        .because(places.join("; ")))
    }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "the whole" } else { path }
}

fn mistakes(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator
        .iter_errors(value)
        .map(|error| {
            // The value is the caller's own, but it may be long: what is shown is bounded.
            let text: String = error.to_string().chars().take(300).collect();
            format!("{}: {text} ({})", place(&error.instance_path().to_string()), error.schema_path())
        })
        .collect()
}

/// What is wrong with the words for people and models: of a tool, a prompt, an argument, a document.
pub(super) fn wording(title: &str, description: &str) -> Option<String> {
    let words = [("title", title, false, MAX_TITLE), ("description", description, true, MAX_DESCRIPTION)];
    words
        .into_iter()
        .find_map(|(what, text, lines, most)| Some(format!("its {what} {}", text::fault(text, lines, most)?)))
}

/// What a tool answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// For clients that read only content.
    pub parts: Vec<Part>,
    /// For clients that read structure.
    pub structured: Option<Value>,
    /// How old the oldest rows it was made of were, where any had been read before the call. None: all were read for it.
    pub age: Option<Duration>,
}

/// One part of an answer.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the WIT types they come from")]
pub enum Part {
    Text(String),
    Image { data: Vec<u8>, mime_type: String },
    Audio { data: Vec<u8>, mime_type: String },
    Resource { uri: String, mime_type: Option<String>, text: String },
}

/// Bytes of a MIME type: two names of RFC 6838, each at most 127 characters, and a slash.
const MAX_MIME: usize = 255;

/// Bytes of a URI. What is longer no client takes.
const MAX_URI: usize = 2_048;

impl Part {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Image { data, mime_type } | Self::Audio { data, mime_type } => data.len() + mime_type.len(),
            Self::Resource { uri, mime_type, text } => {
                uri.len() + mime_type.as_ref().map_or(0, String::len) + text.len()
            }
        }
    }

    /// What no client would take.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let plain = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let mime = |mime: &str| (!plain(mime, MAX_MIME) || !mime.contains('/')).then_some("MIME type is none");
        match self {
            Self::Text(_) => None,
            Self::Image { mime_type, .. } | Self::Audio { mime_type, .. } => mime(mime_type),
            Self::Resource { uri, mime_type, .. } => match plain(uri, MAX_URI) && uri.contains(':') {
                true => mime_type.as_deref().and_then(mime),
                false => Some("URI is none"),
            },
        }
    }
}
