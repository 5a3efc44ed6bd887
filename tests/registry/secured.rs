//! A registry as they are in the cloud: behind TLS, open to tokens that somebody else gives out, with passwords that a
//! program knows.

use super::Desk;
use super::authority::Authority;
use super::server::{ACCOUNT, Registry, basic};
use super::tokens::Tokens;

const WRONG: &str = "wrong-password";

/// What no output may have in it: passwords, as they are and as they are sent, and the beginning of every token (`{"`).
fn secrets() -> Vec<String> {
    [ACCOUNT.1, WRONG].iter().flat_map(|it| [(*it).to_owned(), basic(it)]).chain(["eyJ".to_owned()]).collect()
}

/// A desk with a signed plugin and a registry behind TLS.
struct Place {
    desk: Desk,
    registry: Registry,
    tokens: Tokens,
}

impl Place {
    /// The registry's certificate is for `name`; the desk believes its authority.
    async fn new(name: &str) -> Self {
        let (mut desk, authority) = (Desk::new().await, Authority::new());
        std::fs::write(desk.path().join("authorities.pem"), authority.certificate()).expect("a file of ours");
        desk.set("SSL_CERT_FILE", desk.path().join("authorities.pem"));
        desk.echo("echo", true).await;
        let tokens = Tokens::open(&authority).await;
        Self { registry: Registry::secured(&authority, name, &tokens).await, desk, tokens }
    }

    /// Settings for the registry. On this machine's own addresses TLS has to be asked for.
    fn settings(&self, proof: &str) {
        let table = format!("[plugins.registries.\"{}\"]\nplaintext = false\n", self.registry.host());
        self.desk.settings(&format!("{table}{proof}\n"));
    }

    fn password(&self, password: &str) {
        self.settings(&format!("username = \"{}\"\npassword = \"{password}\"", ACCOUNT.0));
    }

    /// `plugin WHAT` with this repository, where it must go well, or fail for this reason.
    async fn check(&self, what: &str, repository: &str, refusal: Option<&str>) {
        let at = self.registry.at(repository);
        let command = [what.split(' ').collect::<Vec<_>>(), vec![&at, "--log", "trace"]].concat();
        let output = self.desk.rowhouse(&command).await;
        let said = [output.stdout, output.stderr].map(|it| String::from_utf8(it).expect("text")).concat();
        assert_eq!(output.status.success(), refusal.is_none(), "{command:?}: {said}");
        assert!(refusal.is_none_or(|why| said.contains(why)), "{command:?} should say {refusal:?}: {said}");
        for secret in secrets() {
            assert!(!said.contains(&secret), "{secret} in {command:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_who_its_certificate_says_or_nobody_is_asked() {
    let mut place = Place::new("127.0.0.1").await;
    place.password(ACCOUNT.1);
    let all = ["push echo.wasm", "pull", "tags"];
    for what in all {
        place.check(what, "zava/echo:0.1.0", None).await;
    }
    // By an authority that nobody here believes.
    std::fs::write(place.desk.path().join("authorities.pem"), Authority::new().certificate()).expect("a file of ours");
    place.tokens.asked();
    for what in all {
        place.check(what, "zava/echo:0.1.0", Some("SSL_CERT_FILE")).await;
    }
    // For somebody else.
    place = Place::new("registry.example.com").await;
    place.password(ACCOUNT.1);
    for what in all {
        place.check(what, "zava/echo:0.1.0", Some("certificate not valid for name")).await;
    }
    assert_eq!(place.tokens.asked(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_had_where_the_registry_says_for_what_is_done_and_no_more() {
    let place = Place::new("127.0.0.1").await;
    place.password(ACCOUNT.1);
    place.check("push echo.wasm", "zava/echo:0.1.0", None).await;
    assert!(place.tokens.asked().iter().all(|it| it.starts_with("zava repository:zava/echo:pull")));
    place.check("pull", "zava/echo:0.1.0", None).await;
    place.check("tags", "zava/echo", None).await;
    let asked = place.tokens.asked();
    assert!(!asked.is_empty() && asked.iter().all(|it| it == "zava repository:zava/echo:pull"), "{asked:?}");
    // Another's repository: a token is had, and gives no right.
    for what in ["push echo.wasm", "pull"] {
        place.check(what, "other/echo:0.1.0", Some("refuses the password of the settings for zava")).await;
    }
    place.password(WRONG);
    for what in ["push echo.wasm", "pull", "tags"] {
        place.check(what, "zava/echo:0.1.0", Some("refuses the password of the settings for zava")).await;
    }
    // Everybody may pull.
    place.settings("");
    place.tokens.asked();
    place.check("pull", "zava/echo:0.1.0", None).await;
    assert_eq!(place.tokens.asked(), ["nobody repository:zava/echo:pull"]);
    place.check("push echo.wasm", "zava/echo:0.2.0", Some("refuses a caller without credentials")).await;
    // A token that was had in advance is shown as it is.
    place.tokens.asked();
    place.settings(&format!("token = \"{}\"", place.tokens.issue("zava/echo")));
    place.check("push echo.wasm", "zava/echo:0.3.0", None).await;
    place.check("pull", "zava/echo:0.3.0", None).await;
    place.check("pull", "zava/other:0.3.0", Some("refuses the token of the settings")).await;
    assert_eq!(place.tokens.asked(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_knows_the_password_is_asked_for_this_registry() {
    let mut place = Place::new("127.0.0.1").await;
    // A link to the shell, which takes what it is told (`get`) for its script: a program that was just written cannot be
    // started while another test forks with it open.
    std::fs::create_dir(place.desk.path().join("bin")).expect("a directory");
    std::os::unix::fs::symlink("/bin/sh", place.desk.path().join("bin/docker-credential-tests")).expect("a link");
    let path = std::env::var("PATH").expect("where programs are");
    place.desk.set("PATH", format!("{}:{path}", place.desk.path().join("bin").display()));
    let write = |name: &str, text: &str| std::fs::write(place.desk.path().join(name), text).expect("a file of ours");
    let host = place.registry.host();
    let known = |user: &str, secret: &str| {
        format!(
            "[ \"$(cat)\" = {host} ] && echo '{{\"ServerURL\":\"{host}\",\"Username\":\"{user}\",\"Secret\":\"{secret}\"}}'"
        )
    };
    let (one, all) = (format!("{{\"credHelpers\":{{\"{host}\":\"tests\"}}}}"), "{\"credsStore\":\"tests\"}".to_owned());
    let missing = "{\"credsStore\":\"missing\"}".to_owned();
    place.settings("");
    for (config, helper, refusal) in [
        (&one, known(ACCOUNT.0, ACCOUNT.1), None),
        (&all, known(ACCOUNT.0, ACCOUNT.1), None),
        (&all, known(ACCOUNT.0, WRONG), Some("refuses the password in ")),
        // It knows none for this registry: as Docker has it, no credentials and no fault.
        (
            &all,
            "cat >&2; echo 'credentials not found in native keychain'; exit 1".to_owned(),
            Some("a caller without credentials"),
        ),
        (&all, format!("cat >&2; echo {WRONG}; echo {WRONG} >&2; exit 1"), Some("docker-credential-tests")),
        (&all, format!("cat >&2; echo {WRONG}"), Some("Credential helper response malformed")),
        (&all, known("<token>", WRONG), Some("has an identity token, which is not taken here")),
        // One that asks somebody who is not there.
        (&all, "cat >&2; exec sleep 60".to_owned(), Some("took more than 10 seconds")),
        (&missing, String::new(), Some("cannot be asked; is it installed")),
    ] {
        write("docker/config.json", config);
        write("get", &helper);
        place.check("push echo.wasm", "zava/echo:0.1.0", refusal).await;
    }
    // What may be pulled by anybody is, where the program knows nothing.
    write("docker/config.json", &all);
    write("get", "cat >&2; echo 'credentials not found in native keychain'; exit 1");
    place.check("pull", "zava/echo:0.1.0", None).await;
}
