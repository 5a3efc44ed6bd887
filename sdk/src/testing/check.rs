//! What the real host asks of a plugin before it serves it, and of each answer.

use std::collections::BTreeSet;

use serde_json::Value as JsonValue;

use super::Outcome;
use crate::{
    bindings::exports::rowhouse::plugin::tools::Tool,
    error::{Error, Result},
    plugin::{self, Plugin},
};

fn parsed(tool: &str, schema: &str) -> JsonValue {
    serde_json::from_str(schema).unwrap_or_else(|error| panic!("a schema of `{tool}` is no JSON: {error}"))
}

pub(super) fn arguments(tool: &Tool, arguments: &JsonValue) -> Result<()> {
    let schema = parsed(&tool.name, &tool.input_schema);
    jsonschema::validate(&schema, arguments).map_err(|error| Error::invalid(error.to_string()))
}

#[track_caller]
pub(super) fn answer(tool: &Tool, outcome: &Outcome) {
    let Some(schema) = &tool.output_schema else { return };
    let json = outcome.structured().unwrap_or_else(|| panic!("`{}` has an output schema and no JSON", tool.name));
    if let Err(error) = jsonschema::validate(&parsed(&tool.name, schema), json) {
        panic!("the answer of `{}` does not fit its output schema: {error} in {json}", tool.name);
    }
}

#[track_caller]
pub(super) fn plugin<P: Plugin>() {
    let info = plugin::describe::<P>();
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(!info.name.is_empty() && info.name.chars().all(lower), "`{}`: a-z, 0-9 and - only", info.name);
    let mut tools = BTreeSet::new();
    for tool in &info.tools {
        name(&tool.name);
        assert!(tools.insert(tool.name.clone()), "two tools `{}`", tool.name);
        for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()].into_iter().flatten() {
            let schema = parsed(&tool.name, schema);
            assert!(jsonschema::draft202012::meta::is_valid(&schema), "`{}`: no JSON Schema: {schema}", tool.name);
            assert_eq!(schema["type"], "object", "`{}`: arguments and answers are objects: {schema}", tool.name);
        }
    }
    let mut prompts = BTreeSet::new();
    for prompt in plugin::describe_prompts::<P>() {
        name(&prompt.name);
        assert!(prompts.insert(prompt.name.clone()), "two prompts `{}`", prompt.name);
        prompt.arguments.iter().for_each(|argument| name(&argument.name));
    }
    let described = plugin::describe_resources::<P>();
    let mut uris = BTreeSet::new();
    for resource in &described.resources {
        name(&resource.name);
        address(&resource.uri, &resource.mime_type);
        assert!(uris.insert(resource.uri.clone()), "two resources `{}`", resource.uri);
    }
    for template in &described.templates {
        name(&template.name);
        address(&template.uri_template, &template.mime_type);
    }
    for view in plugin::describe_views::<P>() {
        assert!(tools.contains(&view.tool), "a view of `{}`, which is no tool of this plugin", view.tool);
        assert!(uris.contains(&view.uri), "the view `{}` is no resource of this plugin", view.uri);
        assert!(view.uri.starts_with("ui://"), "the view `{}` does not begin with ui://", view.uri);
    }
}

#[track_caller]
fn name(name: &str) {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    assert!((1..=64).contains(&name.len()) && name.chars().all(part), "`{name}`: 1 to 64 of A-Z a-z 0-9 _ -");
}

#[track_caller]
fn address(uri: &str, mime_type: &str) {
    for scheme in ["file:", "http:", "https:"] {
        assert!(!uri.starts_with(scheme), "`{uri}`: a plugin has no files and no network");
    }
    if uri.starts_with("ui://") {
        assert_eq!(mime_type, "text/html;profile=mcp-app", "`{uri}` is a view");
    }
}
