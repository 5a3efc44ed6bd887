//! Real clients, as people run them, over HTTP and over standard input and output: what they make of the server, and
//! what the server does when they change their mind.

mod inspector; // The protocol's own inspector, strict.
mod rmcp; // The Rust SDK.
mod typescript; // Both lines of the TypeScript SDK.

use crate::harness::{self, App};
use rowhouse::embedded;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// What they are, to the letter: a test that takes the newest fails on days on which nothing here changed.
const PACKAGES: &[&str] = &[
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/inspector@2.12.0",
];

/// Who asks.
const WHO: &str = "seattle";
/// The guests served: the demo's statement tool, one that reports progress, one that takes long.
const GUESTS: &[&str] = &["sales", "conformance", "slow_query"];
/// Some of their tools.
const TOOLS: &[&str] = &["execute_sales_query", "slow_query", "test_tool_with_progress"];

/// How long something that is sure to come may take before the test has failed. Far more than it does on a busy
/// machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a statement may go on after its caller left. A tenth of what `slow_query` would take at least if nobody
/// told PostgreSQL.
const GONE: Duration = Duration::from_secs(3);

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The endpoint of a house in this process.
    Http,
    /// The binary, as a child of the client.
    Stdio,
}

/// A server for one client, and the operator's hand on it.
struct Server {
    /// What PostgreSQL calls this server's connections: nobody else's of this run.
    name: String,
    plugins: PathBuf,
    app: Option<App>,
    /// Working directory and plugins of the binary.
    own: TempDir,
}

impl Server {
    async fn open(way: Way) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("client-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let own = tempfile::tempdir().expect("a directory");
        harness::shared().await;
        if way == Way::Http {
            let app = App::plan(|plan| {
                plan.guests = GUESTS.to_vec();
                plan.settings.database.pool.application_name.clone_from(&name);
            })
            .await;
            return Self { name, plugins: app.plugins.path().to_owned(), app: Some(app), own };
        }
        let plugins = own.path().join("plugins");
        std::fs::create_dir(&plugins).expect("a directory of ours");
        let server = Self { name, plugins, app: None, own };
        for guest in GUESTS {
            server.put(guest);
        }
        server
    }

    /// What starts the binary: arguments and environment, the same settings a house in this process has.
    async fn command(&self) -> (Vec<String>, Vec<(&'static str, String)>) {
        let shared = harness::shared().await;
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let arguments = ["stdio", "--as", WHO, "--state-dir", &text(&shared.state), "--plugins", &text(&self.plugins)];
        let pool = harness::settings(shared).database.pool;
        let environment = vec![
            ("DATABASE_URL", shared.url.clone()),
            // It sets the roles' limit on connections, which every server of this run lives by.
            ("ROWHOUSE_DATABASE__POOL__MAX", pool.most().to_string()),
            ("ROWHOUSE_DATABASE__POOL__MIN", pool.min.to_string()),
            ("ROWHOUSE_DATABASE__POOL__APPLICATION_NAME", self.name.clone()),
            ("ROWHOUSE_PLUGINS__CONCURRENT_CALLS", "8".to_owned()),
            ("ROWHOUSE_PLUGINS__SIGNATURES", "optional".to_owned()),
        ];
        (arguments.map(str::to_owned).into(), environment)
    }

    /// Where a client written in another language finds it.
    async fn plan(&self, mode: &str) -> Value {
        let packages = packages_directory();
        if let Some(app) = &self.app {
            return json!({ "packages": packages, "mode": mode, "url": app.url(), "token": app.token(WHO) });
        }
        let (args, env) = self.command().await;
        let env: serde_json::Map<String, Value> = env.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        let command = json!({ "command": harness::binary(), "args": args, "env": env, "cwd": self.own.path() });
        json!({ "packages": packages, "mode": mode, "command": command })
    }

    /// Add a guest to those served. Whoever looks at the directory finds all of it or nothing.
    async fn add(&self, guest: &str) {
        self.put(guest);
        // The binary watches its directory by itself.
        if let Some(app) = &self.app {
            app.look().await;
        }
    }

    fn put(&self, guest: &str) {
        let beside = self.plugins.join(format!("{guest}.part"));
        std::fs::copy(harness::guest(guest), &beside).expect("a copy of the guest");
        std::fs::rename(&beside, self.plugins.join(format!("{guest}.wasm"))).expect("a file of ours");
    }

    /// Wait until this many statements of this server are under way in PostgreSQL.
    async fn statements(&self, expect: i64, patience: Duration) {
        let admin = harness::shared().await.admin(embedded::DATABASE).await;
        // Agents' statements are hidden from the views of activity; that one holds a snapshot is not.
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND backend_xmin IS NOT NULL";
        let until = Instant::now() + patience;
        loop {
            let found: i64 = admin.query_one(count, &[&self.name]).await.expect("the views").get(0);
            if found == expect {
                return;
            }
            assert!(Instant::now() < until, "{found} statements under way, not {expect}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn close(self) {
        if let Some(app) = self.app {
            app.stop().await;
        }
    }
}

/// Where npm puts what these tests need.
fn packages_directory() -> PathBuf {
    harness::root().join(".tools/clients")
}

/// Node, with the packages there.
async fn node() -> xtask::node::Node {
    let found = tokio::task::spawn_blocking(|| {
        // Two tests must not install into one directory at once.
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _held = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let node = xtask::node::ensure(harness::root())?;
        node.npm_install(&packages_directory(), PACKAGES)?;
        anyhow::Ok(node)
    });
    found.await.expect("no panic in there").expect("Node, npm and the packages")
}

/// A list of tools has all of these.
#[track_caller]
fn has_tools(names: &Value, expect: &[&str]) {
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for tool in expect {
        assert!(names.contains(tool), "no {tool} among {names:?}");
    }
}

/// The answer of a statement, whichever client it passed through: structured, and the same again as text.
#[track_caller]
fn has_rows(result: &Value, columns: Value, rows: Value) {
    assert_ne!(result["isError"], true, "{result}");
    let expect = json!({ "c": columns, "r": rows, "n": rows.as_array().map_or(0, Vec::len) });
    assert_eq!(result["structuredContent"], expect, "{result}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert_eq!(serde_json::from_str::<Value>(text).expect("compact JSON"), expect, "{result}");
}
