//! A front that adds a bearer token: for clients that cannot send one.
//!
//! Everything else passes as it is, the `Host` header included, in both directions and as it comes: a stream stays a
//! stream, and when the client leaves, the request to the server is dropped too.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderValue, TRANSFER_ENCODING};
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes of a request that pass: more than the server takes.
const MAX_BODY: usize = 4 << 20;

/// Serve a front for `upstream` on a free port of this machine until the process ends; returns its address.
///
/// `heard` is shown every body that passes, before it is sent on.
pub async fn inject(upstream: SocketAddr, bearer: String, heard: impl Fn(&[u8]) + Send + Sync + 'static) -> SocketAddr {
    let heard = Arc::new(heard);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let front = listener.local_addr().expect("a bound listener has an address");
    let bearer = HeaderValue::try_from(format!("Bearer {bearer}")).expect("a token is a header value");
    // A connection for every request: what the server ends or keeps open is then seen as it is.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().expect("a plain client");
    let router = Router::new().fallback(move |request: Request| {
        let (client, bearer, heard) = (client.clone(), bearer.clone(), Arc::clone(&heard));
        async move { forward(client, upstream, bearer, &*heard, request).await }
    });
    // Without this every streamed answer would wait some 40 ms for the client's delayed acknowledgement.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("an open socket"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    front
}

async fn forward(
    client: reqwest::Client,
    upstream: SocketAddr,
    bearer: HeaderValue,
    heard: &(impl Fn(&[u8]) + Send + Sync),
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response(),
    };
    heard(&body);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.headers.insert(AUTHORIZATION, bearer);
    for hop in [CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(hop);
    }
    let asked =
        client.request(parts.method, format!("http://{upstream}{path}")).headers(parts.headers).body(body).send().await;
    match asked {
        Ok(answer) => {
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove(TRANSFER_ENCODING);
            let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
    }
}
