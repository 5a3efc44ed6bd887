//! The authorization server: oidc-provider, in a process of its own, with the demo's people behind it.

use crate::harness;
use rowhouse_migrations::retail;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, Once, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What runs it, the client that finds it, and the one that is told. Exact versions: a test that takes the newest fails
/// on days on which nothing here changed.
const PACKAGES: &[&str] =
    &["oidc-provider@9.13.3", "@modelcontextprotocol/client@2.4.0", "@modelcontextprotocol/inspector@2.12.0"];

/// A scope that opens nothing here.
pub(super) const OTHER: &str = "other";
/// Somebody whose tokens do not live long: the Seattle store manager under another name.
pub(super) const BRIEF: &str = "brief";
/// Seconds they live.
const BRIEF_SECONDS: u64 = 5;

/// Where npm puts what these tests need.
pub(super) fn packages_directory() -> PathBuf {
    harness::root().join(".tools/oauth")
}

/// Node, with the packages there.
pub(super) async fn node() -> xtask::node::Node {
    let found = tokio::task::spawn_blocking(|| {
        // Two tests must not install into one directory at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let node = xtask::node::ensure(harness::root())?;
        node.npm_install(&packages_directory(), PACKAGES)?;
        anyhow::Ok(node)
    });
    found.await.expect("no panic in there").expect("Node, npm and the packages")
}

/// A client that speaks plain HTTP here, and would ask for TLS's cryptography to be chosen all the same.
pub(super) fn http() -> reqwest::Client {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // Refused when the host has chosen already, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().build().expect("a plain client")
}

/// Whose key signs a forgery.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// The issuer's own.
    Own,
    /// Somebody else's.
    Foreign,
    /// HMAC with the issuer's public key, as PEM.
    Pem,
    /// HMAC with the issuer's RSA modulus, as its JWK has it.
    Modulus,
    /// Nobody's.
    None,
}

/// A running authorization server. It ends with this.
pub(super) struct Provider {
    /// Its issuer identifier.
    pub(super) issuer: String,
    http: reqwest::Client,
    /// Holds the line it ends with, too: one that outlived its test would stay for ever.
    _child: Child,
}

impl Provider {
    /// One that signs with RSA, at the root of its server.
    pub(super) async fn start() -> Self {
        Self::with("RS256", "").await
    }

    /// One that signs like this (`RS256`, `ES256`, `EdDSA`), below this path.
    pub(super) async fn with(algorithm: &str, path: &str) -> Self {
        let plan = json!({
            "packages": packages_directory(), "algorithm": algorithm, "path": path,
            "scopes": [super::TOOLS, super::ADMIN, OTHER], "people": people(),
        });
        let script = harness::root().join("tests/oauth/provider.mjs");
        let mut command = node().await.run(&script).expect("a PATH");
        command.arg(plan.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn().expect("Node starts");
        let mut stderr = child.stderr.take().expect("piped above");
        let complaints = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
        let Some(ready) = timeout(super::PATIENCE, lines.next_line()).await.expect("a start in time").expect("text")
        else {
            panic!("the authorization server did not start:\n{}", complaints.await.expect("no panic in there"));
        };
        let ready: Value = serde_json::from_str(&ready).expect("JSON");
        let issuer = ready["issuer"].as_str().expect("an issuer").to_owned();
        Self { issuer, http: http(), _child: child }
    }

    /// An access token for somebody (client_credentials) with these scopes, for this resource.
    pub(super) async fn token(&self, who: &str, scope: &str, resource: &str) -> String {
        let resource = percent(resource);
        self.grant(who, &format!("grant_type=client_credentials&scope={}&resource={resource}", percent(scope))).await
    }

    /// A token of the server's own kind, which only the server can read.
    pub(super) async fn opaque_token(&self, who: &str) -> String {
        self.grant(who, "grant_type=client_credentials").await
    }

    async fn grant(&self, who: &str, form: &str) -> String {
        let reply = self
            .http
            .post(format!("{}/token", self.issuer))
            .basic_auth(who, Some(percent(&format!("secret of {who}"))))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let reply: Value = reply.send().await.expect("a reply").json().await.expect("JSON");
        reply["access_token"].as_str().unwrap_or_else(|| panic!("no token: {reply}")).to_owned()
    }

    /// Sign with a new key from now on. With `keep` the old ones are still published.
    pub(super) async fn rotate(&self, keep: bool) {
        self.hand("rotate", json!({ "keep": keep })).await;
    }

    /// Stop telling anybody about keys and metadata.
    pub(super) async fn go_down(&self) {
        self.hand("outage", json!(true)).await;
    }

    /// Tell again.
    pub(super) async fn come_back(&self) {
        self.hand("outage", json!(false)).await;
    }

    /// How often a path was asked for.
    pub(super) async fn seen(&self, path: &str) -> u64 {
        self.hand("seen", json!({})).await[path].as_u64().unwrap_or(0)
    }

    /// A token of this header and this body, both JSON as text.
    pub(super) async fn forge(&self, header: &str, payload: &str, key: Key) -> String {
        let key = format!("{key:?}").to_lowercase();
        let reply = self.hand("forge", json!({ "header": header, "payload": payload, "key": key })).await;
        reply["token"].as_str().expect("a token").to_owned()
    }

    /// The public half of the key behind [`Key::Foreign`], as a JWK.
    pub(super) async fn foreign_key(&self) -> Value {
        self.hand("foreign", json!({})).await
    }

    async fn hand(&self, what: &str, wish: Value) -> Value {
        let reply = self.http.post(format!("{}/test/{what}", self.issuer)).json(&wish).send().await;
        reply.expect("a reply").json().await.expect("JSON")
    }
}

/// Everybody the demo knows, each a client of the server. Seattle and head office may ask for more than the others.
fn people() -> Value {
    let all = retail::demo_identities().into_iter().map(|who| {
        let scopes = match who.key {
            "seattle" | "head-office" => vec![super::TOOLS, super::ADMIN, OTHER],
            _ => vec![super::TOOLS],
        };
        let claims = json!({
            "name": who.display_name, "roles": who.roles, "tenants": who.tenants, "regions": who.regions,
        });
        (who.key.to_owned(), json!({ "scopes": scopes, "claims": claims }))
    });
    let mut people: serde_json::Map<String, Value> = all.collect();
    let brief = json!({ "scopes": [super::TOOLS], "ttl": BRIEF_SECONDS, "claims": people["seattle"]["claims"] });
    people.insert(BRIEF.to_owned(), brief);
    people.into()
}

/// A value as a form has it.
fn percent(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
