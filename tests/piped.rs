//! A host as a process, spoken to over its standard input and output.

use crate::harness::{binary, guest, shared};
use crate::patience::soon;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// Call these, one after the other, as Seattle's manager: the parameters of `tools/call`. The answers, first the one to the
/// greeting, and the whole log.
/// `words` and `variables` are the host's own.
pub async fn called(words: &[&str], variables: &[(&str, &str)], calls: Vec<Value>) -> (Vec<Value>, String) {
    let shared = shared().await;
    let plugins = tempfile::tempdir().expect("a directory");
    for name in ["sales", "trap"] {
        std::fs::copy(guest(name), plugins.path().join(format!("{name}.wasm"))).expect("a copy of the guest");
    }
    let mut child = Command::new(binary())
        .args(["stdio", "--as", "seattle"])
        .args(words)
        .arg("--state-dir")
        .arg(&shared.state)
        .arg("--plugins")
        .arg(plugins.path())
        .env("DATABASE_URL", &shared.url)
        // As many connections as the rest of the run may have: the limit belongs to the roles of the one server.
        .env("ROWHOUSE_DATABASE__POOL__MAX", "60")
        .env("ROWHOUSE_PLUGINS__SIGNATURES", "optional")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the host starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut errors = child.stderr.take().expect("a pipe");
    // Read all along: a full pipe would stop the host.
    let log = tokio::spawn(async move {
        let mut log = String::new();
        errors.read_to_string(&mut log).await.expect("a log in UTF-8");
        log
    });
    let hello =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let mut messages = vec![
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ];
    let call = |(at, params)| json!({ "jsonrpc": "2.0", "id": at + 1, "method": "tools/call", "params": params });
    messages.extend(calls.into_iter().enumerate().map(call));
    let mut replies: Vec<Value> = Vec::new();
    for message in messages {
        input.write_all(format!("{message}\n").as_bytes()).await.expect("an open pipe");
        if message["id"].is_u64() {
            let line = soon(output.next_line()).await.expect("a line").expect("an answer");
            replies.push(serde_json::from_str(&line).expect("an answer is JSON"));
        }
    }
    drop(input);
    let status = soon(child.wait()).await.expect("an end");
    let log = soon(log).await.expect("a log");
    assert!(status.success(), "{log}");
    (replies, log)
}
