//! Resources: documents that a client reads by their URI.

use serde::Serialize;

use crate::{
    bindings::exports::rowhouse::plugin::resources as wit,
    error::{Error, Result},
    plugin::Given,
    value::Json,
};

/// What callers are told of a resource, or of many by a template. Made by [`#[resource]`](macro@crate::resource).
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the contract's `resource`, under their names there")]
pub struct Description {
    /// The address; a template where there are `variables`.
    pub uri: &'static str,
    /// The template's variables, in their order.
    pub variables: &'static [&'static str],
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub mime_type: &'static str,
    pub completes: &'static [&'static str],
}

/// A function with [`#[resource]`](macro@crate::resource).
#[diagnostic::on_unimplemented(message = "`{Self}` is no resource: its function needs #[resource]")]
pub trait Resource {
    /// What callers are told.
    fn describe() -> Description;

    /// Read it; `variables` are the template's.
    ///
    /// # Errors
    /// The resource's.
    fn read(variables: &[String]) -> Result<Body>;

    /// Values a variable could have.
    ///
    /// # Errors
    /// The completing function's.
    fn complete(variable: &str, value: &str, given: &Given<'_>) -> Result<Vec<String>>;
}

/// What a document holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What a resource can return: a `String`, `&'static str`, `Vec<u8>` or [`Json`], or a `Result` of one of these.
#[diagnostic::on_unimplemented(
    message = "a resource returns String, &'static str, Vec<u8> or Json<T>, or a Result of one of these"
)]
pub trait IntoBody {
    /// What the document holds.
    ///
    /// # Errors
    /// The resource's; or a value that is no JSON.
    fn into_body(self) -> Result<Body>;
}

impl<T: IntoBody> IntoBody for Result<T> {
    fn into_body(self) -> Result<Body> {
        self?.into_body()
    }
}

impl IntoBody for Body {
    fn into_body(self) -> Result<Body> {
        Ok(self)
    }
}

impl IntoBody for String {
    fn into_body(self) -> Result<Body> {
        Ok(Body::Text(self))
    }
}

impl IntoBody for &'static str {
    fn into_body(self) -> Result<Body> {
        Ok(Body::Text(self.to_owned()))
    }
}

impl IntoBody for Vec<u8> {
    fn into_body(self) -> Result<Body> {
        Ok(Body::Bytes(self))
    }
}

impl<T: Serialize> IntoBody for Json<T> {
    fn into_body(self) -> Result<Body> {
        Ok(Body::Text(serde_json::to_string(&self.0)?))
    }
}

/// A resource of a plugin, as [`plugin!`](crate::plugin!) lists it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What callers are told.
    pub description: Description,
    read: fn(&[String]) -> Result<Body>,
    pub(crate) complete: fn(&str, &str, &Given<'_>) -> Result<Vec<String>>,
}

impl Entry {
    /// The resource of a function.
    #[must_use]
    pub fn of<R: Resource>() -> Entry {
        Entry { description: R::describe(), read: R::read, complete: R::complete }
    }

    /// The document at `uri`, where this is its resource.
    pub(crate) fn read(&self, uri: &str) -> Option<Result<wit::Content>> {
        let variables = matched(self.description.uri, uri)?;
        Some((self.read)(&variables).map(|body| wit::Content {
            mime_type: self.description.mime_type.to_owned(),
            body: match body {
                Body::Text(text) => wit::Body::Text(text),
                Body::Bytes(bytes) => wit::Body::Bytes(bytes),
            },
        }))
    }
}

pub(crate) fn describe(entries: &[Entry]) -> wit::Described {
    let mut described = wit::Described { resources: Vec::new(), templates: Vec::new() };
    for Entry { description: one, .. } in entries {
        let (name, title) = (one.name.to_owned(), one.title.to_owned());
        let (description, mime_type) = (one.description.to_owned(), one.mime_type.to_owned());
        if one.variables.is_empty() {
            described.resources.push(wit::Resource { uri: one.uri.to_owned(), name, title, description, mime_type });
        } else {
            described.templates.push(wit::Template {
                uri_template: one.uri.to_owned(),
                name,
                title,
                description,
                mime_type,
                completes: one.completes.iter().map(|&variable| variable.to_owned()).collect(),
            });
        }
    }
    described
}

/// A variable of the template, as the function wants it.
#[doc(hidden)]
pub fn variable<T: std::str::FromStr>(name: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::not_found(format!("`{name}` cannot be `{text}`")))
}

/// The variables of `uri` where it fits the template (RFC 6570, level 1: a variable has no `/`), decoded.
fn matched(template: &str, uri: &str) -> Option<Vec<String>> {
    let mut variables = Vec::new();
    let (mut template, mut uri) = (template, uri);
    while let Some((before, after)) = template.split_once('{') {
        uri = uri.strip_prefix(before)?;
        template = after.split_once('}')?.1;
        let next = &template[..template.find('{').unwrap_or(template.len())];
        // The shortest value that what follows allows; at the end, all that is left.
        let end = if next.is_empty() { uri.len() } else { uri.find(next)? };
        let value = &uri[..end];
        if value.is_empty() || value.contains('/') {
            return None;
        }
        variables.push(decoded(value)?);
        uri = &uri[end..];
    }
    (template == uri).then_some(variables)
}

/// Without percent signs; none where that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_fit_templates() {
        let check = |template: &str, uri: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
            assert_eq!(matched(template, uri), expected, "{template} {uri}");
        };
        check("report://all", "report://all", Some(&[]));
        check("report://all", "report://all/", None);
        check("report://store/{name}", "report://store/Seattle", Some(&["Seattle"]));
        check("report://store/{name}", "report://store/Puget%20Sound", Some(&["Puget Sound"]));
        check("report://store/{name}", "report://store/", None);
        check("report://store/{name}", "report://store/a/b", None);
        check("report://store/{name}", "report://store/%FF", None);
        check("report://store/{name}", "report://store/%4", None);
        check("report://{year}/{month}.csv", "report://2026/10.csv", Some(&["2026", "10"]));
        check("report://{year}/{month}.csv", "report://2026/10.txt", None);
    }
}
