//! Asking the host that runs, over its admin socket.

use crate::config::Settings;
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

/// Longer than the host takes for any answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer: some thousand slow statements, or as many plugins.
const LONGEST: u64 = 16 << 20;

/// The host's answer to `GET path`.
///
/// # Errors
/// The settings name no socket, no host listens there, or it answers something else.
pub(super) async fn get<T: DeserializeOwned>(settings: &Settings, path: &str) -> Result<T> {
    let Some(socket) = &settings.http.admin else {
        bail!(
            "the settings name no admin socket, which is how a host that runs is asked: set http.admin (such as \
             \"/run/rowhouse/admin.sock\") for the host and for this command"
        );
    };
    let asked = tokio::time::timeout(PATIENCE, ask(socket, path)).await;
    let answer = asked.with_context(|| format!("the host did not answer within {} s", PATIENCE.as_secs()))?;
    let answer = answer.with_context(|| format!("no host answers at {}", socket.display()))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the host's answer is none of HTTP")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("the host answered: {}", head.lines().next().unwrap_or_default());
    }
    serde_json::from_str(body).context("the host's answer is of another version than this program")
}

async fn ask(socket: &Path, path: &str) -> io::Result<String> {
    request(UnixStream::connect(socket).await?, path).await
}

/// One question to a host, at any of its doors, and all that comes back.
pub(super) async fn request(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<String> {
    // HTTP/1.0 has no chunks, and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
    // The form of the answer's first line is the server's to choose.
    Ok(answer.replacen("HTTP/1.0 ", "HTTP/1.1 ", 1))
}
