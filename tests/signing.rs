//! Who made what is served: keys, signatures, and what a changed file leaves serving.

use crate::harness::{App, binary, guest};
use crate::patience::soon;
use rowhouse::config::{Grant, PublicKeyText, Signatures};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// `rowhouse plugin …`, as somebody with a shell runs it.
fn rowhouse(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(directory).env_remove("DATABASE_URL").env("ROWHOUSE_STATE", directory.join("state"));
    command.arg("plugin").args(arguments).output().expect("the program runs")
}

/// The same, where it must go well; what it said.
fn does(directory: &Path, arguments: &[&str]) -> String {
    let output = rowhouse(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A directory with a pair of keys of `zava` and of `stranger`.
fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().expect("a directory");
    for name in ["zava", "stranger"] {
        does(desk.path(), &["keygen", name]);
    }
    desk
}

/// An `App` that serves `echo`, signed by `zava`, and nothing that is not.
async fn app(desk: &Path, plugins: Option<tempfile::TempDir>) -> App {
    let key = PublicKeyText::File { file: desk.join("zava.pub") };
    soon(App::plan(|plan| {
        (plan.guests, plan.plugins) = (Vec::new(), plugins);
        plan.settings.plugins.signatures = Some(Signatures::Required);
        plan.settings.plugins.publishers.insert("zava".to_owned(), key);
        plan.settings
            .plugins
            .grants
            .insert("echo".to_owned(), Grant { publishers: ["zava".to_owned()].into(), ..Grant::default() });
    }))
    .await
}

/// Put a guest, signed with a key, where the app looks.
fn put(desk: &Path, app: &App, name: &str, key: &str) {
    let file = desk.join("echo.wasm");
    std::fs::copy(guest(name), &file).expect("a guest");
    does(desk, &["sign", "--key", key, "echo.wasm"]);
    std::fs::rename(file, app.plugins.path().join("echo.wasm")).expect("on one disk, or copied");
}

async fn version(app: &App) -> String {
    let answer = soon(app.answer("seattle", "echo", json!({ "text": "hi" }))).await;
    answer["version"].as_str().expect("a version").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_publisher_signed_is_served_and_a_changed_file_leaves_the_last_good_one() {
    let desk = desk();
    let app = app(desk.path(), None).await;
    let place = app.plugins.path().join("echo.wasm");
    let refused =
        |app: &App| app.host.plugins.published().refused.get("echo").map(|why| (why.step, why.reason.clone()));

    app.install("echo", "echo");
    soon(app.look()).await;
    let (step, reason) = refused(&app).expect("an unsigned plugin is refused");
    assert_eq!(step, "signature");
    assert!(reason.contains("rowhouse plugin sign"), "{reason}");
    assert_eq!(app.host.plugins.published().tools().count(), 0, "and was never served");

    put(desk.path(), &app, "echo", "zava.key");
    soon(app.look()).await;
    assert_eq!((refused(&app), version(&app).await.as_str()), (None, "0.1.0"));
    assert_eq!(app.host.plugins.published().plugins["echo"].publisher.as_deref(), Some("zava"));

    let good = std::fs::read(&place).expect("the plugin");
    let mut changed = good.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    let next = std::fs::read(guest("echo_next")).expect("a guest");
    // The signature of the version before, over another component: what whoever cannot sign would try.
    let header = good.len() - std::fs::read(guest("echo")).expect("a guest").len();
    let spliced = [&good[..8 + header], &next[8..]].concat();
    for (what, bytes) in
        [("one byte changed", &changed), ("an unsigned version", &next), ("another's signature", &spliced)]
    {
        std::fs::write(&place, bytes).expect("written");
        soon(app.look()).await;
        assert_eq!(refused(&app).map(|(step, _)| step), Some("signature"), "{what}");
        assert_eq!(version(&app).await, "0.1.0", "{what}: the last good version serves on");
    }

    put(desk.path(), &app, "echo_next", "stranger.key");
    soon(app.look()).await;
    assert_eq!((refused(&app).map(|(step, _)| step), version(&app).await.as_str()), (Some("signature"), "0.1.0"));

    // Also after a restart, from what is kept.
    let app = restarted(desk.path(), app).await;
    assert_eq!((refused(&app).map(|(step, _)| step), version(&app).await.as_str()), (Some("signature"), "0.1.0"));
    assert_eq!(app.host.plugins.published().plugins["echo"].publisher.as_deref(), Some("zava"));

    put(desk.path(), &app, "echo_next", "zava.key");
    soon(app.look()).await;
    assert_eq!((refused(&app), version(&app).await.as_str()), (None, "0.1.1"));
    // What is kept is as good as its signature: without its publisher it does not serve.
    std::fs::write(&place, &changed).expect("written");
    std::fs::copy(desk.path().join("stranger.pub"), desk.path().join("zava.pub")).expect("another key");
    let app = restarted(desk.path(), app).await;
    assert_eq!(refused(&app).map(|(step, _)| step), Some("signature"));
    assert!(app.host.plugins.published().plugins.is_empty());
}

/// The same directory, in another house.
async fn restarted(desk: &Path, before: App) -> App {
    let plugins = before.leave().await;
    app(desk, Some(plugins)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_may_come_to_lie_beside() {
    let desk = desk();
    let app = app(desk.path(), None).await;
    app.install("echo", "echo");
    soon(app.look()).await;
    assert!(app.host.plugins.published().plugins.is_empty());
    let place = app.plugins.path().join("echo.wasm");
    does(desk.path(), &["sign", "--beside", "--key", "zava.key", &place.display().to_string()]);
    assert!(place.with_extension("wasm.sig").is_file());
    soon(app.look()).await;
    assert_eq!(version(&app).await, "0.1.0", "the bytes are the ones that were refused before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_says_what_it_is_and_what_would_change() {
    let desk = desk();
    let here = desk.path();
    let plugins = here.join("plugins.d");
    std::fs::create_dir(&plugins).expect("a directory");
    std::fs::copy(guest("echo"), plugins.join("echo.wasm")).expect("a guest");
    let cases: [(&str, &[&str]); 3] = [
        ("echo_next", &["version 0.1.0 -> 0.1.1"]),
        ("echo_reworded", &["description of echo differs"]),
        ("echo_widened", &["WIDER: also imports rowhouse:plugin/"]),
    ];
    for (name, expected) in cases {
        std::fs::copy(guest(name), here.join("echo.wasm")).expect("a guest");
        let text = does(here, &["inspect", "echo.wasm"]);
        let json: Value = serde_json::from_str(&does(here, &["inspect", "--json", "echo.wasm"])).expect("JSON");
        for line in expected {
            assert!(text.contains(line), "{name}: {text}");
            let changes = json["changes"].as_array().expect("changes");
            let says = |change: &Value| change["what"].as_str().is_some_and(|it| it.contains(line));
            assert!(changes.iter().any(says), "{name}: {json}");
        }
        assert_eq!(json["component"]["digest"], json["proved"]["digest"], "{name}");
        let exports = json["component"]["exports"].to_string();
        assert!(exports.contains("rowhouse:plugin/tools@0.1.0"), "{name}: {exports}");
        assert!(json["component"]["producers"]["processed-by"]["wit-component"].is_string(), "{name}: {json}");
    }
    // What this host would refuse says so, and is still shown.
    std::fs::copy(guest("wasi_probe"), here.join("wasi_probe.wasm")).expect("a guest");
    let output = rowhouse(here, &["inspect", "wasi_probe.wasm"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("REFUSED") && text.contains("refused at grant") && text.contains("wasi:cli"), "{text}");
    // Neither a key that is there nor a file that is no component is written over.
    for (arguments, why) in
        [(["keygen", "zava", ""], "choose another name"), (["inspect", "zava.pub", ""], "not WebAssembly")]
    {
        let arguments: Vec<&str> = arguments.into_iter().filter(|it| !it.is_empty()).collect();
        let output = rowhouse(here, &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{arguments:?}");
    }
}
