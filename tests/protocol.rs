//! The protocol's edges, spoken raw: what a client library would never send, and what it would never show.

pub mod caller; // A client that speaks raw HTTP.
mod proofs; // What ends with the proof it stands on, and what does not.
mod sessions; // Whose sessions they are, how many, and how they end.

use crate::harness::App;
use caller::{Caller, LEGACY, MODERN, refused, whole};
use serde_json::json;

#[tokio::test]
async fn bodies_that_are_no_message() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let batch = json!([{ "jsonrpc": "2.0", "id": 1, "method": "ping" }]).to_string();
    for (body, expect) in [
        (b"{\"jsonrpc\":".to_vec(), (400, -32700)),
        (b"".to_vec(), (400, -32700)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(), (400, -32700)),
        (b"[".repeat(100_000), (400, -32700)),
        (batch.into_bytes(), (400, -32600)),
        (b"\"ping\"".to_vec(), (400, -32600)),
        (json!({ "jsonrpc": "1.0", "id": 1, "method": "ping" }).to_string().into_bytes(), (400, -32600)),
        (json!({ "jsonrpc": "2.0", "id": null, "method": "ping" }).to_string().into_bytes(), (400, -32600)),
        (json!({ "jsonrpc": "2.0", "id": 1 }).to_string().into_bytes(), (400, -32600)),
        (vec![b' '; (1 << 20) + 1], (413, -32600)),
    ] {
        refused(whole(caller.post(body)).await, expect);
    }
    // A body whose length is not told in advance is counted as it comes.
    let chunks = futures_util::stream::iter((0..=16).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 16])));
    refused(whole(caller.post(reqwest::Body::wrap_stream(chunks))).await, (413, -32600));
    for (accept, kind, status) in
        [("application/json, text/event-stream", "text/plain", 415), ("application/json", "application/json", 406)]
    {
        let request = caller
            .http
            .post(&caller.url)
            .bearer_auth(&caller.token)
            .header("accept", accept)
            .header("content-type", kind);
        refused(whole(request.body("{}")).await, (status, -32600));
    }
}

#[tokio::test]
async fn callers_without_proof() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let plain = |value: Option<&str>| {
        let request = caller.http.post(&caller.url).header("accept", "application/json, text/event-stream").body("{}");
        value.into_iter().fold(request, |request, value| request.header("authorization", value))
    };
    let mut bodies = Vec::new();
    let good = format!("Bearer {}", caller.token);
    for (value, challenge) in [
        (None, r#"Bearer realm="rowhouse", scope="mcp:tools""#),
        (Some("Bearer garbage"), r#"Bearer realm="rowhouse", error="invalid_token", scope="mcp:tools""#),
        (Some("Bearer "), r#"Bearer realm="rowhouse", error="invalid_token", scope="mcp:tools""#),
        (Some("Basic dXNlcjpwYXNz"), r#"Bearer realm="rowhouse", error="invalid_token", scope="mcp:tools""#),
        (Some(&good[..good.len() - 2]), r#"Bearer realm="rowhouse", error="invalid_token", scope="mcp:tools""#),
    ] {
        let reply = whole(plain(value)).await;
        assert_eq!(reply.1["www-authenticate"], challenge, "{value:?}");
        bodies.push(reply.2.clone());
        refused(reply, (401, -32000));
    }
    // Two proofs: nobody should have to guess which one counts.
    let reply = whole(plain(Some(&good)).header("authorization", &good)).await;
    bodies.push(reply.2.clone());
    refused(reply, (401, -32000));
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one text for every reason");
    // The scheme's case does not matter: this one gets in, and is told that its body is no message.
    let request = plain(Some(&good.replace("Bearer", "bearer"))).header("content-type", "application/json");
    refused(whole(request).await, (400, -32600));
}

#[tokio::test]
async fn versions() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    // No per-request metadata at all: neither a session nor a modern request.
    let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    refused(whole(caller.post(bare.clone())).await, (400, -32600));
    refused(whole(caller.post(bare).header("mcp-protocol-version", MODERN)).await, (400, -32602));
    for version in ["2024-11-05", "2025-03-26", "2099-01-01"] {
        let params = json!({ "_meta": {
            "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {} } });
        let request = caller
            .legacy("tools/list", params)
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/list");
        let reply = whole(request).await;
        assert_eq!(reply.2["error"]["data"]["supported"], json!(["2025-06-18", LEGACY, MODERN]));
        refused(reply, (400, -32022));
    }
    let session = caller.session().await;
    let old = caller
        .legacy("tools/list", json!({}))
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", "2024-11-05");
    refused(whole(old).await, (400, -32022));
    // A handshake that asks for one that is not served is offered the newest that has a handshake.
    let hello =
        json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let (_, _, body) = whole(caller.legacy("initialize", hello)).await;
    assert_eq!(body["result"]["protocolVersion"], LEGACY);
}

#[tokio::test]
async fn calls_that_fail() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let (status, _, body) =
        whole(caller.modern("tools/call", json!({ "name": "no_such_tool", "arguments": {} }))).await;
    assert_eq!((status, &body["error"]["code"]), (200, &json!(-32602)));
    assert_eq!(body["error"]["message"], "unknown tool: no_such_tool");
    for (name, arguments, code) in [
        ("json_schema_2020_12_tool", json!({ "nope": 1 }), "VALIDATION_ERROR"),
        ("test_error_handling", json!({}), "TOOL_FAILED"),
    ] {
        let (status, _, body) =
            whole(caller.modern("tools/call", json!({ "name": name, "arguments": arguments }))).await;
        let result = &body["result"];
        assert_eq!((status, &result["isError"]), (200, &json!(true)), "{body}");
        assert!(
            result["content"][0]["text"].as_str().is_some_and(|text| text.starts_with(&format!("{code}: "))),
            "{body}"
        );
        let detail = &result["_meta"]["rowhouse/error"];
        assert_eq!((&detail["code"], &detail["blame"]), (&json!(code), &json!("caller")), "{body}");
        assert!(detail["requestId"].as_str().is_some_and(|id| id.len() == 36), "{body}");
    }
    // Parameters that do not fit are the caller's mistake, not an unknown method.
    let (_, _, body) = whole(caller.modern("tools/call", json!({ "name": "test_simple_text", "arguments": [] }))).await;
    assert_eq!(body["error"]["code"], -32602, "{body}");
}

#[tokio::test]
async fn what_is_not_offered() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let session = caller.session().await;
    for method in ["tasks/get", "tasks/cancel", "skills/list", "no/such/method"] {
        let params = json!({ "name": "x", "uri": "test://x", "taskId": "x" });
        let (status, _, body) = whole(caller.modern(method, params.clone())).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!(-32601)), "{method}: {body}");
        let (status, _, body) = whole(caller.legacy(method, params).header("mcp-session-id", &session)).await;
        assert_eq!((status, &body["error"]["code"]), (200, &json!(-32601)), "{method}: {body}");
    }
    // From 2026-07-28 on documents are subscribed to by a stream.
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let (status, _, body) = whole(caller.modern(method, json!({ "uri": "test://watched-resource" }))).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!(-32601)), "{method}: {body}");
    }
    let (_, _, body) = whole(caller.modern("server/discover", json!({}))).await;
    let mut offered: Vec<&String> = body["result"]["capabilities"].as_object().expect("capabilities").keys().collect();
    offered.sort_unstable();
    assert_eq!(offered, ["completions", "extensions", "logging", "prompts", "resources", "tools"]);
}

#[tokio::test]
async fn lists_are_paged_private_and_signed() {
    let app = App::with(|http| http.page = 2).await;
    let caller = Caller::new(&app, "seattle");
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let params = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
        let (status, _, body) = whole(caller.modern("tools/list", params)).await;
        let result = &body["result"];
        assert_eq!((status, &result["cacheScope"], &result["ttlMs"]), (200, &json!("private"), &json!(5000)), "{body}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "rowhouse", "{body}");
        let page: Vec<String> = result["tools"]
            .as_array()
            .expect("tools")
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect();
        assert!((1..=2).contains(&page.len()), "{page:?}");
        cursor = result["nextCursor"].as_str().map(str::to_owned);
        assert!(cursor.is_none() || cursor.as_ref() == page.last());
        names.extend(page);
        if cursor.is_none() {
            break;
        }
    }
    assert!(names.len() > 2 && names.is_sorted(), "{names:?}");
    let mut distinct = names.clone();
    distinct.dedup();
    assert_eq!(distinct, names);
    // Past the end is an empty page; a tool that is gone since is still a place to go on from.
    let (_, _, body) = whole(caller.modern("tools/list", json!({ "cursor": "zzzz" }))).await;
    assert_eq!(body["result"]["tools"], json!([]));
    let (_, _, body) = whole(caller.modern("tools/list", json!({ "cursor": "no cursor!" }))).await;
    assert_eq!(body["error"]["code"], -32602);
    for (method, params) in
        [("server/discover", json!({})), ("tools/call", json!({ "name": "test_simple_text", "arguments": {} }))]
    {
        let (_, _, body) = whole(caller.modern(method, params)).await;
        assert_eq!(body["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "rowhouse", "{body}");
    }
}

#[tokio::test]
async fn foreign_hosts_and_pages() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let here = caller.url.trim_end_matches("/mcp").to_owned();
    for (header, value, expect) in [
        ("host", "evil.example.com", 403),
        ("host", "localhost.evil.example.com", 403),
        ("origin", "http://evil.example.com", 403),
        ("origin", "null", 403),
        ("origin", here.as_str(), 200),
    ] {
        let (status, ..) = whole(caller.modern("tools/list", json!({})).header(header, value)).await;
        assert_eq!(status, expect, "{header}: {value}");
    }
}

#[tokio::test]
async fn other_paths() {
    let app = App::start().await;
    let caller = Caller::new(&app, "seattle");
    let root = caller.url.trim_end_matches("/mcp").to_owned();
    let get = |path: &str| caller.http.get(format!("{root}{path}"));
    assert_eq!(whole(get("/")).await.2, "Rowhouse speaks MCP at /mcp\n");
    assert_eq!(whole(get("/health/live")).await.0, 200);
    for path in ["/mcp/", "/mcp/x", "/.env", "/health"] {
        refused(whole(get(path)).await, (404, -32600));
    }
}
