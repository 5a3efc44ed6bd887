//! `GET /metrics`, for Prometheus: at an address of its own, and on the admin socket. Never at the endpoint of callers.

use crate::call::Host;
use crate::telemetry::CONTENT_TYPE;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE as KIND;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The path, for whoever has a door for it.
pub(super) fn route() -> Router<Arc<Host>> {
    Router::new().route("/metrics", get(metrics))
}

/// Serve it, and nothing else, until `shutdown` is cancelled.
///
/// # Errors
/// When the listener breaks.
pub async fn run(listener: TcpListener, host: Arc<Host>, shutdown: CancellationToken) -> std::io::Result<()> {
    let nothing = || std::future::ready((StatusCode::NOT_FOUND, "there is GET /metrics, and nothing else\n"));
    let router = route().fallback(nothing).with_state(host);
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn metrics(State(host): State<Arc<Host>>) -> Response {
    match host.metrics() {
        Ok(text) => ([(KIND, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
