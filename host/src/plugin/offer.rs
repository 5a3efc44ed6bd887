//! What a plugin offers besides tools: prompts and documents.

use super::template::Pattern;
use super::tool::wording;
use crate::error::{BoxError, CallError, Code};
use crate::policy::{PROMPT, RESOURCE};
use serde_json::Value;
use std::collections::BTreeSet;

/// The MIME type of a view (MCP Apps, 2026-01-26, "UI Resource Format").
pub const VIEW: &str = "text/html;profile=mcp-app";

/// Prompts, documents and templates one plugin may declare, of each. Everything is listed to every caller.
const MOST: usize = 100;

/// Arguments one prompt may have. A person fills them in.
const MOST_ARGUMENTS: usize = 20;

/// The longest URI, in bytes: what every HTTP server in between takes.
const LONGEST_URI: usize = 2_000;

/// A text that a person picks from a menu. Immutable; shared by every list and call that mentions it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Unique in a host.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it is filled in with, each a text.
    pub arguments: Vec<PromptArgument>,
}

/// One argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptArgument {
    /// Unique in its prompt.
    pub name: String,
    /// For people.
    pub title: String,
    /// What belongs there.
    pub description: String,
    /// Whether the prompt cannot be had without it.
    pub required: bool,
    /// Whether the plugin can say which values there are.
    pub completes: bool,
}

/// A document, or where its URI is a template, a family of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Unique in a host: the URI, or the template (RFC 6570, level 1).
    pub uri: String,
    /// The short name.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it holds.
    pub description: String,
    /// Of the document.
    pub mime_type: String,
    /// For a family: which URIs belong to it.
    pub(super) pattern: Option<Pattern>,
    /// For a family: the variables the plugin can say the values of.
    pub completes: BTreeSet<String>,
}

impl Prompt {
    /// Check a prompt.
    ///
    /// # Errors
    /// A text that names the prompt and what is wrong with it.
    pub(super) fn check(self) -> Result<Self, BoxError> {
        let name = &self.name;
        if !is_name(name) {
            return Err(format!("prompt name {name:?}: use 1 to 64 of A-Z a-z 0-9 _ -").into());
        }
        if self.arguments.len() > MOST_ARGUMENTS {
            let count = self.arguments.len();
            return Err(format!("prompt `{name}`: {count} arguments; at most {MOST_ARGUMENTS} are accepted").into());
        }
        if let Some(fault) = wording(&self.title, &self.description) {
            return Err(format!("prompt `{name}`: {fault}").into());
        }
        let mut names = BTreeSet::new();
        for argument in &self.arguments {
            if let Some(fault) = wording(&argument.title, &argument.description) {
                return Err(format!("prompt `{name}`: of an argument, {fault}").into());
            }
            if !is_name(&argument.name) {
                let argument = &argument.name;
                return Err(
                    format!("prompt `{name}`: argument name {argument:?}: use 1 to 64 of A-Z a-z 0-9 _ -").into()
                );
            }
            if !names.insert(&argument.name) {
                return Err(format!("prompt `{name}`: it declares the argument `{}` twice", argument.name).into());
            }
        }
        Ok(self)
    }

    /// The arguments of one call, by name: every required one, none it does not have, each a text.
    ///
    /// # Errors
    /// [`Code::Validation`], naming the argument.
    pub fn take(&self, given: &Value) -> Result<Vec<(String, String)>, CallError> {
        let wrong = |what: String| Err(CallError::new(Code::Validation, format!("prompt `{}`: {what}", self.name)));
        let Value::Object(given) = given else { return wrong("its arguments are an object".to_owned()) };
        if let Some(missing) = self.arguments.iter().find(|it| it.required && !given.contains_key(&it.name)) {
            return wrong(format!("the argument `{}` is required", missing.name));
        }
        let mut taken = Vec::with_capacity(given.len());
        for (name, value) in given {
            if !self.arguments.iter().any(|it| it.name == *name) {
                // The name comes from the caller, and goes back bounded.
                return wrong(format!("it has no argument `{}`", name.chars().take(64).collect::<String>()));
            }
            match value {
                Value::String(text) => taken.push((name.clone(), text.clone())),
                _ => return wrong(format!("the argument `{name}` must be a text")),
            }
        }
        Ok(taken)
    }

    /// Its name among the plugin's items: see [`crate::policy::Question`].
    pub fn item(&self) -> String {
        format!("{PROMPT}{}", self.name)
    }
}

impl Resource {
    /// Check a document or a family of them.
    ///
    /// # Errors
    /// A text that names it and what is wrong with it.
    pub(super) fn check(self) -> Result<Self, BoxError> {
        let uri = &self.uri;
        let wrong = |what: &str| -> Result<Self, BoxError> { Err(format!("resource {uri:?}: {what}").into()) };
        if !is_name(&self.name) {
            return wrong("its name must be 1 to 64 of A-Z a-z 0-9 _ -");
        }
        if let Some(fault) = wording(&self.title, &self.description) {
            return wrong(&fault);
        }
        let Some((scheme, rest)) = uri.split_once(':') else { return wrong("a URI begins with a scheme") };
        if uri.len() > LONGEST_URI || rest.is_empty() || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("a URI has up to 2,000 printable ASCII characters, none of them a space");
        }
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(named) {
            return wrong("its scheme must be lower-case letters, digits and + - . after a letter");
        }
        // A client would look there itself, and a plugin has neither.
        if ["file", "http", "https", "data", "javascript"].contains(&scheme) {
            return wrong("a plugin has no files and no network: use a scheme of its own");
        }
        let view = self.mime_type == VIEW;
        if (scheme == "ui") != view {
            return wrong("`ui://` and the MIME type `text/html;profile=mcp-app` go together");
        }
        let whole = self.mime_type.split(';').next().unwrap_or_default();
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
        };
        if self.mime_type.len() > 100
            || !whole.split_once('/').is_some_and(|(kind, sub)| part(kind) && part(sub.trim_end()))
        {
            return wrong("its MIME type is not of the form `text/plain`");
        }
        if let Some(pattern) = &self.pattern
            && let Some(unknown) = self.completes.iter().find(|name| !pattern.variables().any(|it| it == *name))
        {
            return wrong(&format!("it completes `{unknown}`, which its template does not have"));
        }
        Ok(self)
    }

    /// Whether a URI names this document, or one of this family.
    pub fn holds(&self, uri: &str) -> bool {
        match &self.pattern {
            Some(pattern) => uri.len() <= LONGEST_URI && pattern.matches(uri),
            None => uri == self.uri,
        }
    }

    /// Whether its template has this variable.
    pub fn has_variable(&self, name: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.variables().any(|it| it == name))
    }

    /// Whether it is a family of documents.
    pub fn is_template(&self) -> bool {
        self.pattern.is_some()
    }

    /// Its name among the plugin's items: see [`crate::policy::Question`].
    pub fn item(&self) -> String {
        format!("{RESOURCE}{}", self.uri)
    }
}

/// Hold a list to its bound.
///
/// # Errors
/// Where it is longer.
pub(super) fn few<T>(what: &str, list: &[T]) -> Result<(), BoxError> {
    match list.len() {
        count if count > MOST => Err(format!("it declares {count} {what}; at most {MOST} are accepted").into()),
        _ => Ok(()),
    }
}

/// A name as MCP's tools have them.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
