//! The outside of a request body: read within bounds, and looked at as far as the door needs.

use super::refusal::Refusal;
use crate::policy::{PROMPT, RESOURCE};
use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// How long a body may take to arrive. Bodies are small; a client this slow holds a place for nothing.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Read a body of at most `max` bytes.
///
/// # Errors
/// 413 when it is longer, 408 when it takes too long, 400 when the connection breaks.
pub(super) async fn read(body: Body, max: usize) -> Result<Bytes, Refusal> {
    let collect = async {
        let mut chunks = body.into_data_stream();
        let mut read = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refusal::broken())?;
            if chunk.len() > max - read.len() {
                return Err(Refusal::too_long(max));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(read))
    };
    tokio::time::timeout(ARRIVAL, collect).await.map_err(|_| Refusal::too_slow())?
}

/// The members of a JSON-RPC message the door looks at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope {
    id: Option<Value>,
    method: Option<String>,
    #[serde(default)]
    params: Params,
    #[serde(skip, default = "opened")]
    opened: bool,
}

/// What the door looks at in a message's params: the name of the tool or prompt, and the URI of the document.
#[derive(Debug, Default)]
struct Params {
    name: Option<String>,
    uri: Option<String>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamsVisitor)
    }
}

/// Takes params of any shape, for whoever serves the method to judge. Only a name or URI that is there twice is refused:
/// readers disagree which of the two counts, and the door must ask about the one that is used.
struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("params")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        let (mut name, mut uri): (Option<Option<String>>, Option<Option<String>>) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let (field, place) = match &*key {
                "name" => ("name", &mut name),
                "uri" => ("uri", &mut uri),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if place.replace(map.next_value::<Value>()?.as_str().map(str::to_owned)).is_some() {
                return Err(A::Error::duplicate_field(field));
            }
        }
        Ok(Params { name: name.flatten(), uri: uri.flatten() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::default())
    }
}

fn opened() -> bool {
    true
}

impl Envelope {
    /// Open a body.
    ///
    /// # Errors
    /// 400 with the JSON-RPC error that says what is wrong: not JSON, a batch, not an object.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, Refusal> {
        // serde_json does not look inside strings it skips, so bytes that are no text must be found first.
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::not_json("it is not UTF-8"))?;
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => {
                    Refusal::invalid(None, "an envelope member is repeated or of the wrong type")
                }
                _ => Refusal::not_json(&error.to_string()),
            }),
            first => {
                serde_json::from_str::<IgnoredAny>(text).map_err(|error| Refusal::not_json(&error.to_string()))?;
                Err(match first {
                    Some(b'[') => Refusal::invalid(None, "batches are not served: send one message a request"),
                    _ => Refusal::invalid(None, "a message is a JSON object"),
                })
            }
        }
    }

    /// Whether this is a request or notification of that method.
    pub(super) fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// What this uses of a plugin, where it uses something: see [`crate::policy::Question`].
    pub(super) fn item(&self) -> Option<String> {
        let Params { name, uri } = &self.params;
        match self.method.as_deref()? {
            // A tool's name has no colon, and must not pass for another kind of item.
            "tools/call" => name.clone().filter(|name| !name.contains(':')),
            "prompts/get" => name.as_ref().map(|name| format!("{PROMPT}{name}")),
            "resources/read" => uri.as_ref().map(|uri| format!("{RESOURCE}{uri}")),
            _ => None,
        }
    }

    /// Whether there was a body to open.
    pub(super) fn was_opened(&self) -> bool {
        self.opened
    }

    /// The id, if it is one that JSON-RPC allows.
    pub(super) fn id(&self) -> Option<Value> {
        self.id.clone().filter(|id| id.is_string() || id.is_number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use serde_json::json;

    /// The JSON-RPC code a body is refused with, or 0.
    async fn refused(body: &[u8]) -> i64 {
        let Err(refusal) = Envelope::open(body) else { return 0 };
        let body = axum::body::to_bytes(refusal.into_response().into_body(), 4096).await.expect("a short body");
        serde_json::from_slice::<Value>(&body).expect("a refusal is JSON")["error"]["code"]
            .as_i64()
            .expect("with a code")
    }

    #[tokio::test]
    async fn bodies() {
        let deep = "[".repeat(100_000);
        for (body, expect) in [
            (&br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#[..], 0),
            (br#" {"params":{"a":[1,{"method":"x"}]},"method":"ping"}"#, 0),
            (b"", -32700),
            (b"{", -32700),
            (b"{]", -32700),
            (b"nonsense", -32700),
            (br#"{"method":"ping"} trailing"#, -32700),
            (b"{\"params\":\"\xff\"}", -32700),
            (deep.as_bytes(), -32700),
            (b"[]", -32600),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
            (b"null", -32600),
            (b"17", -32600),
            (br#"{"method":1}"#, -32600),
            (br#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#, -32600),
            (br#"{"method":"resources/read","params":{"uri":"a","uri":"b"}}"#, -32600),
            (br#"{"method":"tools/call","params":{"name":1}}"#, 0),
            (br#"{"method":"tools/call","params":[{"name":1}]}"#, 0),
            // Readers disagree on which one counts: then nobody should read it.
            (br#"{"method":"ping","method":"initialize"}"#, -32600),
        ] {
            assert_eq!(refused(body).await, expect, "{:?}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        }
    }

    #[test]
    fn an_escaped_method_is_still_that_method() {
        let open = |body: &str| Envelope::open(body.as_bytes()).expect("an object");
        assert!(open(r#"{"method":"\u0069nitialize"}"#).is("initialize"));
        assert_eq!(open(r#"{"id":"a"}"#).id(), Some(json!("a")));
        assert_eq!(open(r#"{"id":{"a":1}}"#).id(), None);
    }

    #[test]
    fn what_is_used() {
        let check = |body: &str, expect: Option<&str>| {
            assert_eq!(Envelope::open(body.as_bytes()).expect(body).item().as_deref(), expect, "{body}");
        };
        check(r#"{"method":"tools/call","params":{"arguments":{"name":"x"},"name":"t"}}"#, Some("t"));
        check(r#"{"params":{"n\u0061me":"t"},"method":"tools/call"}"#, Some("t"));
        check(r#"{"method":"tools/list","params":{"name":"t"}}"#, None);
        check(r#"{"method":"tools/call","params":{"name":7}}"#, None);
        check(r#"{"method":"tools/call","params":{"name":"prompt:t"}}"#, None);
        check(r#"{"method":"tools/call","params":"name"}"#, None);
        check(r#"{"method":"tools/call"}"#, None);
        check(r#"{"method":"prompts/get","params":{"name":"p","uri":"u"}}"#, Some("prompt:p"));
        check(r#"{"method":"resources/read","params":{"name":"p","uri":"a://u"}}"#, Some("resource:a://u"));
    }
}
