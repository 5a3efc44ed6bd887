//! Prompts and documents in MCP's words, and lists in pages.

use super::answer::{content, detail};
use crate::error::{Blame, CallError, Code};
use crate::plugin::{Body, Content, Filled, Prompt, Resource, Speaker, Values};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rmcp::model::{
    self, CompleteResult, CompletionInfo, ErrorData, GetPromptResult, PromptArgument, PromptMessage,
    ReadResourceResult, ResourceContents, ResourceTemplate, Role,
};
use serde_json::json;

/// A prompt as a client sees it.
pub(super) fn prompt(prompt: &Prompt) -> model::Prompt {
    let argument = |it: &crate::plugin::PromptArgument| {
        PromptArgument::new(&it.name).with_title(&it.title).with_description(&it.description).with_required(it.required)
    };
    let arguments = prompt.arguments.iter().map(argument).collect();
    model::Prompt::new(&prompt.name, Some(&prompt.description), Some(arguments)).with_title(&prompt.title)
}

/// A prompt, filled in.
pub(super) fn filled(filled: Filled) -> GetPromptResult {
    let message = |(speaker, part)| {
        let role = match speaker {
            Speaker::User => Role::User,
            Speaker::Assistant => Role::Assistant,
        };
        PromptMessage::new(role, content(part))
    };
    let mut result = GetPromptResult::new(filled.messages.into_iter().map(message).collect());
    result.description = filled.description;
    result
}

/// A document as a client sees it in a list.
pub(super) fn resource(resource: &Resource) -> model::Resource {
    model::Resource::new(&resource.uri, &resource.name)
        .with_title(&resource.title)
        .with_description(&resource.description)
        .with_mime_type(&resource.mime_type)
}

/// A family of documents as a client sees it in a list.
pub(super) fn template(resource: &Resource) -> ResourceTemplate {
    ResourceTemplate::new(&resource.uri, &resource.name)
        .with_title(&resource.title)
        .with_description(&resource.description)
        .with_mime_type(&resource.mime_type)
}

/// A document, read.
pub(super) fn document(uri: &str, content: Content) -> ReadResourceResult {
    let contents = match content.body {
        Body::Text(text) => ResourceContents::text(text, uri),
        Body::Bytes(bytes) => ResourceContents::blob(BASE64_STANDARD.encode(bytes), uri),
    };
    ReadResourceResult::new(vec![contents.with_mime_type(content.mime_type)])
}

/// Values of an argument.
///
/// # Errors
/// None: there are no more than MCP takes.
pub(super) fn completion(values: Values) -> Result<CompleteResult, ErrorData> {
    let (total, more) = (u32::try_from(values.total).ok(), values.total > values.values.len());
    let info = CompletionInfo::with_pagination(values.values, total, more);
    Ok(CompleteResult::new(info.map_err(|error| ErrorData::internal_error(error, None))?))
}

/// A failed request for something that is no tool: MCP has no results that are errors there.
pub(super) fn refusal(error: &CallError, request: &str) -> ErrorData {
    let text = format!("{}: {error}", error.code);
    match error.code.blame() {
        Blame::Caller => ErrorData::invalid_params(text, Some(detail(error, request))),
        Blame::Plugin | Blame::Host => ErrorData::internal_error(text, Some(detail(error, request))),
    }
}

/// The same for a document, which has an error of its own for those that are not there.
pub(super) fn unread(error: &CallError, request: &str, uri: &str) -> ErrorData {
    match error.code {
        Code::NotFound => {
            // It is the caller's own, and goes back bounded.
            let uri: String = uri.chars().take(200).collect();
            ErrorData::resource_not_found(error.to_string(), Some(json!({ "uri": uri })))
        }
        _ => refusal(error, request),
    }
}

/// One page of a list, and the cursor of the next. A cursor is the last key of the page before. It holds across a change
/// of the list: the list goes on after that key, whether it is still there or not.
///
/// # Errors
/// Where the cursor is none that a list answered.
pub(super) fn page<'a, T>(
    all: &'a [T],
    key: impl Fn(&T) -> &str,
    cursor: Option<&str>,
    size: usize,
) -> Result<(&'a [T], Option<String>), ErrorData> {
    let start = match cursor {
        None => 0,
        // Whatever else it is, it is the length of a name or a URI.
        Some(cursor) if (1..=2_000).contains(&cursor.len()) && cursor.bytes().all(|byte| byte.is_ascii_graphic()) => {
            all.partition_point(|item| key(item) <= cursor)
        }
        Some(_) => {
            let text = "invalid cursor: send one that a list answered, or none";
            return Err(ErrorData::invalid_params(text, None));
        }
    };
    let page = &all[start..all.len().min(start + size)];
    let more = start + page.len() < all.len();
    Ok((page, page.last().filter(|_| more).map(|last| key(last).to_owned())))
}
