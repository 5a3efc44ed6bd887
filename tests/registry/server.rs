//! A registry of a test's own: the CNCF's `distribution`, real, empty, and gone with the test.

use super::authority::{Authority, Issued};
use super::tokens::Tokens;
use crate::harness;
use crate::patience::soon;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Ports tried before giving up. Between finding a free one and the server's taking it, somebody else may have.
const TRIES: usize = 10;

/// The account of a registry with a door, and its password.
pub const ACCOUNT: (&str, &str) = ("zava", "open-sesame");

/// The same, as `htpasswd -B` writes it.
const ACCOUNTS: &str = "zava:$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G\n";

/// [`ACCOUNT`]'s name with a password, as HTTP sends them (RFC 7617) and Docker keeps them.
pub fn basic(password: &str) -> String {
    BASE64_STANDARD.encode(format!("{}:{password}", ACCOUNT.0))
}

/// A running registry. It ends with this.
pub struct Registry {
    binary: PathBuf,
    port: u16,
    /// Its settings, its storage and its log.
    own: TempDir,
    child: Child,
}

impl Registry {
    /// One that anybody may use.
    pub async fn open() -> Self {
        Self::start("", "", &[]).await
    }

    /// One that knows [`ACCOUNT`] and nobody else.
    pub async fn closed() -> Self {
        Self::start("", "auth: { htpasswd: { realm: test, path: accounts } }\n", &[("accounts", ACCOUNTS)]).await
    }

    /// One behind TLS, with a certificate for `name`, that believes tokens from there.
    pub async fn secured(authority: &Authority, name: &str, tokens: &Tokens) -> Self {
        let Issued { certificate, key } = authority.issue(name);
        let own = [("tls.pem", &*certificate), ("tls.key", &key), ("authorities.pem", &authority.certificate())];
        Self::start(", tls: { certificate: tls.pem, key: tls.key }", &tokens.settings(), &own).await
    }

    async fn start(tls: &str, auth: &str, files: &[(&str, &str)]) -> Self {
        let binary = tokio::task::spawn_blocking(|| xtask::registry::ensure(harness::root()));
        let binary = binary.await.expect("no panic in there").expect("a registry");
        let own = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(own.path().join(name), text).expect("a file of ours");
        }
        for _ in 0..TRIES {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let port = free.local_addr().expect("a bound listener has an address").port();
            drop(free);
            let settings = format!(
                "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: storage }} }}\n\
                 http: {{ addr: \"127.0.0.1:{port}\"{tls} }}\n{auth}"
            );
            std::fs::write(own.path().join("config.yml"), settings).expect("a file of ours");
            let mut child = spawn(&binary, own.path());
            if soon(ready(&mut child, port)).await {
                return Self { binary, port, own, child };
            }
        }
        panic!("the registry does not start:\n{}", std::fs::read_to_string(own.path().join("log")).unwrap_or_default())
    }

    /// As references name it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A reference to something in it.
    pub fn at(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host())
    }

    /// End it, as a crash would.
    pub async fn crash(&mut self) {
        self.child.kill().await.expect("a child of ours");
    }

    /// Start it again where it was, with what it had.
    pub async fn restart(&mut self) {
        self.crash().await;
        self.child = spawn(&self.binary, self.own.path());
        assert!(soon(ready(&mut self.child, self.port)).await, "the registry does not start again:\n{}", self.log());
    }

    /// How many components it was asked for so far.
    pub fn transfers(&self) -> usize {
        self.log().lines().filter(|line| line.contains("\"GET /v2/") && line.contains("/blobs/")).count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.own.path().join("log")).unwrap_or_default()
    }
}

fn spawn(binary: &Path, own: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(own.join("log")).expect("a file of ours");
    let mut command = Command::new(binary);
    command.args(["serve", "config.yml"]).current_dir(own).env("OTEL_TRACES_EXPORTER", "none");
    command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect("the registry starts")
}

/// Whether it takes connections; not, when it ended instead.
async fn ready(child: &mut Child, port: u16) -> bool {
    loop {
        if child.try_wait().expect("a child of ours").is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
