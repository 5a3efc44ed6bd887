//! Whose sessions and streams they are, how many, what they are told, and how they end.

use super::caller::{Caller, LEGACY, Stream, refused, whole};
use crate::harness::App;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_session_is_worth_nothing_in_other_hands() {
    let app = App::start().await;
    let (owner, thief) = (Caller::new(&app, "seattle"), Caller::new(&app, "spokane"));
    let session = owner.session().await;
    let list = |caller: &Caller| caller.legacy("tools/list", json!({})).header("mcp-session-id", &session);
    for request in [
        list(&thief),
        thief.request(Method::GET).header("mcp-session-id", &session),
        thief.request(Method::DELETE).header("mcp-session-id", &session),
    ] {
        refused(whole(request).await, (404, -32600));
    }
    // It is still there for its owner, until the owner ends it.
    assert_eq!(whole(list(&owner)).await.0, 200);
    let end = || owner.request(Method::DELETE).header("mcp-session-id", &session);
    assert_eq!(whole(end()).await.0, 204);
    refused(whole(end()).await, (404, -32600));
    refused(whole(list(&owner)).await, (404, -32600));
}

#[tokio::test]
async fn sessions_and_streams_are_counted() {
    let app = App::with(|http| http.max_sessions = 2).await;
    let (caller, other) = (Caller::new(&app, "seattle"), Caller::new(&app, "spokane"));
    let first = caller.session().await;
    caller.session().await;
    let hello = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let full = whole(caller.legacy("initialize", hello)).await;
    assert_eq!(full.1["retry-after"], "1");
    refused(full, (429, -32000));
    // One caller's crowd is not another's, and an ended session makes room.
    other.session().await;
    assert_eq!(whole(caller.request(Method::DELETE).header("mcp-session-id", &first)).await.0, 204);
    caller.session().await;
    let listen = || caller.modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let (_one, _two) = (Stream::open(listen()).await, Stream::open(listen()).await);
    refused(whole(listen()).await, (429, -32000));
}

#[tokio::test]
async fn callers_are_counted() {
    let app = App::with(|http| http.max_principals = 1).await;
    let (seattle, spokane) = (Caller::new(&app, "seattle"), Caller::new(&app, "spokane"));
    let list = |caller: &Caller| caller.modern("tools/list", json!({}));
    // An idle caller is forgotten; one with a session is not.
    for caller in [&seattle, &spokane, &seattle] {
        assert_eq!(whole(list(caller)).await.0, 200);
    }
    seattle.session().await;
    refused(whole(list(&spokane)).await, (503, -32000));
}

#[tokio::test]
async fn changes_are_told_in_both_eras() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let session = caller.session().await;
    let mut legacy = Stream::open(caller.request(Method::GET).header("mcp-session-id", &session)).await;
    let mut modern = Stream::open(caller.modern(
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true } }),
    ))
    .await;
    let acknowledged = modern.next().await.expect("an acknowledgement");
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({ "toolsListChanged": true, "promptsListChanged": true })
    );
    app.install("widens", "widens");
    app.look().await;
    for stream in [&mut legacy, &mut modern] {
        assert_eq!(stream.next().await.expect("a notification")["method"], "notifications/tools/list_changed");
    }
}

#[tokio::test]
async fn progress_and_log_come_before_the_result_and_only_when_asked() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let methods = |name: &'static str, meta: Value| {
        let request = caller.modern("tools/call", json!({ "name": name, "arguments": {}, "_meta": meta }));
        async {
            let mut stream = Stream::open(request).await;
            let mut seen = Vec::new();
            while let Some(message) = stream.next().await {
                seen.push(message["method"].as_str().unwrap_or("result").to_owned());
            }
            seen
        }
    };
    let seen = methods("test_tool_with_progress", json!({ "progressToken": "p" })).await;
    assert_eq!(seen, ["notifications/progress", "notifications/progress", "notifications/progress", "result"]);
    let seen = methods("test_tool_with_logging", json!({ "io.modelcontextprotocol/logLevel": "info" })).await;
    assert_eq!(seen, ["notifications/message", "notifications/message", "notifications/message", "result"]);
    // Not asked for, or not loud enough: one plain answer.
    for (name, meta) in [
        ("test_tool_with_progress", json!({})),
        ("test_tool_with_logging", json!({})),
        ("test_tool_with_logging", json!({ "io.modelcontextprotocol/logLevel": "warning" })),
    ] {
        let (_, headers, body) =
            whole(caller.modern("tools/call", json!({ "name": name, "arguments": {}, "_meta": meta }))).await;
        assert_eq!(
            (&headers["content-type"], &body["result"]["isError"]),
            (&"application/json".parse().expect("a header"), &json!(false)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_end_is_graceful_with_streams_open() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let session = caller.session().await;
    let mut legacy = Stream::open(caller.request(Method::GET).header("mcp-session-id", &session)).await;
    let mut modern =
        Stream::open(caller.modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })))
            .await;
    assert!(modern.next().await.is_some(), "an acknowledgement");
    app.stop().await;
    let last = modern.next().await.expect("a last word");
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(1), &json!("complete")), "{last}");
    assert_eq!(modern.next().await, None);
    assert_eq!(legacy.next().await, None);
    assert!(caller.request(Method::GET).send().await.is_err(), "nobody listens any more");
}
