//! The protocol's own inspector, on the command line: it reads every schema strictly and ends with a code.

use super::{Server, TOOLS, Way, has_rows, has_tools, node, packages_directory};
use serde_json::{Value, json};
use std::process::Output;

/// What the inspector ends with when a tool's result is an error.
const TOOL_ERROR: i32 = 5;
/// What it ends with when it is sent away for want of a token.
const NO_TOKEN: i32 = 3;

/// Run the inspector on a server in one era of the protocol.
async fn inspect(server: &Server, token: bool, era: &str, arguments: &[&str]) -> Output {
    let app = server.app.as_ref().expect("a server with an endpoint");
    let script =
        packages_directory().join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let mut command = node().await.run(&script).expect("a PATH");
    // It keeps notes in the home directory.
    command.env("HOME", server.own.path()).args(["--cli", &app.url(), "--protocol-era", era]);
    if token {
        command.arg("--header").arg(format!("Authorization: Bearer {}", app.token(super::WHO)));
    } else {
        // Without this it would open a browser.
        command.arg("--stored-auth-only");
    }
    command.args(arguments).args(["--format", "json", "--quiet"]);
    tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("Node starts")
}

/// What it printed, having ended with this code.
#[track_caller]
fn printed(output: &Output, code: i32) -> Value {
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaints}");
    serde_json::from_str(&said).unwrap_or(Value::Null)
}

async fn inspects(era: &str) {
    let server = Server::open(Way::Http).await;
    let list = inspect(&server, true, era, &["--method", "tools/list", "--strict"]).await;
    let list = printed(&list, 0);
    let tools = list["tools"].as_array().or(list["result"]["tools"].as_array()).cloned().unwrap_or_default();
    has_tools(&tools.iter().map(|tool| tool["name"].clone()).collect(), TOOLS);
    let call = ["--method", "tools/call", "--tool-name", "execute_sales_query", "--tool-args-json"];
    let good = [&call[..], &[r#"{"query":"SELECT store_name FROM retail.stores"}"#]].concat();
    let answer = printed(&inspect(&server, true, era, &good).await, 0);
    let answer = if answer["result"].is_object() { &answer["result"] } else { &answer };
    has_rows(answer, json!(["store_name"]), json!([["Seattle"]]));
    let bad = [&call[..], &[r#"{"query":"SELECT pg_sleep(1)"}"#]].concat();
    printed(&inspect(&server, true, era, &bad).await, TOOL_ERROR);
    printed(&inspect(&server, false, era, &["--method", "tools/list"]).await, NO_TOKEN);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy() {
    inspects("legacy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern() {
    inspects("modern").await;
}
