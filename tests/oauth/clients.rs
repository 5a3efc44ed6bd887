//! Official clients that are given an address and nothing else (`tests/oauth/client.mjs`), and the inspector with a
//! token of the server's.

use super::provider::{self, Provider};
use super::{ADMIN, BOTH, PATIENCE, STORES, TOOLS, WIDER, door, house, house_with, list, refusal, words};
use crate::harness::{self, App};
use serde_json::{Value, json};
use std::process::Output;
use tokio::process::Command;
use tokio::time::timeout;

/// What the inspector ends with when the tool is not there.
const NO_TOOL: i32 = 5;

/// What becomes of a client that calls a plain tool, one that needs more, and the plain one again.
async fn walk(app: &App, provider: &Provider, flow: &str, mode: &str, who: &str) -> Value {
    let plain = json!(["execute_sales_query", { "query": STORES }]);
    let plan = json!({
        "packages": provider::packages_directory(), "url": app.url(), "mode": mode, "issuer": provider.issuer,
        "flow": flow, "who": who, "calls": [plain, [WIDER, {}], plain],
    });
    let mut command = provider::node().await.run(&harness::root().join("tests/oauth/client.mjs")).expect("a PATH");
    command.arg(plan.to_string());
    let output = Command::from(command).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.expect("an end in time").expect("Node starts");
    assert!(output.status.success(), "{flow}, {mode}, {who}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// Where a client went, without what an era has of its own (its `GET` stream, say).
fn trail(walked: &Value) -> Vec<&str> {
    let all = walked["trail"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.filter(|step| !step.starts_with("GET /mcp")).collect()
}

/// From the refusal to the first answer.
#[track_caller]
fn found_its_way(walked: &Value, path: &str, at_the_server: &[&str]) {
    let metadata = match path {
        "" => vec!["GET /.well-known/oauth-authorization-server 200".to_owned()],
        // Looked for where RFC 8414 and OpenID put it; this server has it at the last of three places.
        path => vec![
            format!("GET /.well-known/oauth-authorization-server{path} 404"),
            format!("GET /.well-known/openid-configuration{path} 404"),
            format!("GET {path}/.well-known/openid-configuration 200"),
        ],
    };
    let mut expect = vec!["POST /mcp 401".to_owned(), "GET /.well-known/oauth-protected-resource/mcp 200".to_owned()];
    expect.extend(metadata);
    expect.extend(at_the_server.iter().map(|step| step.to_string()));
    expect.push("POST /mcp 200".to_owned());
    let trail = trail(walked);
    assert_eq!(
        trail.get(..expect.len()),
        Some(expect.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
        "{trail:?}"
    );
    assert_eq!(trail.iter().filter(|step| step.ends_with(" 401")).count(), 1, "{trail:?}");
}

#[track_caller]
fn saw_seattle(result: &Value) {
    assert_eq!(result["structuredContent"]["r"], json!([["Seattle"]]), "{result}");
}

/// One era: a program that may widen its scope does, one that may not is left with what it has.
async fn machines(mode: &str, version: &str, algorithm: &str, path: &str) {
    let provider = Provider::with(algorithm, path).await;
    let app = house(&[&provider]).await;
    let token = format!("POST {path}/token 200");
    let walked = walk(&app, &provider, "machine", mode, "seattle").await;
    assert_eq!(walked["version"], version);
    found_its_way(&walked, path, &[&token]);
    let asked: Vec<_> =
        walked["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(words).collect();
    assert_eq!(asked, [words(TOOLS), words(BOTH)], "first what every call needs, then what this one does");
    let trail = trail(&walked);
    let refused = trail.iter().position(|step| *step == "POST /mcp 403").expect("a step up");
    assert_eq!(
        trail[refused..].iter().filter(|step| step.starts_with("POST /mcp")).collect::<Vec<_>>(),
        [&"POST /mcp 403", &"POST /mcp 200", &"POST /mcp 200"]
    );
    let results = &walked["results"];
    saw_seattle(&results[0]);
    assert_eq!(results[1]["isError"], false, "{results}");
    saw_seattle(&results[2]);

    // Spokane may not have more: the server says no, and the call is not made.
    let walked = walk(&app, &provider, "machine", mode, "spokane").await;
    let results = &walked["results"];
    assert_eq!(results[0]["structuredContent"]["r"], json!([["Spokane"]]), "{results}");
    assert!(results[1]["thrown"].as_str().is_some_and(|text| text.contains("scope")), "{results}");
    assert_eq!(results[2]["structuredContent"]["r"], json!([["Spokane"]]), "{results}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_finds_its_way_modern() {
    machines("auto", "2026-07-28", "RS256", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_finds_its_way_legacy() {
    machines("legacy", "2025-11-25", "ES256", "/realms/two").await;
}

/// One era: somebody signs in at a browser, with a code and PKCE.
async fn people(mode: &str, version: &str) {
    let provider = Provider::with("EdDSA", "").await;
    let app = house(&[&provider]).await;
    let walked = walk(&app, &provider, "desk", mode, "seattle").await;
    assert_eq!(walked["version"], version);
    found_its_way(&walked, "", &["GET /auth 303", "GET /test/agree 303", "GET /auth 303", "POST /token 200"]);
    let asked = &walked["asked"];
    assert_eq!((&asked["code_challenge_method"], &asked["resource"]), (&json!("S256"), &json!(app.url())));
    assert!(asked["scope"].as_str().is_some_and(|scopes| words(scopes).contains(&ADMIN)), "{asked}");
    let results = &walked["results"];
    saw_seattle(&results[0]);
    assert_eq!(results[1]["isError"], false, "{results}");
    saw_seattle(&results[2]);
    // The token that came beside it says who signed in. It opens nothing.
    let tokens = &walked["tokens"];
    let of = |kind: &str| tokens[kind].as_str().unwrap_or_else(|| panic!("no {kind} token")).to_owned();
    assert_eq!(list(&app, &of("access")).await.status, 200);
    assert_eq!(list(&app, &of("id")).await, refusal(&app).await);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_modern() {
    people("auto", "2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_legacy() {
    people("legacy", "2025-11-25").await;
}

/// Run the inspector on a server, with a token, in one era of the protocol.
async fn inspect(app: &App, home: &std::path::Path, token: &str, era: &str, arguments: &[&str]) -> Output {
    let script = provider::packages_directory()
        .join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let mut command = provider::node().await.run(&script).expect("a PATH");
    // It keeps notes in the home directory.
    command.env("HOME", home).args(["--cli", &app.url(), "--protocol-era", era, "--stored-auth-only"]);
    command.arg("--header").arg(format!("Authorization: Bearer {token}"));
    command.args(arguments).args(["--format", "json", "--quiet"]);
    Command::from(command).kill_on_drop(true).output().await.expect("Node starts")
}

/// What it printed, having ended with this code.
#[track_caller]
fn printed(output: &Output, code: i32) -> Value {
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaints}");
    let mut printed: Value = serde_json::from_str(&said).unwrap_or_default();
    if printed["result"].is_object() { printed["result"].take() } else { printed }
}

/// With a token of the server's, a store manager finds the tools the policy gives, and its own store.
async fn inspects(era: &str) {
    let provider = Provider::start().await;
    let own = tempfile::tempdir().expect("a directory");
    let file = own.path().join("rules.cedar");
    std::fs::write(&file, door::without_echo()).expect("a file of ours");
    let app = house_with(&[&provider], |plan| plan.settings.policy.file = Some(file)).await;
    let token = provider.token("seattle", TOOLS, &app.url()).await;
    let head_office = provider.token("head-office", TOOLS, &app.url()).await;
    let names = |list: Value| -> Vec<String> {
        let tools = list["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    };
    let list = ["--method", "tools/list", "--strict"];
    let own_tools = names(printed(&inspect(&app, own.path(), &token, era, &list).await, 0));
    assert!(own_tools.iter().any(|name| name == "execute_sales_query"), "{own_tools:?}");
    assert!(!own_tools.iter().any(|name| name.starts_with("echo")), "{own_tools:?}");
    let all_tools = names(printed(&inspect(&app, own.path(), &head_office, era, &list).await, 0));
    assert!(all_tools.iter().any(|name| name == "echo"), "{all_tools:?}");
    let arguments = json!({ "query": STORES }).to_string();
    let call = ["--method", "tools/call", "--tool-name", "execute_sales_query", "--tool-args-json", &arguments];
    saw_seattle(&printed(&inspect(&app, own.path(), &token, era, &call).await, 0));
    let forbidden = ["--method", "tools/call", "--tool-name", "echo", "--tool-args-json", "{}"];
    printed(&inspect(&app, own.path(), &token, era, &forbidden).await, NO_TOOL);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_with_a_token_legacy() {
    inspects("legacy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_with_a_token_modern() {
    inspects("modern").await;
}
