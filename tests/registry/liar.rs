//! A registry that lies: each tag is another lie.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use rowhouse::distribution::Digest;
use serde_json::{Value, json};

/// What the layer of every honest manifest here is.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and nothing more";

/// What a refused caller is told, to see that it is not passed on.
pub const ECHO: &str = "the registry says what you sent: ";

/// Start one; where it is, as references name it.
pub async fn start() -> String {
    let app = Router::new()
        .route("/v2/", get(|| async { "{}" }))
        .route("/v2/zava/sales/manifests/{tag}", get(manifest))
        .route("/v2/zava/sales/blobs/{digest}", get(blob));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let host = listener.local_addr().expect("a bound listener has an address").to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    host
}

fn honest() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}").to_string(), "size": 2,
        },
        "layers": [{
            "mediaType": "application/wasm", "digest": Digest::of(COMPONENT).to_string(), "size": COMPONENT.len(),
        }],
    })
}

async fn manifest(Path(tag): Path<String>, headers: HeaderMap) -> Response {
    let mut manifest = honest();
    match tag.as_str() {
        "image" => manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into(),
        "list" => {
            manifest = json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
            });
        }
        // The name of another component, for the bytes of this one.
        "other-bytes" => manifest["layers"][0]["digest"] = Digest::of(b"another").to_string().into(),
        "more-bytes" => {
            manifest["layers"][0]["digest"] = Digest::of(b"endless").to_string().into();
            manifest["layers"][0]["size"] = 1_000.into();
        }
        "large" => manifest["layers"][0]["size"] = (1u64 << 40).into(),
        "path" => manifest["layers"][0]["digest"] = "sha256:../../../../keys/ticket.key".into(),
        "elsewhere" => {
            manifest["layers"][0]["digest"] = Digest::of(b"missing").to_string().into();
            manifest["layers"][0]["urls"] = json!(["http://127.0.0.1:9/somebody/else"]);
        }
        "wrong-header" => {
            let lie = Digest::of(b"another manifest").to_string();
            return ([("docker-content-digest", lie)], manifest.to_string()).into_response();
        }
        "endless" => return endless(),
        "no-json" => return "<html>a captive portal</html>".into_response(),
        "echo" => {
            let sent = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
            let body = json!({ "errors": [{ "code": "TOOMANYREQUESTS", "message": format!("{ECHO}{sent}") }] });
            return (StatusCode::TOO_MANY_REQUESTS, body.to_string()).into_response();
        }
        _ => {}
    }
    ([(header::CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")], manifest.to_string()).into_response()
}

async fn blob(Path(digest): Path<String>) -> Response {
    match digest {
        it if it == Digest::of(b"endless").to_string() => endless(),
        it if it == Digest::of(b"missing").to_string() => StatusCode::NOT_FOUND.into_response(),
        _ => COMPONENT.into_response(),
    }
}

/// Bytes for as long as somebody reads.
fn endless() -> Response {
    let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()))).into_response()
}
