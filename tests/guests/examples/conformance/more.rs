//! The suite's prompts and documents.

use super::bindings::exports::rowhouse::plugin::{
    prompts::{self, Argument, Filled, Message, Prompt, Role},
    resources::{self, Body, Content, Described, Resource, Template},
    tools::{Part, ToolError},
    views::{self, View},
};
use super::{Served, document, image};

fn prompt(name: &str, description: &str, arguments: &[(&str, bool)]) -> Prompt {
    let argument = |&(name, required): &(&str, bool)| Argument {
        name: name.to_owned(),
        title: name.to_owned(),
        description: format!("{name} of the prompt"),
        required,
        completes: name == "arg1",
    };
    Prompt {
        name: name.to_owned(),
        title: name.replace('_', " "),
        description: description.to_owned(),
        arguments: arguments.iter().map(argument).collect(),
    }
}

impl prompts::Guest for Served {
    fn describe_prompts() -> Vec<Prompt> {
        vec![
            prompt("test_simple_prompt", "A prompt without arguments.", &[]),
            prompt("test_prompt_with_arguments", "A prompt with two arguments.", &[("arg1", true), ("arg2", false)]),
            prompt("test_prompt_with_embedded_resource", "A prompt with a document.", &[("resourceUri", true)]),
            prompt("test_prompt_with_image", "A prompt with an image.", &[]),
            prompt("test_input_required_result_prompt", "A prompt that asks back.", &[]),
        ]
    }

    // The host calls `prompt-dialogue.get` in its place.
    fn get(name: String, arguments: Vec<(String, String)>) -> Result<Filled, ToolError> {
        get(&name, &arguments)
    }

    fn complete(
        _name: String,
        _argument: String,
        value: String,
        _given: Vec<(String, String)>,
    ) -> Result<Vec<String>, ToolError> {
        let known = ["paris", "park", "party", "testing", "test value"];
        Ok(known.iter().filter(|known| known.starts_with(&value)).map(|&known| known.to_owned()).collect())
    }
}

pub(super) fn get(name: &str, arguments: &[(String, String)]) -> Result<Filled, ToolError> {
    let argument = |wanted: &str| arguments.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
    let text = |text: &str| Part::Text(text.to_owned());
    let parts = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            vec![text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        "test_prompt_with_embedded_resource" => vec![
            document(argument("resourceUri"), "text/plain", "Embedded resource content for testing."),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![Part::Image(image()), text("Please analyze the image above.")],
        other => return Err(ToolError::NotFound(format!("no prompt `{other}`"))),
    };
    let messages = parts.into_iter().map(|content| Message { role: Role::User, content }).collect();
    Ok(Filled { description: None, messages })
}

impl resources::Guest for Served {
    fn describe_resources() -> Described {
        let resource = |uri: &str, name: &str, mime_type: &str| Resource {
            uri: uri.to_owned(),
            name: name.to_owned(),
            title: name.to_owned(),
            description: format!("{name}, for testing"),
            mime_type: mime_type.to_owned(),
        };
        let template = Template {
            uri_template: "test://template/{id}/data".to_owned(),
            name: "template".to_owned(),
            title: "By id".to_owned(),
            description: "A document for each id".to_owned(),
            mime_type: "application/json".to_owned(),
            completes: vec!["id".to_owned()],
        };
        Described {
            resources: vec![
                resource("test://static-text", "static-text", "text/plain"),
                resource("test://static-binary", "static-binary", "image/png"),
                resource("test://watched-resource", "watched-resource", "text/plain"),
                resource("ui://conformance/view", "view", "text/html;profile=mcp-app"),
            ],
            templates: vec![template],
        }
    }

    fn read(uri: String) -> Result<Content, ToolError> {
        let text = |mime_type: &str, text: &str| Content {
            mime_type: mime_type.to_owned(),
            body: Body::Text(text.to_owned()),
        };
        Ok(match uri.as_str() {
            "test://static-text" => text("text/plain", "This is the content of the static text resource."),
            "test://static-binary" => Content { mime_type: "image/png".to_owned(), body: Body::Bytes(image().data) },
            "test://watched-resource" => text("text/plain", "This document is watched."),
            "ui://conformance/view" => text("text/html;profile=mcp-app", "<!doctype html><title>A view</title>"),
            other => match other.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")) {
                Some("none") | None => return Err(ToolError::NotFound(format!("no document {other}"))),
                Some(id) => text(
                    "application/json",
                    &format!(r#"{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}"#),
                ),
            },
        })
    }

    fn complete(
        _uri_template: String,
        _variable: String,
        value: String,
        _given: Vec<(String, String)>,
    ) -> Result<Vec<String>, ToolError> {
        // More than the host sends on.
        Ok((0..150).map(|id| id.to_string()).filter(|id| id.starts_with(&value)).collect())
    }
}

impl views::Guest for Served {
    fn describe_views() -> Vec<View> {
        vec![View { tool: "test_simple_text".to_owned(), uri: "ui://conformance/view".to_owned() }]
    }
}
