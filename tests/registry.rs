//! Plugins that go to a registry and come from one: the command line against a real registry, and against one that lies.

mod authority; // Certificates.
mod liar; // A registry that lies.
mod secured; // A real one as they are in the cloud: TLS, tokens, helpers that know passwords.
mod server; // A real one.
mod start; // A host that fetches what it serves.
mod tokens; // Who gives out tokens for it.
mod wit; // The contract, as a package.

use crate::harness::{binary, guest};
use crate::patience::soon;
use serde_json::Value;
use server::{ACCOUNT, Registry, basic};
use std::ffi::OsString;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;
use tokio::process::Command;

/// Somebody's working directory: keys of `zava`, no credentials of the machine's own.
pub struct Desk {
    own: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Desk {
    pub async fn new() -> Self {
        let desk = Self { own: tempfile::tempdir().expect("a directory"), environment: Vec::new() };
        std::fs::create_dir(desk.path().join("docker")).expect("a directory");
        desk.does(&["keygen", "zava"]).await;
        desk
    }

    pub fn path(&self) -> &Path {
        self.own.path()
    }

    /// What the shell has set from now on.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// `rowhouse plugin …`, as somebody with a shell runs it.
    pub async fn rowhouse(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.current_dir(self.path()).env_remove("DATABASE_URL");
        command.env("ROWHOUSE_STATE", self.path().join("state")).env("DOCKER_CONFIG", self.path().join("docker"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("plugin").args(arguments).kill_on_drop(true);
        soon(command.output()).await.expect("the program runs")
    }

    /// The same, where it must go well; what it said.
    pub async fn does(&self, arguments: &[&str]) -> String {
        let output = self.rowhouse(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same, as JSON.
    pub async fn told(&self, arguments: &[&str]) -> Value {
        let said = self.does(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&said).expect("JSON")
    }

    /// The same, where it must fail; why it did.
    pub async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.rowhouse(arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("text")
    }

    pub fn settings(&self, text: &str) {
        std::fs::write(self.path().join("rowhouse.toml"), text).expect("a file of ours");
    }

    /// A guest as `echo.wasm`, signed in its place or not.
    pub async fn echo(&self, which: &str, signed: bool) -> Vec<u8> {
        let file = self.path().join("echo.wasm");
        std::fs::copy(guest(which), &file).expect("a guest");
        if signed {
            self.does(&["sign", "--key", "zava.key", "echo.wasm"]).await;
        }
        std::fs::read(file).expect("a file of ours")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_comes_back_to_the_byte_and_only_once() {
    let (desk, mut registry) = (Desk::new().await, Registry::open().await);
    let at = registry.at("zava/echo:0.1.0");
    let bytes = desk.echo("echo", false).await;
    desk.does(&["sign", "--beside", "--key", "zava.key", "echo.wasm"]).await;
    let signature = std::fs::read(desk.path().join("echo.wasm.sig")).expect("a signature");

    let pushed = desk.told(&["push", "echo.wasm", &at]).await;
    assert_eq!(pushed["sent"], bytes.len(), "{pushed}");
    let again = desk.told(&["push", "echo.wasm", &at]).await;
    assert_eq!((&again["sent"], &again["manifest"]), (&0.into(), &pushed["manifest"]), "the same is the same: {again}");
    assert_eq!(desk.told(&["tags", &registry.at("zava/echo")]).await, serde_json::json!(["0.1.0"]));

    let there = |file: &str| std::fs::read(desk.path().join("plugins.d").join(file)).ok();
    let pulled = desk.told(&["pull", &at]).await;
    assert_eq!((&pulled["transferred"], &pulled["signed"]), (&bytes.len().into(), &true.into()), "{pulled}");
    assert_eq!(pulled["manifest"], pushed["manifest"]);
    assert_eq!((there("echo.wasm"), there("echo.wasm.sig")), (Some(bytes.clone()), Some(signature.clone())));

    let transfers = registry.transfers();
    assert!(transfers > 0, "the registry's log says what was asked for");
    let to = desk.path().join("elsewhere");
    let second = desk.told(&["pull", &at, "--to", &to.display().to_string(), "--name", "other"]).await;
    assert_eq!(second["transferred"], 0, "{second}");
    assert_eq!(registry.transfers(), transfers, "the second pull transfers nothing");
    assert_eq!(std::fs::read(to.join("other.wasm")).expect("pulled"), bytes);

    // A pinned version that was had is not even asked for.
    let pinned = pushed["pinned"].as_str().expect("a reference");
    desk.does(&["pull", pinned]).await;
    registry.crash().await;
    assert_eq!(desk.told(&["pull", pinned]).await["changed"], false);
    assert!(desk.fails(&["pull", &at]).await.contains("cannot be reached"), "a tag is asked for");

    // A kept copy that was changed is none.
    let kept = desk.path().join("state/plugins/pulled");
    let digest = pushed["component"].as_str().and_then(|it| it.strip_prefix("sha256:")).expect("a digest");
    std::fs::write(kept.join(format!("{digest}.wasm")), b"something else").expect("a file of ours");
    assert!(desk.fails(&["pull", pinned]).await.contains("cannot be reached"));
    registry.restart().await;
    assert_eq!(desk.told(&["pull", pinned]).await["transferred"], bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_digest_is_held_to_when_its_tag_moves() {
    let (desk, registry) = (Desk::new().await, Registry::open().await);
    let at = registry.at("zava/echo:stable");
    let first = desk.echo("echo", true).await;
    let pushed = desk.told(&["push", "echo.wasm", &at]).await;
    let second = desk.echo("echo_next", true).await;
    desk.does(&["push", "echo.wasm", &at]).await;
    let digest = pushed["manifest"].as_str().expect("a digest");
    for (reference, expected) in [
        (at.clone(), &second),
        (registry.at(&format!("zava/echo@{digest}")), &first),
        (format!("{at}@{digest}"), &first),
    ] {
        desk.does(&["pull", &reference]).await;
        let there = std::fs::read(desk.path().join("plugins.d/echo.wasm")).expect("pulled");
        assert!(there == *expected, "{reference}");
    }
    // No version of that digest: none, and not another one.
    let none = registry.at(&format!("zava/echo@sha256:{}", "0".repeat(64)));
    assert!(desk.fails(&["pull", &none]).await.contains("is not there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_opens_to_the_settings_and_to_docker_and_says_what_it_wants() {
    let (desk, registry) = (Desk::new().await, Registry::closed().await);
    desk.echo("echo", true).await;
    let (at, host) = (registry.at("zava/echo:0.1.0"), registry.host());
    let table = format!("[plugins.registries.\"{host}\"]\n");
    let (account, password) = ACCOUNT;
    let docker = |password: &str| {
        let text = serde_json::json!({ "auths": { &host: { "auth": basic(password) } } }).to_string();
        std::fs::write(desk.path().join("docker/config.json"), text).expect("a file of ours");
    };
    std::fs::write(desk.path().join("password"), format!("{password}\n")).expect("a file of ours");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(desk.path().join("password"), private).expect("a file of ours");
    let own = |line: &str| format!("{table}username = \"{account}\"\n{line}\n");

    // Settings, what Docker knows, and what a refusal says; None where it opens.
    let cases: [(String, Option<&str>, Option<&str>); 8] = [
        (String::new(), None, Some("refuses a caller without credentials")),
        (own("password = \"wrong-password\""), None, Some("refuses the password of the settings for zava")),
        (own("password = { file = \"missing\" }"), None, Some("the file missing")),
        (own(""), None, Some("needs either username and password")),
        (String::new(), Some("wrong-password"), Some("refuses the password in ")),
        (own("password = \"wrong-password\""), Some(password), Some("refuses the password of the settings")),
        (String::new(), Some(password), None),
        (own("password = { file = \"password\" }"), Some("wrong-password"), None),
    ];
    for (settings, dockers, refusal) in cases {
        desk.settings(&settings);
        match dockers {
            Some(password) => docker(password),
            None => drop(std::fs::remove_file(desk.path().join("docker/config.json"))),
        }
        for command in [&["push", "echo.wasm", at.as_str()][..], &["pull", &at], &["tags", &at]] {
            let Some(refusal) = refusal else {
                desk.does(command).await;
                continue;
            };
            let said = desk.fails(&[command, &["--log", "trace"]].concat()).await;
            assert!(said.contains(refusal), "{settings} {dockers:?} {command:?}: {said}");
            assert!(
                said.contains(&format!("plugins.registries.\"{host}\"")) || said.contains("credentials for"),
                "{said}"
            );
            // Neither as it is nor as it is sent.
            for secret in [password, "wrong-password", "emF2YTp3cm9uZy1wYXNzd29yZA", "emF2YTpvcGVuLXNlc2FtZQ"] {
                assert!(!said.contains(secret), "{command:?}: {said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_says_is_refused_and_nothing_of_it_kept() {
    let (desk, registry, liar) = (Desk::new().await, Registry::open().await, liar::start().await);
    let size = desk.echo("echo", true).await.len();
    desk.does(&["push", "echo.wasm", &registry.at("zava/echo:0.1.0")]).await;
    let small = format!("[plugins]\nmax_bytes = {}\n", size - 1);
    let tls = format!("[plugins.registries.\"{}\"]\nplaintext = false\n", registry.host());
    let token = format!("[plugins.registries.\"{liar}\"]\ntoken = \"a-token-of-ours\"\n");
    let lies = |tag: &str| format!("oci://{liar}/zava/sales:{tag}");
    for (reference, settings, why) in [
        (registry.at("zava/echo:9.9.9"), "", "is not there"),
        (registry.at("zava/nothing:0.1.0"), "", "is not there"),
        (registry.at("zava/echo"), "", "which version?"),
        (registry.at("zava/echo:0.1.0"), &small, "are accepted (plugins.max_bytes)"),
        (registry.at("zava/echo:0.1.0"), &tls, "cannot be reached"),
        ("oci://127.0.0.1:1/zava/echo:0.1.0".to_owned(), "", "Connection refused"),
        (lies("image"), "", "it may be a container image"),
        (lies("list"), "", "it is a list of others"),
        (lies("path"), "", "no SHA-256 digest"),
        (lies("large"), "", "has 1099511627776 bytes"),
        (lies("other-bytes"), "", "does not have the digest it should have"),
        (lies("more-bytes"), "", "and 1000 are accepted"),
        (lies("wrong-header"), "", "does not have the digest it should have"),
        (lies("elsewhere"), "", "is not there"),
        (lies("no-json"), "", "no manifest at all"),
        (lies("endless"), "", "more than the fetching process has memory for"),
        (lies("echo"), &token, "TOOMANYREQUESTS"),
    ] {
        desk.settings(settings);
        let said = desk.fails(&["pull", &reference]).await;
        assert!(said.contains(why), "{reference}: {said}");
        assert!(!said.contains(liar::ECHO) && !said.contains("a-token-of-ours"), "a registry's own words: {said}");
        assert!(!desk.path().join("plugins.d").exists(), "{reference}");
        let kept = std::fs::read_dir(desk.path().join("state/plugins/pulled")).map_or(0, Iterator::count);
        assert_eq!(kept, 0, "{reference}: nothing of it is kept");
    }
    desk.settings("");
    let from = desk.path().join("echo.wasm").display().to_string();
    let pulled = desk.told(&["pull", &format!("file:{from}"), "--to", "here"]).await;
    assert_eq!((&pulled["transferred"], &pulled["changed"]), (&0.into(), &true.into()));
    desk.settings(&small);
    assert!(desk.fails(&["pull", &from]).await.contains("are accepted (plugins.max_bytes)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_signed_proved_and_stays() {
    let (desk, registry) = (Desk::new().await, Registry::open().await);
    let at = registry.at("zava/echo");
    let publish = |rest: &[&str]| [&["publish", "echo.wasm", at.as_str()], rest].concat().join(" ");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = async |line: String, works: bool| {
        let words = words(&line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if works { desk.told(&words).await.to_string() } else { desk.fails(&words).await }
    };
    desk.echo("echo", false).await;
    assert!(run(publish(&[]), false).await.contains("rowhouse plugin sign"));
    desk.echo("wasi_probe", true).await;
    assert!(run(publish(&[]), false).await.contains("not published: "), "what no host takes");
    desk.echo("echo", true).await;
    let wrong = run(format!("publish echo.wasm {at}:0.2.0"), false).await;
    assert!(wrong.contains("calls itself 0.1.0, and the reference 0.2.0"), "{wrong}");
    let first = run(publish(&[]), true).await;
    assert!(first.contains("zava/echo:0.1.0") && first.contains("\"pushed\":true"), "the version is the tag: {first}");
    let again = run(publish(&[]), true).await;
    assert!(again.contains("\"pushed\":false"), "the same again is no fault: {again}");
    // Another content under the version that others pinned.
    desk.does(&["keygen", "other"]).await;
    std::fs::copy(guest("echo"), desk.path().join("echo.wasm")).expect("a guest");
    desk.does(&["sign", "--key", "other.key", "echo.wasm"]).await;
    assert!(run(publish(&[]), false).await.contains("what others pinned"));
    assert!(run(publish(&["--tag", "0.1.0-zava"]), true).await.contains("\"pushed\":true"));
    assert!(run(publish(&["--force"]), true).await.contains("\"pushed\":true"));
    assert_eq!(desk.told(&["tags", &at]).await, serde_json::json!(["0.1.0", "0.1.0-zava"]));
}
