//! The operator's own door: what the commands of `rowhouse plugin` do, and how the host is doing, for programs, as JSON over
//! a Unix socket.
//!
//! It shares nothing with the endpoint of callers: no port, no path, no token. Whoever may open the socket may decide.

use crate::call::Host;
use crate::disk;
use crate::error::BoxError;
use crate::plugin::{Change, Entry, Published, Registry, Share, changes, describe, standing};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path as In, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// Bytes of a request: a name, a digest, a reason, some tenants.
const MAX_BODY: usize = 64 << 10;

/// Open the socket, for this user alone. One that nobody listens at any more is replaced.
///
/// # Errors
/// Somebody listens there, something else is there, or the directory cannot be written.
pub fn listen(path: &Path) -> std::io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is something else than a socket"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(Error::new(ErrorKind::AddrInUse, "another host listens there"));
        }
        _ => {}
    }
    // Made where nobody else may enter, then put in its place: at no moment may others open it.
    let private = tempfile::tempdir_in(disk::above(path))?;
    let fresh = private.path().join("s");
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Serve until `shutdown` is cancelled.
///
/// # Errors
/// When the socket breaks.
pub async fn run(listener: UnixListener, host: Arc<Host>, shutdown: CancellationToken) -> std::io::Result<()> {
    let plugins = Arc::clone(&host.plugins);
    let health = Router::new()
        .route("/health", get(health))
        .route("/top", get(top))
        .route("/slow", get(slow))
        .merge(super::metrics::route())
        .with_state(host);
    let router = Router::new()
        .route("/plugins", get(list))
        .route("/plugins/{name}", get(one))
        .route("/plugins/{name}/approve", post(approve))
        .route("/plugins/{name}/rollback", post(rollback))
        .route("/plugins/{name}/release", post(release))
        .route("/plugins/{name}/canary", post(canary))
        .fallback(|| {
            std::future::ready(said(StatusCode::NOT_FOUND, "no such path; begin with GET /plugins or GET /health"))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(plugins)
        .merge(health);
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// What goes wrong is told in a sentence.
fn said(status: StatusCode, error: impl std::fmt::Display) -> Response {
    (status, Json(json!({ "error": error.to_string() }))).into_response()
}

/// What is so afterwards, or why it is not.
fn done(outcome: Result<Arc<Published>, BoxError>) -> Response {
    match outcome {
        Ok(published) => Json(standing(&published)).into_response(),
        Err(error) => said(StatusCode::CONFLICT, error),
    }
}

/// Who decides. The socket says that they may, they say who they are.
fn by(given: Option<String>) -> String {
    given.unwrap_or_else(|| "admin endpoint".to_owned())
}

type Body<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    /// Of the version that was looked at, whole: another one may wait by now.
    digest: String,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    to: Option<String>,
    why: Option<String>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Try {
    digest: String,
    share: Share,
    by: Option<String>,
}

async fn health(State(host): State<Arc<Host>>) -> Response {
    Json(super::health::told(&host).await).into_response()
}

/// What `rowhouse top` shows.
async fn top(State(host): State<Arc<Host>>) -> Response {
    Json(host.snapshot()).into_response()
}

/// What `rowhouse db slow` shows.
async fn slow(State(host): State<Arc<Host>>) -> Response {
    Json(host.telemetry.slows()).into_response()
}

async fn list(State(plugins): State<Arc<Registry>>) -> Response {
    Json(standing(&plugins.published())).into_response()
}

/// One plugin: what is decided about it, and what the version that waits would change.
async fn one(State(plugins): State<Arc<Registry>>, In(name): In<String>) -> Response {
    let decided: Option<Entry> = plugins.decided(&name).await.ok();
    let waiting: Option<Value> = plugins.waiting(&name, None).ok().map(|waiting| {
        let changes: Option<Vec<Change>> = waiting.serving.as_ref().map(|before| changes(before, &waiting.fresh));
        json!({ "version": describe(&waiting.fresh, true), "why": waiting.why, "changes": changes })
    });
    if decided.is_none() && waiting.is_none() {
        return said(StatusCode::NOT_FOUND, "nothing is known of a plugin of this name");
    }
    Json(json!({ "name": name, "decided": decided, "waiting": waiting })).into_response()
}

async fn approve(State(plugins): State<Arc<Registry>>, In(name): In<String>, body: Body<Approve>) -> Response {
    let Approve { digest, by: who } = match body {
        Ok(Json(body)) => body,
        Err(rejected) => return said(rejected.status(), rejected.body_text()),
    };
    match whole(&plugins, &name, &digest) {
        Ok(waiting) => done(plugins.approve(&name, &waiting, &by(who)).await),
        Err(error) => said(StatusCode::CONFLICT, error),
    }
}

async fn rollback(State(plugins): State<Arc<Registry>>, In(name): In<String>, body: Body<Rollback>) -> Response {
    let Rollback { to, why, by: who } = match body {
        Ok(Json(body)) => body,
        Err(rejected) => return said(rejected.status(), rejected.body_text()),
    };
    let why = why.unwrap_or_else(|| "rolled back".to_owned());
    done(plugins.rollback(&name, to.as_deref(), &by(who), &why).await)
}

async fn release(State(plugins): State<Arc<Registry>>, In(name): In<String>) -> Response {
    done(plugins.release(&name).await)
}

async fn canary(State(plugins): State<Arc<Registry>>, In(name): In<String>, body: Body<Try>) -> Response {
    let Try { digest, share, by: who } = match body {
        Ok(Json(body)) => body,
        Err(rejected) => return said(rejected.status(), rejected.body_text()),
    };
    if matches!(share, Share::Percent(percent) if !(1..=99).contains(&percent)) {
        return said(StatusCode::UNPROCESSABLE_ENTITY, "a share is 1 to 99 percent");
    }
    match whole(&plugins, &name, &digest) {
        Ok(waiting) => done(plugins.canary(&name, &waiting, share, &by(who)).await),
        Err(error) => said(StatusCode::CONFLICT, error),
    }
}

/// The version that waits, by its whole digest.
fn whole(plugins: &Registry, name: &str, digest: &str) -> Result<Arc<crate::plugin::Loaded>, BoxError> {
    if digest.len() != 64 {
        return Err("name the version by its whole SHA-256, so that it is the one you looked at".into());
    }
    Ok(plugins.waiting(name, Some(digest))?.fresh)
}
