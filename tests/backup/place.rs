//! Where backups lie: what a full disk leaves, and the protocol of S3 against a server that speaks it.

use super::{Site, catalog, files_below, take, words};
use crate::harness::{self, Silent, binary, shared};
use crate::patience::soon;
use rowhouse::backup::{self, Wanted, meter};
use rowhouse::config::{self, Secret};
use rowhouse::house::Ground;
use serde_json::Value;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// What a command says, and how it ends.
async fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = soon(command.stdin(Stdio::null()).output()).await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// No file may grow over 32 KiB: to who writes it, that is a disk with no room left.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_leaves_nothing() {
    let (site, shared) = (Site::new().await, shared().await);
    let _turn = super::TURN.lock().await;
    let place = site.path("place");
    let rowhouse = |limit: &str, arguments: &str| {
        let mut command = Command::new("/bin/sh");
        let key = &site.settings.backup.recipients[0];
        let script = format!("trap '' XFSZ; {limit} exec {} {arguments}", binary().display());
        command.arg("-c").arg(script).env("DATABASE_URL", &shared.url).env("ROWHOUSE_STATE", &shared.state);
        command.env("ROWHOUSE_BACKUP__RECIPIENTS", format!("[\"{key}\"]")).current_dir(site.dir.path());
        command
    };
    let to = format!("--to {}", place.display());
    let (code, out, err) = run(&mut rowhouse("ulimit -f 64;", &format!("db backup {to}"))).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("cannot store") && err.contains("dump.pgdump.age") && err.contains("File too large"), "{err}");
    assert!(!err.contains(&shared.password), "{err}");
    assert_eq!(files_below(&place), Vec::<std::path::PathBuf>::new());
    let (code, out, _) = run(&mut rowhouse("", &format!("db list --json --from {}", place.display()))).await;
    let list: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, list["backups"].as_array().map(Vec::len)), (Some(1), Some(0)), "{out}");
    // With room, the same commands as a person has them.
    let (code, out, err) = run(&mut rowhouse("", &format!("db backup --json {to}"))).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let made: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&made["kind"], &made["encrypted"]), (&Value::from("dump"), &Value::from(true)));
    let (code, out, _) = run(&mut rowhouse("", &format!("db list --from {}", place.display()))).await;
    assert!(code == Some(0) && out.contains(made["id"].as_str().expect("an id")), "{out}");
    let verify =
        format!("db verify latest --from {} --identity {}", place.display(), site.path("backup.key").display());
    let (code, out, err) = run(&mut rowhouse("", &verify)).await;
    assert!(code == Some(0) && out.contains("is good"), "{out}{err}");
    // One table less than was counted: exit code 1, and its name.
    let path = place.join(made["id"].as_str().expect("an id")).join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON");
    let lost = serde_json::json!({ "name": "shop.lost", "rows": 1, "checksum": "7" });
    manifest["tables"].as_array_mut().expect("tables").push(lost);
    std::fs::write(&path, manifest.to_string()).expect("a file");
    let (code, out, err) = run(&mut rowhouse("", &verify)).await;
    assert!(code == Some(1) && out.contains("shop.lost: the table is not there"), "{out}{err}");
}

/// A server that speaks S3, its key, its secret and its bucket.
const PACKAGE: &str = "s3rver@3.7.1";
const KEY: &str = "S3RVER";
const BUCKET: &str = "backups";

/// Start one on a free port; it ends with its handle.
async fn s3(dir: &std::path::Path) -> (tokio::process::Child, String) {
    let node = tokio::task::spawn_blocking(|| {
        // Two tests must not install into one directory at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let node = xtask::node::ensure(harness::root())?;
        node.npm_install(&harness::root().join(".tools/s3"), &[PACKAGE])?;
        anyhow::Ok(node)
    });
    let node = node.await.expect("no panic in there").expect("Node, npm and the package");
    let script = harness::root().join(".tools/s3/node_modules/s3rver/bin/s3rver.js");
    let mut command = node.run(&script).expect("a PATH");
    command.arg("-d").arg(dir).args(["-a", "127.0.0.1", "-p", "0", "--configure-bucket", BUCKET]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Command::from(command).kill_on_drop(true).spawn().expect("Node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
    let address = soon(async {
        loop {
            let line = lines.next_line().await.expect("text").expect("a line before its end");
            if let Some((_, address)) = line.split_once("listening on ") {
                return address.trim().to_owned();
            }
        }
    })
    .await;
    // It writes a line for each request, and must not wait for somebody to read it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, format!("http://{address}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_takes_them_and_gives_them_back() {
    let (site, shared) = (Site::new().await, shared().await);
    let _turn = super::TURN.lock().await;
    let (_server, endpoint) = s3(&site.path("s3")).await;
    let mut source = site.settings.clone();
    source.database.url = Some(shared.url.clone().into());
    source.backup.to = Some(format!("s3://{BUCKET}/zava/rowhouse"));
    let options = [
        ("aws_endpoint", endpoint.as_str()),
        ("aws_allow_http", "true"),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", KEY),
        ("aws_secret_access_key", KEY),
    ];
    source.backup.options = options.map(|(name, value)| (name.to_owned(), Secret::from(value.to_owned()))).into();
    let ground = Ground::find(&source, false, &mut Silent).await.expect("the shared database");
    let first = take(&source, &ground, &Wanted::default()).await.map_err(words).expect("a dump").manifest;
    let second = take(&source, &ground, &Wanted::default()).await.map_err(words).expect("a dump").manifest;
    let report = backup::verify(&source, "latest", None, None, &meter()).await.map_err(words).expect("a trial");
    assert_eq!((report.manifest.id, report.differences), (second.id.clone(), Vec::new()));
    source.backup.keep.last = 1;
    let third = take(&source, &ground, &Wanted::default()).await.map_err(words).expect("a dump");
    assert_eq!(third.removed, [second.id, first.id]);
    let left = catalog(&source).await;
    assert_eq!((left.entries.len(), left.partial.len()), (1, 0));
}

#[test]
fn every_setting_is_in_the_manual() {
    let text = std::fs::read_to_string(harness::root().join("docs/backups.md")).expect("the manual");
    let (_, table) = text.split_once("| setting of `[backup]`").expect("a table");
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let mut told: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    told.sort_unstable();
    let written = serde_json::to_value(config::Backup::default()).expect("settings are JSON");
    let written = written.as_object().expect("a table");
    // Secrets are not written back.
    let mut known: Vec<&str> = written.keys().map(String::as_str).chain(["identity", "options", "url"]).collect();
    known.sort_unstable();
    assert_eq!(told, known);
    let chain = format!("| `chain` | {} |", config::Backup::default().chain);
    assert!(text.contains(&chain), "{chain}");
}
