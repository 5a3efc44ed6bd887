//! `plugin dev`, as it runs.

use super::TOOL;
use super::desk::Desk;
use crate::patience::soon;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A client that wants nothing from its server but answers.
struct Plain;

impl ClientHandler for Plain {}

/// The command, and a client that took what it printed.
pub struct Dev {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    client: RunningService<RoleClient, Plain>,
}

impl Dev {
    /// Start it, wait until it serves the plugin, and connect with what it printed.
    pub async fn start(desk: &Desk) -> Self {
        // The client's own HTTP needs one; whoever comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut command = Command::from(desk.command(&["dev", desk.here(), "--listen", "127.0.0.1:0"]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped above")).lines();
        let mut words = child.stderr.take().expect("piped above");
        // What it says there while it opens is shown if it ends.
        let log = tokio::spawn(async move {
            let mut text = String::new();
            let _ = words.read_to_string(&mut text).await;
            eprintln!("{text}");
        });
        drop(log);
        let url = line(&mut said, "serving").await;
        let token = line(&mut said, "token").await;
        let place = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let transport = StreamableHttpClientTransport::from_config(place);
        let client = Plain.serve_with_lifecycle(transport, lifecycle).await.expect("a client");
        let mut dev = Self { child, said, client };
        dev.swapped().await;
        dev
    }

    /// Wait until a new version serves; what was said of it.
    pub async fn swapped(&mut self) -> String {
        let said = line(&mut self.said, "swapped").await;
        let asked = soon(self.said.next_line()).await.expect("text").expect("each tool is asked");
        assert!(asked.contains(TOOL) && asked.contains(" ms "), "{asked}");
        line(&mut self.said, "watching").await;
        said
    }

    /// Wait until a version is found not to be good; why.
    pub async fn failed(&mut self) -> String {
        let mut why = line(&mut self.said, "FAILED").await;
        while let Some(more) = soon(self.said.next_line()).await.expect("text") {
            why.push_str(&more);
            if more.starts_with("watching") {
                break;
            }
        }
        why
    }

    /// The structured answer of the tool, over MCP.
    pub async fn answer(&self) -> Value {
        let result = soon(self.client.call_tool(CallToolRequestParams::new(TOOL))).await.expect("a result");
        let result = serde_json::to_value(result).expect("results are JSON");
        assert_eq!(result["isError"], false, "{result}");
        result["structuredContent"].clone()
    }

    /// Ctrl-C.
    pub async fn stop(mut self) {
        let _ = self.client.cancel().await;
        let pid = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32)).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it can be told");
        let status = soon(self.child.wait()).await.expect("it ends");
        assert!(status.success(), "{status}");
    }
}

/// The rest of the next line that begins with a word.
async fn line(said: &mut Lines<BufReader<ChildStdout>>, word: &str) -> String {
    loop {
        let line = soon(said.next_line()).await.expect("text").unwrap_or_else(|| panic!("it ended before {word:?}"));
        assert!(word == "FAILED" || !line.starts_with("FAILED"), "{line}");
        if let Some(rest) = line.strip_prefix(word) {
            return rest.trim().to_owned();
        }
    }
}
