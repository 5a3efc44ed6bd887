//! A call from bytes to bytes: what goes out for what came in, through a bare socket and through a client.

use crate::harness::App;
use crate::patience::soon;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request over a socket of its own, written by hand; head and body of the reply.
async fn raw(app: &App, who: &str, method: &str, mut params: Value) -> (String, String) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let address = app.url().trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n\
         {name}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        app.token(who),
        body.len()
    );
    let talk = async {
        let mut socket = TcpStream::connect(&address).await.expect("an open door");
        socket.write_all(request.as_bytes()).await.expect("a whole request");
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.expect("a whole reply");
        reply
    };
    let reply = soon(talk).await;
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// A statement and, byte for byte, the text a model reads for it.
async fn check_text(app: &App, statement: &str, text: &str) {
    let params = json!({ "name": "execute_sales_query", "arguments": { "query": statement } });
    let (head, body) = raw(app, "seattle", "tools/call", params).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let length = format!("content-length: {}", body.len());
    assert!(head.to_ascii_lowercase().contains(&length), "{head}");
    let reply: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    let result = &reply["result"];
    assert_eq!((&reply["id"], &result["isError"]), (&json!(1), &json!(false)), "{statement}: {body}");
    assert_eq!(result["content"], json!([{ "type": "text", "text": text }]), "{statement}");
    let structured: Value = serde_json::from_str(text).expect("the compact form is JSON");
    assert_eq!(result["structuredContent"], structured, "{statement}");
}

#[tokio::test]
async fn answers_are_compact_and_keep_their_digits() {
    let app = App::plan(|plan| plan.settings.plugins.limits.rows = 2).await;
    for (statement, text) in [
        ("SELECT 1.10::numeric AS a", r#"{"c":["a"],"r":[[1.10]],"n":1}"#),
        (
            "SELECT 12345678901234567890.01234567890::numeric AS a, -0.00::numeric AS b",
            r#"{"c":["a","b"],"r":[[12345678901234567890.01234567890,0.00]],"n":1}"#,
        ),
        (
            "SELECT 9223372036854775807 AS a, 'NaN'::numeric AS b",
            r#"{"c":["a","b"],"r":[[9223372036854775807,"NaN"]],"n":1}"#,
        ),
        (
            "SELECT true AS a, NULL AS b, 'x\"y\\z' AS c, date '2026-01-31' AS d",
            r#"{"c":["a","b","c","d"],"r":[[true,null,"x\"y\\z","2026-01-31"]],"n":1}"#,
        ),
        (
            "SELECT ARRAY[1,2] AS a, '{\"k\": [1.50]}'::jsonb AS b",
            r#"{"c":["a","b"],"r":[[[1,2],{"k": [1.50]}]],"n":1}"#,
        ),
        ("SELECT 1 AS a WHERE false", r#"{"c":["a"],"r":[],"n":0,"msg":"No rows"}"#),
        ("VALUES (1), (2)", r#"{"c":["column1"],"r":[[1],[2]],"n":2}"#),
        ("VALUES (1), (2), (3)", r#"{"c":["column1"],"r":[[1],[2]],"n":2,"truncated":true}"#),
        ("SELECT 1 AS a, 2 AS a", r#"{"c":["a","a"],"r":[[1,2]],"n":1}"#),
    ] {
        check_text(&app, statement, text).await;
    }
}

#[tokio::test]
async fn lists_are_the_same_every_time() {
    let (one, other) = (App::start().await, App::start().await);
    let (_, first) = raw(&one, "seattle", "tools/list", json!({})).await;
    for app in [&one, &one, &other] {
        assert_eq!(raw(app, "seattle", "tools/list", json!({})).await.1, first);
    }
    let list: Value = serde_json::from_str(&first).expect("a list is JSON");
    let names: Vec<&str> =
        list["result"]["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(names.len() > 8 && names.is_sorted(), "{names:?}");
}

#[tokio::test]
async fn a_client_reads_what_the_socket_says() {
    let app = App::start().await;
    let config = StreamableHttpClientTransportConfig::with_uri(app.url()).auth_header(app.token("spokane"));
    let shake = ().serve(StreamableHttpClientTransport::from_config(config));
    let client = soon(shake).await.expect("a handshake");
    let tools = soon(client.list_all_tools()).await.expect("a list");
    let (_, body) = raw(&app, "spokane", "tools/list", json!({})).await;
    let list: Value = serde_json::from_str(&body).expect("a list is JSON");
    assert_eq!(serde_json::to_value(tools).expect("tools are JSON"), list["result"]["tools"]);
    let question = json!({ "query": "SELECT store_name, 2.50::numeric AS n FROM retail.stores" });
    let params = CallToolRequestParams::new("execute_sales_query")
        .with_arguments(question.as_object().expect("an object").clone());
    let answer = soon(client.call_tool(params)).await.expect("an answer");
    let answer = serde_json::to_value(answer).expect("an answer is JSON");
    let call = json!({ "name": "execute_sales_query", "arguments": question });
    let (_, body) = raw(&app, "spokane", "tools/call", call).await;
    let same: Value = serde_json::from_str(&body).expect("an answer is JSON");
    for part in ["content", "structuredContent", "isError"] {
        assert_eq!(answer[part], same["result"][part], "{part}");
    }
    assert_eq!(answer["content"][0]["text"], r#"{"c":["store_name","n"],"r":[["Spokane",2.50]],"n":1}"#);
    client.cancel().await.expect("a goodbye");
}

#[tokio::test]
async fn mistakes_are_found_before_a_guest_runs() {
    // In 64 KiB no guest can run, so whoever gets a better answer than that got it from the host.
    let app = App::plan(|plan| plan.settings.plugins.limits.memory = 64 << 10).await;
    let failure = async |tool: &str, arguments: Value| soon(app.failure("seattle", tool, arguments)).await;
    for (tool, arguments, place, rule) in [
        ("get_top_products", json!({ "limit": 0 }), "/limit", "/minimum"),
        ("get_top_products", json!({ "limit": "ten" }), "/limit", "/type"),
        ("get_top_products", json!({ "by": "size" }), "/by", "/enum"),
        ("get_top_products", json!({ "from": "yesterday" }), "/from", "/pattern"),
        ("get_multiple_table_schemas", json!({ "table_names": ["a", 7] }), "/table_names/1", "/type"),
        ("execute_sales_query", json!({}), "the whole", "/required"),
        ("execute_sales_query", json!({ "query": "SELECT 1", "store": "x" }), "the whole", "/additionalProperties"),
        ("execute_sales_query", json!({ "query": "" }), "/query", "/minLength"),
    ] {
        let (code, text) = failure(tool, arguments.clone()).await;
        assert_eq!(code, "VALIDATION_ERROR", "{tool} {arguments}: {text}");
        assert!(text.contains(&format!("{place}: ")) && text.contains(rule), "{tool} {arguments}: {text}");
    }
    assert_eq!(failure("execute_sales_query", json!({ "query": "SELECT 1" })).await.0, "PLUGIN_MEMORY");
}

#[tokio::test]
async fn answers_fit_the_schemas_they_are_listed_with() {
    let app = App::plan(|plan| plan.guests = vec!["sales", "search"]).await;
    let required: BTreeMap<&str, Value> = BTreeMap::from([
        ("execute_sales_query", json!({ "query": "SELECT count(*) FROM retail.orders" })),
        ("search_products", json!({ "query": "hammer" })),
        ("semantic_search_products", json!({ "query_description": "something to hit nails with" })),
        ("hybrid_search_products", json!({ "query": "hammer" })),
        ("similar_products", json!({ "product": "HT-HAM-001" })),
        ("recommend_products", json!({ "basket": ["HT-HAM-001", "Utility Knife"] })),
    ]);
    for who in ["seattle", "puget-sound", "head-office"] {
        let (_, body) = raw(&app, who, "tools/list", json!({})).await;
        let list: Value = serde_json::from_str(&body).expect("a list is JSON");
        let tools = list["result"]["tools"].as_array().expect("tools").clone();
        assert_eq!(tools.len(), 13, "{who}");
        for tool in tools {
            let name = tool["name"].as_str().expect("a name");
            if name == "chart_sales_trend" {
                // A picture has no schema.
                let drawn = soon(app.post(who, name, json!({}))).await;
                assert_eq!(drawn["result"]["content"][0]["mimeType"], "image/png", "{who}: {drawn}");
                continue;
            }
            let schema = jsonschema::draft202012::new(&tool["outputSchema"]).expect("an output schema");
            let arguments = required.get(name).cloned().unwrap_or_else(|| json!({}));
            let answer = soon(app.answer(who, name, arguments)).await;
            let wrong: Vec<_> = schema.iter_errors(&answer).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{name} as {who}: {wrong:?}");
            // An empty schema would take anything.
            assert!(!schema.is_valid(&json!({ "unheard-of": 1 })), "{name} has a schema that says nothing");
        }
    }
}

#[tokio::test]
async fn mistakes_in_a_statement_have_a_place() {
    let app = App::start().await;
    for (statement, code, part, at) in [
        ("SELEC 1", "QUERY_INVALID", "syntax error", 1),
        ("SELECT 1 FROM", "QUERY_INVALID", "syntax error", 14),
        ("SELECT 'ü', FROM retail.orders", "QUERY_INVALID", "syntax error", 13),
        ("SELECT nope FROM retail.orders", "QUERY_INVALID", "\"nope\"", 8),
        ("SELECT sum(order_id) FROM retail.orders", "QUERY_INVALID", "sum(uuid)", 8),
        ("SELECT 1 + true", "QUERY_INVALID", "operator", 10),
    ] {
        let asked = app.failure("seattle", "execute_sales_query", json!({ "query": statement }));
        let (got, text) = soon(asked).await;
        assert_eq!(got, code, "{statement}: {text}");
        assert!(text.contains(part) && text.contains(&format!("(at character {at})")), "{statement}: {text}");
        for inside in ["scan.l", ".c:", "DECLARE", "CURSOR", "rowhouse_", "HINT", "routine", "libpg_query"] {
            assert!(!text.contains(inside), "{statement}: {text}");
        }
    }
}
