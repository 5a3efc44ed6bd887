//! What the guests of the test suite share. Each guest is one example of this crate: one file,
//! one behaviour, or one family of them.

pub mod bindings;
pub mod echo;
pub mod values;

pub use bindings::{
    exports::rowhouse::plugin::tools::{Annotations, Answer, Guest, PluginInfo, Structured, Tool, ToolError},
    rowhouse::plugin::{call_context, embedding, log, progress, schema, sql, types},
};
use serde_json::Value as Json;

/// An input schema that takes any object.
pub const ANYTHING: &str = r#"{"type":"object"}"#;

/// Make a guest of two functions: `describe() -> PluginInfo` and `call(&str, Json) -> Result<Answer, ToolError>`.
#[macro_export]
macro_rules! serve {
    ($describe:path, $call:path) => {
        /// The guest.
        pub struct Served;

        impl $crate::Guest for Served {
            fn describe() -> $crate::PluginInfo {
                $describe()
            }

            fn call(name: String, arguments: String) -> Result<$crate::Answer, $crate::ToolError> {
                $call(&name, $crate::parse(&arguments)?)
            }
        }

        // On the host the examples are compiled, and checked, and never run.
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export_plugin!(Served with_types_in $crate::bindings);
    };
}

/// The plugin `name`, version 0.1.0.
#[must_use]
pub fn plugin(name: &str, tools: Vec<Tool>) -> PluginInfo {
    PluginInfo { name: name.to_owned(), version: "0.1.0".to_owned(), tools }
}

/// A read-only tool.
#[must_use]
pub fn tool(name: &str, description: &str, input_schema: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        title: name.replace('_', " "),
        description: description.to_owned(),
        input_schema: input_schema.to_owned(),
        output_schema: None,
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
    }
}

/// A structured answer.
#[must_use]
pub fn json(value: &Json) -> Answer {
    Answer::Structured(Structured { json: value.to_string(), text: None })
}

/// A text answer.
#[must_use]
pub fn text(text: impl Into<String>) -> Answer {
    Answer::Text(text.into())
}

/// The arguments as JSON.
///
/// # Errors
/// Text that is no JSON, which the host has already ruled out.
pub fn parse(arguments: &str) -> Result<Json, ToolError> {
    serde_json::from_str(arguments).map_err(|error| ToolError::InvalidArguments(error.to_string()))
}

/// The whole number `arguments` has under `name`, or else `default`.
#[must_use]
pub fn number(arguments: &Json, name: &str, default: u64) -> u64 {
    arguments[name].as_u64().unwrap_or(default)
}

/// The text `arguments` has under `name`, or else `default`.
#[must_use]
pub fn string<'a>(arguments: &'a Json, name: &str, default: &'a str) -> &'a str {
    arguments[name].as_str().unwrap_or(default)
}
