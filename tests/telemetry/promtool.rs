//! What Prometheus itself says of the rules, the dashboard and the page it reads.

use super::Watched;
use crate::harness::root;
use crate::patience::soon;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What it says, and whether it is content.
async fn promtool(words: &[&str], input: &str) -> (bool, String) {
    let binary = tokio::task::spawn_blocking(|| xtask::promtool::ensure(root()));
    let binary = binary.await.expect("no panic").expect("promtool");
    let mut command = Command::new(binary);
    command.args(words).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    // A command that reads no input closes it.
    let _ = pipe.write_all(input.as_bytes()).await;
    drop(pipe);
    let output = soon(child.wait_with_output()).await.expect("an end");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[tokio::test]
async fn every_rule_is_heard_when_it_should_be_and_not_before() {
    let rules = "deploy/prometheus/alerts.yml";
    let (content, said) = promtool(&["check", "rules", rules], "").await;
    let text = std::fs::read_to_string(root().join(rules)).expect("the rules");
    let count = text.matches("- alert: ").count();
    assert!(content && said.contains(&format!("{count} rules found")), "{said}");
    let cases = "deploy/prometheus/alerts.test.yml";
    let (content, said) = promtool(&["test", "rules", cases], "").await;
    assert!(content, "{said}");
    let cases = std::fs::read_to_string(root().join(cases)).expect("the cases");
    for name in text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(cases.contains(&format!("alertname=\"{name}\"")), "{name} has no case");
    }
}

#[tokio::test]
async fn every_panel_asks_what_prometheus_can_read() {
    let text = std::fs::read_to_string(root().join("deploy/grafana/rowhouse.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    // Grafana puts its own words in before it asks.
    let asked = targets.map(|it| it["expr"].as_str().expect("a question"));
    let asked: Vec<String> = asked.map(|it| it.replace("$__rate_interval", "5m").replace("$instance", ".*")).collect();
    assert!(asked.len() > 20 && !asked.iter().any(|it| it.contains('$')), "{asked:?}");
    let check = async |dir: &Path, asked: &[String]| {
        let rules = asked.iter().enumerate().map(|(n, expr)| json!({ "record": format!("panel:{n}"), "expr": expr }));
        let file = json!({ "groups": [{ "name": "panels", "rules": rules.collect::<Vec<_>>() }] });
        let path = dir.join("panels.yml");
        // JSON is YAML.
        std::fs::write(&path, file.to_string()).expect("a file");
        promtool(&["check", "rules", path.to_str().expect("a path that is text")], "").await
    };
    let dir = tempfile::tempdir().expect("a directory");
    let (content, said) = check(dir.path(), &asked).await;
    assert!(content && said.contains(&format!("{} rules found", asked.len())), "{said}");
    let (content, said) = check(dir.path(), &["sum(rate(rowhouse_calls_total[5m])".to_owned()]).await;
    assert!(!content, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_what_prometheus_calls_well_made() {
    let watched = Watched::start(1_000).await;
    soon(watched.app.rows("seattle", "SELECT count(*) FROM retail.orders")).await;
    let page = watched.page().await;
    // It reads the older form alone, in which counters and facts are named with their endings throughout.
    let older: String = page.lines().map(|line| format!("{}\n", in_the_older_form(line, &page))).collect();
    let (content, said) = promtool(&["check", "metrics"], &older).await;
    assert!(content, "{said}\n{older}");
    let (content, said) = promtool(&["check", "metrics"], &older.replace("# HELP rowhouse_calls_total", "# ")).await;
    assert!(!content && said.contains("rowhouse_calls_total"), "{said}");
}

/// A line of OpenMetrics as the text format 0.0.4 has it.
fn in_the_older_form(line: &str, page: &str) -> String {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("#"), Some("EOF" | "UNIT"), ..) => String::new(),
        (Some("#"), Some(what), Some(name), Some(rest)) => {
            let counts = page.contains(&format!("# TYPE {name} counter"));
            let informs = page.contains(&format!("# TYPE {name} info"));
            let ending = if counts {
                "_total"
            } else if informs {
                "_info"
            } else {
                ""
            };
            let name = format!("{name}{ending}");
            let rest = if what == "TYPE" && informs { "gauge" } else { rest };
            format!("# {what} {name} {rest}")
        }
        _ => line.to_owned(),
    }
}
