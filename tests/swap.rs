//! Plugins come, change and go while calls run: nobody who calls a good tool notices.

mod admin; // The operator's door.
mod approval; // Versions that wait, are approved, rolled back and held.
mod load; // A thousand swaps.
mod trials; // Canaries, and versions that fail.

use crate::harness::{App, Plan, binary, guest};
use crate::patience::soon;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// Callers at once: as many as the house has slots.
const CALLERS: u32 = 8;

/// An `App` with nothing but `echo`.
async fn only_echo(change: impl FnOnce(&mut Plan)) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["echo"];
        change(plan);
    };
    soon(App::plan(plan)).await
}

/// Which version of `echo` answers; it must answer.
async fn version(app: &App) -> String {
    version_for(app, "seattle").await
}

/// The same, for one of the demo's identities.
async fn version_for(app: &App, who: &str) -> String {
    let answer = soon(app.answer(who, "echo", json!({ "text": "hi" }))).await;
    assert_eq!(answer["text"], "hi");
    answer["version"].as_str().expect("a version").to_owned()
}

/// What is told to whoever calls a tool that is not there.
async fn is_gone(app: &App) {
    let reply = soon(app.post("seattle", "echo", json!({}))).await;
    assert_eq!(reply["error"]["message"], "unknown tool: echo", "{reply}");
}

/// Where plugins are published from.
fn file(app: &App) -> PathBuf {
    app.plugins.path().join("echo.wasm")
}

/// Why the version of `echo` in the directory waits, if it does.
fn waits(app: &App) -> Option<String> {
    app.host.plugins.published().parked.get("echo").map(|parked| parked.why.join("; "))
}

/// `rowhouse plugin …`, on what this house stands on, as an operator runs it beside it.
fn operator(app: &App, arguments: &[&str]) -> std::process::Output {
    let (directory, pins) = (app.plugins.path(), app.plugins.path().join("pins"));
    let mut command = std::process::Command::new(binary());
    command.current_dir(directory).env_remove("DATABASE_URL").env("ROWHOUSE_STATE", pins.join("state"));
    command.env("ROWHOUSE_PLUGINS__LOCK", pins.join("rowhouse.lock")).env("ROWHOUSE_PLUGINS__KEPT", pins.join("kept"));
    command.env("ROWHOUSE_PLUGINS__DIRECTORY", directory).arg("plugin").args(arguments);
    command.stdin(std::process::Stdio::null()).output().expect("the program runs")
}

/// The same, where it must go well; what it said.
fn does(app: &App, arguments: &[&str]) -> String {
    let output = operator(app, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A settings file for the operator's commands.
fn set(app: &App, settings: &str) {
    std::fs::write(app.plugins.path().join("rowhouse.toml"), settings).expect("written");
}

/// Why `echo` was refused at the last look, if it was.
fn refused(app: &App) -> Option<String> {
    app.host.plugins.published().refused.get("echo").map(ToString::to_string)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_fails_while_a_plugin_is_replaced() {
    let app = Arc::new(only_echo(|_| {}).await);
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (app, over, done) = (Arc::clone(&app), Arc::clone(&over), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    seen.push(version(&app).await);
                    done.add_permits(1);
                }
                seen
            })
        })
        .collect();
    // Wait for calls, not for time: half a dozen a caller before, and after.
    let some_calls = async || soon(done.acquire_many(CALLERS * 6)).await.expect("callers that call").forget();
    some_calls().await;
    app.install("echo_next", "echo");
    soon(app.look()).await;
    assert_eq!(version(&app).await, "0.1.1", "the look is over: who calls now gets the new version");
    some_calls().await;
    some_calls().await;
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        let seen = soon(caller).await.expect("no call failed");
        assert!(seen.is_sorted(), "the old version came back: {seen:?}");
        let ends = (seen.first().map(String::as_str), seen.last().map(String::as_str));
        assert_eq!(ends, (Some("0.1.0"), Some("0.1.1")));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_served_leaves_the_last_good_version() {
    let app = only_echo(|_| {}).await;
    let good = std::fs::read(file(&app)).expect("the guest");
    let lies = std::fs::read(guest("lies_in_describe")).expect("a guest");
    for (what, bytes, step) in [
        ("half a copy", &good[..good.len() / 2], "parse"),
        ("an empty file", &[][..], "parse"),
        ("some text", b"not a component", "parse"),
        ("another plugin", &lies[..], "describe"),
    ] {
        std::fs::write(file(&app), bytes).expect("written");
        soon(app.look()).await;
        let why = refused(&app).unwrap_or_else(|| panic!("{what} was not refused"));
        assert!(why.contains(&format!("refused at {step}")), "{what}: {why}");
        assert_eq!(version(&app).await, "0.1.0", "{what}");
    }
    app.install("echo_next", "echo");
    soon(app.look()).await;
    assert_eq!((refused(&app), version(&app).await.as_str()), (None, "0.1.1"));
}

#[tokio::test]
async fn a_file_that_is_gone_is_served_no_more() {
    let app = only_echo(|_| {}).await;
    std::fs::remove_file(file(&app)).expect("removed");
    soon(app.look()).await;
    is_gone(&app).await;
    assert_eq!(app.host.tools(&app.principal("seattle")).len(), 0);
    app.install("echo", "echo");
    soon(app.look()).await;
    assert_eq!(version(&app).await, "0.1.0", "it may come back");
}

#[tokio::test]
async fn callers_are_told_of_changes_and_of_nothing_else() {
    let app = only_echo(|_| {}).await;
    let changes = app.host.changes();
    type Step = fn(&App);
    let steps: [(&str, Step, u64); 9] = [
        ("nothing happened", |_| {}, 0),
        ("the same bytes once more", |app| app.install("echo", "echo"), 0),
        ("a file that is no plugin", |app| std::fs::write(app.plugins.path().join("README"), "x").expect("written"), 0),
        ("a new version", |app| app.install("echo_next", "echo"), 1),
        ("a broken version", |app| std::fs::write(file(app), "x").expect("written"), 0),
        ("the good one back", |app| app.install("echo_next", "echo"), 0),
        ("another plugin", |app| app.install("trap", "trap"), 1),
        ("a plugin that is refused", |app| app.install("lies_in_describe", "lies_in_describe"), 0),
        (
            "both gone",
            |app| {
                for name in ["echo.wasm", "trap.wasm"] {
                    std::fs::remove_file(app.plugins.path().join(name)).expect("removed");
                }
            },
            1,
        ),
    ];
    for (what, step, ticks) in steps {
        let before = *changes.borrow();
        step(&app);
        soon(app.look()).await;
        assert_eq!(*changes.borrow() - before, ticks, "{what}");
    }
}

#[tokio::test]
async fn a_watched_directory_needs_no_look() {
    let app = only_echo(|plan| plan.settings.plugins.watch = true).await;
    let mut changes = app.host.changes();
    let beside = app.plugins.path().join("echo.part");
    type Step = fn(&Path, &App);
    let steps: [(&str, Step, Option<&str>); 3] = [
        // As a careful operator does it, and as `cp` does it.
        (
            "renamed over",
            |beside, app| {
                std::fs::copy(guest("echo_next"), beside).expect("copied");
                std::fs::rename(beside, file(app)).expect("renamed");
            },
            Some("0.1.1"),
        ),
        ("copied over", |_, app| app.install("echo", "echo"), Some("0.1.0")),
        ("removed", |_, app| std::fs::remove_file(file(app)).expect("removed"), None),
    ];
    for (what, step, expect) in steps {
        changes.borrow_and_update();
        step(&beside, &app);
        soon(changes.changed()).await.unwrap_or_else(|_| panic!("{what}: the registry is gone"));
        match expect {
            Some(expect) => assert_eq!(version(&app).await, expect, "{what}"),
            None => is_gone(&app).await,
        }
    }
}

/// Compiled code in a cache directory: every file but its key.
fn kept(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache).expect("the cache").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.file_name().is_some_and(|name| name != "key")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn kept_code_that_was_changed_is_not_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("code");
    let start = async |name: &'static str| {
        let plan = |plan: &mut Plan| {
            plan.guests = vec![name];
            plan.settings.plugins.cache = Some(cache.clone());
        };
        soon(App::plan(plan)).await
    };
    soon(start("trap").await.stop()).await;
    let [other] = &kept(&cache)[..] else { panic!("one file for one plugin") };
    let other = std::fs::read(other).expect("another plugin's code");
    std::fs::remove_file(&kept(&cache)[0]).expect("removed");
    soon(start("echo").await.stop()).await;
    let [code] = &kept(&cache)[..] else { panic!("one file for one plugin") };
    let good = std::fs::read(code).expect("the code");
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("a byte of the code", flipped(good.len() / 2)),
        ("a byte of the signature", flipped(good.len() - 1)),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("shorter than a signature", good[..16].to_vec()),
        ("empty", Vec::new()),
        ("another plugin's code, well signed", other),
    ] {
        std::fs::write(code, &bytes).expect("written");
        let app = start("echo").await;
        assert_eq!(version(&app).await, "0.1.0", "{what}");
        assert_ne!(std::fs::read(code).expect("the code"), bytes, "{what}: it was compiled again");
        soon(app.stop()).await;
    }
    // Left alone, it is used as it is.
    let before = std::fs::metadata(code).and_then(|file| file.modified()).expect("a time");
    soon(start("echo").await.stop()).await;
    assert_eq!(std::fs::metadata(code).and_then(|file| file.modified()).expect("a time"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn houses_that_start_at_once_share_a_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("code");
    let houses: Vec<_> = (0..4)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(only_echo(move |plan| plan.settings.plugins.cache = Some(cache)))
        })
        .collect();
    for house in houses {
        assert_eq!(version(&soon(house).await.expect("an open house")).await, "0.1.0");
    }
    assert_eq!(kept(&cache).len(), 1, "one file for one plugin");
}
