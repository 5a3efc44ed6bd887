//! How a caller without sufficient proof learns where to get one.
//!
//! The challenge of RFC 6750, section 3, with the pointer of RFC 9728, section 5.1, and the document it points to. MCP
//! clients begin here: challenge, document, authorization server, token.

use http::HeaderValue;
use serde_json::{Value, json};

/// Where the document about this resource is found (RFC 9728, section 3.1): here, and here with the endpoint's path.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a `WWW-Authenticate` header of this endpoint says.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    /// Where the document is; none while there is no authorization server to name in it.
    metadata: Option<String>,
    /// Scopes every call needs.
    scopes: Vec<String>,
    /// The document.
    document: Option<Value>,
}

impl Challenge {
    /// The challenge of the endpoint `resource`, whose tokens these servers issue. `scopes`: what every call needs;
    /// `all`: what some tool may need besides.
    pub(super) fn new(resource: &str, servers: &[String], scopes: &[String], all: &[String]) -> Self {
        let document = (!servers.is_empty()).then(|| {
            json!({
                "resource": resource,
                "authorization_servers": servers,
                "scopes_supported": all,
                "bearer_methods_supported": ["header"],
                "resource_name": "Rowhouse",
            })
        });
        let metadata = document.as_ref().and_then(|_| metadata_url(resource));
        Self { metadata, scopes: scopes.to_vec(), document }
    }

    /// The document about this resource, where there is something to say.
    pub(super) fn document(&self) -> Option<&Value> {
        self.document.as_ref()
    }

    /// No proof, or (`given`) none that holds.
    pub(super) fn unproven(&self, given: bool) -> HeaderValue {
        self.header(given.then_some("invalid_token"), &self.scopes)
    }

    /// A proof that does not carry these scopes.
    pub(super) fn insufficient(&self, scopes: &[String]) -> HeaderValue {
        self.header(Some("insufficient_scope"), scopes)
    }

    fn header(&self, error: Option<&str>, scopes: &[String]) -> HeaderValue {
        let mut text = "Bearer realm=\"rowhouse\"".to_owned();
        let mut add = |name: &str, value: &str| text.push_str(&format!(", {name}=\"{value}\""));
        if let Some(error) = error {
            add("error", error);
        }
        if let Some(metadata) = &self.metadata {
            add("resource_metadata", metadata);
        }
        if !scopes.is_empty() {
            add("scope", &scopes.join(" "));
        }
        // Scopes and addresses come from the settings. One that no header can carry is left out with the rest: the
        // answer is a refusal either way.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer realm=\"rowhouse\""))
    }
}

/// The well-known path goes between host and path of the resource.
fn metadata_url(resource: &str) -> Option<String> {
    let (scheme, rest) = resource.split_once("://")?;
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    Some(format!("{scheme}://{host}{}", metadata_path(resource)))
}

/// The path of that URL: where the document about this resource is asked for.
pub(super) fn metadata_path(resource: &str) -> String {
    let rest = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    match rest.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/')) {
        "" => WELL_KNOWN.to_owned(),
        path => format!("{WELL_KNOWN}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_challenge_says() {
        let words = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (servers, base, all) = (words(&["https://id.example"]), words(&["mcp:tools"]), words(&["mcp:tools", "x"]));
        let ours = Challenge::new("https://tools.example/mcp", &servers, &base, &all);
        let metadata = r#"resource_metadata="https://tools.example/.well-known/oauth-protected-resource/mcp""#;
        let bearer = r#"Bearer realm="rowhouse""#;
        assert_eq!(ours.unproven(false), format!(r#"{bearer}, {metadata}, scope="mcp:tools""#));
        assert_eq!(ours.unproven(true), format!(r#"{bearer}, error="invalid_token", {metadata}, scope="mcp:tools""#));
        let more = ours.insufficient(&all);
        assert_eq!(more, format!(r#"{bearer}, error="insufficient_scope", {metadata}, scope="mcp:tools x""#));
        assert_eq!(ours.document().expect("a document")["authorization_servers"], json!(["https://id.example"]));
        // Nobody to send a client to: a plain challenge, and no document.
        let alone = Challenge::new("http://127.0.0.1:8000/mcp", &[], &[], &[]);
        assert_eq!((alone.unproven(false), alone.document()), (HeaderValue::from_static(bearer), None));
    }

    #[test]
    fn where_the_document_is() {
        for (resource, expect) in [
            ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
            ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
            ("https://a.example:8443/x/mcp", "https://a.example:8443/.well-known/oauth-protected-resource/x/mcp"),
        ] {
            assert_eq!(metadata_url(resource).as_deref(), Some(expect));
        }
        assert_eq!(metadata_url("not a url"), None);
    }
}
