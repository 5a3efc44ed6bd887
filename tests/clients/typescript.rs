//! The official TypeScript SDKs. The scripts walk (`tests/clients/walk.mjs`); here is what they must find.

use super::{GONE, PATIENCE, Server, TOOLS, Way, has_rows, has_tools, node};
use crate::harness;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A script under way.
struct Walk {
    child: Child,
    steps: Lines<BufReader<ChildStdout>>,
    answers: ChildStdin,
    complaints: Option<JoinHandle<String>>,
}

impl Walk {
    async fn start(script: &str, plan: Value) -> Self {
        let mut command = node().await.run(&harness::root().join("tests/clients").join(script)).expect("a PATH");
        command.arg(plan.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn().expect("Node starts");
        let mut stderr = child.stderr.take().expect("piped above");
        let complaints = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let steps = BufReader::new(child.stdout.take().expect("piped above")).lines();
        let answers = child.stdin.take().expect("piped above");
        Self { child, steps, answers, complaints: Some(complaints) }
    }

    /// The next step, which must be this one.
    async fn step(&mut self, name: &str) -> Value {
        let line = timeout(PATIENCE, self.steps.next_line()).await.expect("a step in time").expect("a line of text");
        let Some(line) = line else {
            let complaints = self.complaints.take().expect("taken once").await.expect("no panic in there");
            panic!("the script ended before `{name}`:\n{complaints}");
        };
        let step: Value = serde_json::from_str(&line).expect("a step is JSON");
        assert_eq!(step["step"], name, "{step}");
        step
    }

    async fn answer(&mut self) {
        self.answers.write_all(b"\n").await.expect("a script that waits");
    }
}

/// One client, one way: everything it does ends as it must.
async fn walks(script: &str, mode: &str, way: Way, version: Option<&str>) {
    let server = Server::open(way).await;
    let mut walk = Walk::start(script, server.plan(mode).await).await;
    let connected = walk.step("connected").await;
    assert_eq!((connected["version"].as_str(), &connected["server"]["name"]), (version, &json!("rowhouse")));
    has_tools(&walk.step("tools").await["names"], TOOLS);
    let rows = walk.step("rows").await;
    has_rows(&rows, json!(["store_name", "price", "nothing"]), json!([["Seattle", 1.1, null]]));
    let failure = walk.step("failure").await;
    assert_eq!(
        (&failure["isError"], &failure["_meta"]["rowhouse/error"]["code"]),
        (&json!(true), &json!("QUERY_REJECTED"))
    );
    let progress = walk.step("progress").await;
    assert_eq!(progress["came"], json!([[0, 100], [50, 100], [100, 100], "result"]));
    if way == Way::Http {
        assert_eq!(progress["seen"], json!([[0, 100], [50, 100], [100, 100]]));
    }

    walk.step("listening").await;
    server.add("widens").await;
    walk.answer().await;
    has_tools(&walk.step("changed").await["names"], &["execute_sales_query", "widens"]);

    walk.step("slow").await;
    server.statements(1, PATIENCE).await;
    walk.answer().await;
    let aborted = walk.step("aborted").await;
    assert!(aborted["error"].is_string(), "{aborted}");
    walk.step("gone").await;
    server.statements(0, GONE).await;
    walk.answer().await;

    has_rows(&walk.step("after").await, json!(["one"]), json!([[1]]));
    walk.step("closed").await;
    let status = timeout(PATIENCE, walk.child.wait()).await.expect("an end in time").expect("a child of ours");
    assert!(status.success(), "{status}");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_over_http() {
    walks("v1.mjs", "legacy", Way::Http, Some("2025-11-25")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_over_stdio() {
    // Over a pipe this SDK keeps the revision to itself.
    walks("v1.mjs", "legacy", Way::Stdio, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_modern_over_http() {
    walks("v2.mjs", "auto", Way::Http, Some("2026-07-28")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_legacy_over_http() {
    walks("v2.mjs", "legacy", Way::Http, Some("2025-11-25")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_modern_over_stdio() {
    walks("v2.mjs", "auto", Way::Stdio, Some("2026-07-28")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_legacy_over_stdio() {
    walks("v2.mjs", "legacy", Way::Stdio, Some("2025-11-25")).await;
}
