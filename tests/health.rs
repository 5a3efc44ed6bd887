//! How a host is doing: what the admin socket says of it, what the command prints, and whom it tells when something is wrong.

mod receiver; // Somebody who is told.

use self::receiver::Receiver;
use crate::desk::door;
use crate::harness::{App, binary, guest, root};
use crate::patience::soon;
use rowhouse::alerts::Alerts;
use rowhouse::config::{self, Bounds, Least, Secret, Settings, Webhook};
use rowhouse::health::{Component, Severity};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// `rowhouse` with these variables; its exit code and what it printed.
async fn run(variables: &[(&str, String)], arguments: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    command.env("ROWHOUSE_STATE", dir.path()).current_dir(dir.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = soon(command.output()).await.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    (output.status.code(), if err.is_empty() { out } else { out + &err })
}

async fn whole(socket: &Path) -> (Option<i32>, Value) {
    let admin = [("ROWHOUSE_HTTP__ADMIN", socket.display().to_string())];
    let (code, out) = run(&admin, &["health", "--json"]).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}")))
}

/// The codes of what is wrong, by component.
fn wrong(told: &Value) -> Vec<String> {
    let parts = told.as_object().expect("an object").values();
    let problems = parts.filter_map(|part| part["problems"].as_array()).flatten();
    problems.map(|problem| problem["code"].as_str().expect("a code").to_owned()).collect()
}

/// Whatever the machine of the tests is short of is not what is tested.
fn forgiving(settings: &mut Settings) {
    settings.health.disk_free = Bounds { degraded: 0, down: 0 };
    settings.health.memory = Bounds { degraded: 100, down: 100 };
}

#[tokio::test(flavor = "multi_thread")]
async fn every_component_is_told_with_what_is_wrong_and_since_when() {
    let app = soon(App::plan(|plan| {
        plan.guests = vec!["echo"];
        forgiving(&mut plan.settings);
    }))
    .await;
    let stop = CancellationToken::new();
    let (_desk, socket) = door(&app, &stop);
    let (code, told) = whole(&socket).await;
    assert_eq!((code, &told["status"], wrong(&told)), (Some(0), &json!("ok"), Vec::new()), "{told:#}");
    for name in ["database", "calls", "embedding", "plugins", "usage", "audit", "disk", "memory", "keys"] {
        assert_eq!((&told[name]["status"], &told[name]["lastError"]), (&json!("ok"), &Value::Null), "{name}: {told:#}");
    }
    assert!(told["database"]["ms"].is_u64() && told["database"]["statements"]["most"] == 60, "{told:#}");
    assert_eq!((&told["calls"]["most"], &told["calls"]["waiting"]), (&json!(8), &json!(0)));
    assert!(told["disk"]["free_bytes"].as_u64() > Some(0) && told["memory"]["resident_bytes"].as_u64() > Some(1 << 20));

    // A file that is no component: refused, and nobody notices.
    std::fs::write(app.plugins.path().join("broken.wasm"), "no component").expect("a file");
    soon(app.look()).await;
    let (code, told) = whole(&socket).await;
    assert_eq!(
        (code, &told["status"], wrong(&told)),
        (Some(0), &json!("degraded"), vec!["plugins.refused".to_owned()])
    );
    let problem = &told["plugins"]["problems"][0];
    assert_eq!((&problem["subject"], &problem["severity"]), (&json!("broken"), &json!("warning")));
    let since = problem["since"].clone();
    assert!(since.is_string());
    // A hole in the walls: down, by every way of asking.
    app.host.database.refuse(true);
    let (code, told) = whole(&socket).await;
    assert_eq!((code, &told["status"]), (Some(1), &json!("down")), "{told:#}");
    assert_eq!(wrong(&told), ["database.unsafe", "plugins.refused"]);
    assert_eq!(told["plugins"]["problems"][0]["since"], since, "it is the same problem");
    let listen = [("ROWHOUSE_HTTP__LISTEN", app.url().replace("http://", "").replace("/mcp", ""))];
    let (code, said) = run(&listen, &["health"]).await;
    assert!(code == Some(1) && said.contains("does not answer calls"), "{said}");
    app.host.database.refuse(false);
    std::fs::remove_file(app.plugins.path().join("broken.wasm")).expect("the file");
    soon(app.look()).await;
    let (code, told) = whole(&socket).await;
    assert_eq!((code, &told["status"], wrong(&told)), (Some(0), &json!("ok"), Vec::new()), "{told:#}");
    assert_eq!(told["database"]["lastError"]["code"], "database.unsafe");
    let admin = [("ROWHOUSE_HTTP__ADMIN", socket.display().to_string())];
    let (code, lines) = run(&admin, &["health", "--whole"]).await;
    assert!(code == Some(0) && lines.lines().count() == 11 && lines.contains("memory      ok"), "{lines}");
    for (variables, said) in [
        (vec![], "set http.admin"),
        (vec![("ROWHOUSE_HTTP__ADMIN", "/nowhere/admin.sock".to_owned())], "no host answers at /nowhere/admin.sock"),
    ] {
        let (code, out) = run(&variables, &["health", "--whole"]).await;
        assert!(code == Some(1) && out.contains(said), "{out}");
    }
    stop.cancel();
    app.stop().await;
}

fn webhook(receiver: &Receiver, severity: Least) -> Webhook {
    Webhook {
        url: Secret::from(receiver.url()),
        header: "x-token".to_owned(),
        secret: Some(Secret::from("hunter2".to_owned())),
        severity,
        plaintext: false,
    }
}

fn alerts(receivers: &[(&Receiver, Least)]) -> config::Alerts {
    config::Alerts {
        host: Some("h".to_owned()),
        hold_seconds: 30,
        repeat_seconds: 3_600,
        webhook: receivers.iter().map(|(receiver, severity)| webhook(receiver, *severity)).collect(),
        ..config::Alerts::default()
    }
}

/// State and key of what arrived.
fn words(arrived: &[Value]) -> Vec<(String, String)> {
    let word = |it: &Value, key: &str| it[key].as_str().expect("a word").to_owned();
    arrived.iter().map(|it| (word(it, "state"), word(it, "key"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lasts_is_posted_once_again_after_the_interval_and_when_it_is_over() {
    let (loud, quiet) = (Receiver::start().await, Receiver::start().await);
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let settings = alerts(&[(&loud, Least::Warning), (&quiet, Least::Critical)]);
    let mut alerts = Alerts::open(&settings, stop).expect("two webhooks");
    let disk = |severity| vec![Component::new("disk", json!({})).with(true, severity, "disk.low", "9 % are free")];
    let plugins =
        vec![Component::new("plugins", json!({})).of(Some("sales"), Severity::Info, "plugins.waiting", "it waits")];
    // A clock of the test's own: an hour passes without anybody waiting for it.
    let mut hear = |seconds: u64, components: &[Component]| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        alerts.hear(Duration::from_secs(seconds), at, components);
    };
    let said = |state: &str| vec![(state.to_owned(), "h/disk.low".to_owned())];
    // Its receiver fails at first: nobody waits for that, and it arrives once all the same.
    loud.answers(&[500, 503, 200]);
    hear(0, &disk(Severity::Warning));
    hear(15, &plugins);
    hear(20, &disk(Severity::Warning));
    hear(35, &disk(Severity::Warning));
    hear(50, &disk(Severity::Warning));
    let first = loud.takes(1).await;
    assert_eq!(words(&first), said("firing"));
    assert_eq!(loud.tried(), 3, "two answers of 5xx, and one that took it");
    for seconds in [65, 3_000, 3_649] {
        hear(seconds, &disk(Severity::Warning));
    }
    hear(3_650, &disk(Severity::Warning));
    assert_eq!(words(&loud.takes(1).await), said("firing"), "after the interval, and not before");
    // Worse is told at once, also to whoever hears of nothing less.
    hear(3_700, &disk(Severity::Critical));
    assert_eq!(words(&loud.takes(1).await), said("firing"));
    assert_eq!(quiet.takes(1).await[0]["severity"], "critical");
    hear(3_715, &[]);
    hear(3_745, &[]);
    hear(3_775, &[]);
    let over = loud.takes(1).await;
    assert_eq!((words(&over), words(&quiet.takes(1).await)), (said("resolved"), said("resolved")));
    assert_eq!((&over[0]["since"], &first[0]["component"]), (&first[0]["since"], &json!("disk")));
    // What comes last tells that nothing else came before it.
    let last = [Component::new("memory", json!({})).with(true, Severity::Critical, "memory.high", "96 %")];
    hear(4_000, &last);
    hear(4_030, &last);
    for receiver in [&loud, &quiet] {
        let arrived = words(&receiver.takes(1).await);
        assert_eq!(arrived, [("firing".to_owned(), "h/memory.high".to_owned())]);
        assert!(receiver.headers().iter().all(|token| token == "hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_gets_what_is_so_when_it_is_back() {
    let mut receiver = Receiver::start().await;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let settings = config::Alerts { hold_seconds: 0, ..alerts(&[(&receiver, Least::Warning)]) };
    let mut alerts = Alerts::open(&settings, stop).expect("a webhook");
    let disk = [Component::new("disk", json!({})).with(true, Severity::Warning, "disk.low", "9 % are free")];
    receiver.leave().await;
    alerts.hear(Duration::ZERO, SystemTime::now(), &disk);
    // A thousand incidents while it is away make one message: the last.
    for n in 1..1_000 {
        alerts.hear(Duration::from_secs(2 * n - 1), SystemTime::now(), &[]);
        alerts.hear(Duration::from_secs(2 * n), SystemTime::now(), &disk);
    }
    alerts.hear(Duration::from_secs(9_999), SystemTime::now(), &[]);
    receiver.come_back().await;
    let arrived = receiver.takes(1).await;
    assert_eq!(words(&arrived), [("resolved".to_owned(), "h/disk.low".to_owned())]);
    // What it refuses is not tried again, and the next one is.
    receiver.answers(&[400, 200]);
    alerts.hear(Duration::from_secs(10_000), SystemTime::now(), &disk);
    let memory = [Component::new("memory", json!({})).with(true, Severity::Warning, "memory.high", "90 %")];
    receiver.tries(2).await;
    alerts.hear(Duration::from_secs(10_001), SystemTime::now(), &memory);
    let arrived = words(&receiver.takes(2).await);
    assert_eq!(
        arrived,
        [("resolved".to_owned(), "h/disk.low".to_owned()), ("firing".to_owned(), "h/memory.high".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_tells_of_a_plugin_it_refuses_and_of_nothing_a_tenant_owns() {
    let receiver = Receiver::start().await;
    let app = soon(App::plan(|plan| {
        plan.guests = vec!["sales"];
        forgiving(&mut plan.settings);
        plan.settings.alerts =
            config::Alerts { check_seconds: 1, hold_seconds: 0, ..alerts(&[(&receiver, Least::Warning)]) };
    }))
    .await;
    app.rows("seattle", "SELECT store_name FROM retail.stores").await;
    std::fs::copy(guest("trap"), app.plugins.path().join("trap.wasm")).expect("a plugin");
    std::fs::write(app.plugins.path().join("broken.wasm"), "no component").expect("a file");
    soon(app.look()).await;
    let fired = receiver.takes_about("h/plugins.refused/broken").await;
    assert_eq!(fired["state"], "firing", "{fired}");
    std::fs::remove_file(app.plugins.path().join("broken.wasm")).expect("the file");
    soon(app.look()).await;
    let over = receiver.takes_about("h/plugins.refused/broken").await;
    assert_eq!(over["state"], "resolved", "{over}");
    for message in [&fired, &over] {
        let text = message.to_string().to_lowercase();
        assert!(!text.contains("seattle") && !text.contains("hunter2") && !text.contains("no component"), "{text}");
        let mut keys: Vec<&String> = message.as_object().expect("an object").keys().collect();
        keys.sort();
        let known =
            ["at", "code", "component", "host", "key", "severity", "since", "state", "subject", "version", "what"];
        assert_eq!(keys, known);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_that_it_is_one() {
    let receiver = Receiver::start().await;
    let hooks = |url: &str| {
        let hook = format!(r#"[{{url="{url}",header="x-token",secret="hunter2",severity="critical"}}]"#);
        vec![("ROWHOUSE_ALERTS__WEBHOOK", hook)]
    };
    let (code, said) = run(&hooks(&receiver.url()), &["health", "alerts", "test"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "webhook 0: took the test\n"));
    let arrived = receiver.takes(1).await;
    assert_eq!((&arrived[0]["state"], &arrived[0]["code"]), (&json!("test"), &json!("alerts.test")));
    assert_eq!(receiver.headers(), ["hunter2"]);
    receiver.answers(&[403]);
    let (code, said) = run(&hooks(&receiver.url()), &["health", "alerts", "test", "--json"]).await;
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!((code, &told[0]["taken"]), (Some(1), &json!(false)));
    assert!(told[0]["trouble"].as_str().is_some_and(|why| why.contains("403")), "{told}");
    for (variables, part) in [
        (hooks("http://hooks.example/hunter2"), "webhook[0].url must be https"),
        (hooks("http://127.0.0.1:1/hunter2"), "webhook 0: it cannot be reached"),
        (vec![], "there is no [[alerts.webhook]]"),
    ] {
        let (code, said) = run(&variables, &["health", "alerts", "test"]).await;
        assert!(code == Some(1) && said.contains(part) && !said.contains("hunter2"), "{said}");
    }
}

/// Files of a control group.
const KERNEL: [&str; 3] = ["memory.max", "memory.current", "memory.stat"];

/// Every name below a table of the settings, as `usage.prices.call`.
fn names(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(table) => table.iter().for_each(|(name, value)| names(&format!("{path}.{name}"), value, found)),
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_setting_and_every_code_is_in_its_page() {
    let read = |page: &str| std::fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
    let settings = serde_json::to_value(Settings::default()).expect("settings are JSON");
    for (table, page) in [("usage", "docs/usage.md"), ("health", "docs/health.md"), ("alerts", "docs/health.md")] {
        let (text, mut found) = (read(page), Vec::new());
        names(table, &settings[table], &mut found);
        assert!(found.len() > 3, "{found:?}");
        let missing: Vec<_> = found.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{page} does not explain {missing:?}");
    }
    // Codes are written once, where they are found.
    let sources =
        ["host/src/health.rs", "host/src/health/machine.rs", "host/src/health/recent.rs", "host/src/mcp/health.rs"];
    let (page, mut codes) = (read("docs/health.md"), Vec::new());
    for text in sources.map(read) {
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned();
        let quoted = code.split('"').skip(1).step_by(2).map(str::to_owned);
        let is_code = |word: &String| {
            let parts: Vec<&str> = word.split('.').collect();
            parts.len() == 2
                && parts
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        // Files of the kernel's are called like that, too.
        codes.extend(quoted.filter(is_code).filter(|word| !KERNEL.contains(&word.as_str())));
    }
    codes.sort();
    codes.dedup();
    assert!(codes.len() > 12, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("| `{code}` |"))).collect();
    assert!(missing.is_empty(), "docs/health.md does not explain {missing:?}");
}
