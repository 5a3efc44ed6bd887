//! What a host tells of itself: numbers, traces, log lines, slow statements; and what it never tells.

mod collector; // A collector of traces, for a test.
mod promtool; // Prometheus itself, on rules, dashboard and page.
mod secrets; // A secret in every place there is for one.
mod traced; // Whole processes, and what they send and say.

use crate::desk::{self, door};
use crate::harness::{App, binary, root, shared};
use crate::patience::soon;
use rowhouse::mcp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// A house with both of the operator's doors.
struct Watched {
    app: App,
    metrics: String,
    socket: PathBuf,
    stop: CancellationToken,
    _desk: tempfile::TempDir,
}

impl Watched {
    async fn start(slow_ms: u64) -> Self {
        let app = App::plan(|plan| plan.settings.telemetry.slow_ms = slow_ms).await;
        let stop = CancellationToken::new();
        let (desk, socket) = door(&app, &stop);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let metrics = format!("http://{}", listener.local_addr().expect("an address"));
        drop(tokio::spawn(mcp::metrics::run(listener, Arc::clone(&app.host), stop.clone())));
        Self { app, metrics, socket, stop, _desk: desk }
    }

    /// What Prometheus reads.
    async fn page(&self) -> String {
        let reply = soon(reqwest::get(format!("{}/metrics", self.metrics))).await.expect("a reply");
        assert_eq!(reply.status(), 200);
        let kind = reply.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        soon(reply.text()).await.expect("a text")
    }

    /// What the admin socket answers.
    async fn ask(&self, path: &str) -> String {
        desk::get(&self.socket, path).await
    }

    /// What a command prints that asks this host.
    async fn command(&self, words: &[&str]) -> String {
        self.command_at(&shared().await.url, words).await
    }

    /// With another way to the database.
    async fn command_at(&self, url: &str, words: &[&str]) -> String {
        let mut command = Command::new(binary());
        command.args(words).env("ROWHOUSE_HTTP__ADMIN", &self.socket).env("DATABASE_URL", url);
        command.kill_on_drop(true);
        let output = soon(command.output()).await.expect("the command runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Options of a session whose statements take helpers whenever they may.
const HELPERS: &str = "-c%20parallel_setup_cost%3D0%20-c%20parallel_tuple_cost%3D0%20-c%20min_parallel_table_scan_size%3D0\
                       %20-c%20min_parallel_index_scan_size%3D0%20-c%20max_parallel_workers_per_gather%3D2";

/// The number of a series, by its name and some of its labels.
fn number(page: &str, name: &str, labels: &[&str]) -> f64 {
    let begins = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let found = page.lines().filter(begins).filter(|line| labels.iter().all(|label| line.contains(label)));
    found.map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_calls_and_of_nobody() {
    let watched = Watched::start(1_000).await;
    let app = &watched.app;
    let tool = "tool=\"execute_sales_query\"";
    let query = |text: &str| json!({ "query": text });
    app.answer("seattle", "execute_sales_query", query("SELECT 'canary-1' AS a")).await;
    app.failure("seattle", "execute_sales_query", query("SELECT pg_sleep(1) -- canary-2")).await;
    app.failure("seattle", "execute_sales_query", json!({ "canary-3": true })).await;
    app.post("spokane", "canary-4", json!({})).await;
    let page = watched.page().await;
    for (name, labels, expected) in [
        ("rowhouse_calls_total", &[tool, "plugin=\"sales\"", "code=\"OK\""][..], 1.0),
        ("rowhouse_calls_total", &[tool, "code=\"QUERY_REJECTED\""], 1.0),
        ("rowhouse_calls_total", &[tool, "code=\"VALIDATION_ERROR\""], 1.0),
        ("rowhouse_calls_total", &["tool=\"other\"", "code=\"UNKNOWN_TOOL\""], 1.0),
        ("rowhouse_call_duration_seconds_count", &[tool], 3.0),
        ("rowhouse_errors_total", &["blame=\"caller\""], 3.0),
        ("rowhouse_statements_total", &["code=\"OK\""], 1.0),
        ("rowhouse_statements_total", &["code=\"QUERY_REJECTED\""], 1.0),
        ("rowhouse_statement_seconds_count", &[], 1.0),
        ("rowhouse_connection_wait_seconds_count", &[], 1.0),
        ("rowhouse_statement_rows_total", &[], 1.0),
        ("rowhouse_call_phase_seconds_count", &["phase=\"policy\""], 3.0),
        ("rowhouse_call_phase_seconds_count", &["phase=\"guest\""], 2.0),
        ("rowhouse_guest_memory_bytes_count", &["plugin=\"sales\""], 2.0),
        ("rowhouse_swaps_total", &["plugin=\"sales\"", "outcome=\"published\""], 1.0),
        ("rowhouse_plugin_info", &["plugin=\"sales\""], 1.0),
        ("rowhouse_pool_statements_most", &[], 60.0),
        ("rowhouse_calls_most", &[], 8.0),
        ("rowhouse_calls_running", &[], 0.0),
        ("rowhouse_database_refused", &[], 0.0),
    ] {
        assert_eq!(number(&page, name, labels), expected, "{name} {labels:?}\n{page}");
    }
    assert!(number(&page, "rowhouse_guest_host_calls_total", &["plugin=\"sales\""]) >= 2.0, "{page}");
    assert!(number(&page, "rowhouse_pool_connections", &["role=\"rowhouse_one\""]) >= 1.0, "{page}");
    let who = app.principal("seattle");
    for private in ["canary", "eattle", "pokane", "SELECT", "tenant", "principal", who.subject(), who.issuer()] {
        assert!(!page.contains(private), "{private}\n{page}");
    }
    // The same at the socket; nothing of it at the endpoint of callers, and nothing else at this address.
    assert!(watched.ask("/metrics").await.contains("rowhouse_calls_total"));
    let front = app.url().replace("/mcp", "/metrics");
    for elsewhere in [front, format!("{}/mcp", watched.metrics), format!("{}/health", watched.metrics)] {
        let reply = soon(reqwest::get(&elsewhere)).await.expect("a reply");
        assert_eq!(reply.status(), 404, "{elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_is_counted() {
    let watched = Watched::start(1_000).await;
    let app = &watched.app;
    let statement =
        "SELECT count(*) FROM generate_series(1, 1000) a, generate_series(1, 1000) b, generate_series(1, 1000) c";
    let call = app.post("seattle", "execute_sales_query", json!({ "query": statement }));
    tokio::select! {
        reply = call => panic!("it ended: {reply}"),
        () = async { while app.host.traffic.running() == 0 { tokio::time::sleep(std::time::Duration::from_millis(5)).await } } => {}
    }
    soon(async {
        while number(&watched.page().await, "rowhouse_calls_total", &["code=\"CANCELLED\""]) == 0.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_are_remembered_without_their_values() {
    // Every statement counts as slow.
    let watched = Watched::start(0).await;
    let app = &watched.app;
    for (name, comment) in [("canary-1", "canary-2"), ("canary-3", "canary-4")] {
        let statement = format!("SELECT count(*) FROM retail.products WHERE product_name = '{name}' /* {comment} */");
        app.answer("seattle", "execute_sales_query", json!({ "query": statement })).await;
    }
    app.answer("seattle", "get_top_products", json!({})).await;
    let slow: Value = serde_json::from_str(&watched.ask("/slow").await).expect("JSON");
    let all = slow.as_array().expect("a list");
    let twice = all.iter().find(|it| it["count"] == 2).unwrap_or_else(|| panic!("{slow}"));
    let told = "SELECT count(*) FROM retail.products WHERE product_name = $1";
    assert_eq!((&twice["statement"], &twice["tool"]), (&json!(told), &json!("execute_sales_query")), "{slow}");
    assert_eq!((&twice["plugin"], &twice["rows"]), (&json!("sales"), &json!(2)), "{slow}");
    assert!(twice["max_ms"].as_u64() >= twice["p95_ms"].as_u64(), "{slow}");
    assert!(all.iter().any(|it| it["tool"] == "get_top_products"), "{slow}");

    // By the command, as text and as JSON; in the health of the host; from a terminal that is none.
    let printed = watched.command(&["db", "slow"]).await;
    assert!(printed.contains(told) && printed.contains("sales/execute_sales_query"), "{printed}");
    let parsed: Value = serde_json::from_str(&watched.command(&["db", "slow", "--json"]).await).expect("JSON");
    assert_eq!(parsed.as_array().map(Vec::len), Some(all.len()));
    // The plan of each, for any constants and with row security in it.
    for one in all.iter().filter(|one| one["statement"].is_string()) {
        let (fingerprint, statement) = (one["fingerprint"].as_str().expect("one"), one["statement"].as_str());
        let plan = watched.command(&["db", "slow", "--plan", fingerprint]).await;
        assert!(plan.contains(statement.expect("a text")) && plan.contains("Scan") && plan.contains("cost="), "{plan}");
        let plan = watched.command(&["db", "slow", "--json", "--plan", fingerprint]).await;
        assert_eq!(serde_json::from_str::<Value>(&plan).expect("JSON")["role"], "rowhouse_one", "{plan}");
        // With what the role's sessions have of settings: an administrator's would take helpers, and theirs may not.
        let helped = format!("{}?options={HELPERS}", shared().await.url);
        let plan = watched.command_at(&helped, &["db", "slow", "--plan", fingerprint]).await;
        assert!(plan.contains("cost=") && !plan.contains("Gather"), "{plan}");
    }
    let health = watched.ask("/health").await;
    assert!(health.contains(told), "{health}");
    let seen: Value = serde_json::from_str(&watched.command(&["top", "--json"]).await).expect("JSON");
    assert_eq!((&seen["calls"], &seen["failed"], &seen["places"]["most"]), (&json!(3), &json!(0), &json!(8)), "{seen}");
    let once = watched.command(&["top"]).await;
    for shown in ["sales/execute_sales_query", "calls 3 (0 failed)", "of 60", told] {
        assert!(once.contains(shown), "{shown}:\n{once}");
    }
    for text in [slow.to_string(), printed, health, seen.to_string(), once, watched.page().await] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_asked_is_an_error_that_says_what_to_do() {
    let desk = tempfile::tempdir().expect("a directory");
    let check = async |words: &[&str], socket: Option<&Path>, says: &str| {
        let mut command = Command::new(binary());
        command.args(words).current_dir(desk.path()).kill_on_drop(true);
        if let Some(socket) = socket {
            command.env("ROWHOUSE_HTTP__ADMIN", socket);
        }
        let output = soon(command.output()).await.expect("the command runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(says), "{words:?}: {said}");
    };
    for words in [&["top", "--once"][..], &["db", "slow"]] {
        check(words, None, "set http.admin").await;
        check(words, Some(&desk.path().join("nobody.sock")), "no host answers").await;
    }
}

/// What the manual has a row for.
fn documented() -> BTreeSet<String> {
    let manual = std::fs::read_to_string(root().join("docs/operations.md")).expect("the manual");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `rowhouse_")?.split_once('`'));
    rows.map(|(name, _)| format!("rowhouse_{name}")).collect()
}

/// The metrics a text names, as the manual calls them.
fn named(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("rowhouse_"));
    let whole = |word: &str| {
        let cut = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
        cut.filter(|cut| known.contains(*cut)).unwrap_or(word).to_owned()
    };
    metrics.map(whole).collect()
}

#[test]
fn dashboards_and_rules_name_metrics_there_are() {
    let known = documented();
    assert!(known.len() > 30, "{known:?}");
    assert!(!named("rate(rowhouse_no_such_total[5m])", &known).is_subset(&known));
    assert_eq!(
        named("rowhouse_call_duration_seconds_bucket", &known),
        ["rowhouse_call_duration_seconds".to_owned()].into()
    );
    for (path, least) in [
        ("deploy/grafana/rowhouse.json", 20),
        ("deploy/prometheus/alerts.yml", 10),
        ("deploy/kubernetes/metrics/kustomization.yaml", 1),
        ("docs/operations.md", 30),
    ] {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let named = named(&text, &known);
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} asks for what no host tells: {unknown:?}");
        assert!(named.len() >= least, "{path}: {named:?}");
    }
    let dashboard = std::fs::read_to_string(root().join("deploy/grafana/rowhouse.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<i64> = panels.iter().filter_map(|it| it["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
    assert!(panels.iter().all(|it| it["targets"][0]["expr"].is_string()));
}
