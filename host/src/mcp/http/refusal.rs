//! What the door says when it says no: always JSON, always with the way on.

use super::challenge::Challenge;
use super::envelope::Envelope;
use super::is_json;
use crate::error::Code;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

/// JSON-RPC: the body is not JSON.
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the body is not a message.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: the server's own fault.
const INTERNAL_ERROR: i32 = -32603;
/// JSON-RPC leaves -32000 to servers; MCP keeps -32020 and below.
const REFUSED: i32 = -32000;
/// MCP: the revision is not served.
const UNSUPPORTED_VERSION: i32 = -32022;

/// Longest text of rmcp's that is passed on.
const MAX_TEXT: usize = 1024;

/// A request that goes no further.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    id: Option<Value>,
    code: i32,
    message: String,
    data: Option<Box<Value>>,
    /// Boxed: refusals travel as errors, and most have none.
    header: Option<Box<(&'static str, HeaderValue)>>,
}

impl Refusal {
    fn new(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { status, id: None, code, message: message.into(), data: None, header: None }
    }

    fn named(mut self, code: Code) -> Self {
        self.data = Some(Box::new(json!({ "code": code.as_str() })));
        self
    }

    /// No proof, or none that holds. The body is the same for every reason; the challenge differs only in whether a
    /// proof was `given`, which the caller knows.
    pub(super) fn unproven(challenge: &Challenge, given: bool) -> Self {
        let text = "a valid bearer token is required: send `Authorization: Bearer <token>`";
        let mut refusal = Self::new(StatusCode::UNAUTHORIZED, REFUSED, text).named(Code::Authentication);
        refusal.header = Some(Box::new(("www-authenticate", challenge.unproven(given))));
        refusal
    }

    /// A proof the host cannot judge right now, whether it holds or not: too many are being checked, or what it would be
    /// checked against is out of reach. Not a 401: who hears that throws its token away.
    pub(super) fn undecided() -> Self {
        let text = "the host cannot check tokens right now: keep yours, and try again in a moment";
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, REFUSED, text).named(Code::Overloaded);
        refusal.header = Some(Box::new(("retry-after", HeaderValue::from_static("1"))));
        refusal
    }

    /// A proof that holds and does not reach far enough: a client may come back with one that carries these scopes.
    pub(super) fn insufficient(challenge: &Challenge, id: Option<Value>, scopes: &[String]) -> Self {
        let text = format!("this needs a token with the scopes: {}", scopes.join(" "));
        let mut refusal = Self::new(StatusCode::FORBIDDEN, REFUSED, text).named(Code::Authorization);
        refusal.id = id;
        refusal.header = Some(Box::new(("www-authenticate", challenge.insufficient(scopes))));
        refusal
    }

    /// The host holds as much as it can.
    pub(super) fn busy() -> Self {
        let text = "the host serves as many requests as it can hold: try again in a moment";
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, REFUSED, text).named(Code::Overloaded);
        refusal.header = Some(Box::new(("retry-after", HeaderValue::from_static("1"))));
        refusal
    }

    /// This caller holds as many of these as it may.
    pub(super) fn too_many(what: &str) -> Self {
        let mut refusal =
            Self::new(StatusCode::TOO_MANY_REQUESTS, REFUSED, format!("too many {what}")).named(Code::Overloaded);
        refusal.header = Some(Box::new(("retry-after", HeaderValue::from_static("1"))));
        refusal
    }

    /// The body is longer than `max` bytes.
    pub(super) fn too_long(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            INVALID_REQUEST,
            format!("the request body is longer than {max} bytes"),
        )
    }

    /// The body did not arrive in time.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, "the request body did not arrive in time")
    }

    /// The connection broke while the body arrived.
    pub(super) fn broken() -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, "the request body broke off")
    }

    /// The body is not JSON.
    pub(super) fn not_json(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, PARSE_ERROR, format!("the request body is not JSON: {why}"))
    }

    /// The body is JSON but no message.
    pub(super) fn invalid(id: Option<Value>, why: &str) -> Self {
        Self { id, ..Self::new(StatusCode::BAD_REQUEST, INVALID_REQUEST, why) }
    }

    /// A revision rmcp knows and this host does not serve.
    pub(super) fn version(asked: &str) -> Self {
        let supported: Vec<&str> = crate::mcp::VERSIONS.iter().map(|version| version.as_str()).collect();
        let shown: String = asked.chars().take(32).collect();
        let text = format!("MCP-Protocol-Version {shown} is not served: use the one the handshake agreed on");
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, UNSUPPORTED_VERSION, text);
        refusal.data = Some(Box::new(json!({ "supported": supported, "requested": shown })));
        refusal
    }

    /// The session ended or never was this caller's.
    pub(super) fn no_such_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID_REQUEST, "no such session: start one with `initialize`")
    }

    /// Nothing is served at this path.
    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID_REQUEST, format!("nothing is served here: MCP is at {path}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = *data;
        }
        let body = json!({ "jsonrpc": "2.0", "id": self.id, "error": error }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header.map(|header| *header) {
            headers.insert(name, value);
        }
        response
    }
}

/// Put rmcp's answer in order: plain-text refusals become JSON, and a session that was ended says so.
pub(super) async fn tidy(response: Response, envelope: &Envelope, method: &Method) -> Response {
    let status = response.status();
    if *method == Method::DELETE && status == StatusCode::ACCEPTED {
        // The session is gone when rmcp answers; "accepted" reads like a failure to some clients.
        return StatusCode::NO_CONTENT.into_response();
    }
    if !(status.is_client_error() || status.is_server_error()) || is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let refusal = match status {
        // rmcp says this both of the content type and of a message it cannot read; only the latter was opened here.
        StatusCode::UNSUPPORTED_MEDIA_TYPE if envelope.was_opened() => {
            Refusal::invalid(envelope.id(), "not a JSON-RPC 2.0 message: see the MCP specification for its members")
        }
        _ if status.is_server_error() => {
            // What broke is in rmcp's log line; the caller could do nothing with it.
            Refusal {
                id: envelope.id(),
                ..Refusal::new(status, INTERNAL_ERROR, "the request could not be served: try again")
            }
        }
        _ => Refusal { id: envelope.id(), ..Refusal::new(status, INVALID_REQUEST, text) },
    };
    let ours = refusal.into_response();
    parts.status = ours.status();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(ours.headers().clone());
    Response::from_parts(parts, ours.into_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rmcp might say, and what leaves the house.
    async fn check(method: Method, (status, text): (u16, &'static str), body: &str, expect: (u16, Value)) {
        let envelope =
            if body.is_empty() { Envelope::default() } else { Envelope::open(body.as_bytes()).expect("an object") };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let response = tidy(response, &envelope, &method).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a short body");
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        assert_eq!((status, body), expect);
    }

    fn error(id: Value, code: i32, message: &str) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
    }

    #[tokio::test]
    async fn plain_text_becomes_json() {
        let gone = error(Value::Null, INVALID_REQUEST, "Not Found: Session not found");
        check(Method::GET, (404, "Not Found: Session not found"), "", (404, gone)).await;
        let broken = error(json!(1), INTERNAL_ERROR, "the request could not be served: try again");
        check(Method::POST, (500, "Encounter an error when x: secret"), r#"{"id":1}"#, (500, broken)).await;
        let unread =
            error(json!("a"), INVALID_REQUEST, "not a JSON-RPC 2.0 message: see the MCP specification for its members");
        check(Method::POST, (415, "fail to deserialize"), r#"{"id":"a"}"#, (400, unread)).await;
        let other = error(Value::Null, INVALID_REQUEST, "Unsupported Media Type");
        check(Method::POST, (415, "Unsupported Media Type"), "", (415, other)).await;
        check(Method::DELETE, (202, ""), "", (204, Value::Null)).await;
        check(Method::POST, (202, ""), "", (202, Value::Null)).await;
    }
}
