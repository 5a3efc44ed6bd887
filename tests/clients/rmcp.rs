//! The Rust SDK, which the server is made with, too: what it reads is what it would write.

use super::{Server, TOOLS, WHO, Way, has_rows, has_tools};
use crate::harness;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use std::process::Stdio;

/// A client that wants nothing from its server but answers.
struct Plain;

impl ClientHandler for Plain {}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn connect(server: &Server, lifecycle: ClientLifecycleMode) -> RunningService<RoleClient, Plain> {
    if let Some(app) = &server.app {
        let place = StreamableHttpClientTransportConfig::with_uri(app.url()).auth_header(app.token(WHO));
        let transport = StreamableHttpClientTransport::from_config(place);
        return Plain.serve_with_lifecycle(transport, lifecycle).await.expect("a client");
    }
    let (arguments, environment) = server.command().await;
    let mut command = tokio::process::Command::new(harness::binary());
    command.args(arguments).envs(environment).current_dir(server.own.path());
    // What it says while it opens is not for this test.
    let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().expect("the binary starts");
    Plain.serve_with_lifecycle(transport, lifecycle).await.expect("a client")
}

async fn call(client: &RunningService<RoleClient, Plain>, query: &str) -> Value {
    let Value::Object(arguments) = json!({ "query": query }) else { unreachable!("an object is written above") };
    let request = CallToolRequestParams::new("execute_sales_query").with_arguments(arguments);
    serde_json::to_value(client.call_tool(request).await.expect("a result")).expect("results are JSON")
}

async fn works(way: Way, lifecycle: ClientLifecycleMode) {
    let server = Server::open(way).await;
    let client = connect(&server, lifecycle).await;
    let tools = client.list_all_tools().await.expect("a list");
    has_tools(&json!(tools.iter().map(|tool| &tool.name).collect::<Vec<_>>()), TOOLS);
    let rows = call(&client, "SELECT store_name, 1.10::numeric AS price FROM retail.stores").await;
    has_rows(&rows, json!(["store_name", "price"]), json!([["Seattle", 1.1]]));
    let failure = call(&client, "DELETE FROM retail.orders").await;
    assert_eq!(
        (&failure["isError"], &failure["_meta"]["rowhouse/error"]["code"]),
        (&json!(true), &json!("QUERY_REJECTED"))
    );
    client.cancel().await.expect("a clean end");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_over_http() {
    works(Way::Http, modern()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_over_http() {
    works(Way::Http, ClientLifecycleMode::Initialize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_over_stdio() {
    works(Way::Stdio, modern()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_over_stdio() {
    works(Way::Stdio, ClientLifecycleMode::Initialize).await;
}
