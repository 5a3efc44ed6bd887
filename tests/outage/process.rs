//! The host as a process of its own, as an operator starts it.

use crate::harness::{binary, guest, shared};
use crate::patience::soon;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Between two looks at something that is bound to come.
pub const LOOK: Duration = Duration::from_millis(50);

/// A directory for a host of its own: state, plugins, settings.
pub struct Home {
    dir: tempfile::TempDir,
    bin: PathBuf,
}

/// What a command said, and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }
}

impl Home {
    /// An empty one, with these guests for plugins.
    pub async fn new(guests: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Root's database runs as another user, who must be able to pass through.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).expect("a directory of ours");
        let plugins = dir.path().join("plugins");
        std::fs::create_dir(&plugins).expect("a directory");
        for name in guests {
            std::fs::copy(guest(name), plugins.join(format!("{name}.wasm"))).expect("a copy of the guest");
        }
        // What the shared server runs on: a second copy would take half a minute to unpack.
        let given = std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from);
        let bin = given.unwrap_or_else(|| Path::new("").to_owned());
        let bin = if bin.as_os_str().is_empty() { binaries(&shared().await.state) } else { bin };
        Self { dir, bin }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// The programs of PostgreSQL.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The host with these arguments, in this home and nobody's environment.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env_clear().env("ROWHOUSE_PG_BIN_DIR", &self.bin);
        command.env("ROWHOUSE_STATE", self.state()).env("ROWHOUSE_PLUGINS__DIRECTORY", self.path().join("plugins"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Run the host to its end.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        ended(&mut self.command(arguments)).await
    }

    /// The rows of a statement, asked on standard input of a host of this home.
    pub async fn stdio(&self, who: &str, statement: &str) -> Value {
        let mut child = self.command(["stdio", "--as", who]).stdin(Stdio::piped()).spawn().expect("the host starts");
        let mut line = question(statement).to_string();
        line.push('\n');
        let mut input = child.stdin.take().expect("a pipe");
        soon(input.write_all(line.as_bytes())).await.expect("a question");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = soon(lines.next_line()).await.expect("a line").expect("an answer before the end");
        drop(input);
        let output = soon(child.wait_with_output()).await.expect("it ends with its input");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut reply: Value = serde_json::from_str(&line).expect("a JSON reply");
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        reply["result"]["structuredContent"]["r"].take()
    }

    /// Processes that work in this home's database.
    pub fn servers(&self) -> Vec<i32> {
        let data = std::fs::canonicalize(self.path()).expect("a directory");
        let processes = std::fs::read_dir("/proc").expect("a list of processes").flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
                let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
                exe.ends_with("postgres") && cwd.starts_with(&data)
            })
            .collect()
    }

    /// Wait until no process of the database is left.
    pub async fn deserted(&self) {
        soon(async {
            while !self.servers().is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }
}

/// A call with this statement, in the revision without sessions.
pub fn question(statement: &str) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "execute_sales_query", "arguments": { "query": statement }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// The request that calls a tool of a host at this address.
pub fn asking(url: &str, token: &str, tool: &str, call: &Value) -> reqwest::RequestBuilder {
    // Whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
        .post(url)
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .json(call)
}

/// Run a command to its end.
pub async fn ended(command: &mut Command) -> Ended {
    let output = soon(command.output()).await.expect("the host runs");
    let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The directory of `postgres` below the suite's state.
fn binaries(state: &Path) -> PathBuf {
    let mut open = vec![state.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cluster"));
            if path.is_dir() && !ours {
                open.push(path);
            } else if path.ends_with("bin/postgres") {
                return dir;
            }
        }
    }
    panic!("there is no PostgreSQL below {}", state.display())
}

/// A host that serves.
pub struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    /// Start it and wait until it says where it serves.
    pub async fn start(home: &Home) -> Self {
        let mut child = home.command(["serve", "--listen", "127.0.0.1:0"]).spawn().expect("the host starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = String::new();
        let url = loop {
            let line = soon(lines.next_line()).await.expect("a line").unwrap_or_else(|| panic!("it ended: {said}"));
            if let Some(at) = line.find("http://") {
                break line[at..].to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        // Read on: a full pipe would stop the host.
        tokio::spawn(async move { lines.into_inner().read_to_end(&mut Vec::new()).await });
        Self { child, url }
    }

    /// The rows of a statement.
    pub async fn rows(&self, token: &str, statement: &str) -> Value {
        let request = asking(&self.url, token, "execute_sales_query", &question(statement));
        let reply = soon(request.send()).await.expect("a reply");
        let mut reply: Value = soon(reply.json()).await.expect("a JSON reply");
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        reply["result"]["structuredContent"]["r"].take()
    }

    /// End it without a word.
    pub async fn kill(mut self) {
        soon(self.child.kill()).await.expect("it ends");
    }

    /// Ask it to end; its exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("it runs");
        soon(self.child.wait()).await.expect("it ends").code()
    }
}
