//! What a plugin publishes and what it answers, in the host's own terms.

use super::offer::is_name;
use crate::error::{BoxError, CallError, Code};
use serde_json::{Map, Value};
use std::sync::Arc;

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
    pub(super) input: jsonschema::Validator,
    pub(super) output: Option<jsonschema::Validator>,
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
            return Err(format!("tool name {name:?}: use 1 to 64 of A-Z a-z 0-9 _ -").into());
        }
        let (input_schema, input) = schema(&name, "input", input_schema)?;
        if input_schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(format!("tool `{name}`: the input schema must say \"type\": \"object\"").into());
        }
        let (output_schema, output) = match output_schema {
            Some(text) => {
                let (map, validator) = schema(&name, "output", text)?;
                (Some(map), Some(validator))
            }
            None => (None, None),
        };
        Ok(Self { name, title, description, input_schema, output_schema, annotations, view: None, input, output })
    }

    /// Hold the caller to the input schema.
    ///
    /// # Errors
    /// [`Code::Validation`], naming the path and the rule of each mistake (the first five).
    pub fn check_arguments(&self, arguments: &Value) -> Result<(), CallError> {
        let mut mistakes = mistakes(&self.input, arguments);
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

    /// Hold the plugin to the output schema.
    ///
    /// # Errors
    /// [`Code::PluginContract`]; the mistakes, which may quote the answer, go to the cause without its values.
    pub fn check_answer(&self, structured: &Value) -> Result<(), CallError> {
        let Some(output) = &self.output else { return Ok(()) };
        if output.is_valid(structured) {
            return Ok(());
        }
        let places: Vec<String> = output
            .iter_errors(structured)
            .take(5)
            .map(|e| format!("{} breaks {}", place(&e.instance_path().to_string()), e.schema_path()))
            .collect();
        Err(CallError::new(
            Code::PluginContract,
            format!("the tool `{}` answered outside its own output schema", self.name),
        )
        .because(places.join("; ")))
    }
}

/// Parse and compile one schema. `$ref` to another document is refused: nothing is ever fetched.
fn schema(tool: &str, which: &str, text: &str) -> Result<(Arc<Map<String, Value>>, jsonschema::Validator), BoxError> {
    let value: Value =
        serde_json::from_str(text).map_err(|e| format!("tool `{tool}`: the {which} schema is not JSON: {e}"))?;
    let validator = jsonschema::draft202012::options()
        .build(&value)
        .map_err(|e| format!("tool `{tool}`: the {which} schema is not a JSON Schema (2020-12): {e}"))?;
    match value {
        Value::Object(map) => Ok((Arc::new(map), validator)),
        _ => Err(format!("tool `{tool}`: the {which} schema must be a JSON object").into()),
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

/// What a tool answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// For clients that read only content.
    pub parts: Vec<Part>,
    /// For clients that read structure.
    pub structured: Option<Value>,
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
