//! The operator's door: what the commands do, over a socket that nobody else may open.

use super::{only_echo, version, waits};
use crate::desk::{self, door};
use crate::harness::guest;
use crate::patience::soon;
use rowhouse::mcp;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// One request; its status and what came back.
async fn ask(socket: &Path, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let (head, body) = desk::ask(socket, &(head + &body)).await;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
}

#[tokio::test]
async fn an_operators_program_decides_as_a_command_does() {
    let app = only_echo(|_| {}).await;
    let stop = CancellationToken::new();
    let (_desk, socket) = door(&app, &stop);
    assert_eq!(std::fs::metadata(&socket).expect("the socket").mode() & 0o777, 0o600);
    app.install("echo_reworded", "echo");
    soon(app.look()).await;
    let (_, all) = ask(&socket, "GET", "/plugins", None).await;
    assert_eq!(all["served"][0]["approvedBy"], "first sight", "{all}");
    let (_, one) = ask(&socket, "GET", "/plugins/echo", None).await;
    let digest = one["waiting"]["version"]["digest"].as_str().expect("a digest").to_owned();
    let changes = one["waiting"]["changes"].to_string();
    assert!(changes.contains("description of echo differs") && changes.contains("before every other one"), "{one}");

    let refused = [
        ("POST", "/plugins/echo/approve", json!({}), 422, "missing field"),
        ("POST", "/plugins/echo/approve", json!({ "digest": digest[..12] }), 409, "whole SHA-256"),
        ("POST", "/plugins/echo/approve", json!({ "digest": "0".repeat(64) }), 409, "waits"),
        ("POST", "/plugins/echo/approve", json!({ "digest": digest, "grant": ["sql"] }), 422, "unknown field"),
        ("POST", "/plugins/echo/canary", json!({ "digest": digest, "share": { "percent": 100 } }), 422, "1 to 99"),
        ("POST", "/plugins/echo/rollback", json!({}), 409, "no earlier version"),
        ("POST", "/plugins/echo/release", json!({}), 409, "is not held"),
        ("GET", "/plugins/nobody", json!({}), 404, "nothing is known"),
        ("POST", "/mcp", json!({}), 404, "no such path"),
    ];
    for (method, path, body, expected, why) in refused {
        let (status, said) = ask(&socket, method, path, Some(body.clone())).await;
        assert_eq!(status, expected, "{path} {body}: {said}");
        assert!(said["error"].as_str().is_some_and(|said| said.contains(why)), "{path} {body}: {said}");
        assert_eq!(version(&app).await, "0.1.0", "{path} {body}");
    }

    let share = json!({ "digest": digest, "share": { "tenants": ["Seattle"] }, "by": "deployer" });
    let (status, said) = ask(&socket, "POST", "/plugins/echo/canary", Some(share)).await;
    assert_eq!((status, &said["canaries"][0]["terms"]["by"]), (200, &json!("deployer")), "{said}");
    assert_eq!(version(&app).await, "0.1.2");
    let (status, _) = ask(&socket, "POST", "/plugins/echo/rollback", Some(json!({ "why": "not yet" }))).await;
    assert_eq!((status, version(&app).await.as_str()), (200, "0.1.0"));
    assert!(waits(&app).is_some_and(|why| why.contains("held by admin endpoint") && why.contains("not yet")));
    let (status, _) = ask(&socket, "POST", "/plugins/echo/release", Some(json!({}))).await;
    assert_eq!(status, 200);
    let (status, said) = ask(&socket, "POST", "/plugins/echo/approve", Some(json!({ "digest": digest }))).await;
    assert_eq!((status, version(&app).await.as_str()), (200, "0.1.2"), "{said}");
    stop.cancel();
}

#[tokio::test]
async fn a_socket_is_taken_over_from_the_dead_only() {
    let app = only_echo(|_| {}).await;
    let stop = CancellationToken::new();
    let (desk, socket) = door(&app, &stop);
    let error = mcp::admin::listen(&socket).expect_err("somebody listens").to_string();
    assert!(error.contains("another host listens"), "{error}");
    let file = desk.path().join("precious");
    std::fs::write(&file, "text").expect("written");
    mcp::admin::listen(&file).expect_err("it is a file");
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "text");
    let dead = desk.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("a socket"));
    std::fs::set_permissions(&dead, std::fs::Permissions::from_mode(0o666)).expect("ours");
    drop(mcp::admin::listen(&dead).expect("nobody listens there"));
    assert_eq!(std::fs::metadata(&dead).expect("the socket").mode() & 0o777, 0o600);
    stop.cancel();
}

#[tokio::test]
async fn nothing_a_caller_or_a_plugin_can_send_decides() {
    let app = only_echo(|_| {}).await;
    std::fs::copy(guest("echo_reworded"), app.plugins.path().join("echo.wasm")).expect("a guest");
    soon(app.look()).await;
    let lock = || std::fs::read(app.plugins.path().join("pins/rowhouse.lock")).expect("a lock file");
    let before = lock();
    let client = reqwest::Client::new();
    let root = app.url().trim_end_matches("/mcp").to_owned();
    for path in ["/plugins", "/plugins/echo/approve", "/mcp/plugins/echo/approve", "/admin/plugins"] {
        let asked = client.post(format!("{root}{path}")).bearer_auth(app.token("head-office")).json(&json!({}));
        let status = soon(asked.send()).await.expect("a reply").status();
        assert_eq!(status, 404, "{path}");
    }
    for tool in ["approve", "plugin/approve", "rowhouse/approve", "rollback", "release", "canary"] {
        let reply = soon(app.post("head-office", tool, json!({ "name": "echo" }))).await;
        assert_eq!(reply["error"]["message"], format!("unknown tool: {tool}"), "{reply}");
    }
    let reply = soon(app.post("head-office", "echo", json!({ "text": "approve" }))).await;
    assert_eq!(reply["result"]["structuredContent"]["version"], "0.1.0", "{reply}");
    soon(app.look()).await;
    assert!(waits(&app).is_some());
    assert_eq!(lock(), before, "nobody but an operator and the rules change it");
}
