//! The operator's door of a house in this process.

use crate::harness::App;
use crate::patience::soon;
use rowhouse::mcp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// A socket at which this house is administered and says how it is, as long as the directory lives.
pub fn door(app: &App, stop: &CancellationToken) -> (tempfile::TempDir, PathBuf) {
    let desk = tempfile::tempdir().expect("a directory");
    let path = desk.path().join("admin.sock");
    let listener = mcp::admin::listen(&path).expect("a socket");
    drop(tokio::spawn(mcp::admin::run(listener, Arc::clone(&app.host), stop.clone())));
    (desk, path)
}

/// One request, written out; the head and the body of what came back.
pub async fn ask(socket: &Path, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).await.expect("the socket answers");
    soon(stream.write_all(request.as_bytes())).await.expect("a request");
    let mut reply = String::new();
    soon(stream.read_to_string(&mut reply)).await.expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// What it says of a path.
pub async fn get(socket: &Path, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let (head, body) = ask(socket, &request).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    body
}
