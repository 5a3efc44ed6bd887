//! A host that fetches what it serves: once when it starts, and when somebody says so.

use super::server::Registry;
use super::{Desk, liar};
use crate::harness::{Silent, binary, settings, shared};
use crate::patience::soon;
use rowhouse::config::{PublicKeyText, Settings, Signatures};
use rowhouse::house::{Ground, House, Watcher};
use rowhouse::keys::Keys;
use std::path::Path;

/// Remembers what opening said.
#[derive(Default)]
struct Told(Vec<String>);

impl Watcher for Told {
    fn step(&mut self, name: &str, detail: &str) {
        self.0.push(format!("{name} {detail}"));
    }
    fn count(&mut self, _name: &str, _what: &str, _done: u64, _total: u64) {}
}

/// A house on the shared database that serves what its settings name; what it said while it opened, and what it serves.
async fn opened(change: impl FnOnce(&mut Settings)) -> (Vec<String>, Vec<String>, Vec<String>) {
    let mut settings = settings(shared().await);
    change(&mut settings);
    let keys = Keys::open(&settings.state_dir()).expect("keys");
    let ground = Ground::find(&settings, false, &mut Silent).await.expect("the shared database");
    let mut told = Told::default();
    let house = soon(House::open(&settings, &keys, ground, binary(), &mut told)).await.expect("an open house");
    let published = house.host.plugins.published();
    let served = published.plugins.values().map(|it| format!("{} {}", it.name, it.version)).collect();
    let refused = published.refused.values().map(|it| format!("{} {}", it.plugin, it.step)).collect();
    house.close().await.expect("a closed house");
    (told.0, served, refused)
}

fn sources(settings: &mut Settings, directory: &Path, all: &[(&str, &str)]) {
    settings.plugins.directory = directory.to_owned();
    // What was approved in another directory says nothing of this one.
    settings.plugins.lock = Some(directory.with_extension("lock"));
    settings.plugins.kept = Some(directory.with_extension("kept"));
    settings.plugins.sources = all.iter().map(|(name, from)| ((*name).to_owned(), (*from).to_owned())).collect();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_serves_what_it_can_have_and_says_what_it_cannot() {
    let (desk, mut registry, liar) = (Desk::new().await, Registry::open().await, liar::start().await);
    desk.echo("echo", true).await;
    let at = registry.at("zava/echo:stable");
    desk.does(&["push", "echo.wasm", &at]).await;
    let (gone, lies) = (registry.at("zava/sales:0.1.0"), format!("oci://{liar}/zava/sales:other-bytes"));
    let place = desk.path().join("served");
    let all = [("echo", at.as_str()), ("gone", &gone), ("lies", &lies)];
    let said = |told: &[String], start: &str, why: &str| {
        assert!(told.iter().any(|it| it.starts_with(start) && it.contains(why)), "{start} … {why}: {told:#?}");
    };

    // A machine that has nothing: not even the directory.
    let (told, served, _) = opened(|it| sources(it, &place, &all)).await;
    said(&told, "fetched echo", &at);
    said(&told, "missing gone", "is not there");
    said(&told, "missing lies", "does not have the digest");
    assert_eq!(served, ["echo 0.1.0"], "the one that could be had serves");

    // A tag that moved is a new version at the next start, not before.
    desk.echo("echo_next", true).await;
    desk.does(&["push", "echo.wasm", &at]).await;
    let (told, served, _) = opened(|it| sources(it, &place, &all)).await;
    said(&told, "fetched echo", &at);
    assert_eq!(served, ["echo 0.1.1"]);

    registry.crash().await;
    // What lies in the directory serves.
    let (told, served, _) = opened(|it| sources(it, &place, &all)).await;
    said(&told, "kept echo", "cannot be reached");
    assert_eq!(served, ["echo 0.1.1"]);
    // So does what was had before, where the directory is empty.
    let fresh = desk.path().join("fresh");
    let (told, served, _) = opened(|it| sources(it, &fresh, &all)).await;
    said(&told, "kept echo", "cannot be reached");
    assert_eq!(served, ["echo 0.1.1"]);
    // Nothing anywhere: the start goes on, and says what is missing and why.
    let other = registry.at("zava/echo:never");
    let nothing = desk.path().join("nothing");
    let (told, served, _) = opened(|it| sources(it, &nothing, &[("echo", &other)])).await;
    said(&told, "missing echo", "Connection refused");
    assert_eq!(served, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_has_no_right_that_a_file_has_not() {
    let (desk, registry) = (Desk::new().await, Registry::open().await);
    let key = PublicKeyText::File { file: desk.path().join("zava.pub") };
    let required = |settings: &mut Settings| {
        settings.plugins.signatures = Some(Signatures::Required);
        settings.plugins.publishers.insert("zava".to_owned(), key.clone());
    };
    for (name, signed, served, refused) in [
        ("echo", true, &["echo 0.1.0"][..], &[][..]),
        ("echo", false, &[], &["echo signature"]),
        ("wasi_probe", true, &[], &["echo grant"]),
    ] {
        desk.echo(name, signed).await;
        let at = registry.at(&format!("zava/echo:{}-{signed}", name.replace('_', "-")));
        desk.does(&["push", "echo.wasm", &at]).await;
        let place = desk.path().join(format!("{name}-{signed}"));
        let (_, now, not) = opened(|it| {
            sources(it, &place, &[("echo", &at)]);
            required(it);
        })
        .await;
        assert_eq!(
            (now, not),
            (served.iter().map(ToString::to_string).collect(), refused.iter().map(ToString::to_string).collect()),
            "{at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_fetches_what_the_settings_name_and_says_how_each_went() {
    let (desk, mut registry) = (Desk::new().await, Registry::open().await);
    desk.echo("echo", true).await;
    let at = registry.at("zava/echo:stable");
    desk.does(&["push", "echo.wasm", &at]).await;
    assert!(desk.fails(&["update"]).await.contains("names nothing"));
    desk.settings(&format!("[plugins.sources]\necho = \"{at}\"\ngone = \"{}\"\n", registry.at("zava/gone:1")));
    let listed = async || {
        let output = desk.rowhouse(&["list", "--json"]).await;
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let missing: Vec<_> = json["missing"].as_array().expect("a list").iter().map(|it| it["name"].clone()).collect();
        (output.status.code(), missing)
    };
    std::fs::create_dir(desk.path().join("plugins.d")).expect("a directory");
    assert_eq!(listed().await, (Some(1), vec!["echo".into(), "gone".into()]));
    let outcomes = async |code: i32, expected: &[&str]| {
        let output = desk.rowhouse(&["update", "--json"]).await;
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let found: Vec<_> = json.as_array().expect("a list").iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!(
            (output.status.code(), found),
            (Some(code), expected.iter().map(|it| (*it).into()).collect()),
            "{json}"
        );
    };
    outcomes(1, &["fetched", "missing"]).await;
    outcomes(1, &["unchanged", "missing"]).await;
    assert_eq!(listed().await, (Some(1), vec!["gone".into()]));
    assert_eq!(desk.told(&["update", "echo"]).await[0]["outcome"], "unchanged");
    assert!(desk.fails(&["update", "other"]).await.contains("does not name other"));
    registry.crash().await;
    outcomes(1, &["kept", "missing"]).await;
    for (text, why) in [
        ("echo = \"oci://echo:1\"", "plugins.sources.echo"),
        ("\"../echo\" = \"/tmp/echo.wasm\"", "is no name for a plugin"),
    ] {
        desk.settings(&format!("[plugins.sources]\n{text}\n"));
        assert!(desk.fails(&["update"]).await.contains(why), "{text}");
    }
}
