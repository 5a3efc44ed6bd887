//! An identity provider: metadata, keys, and tokens (RFC 8414, RFC 7517, RFC 9068).

use anyhow::{Context, Result};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Whom its tokens are for.
pub(crate) const AUDIENCE: &str = "rowhouse-faults";

/// How long they are good: longer than any run.
const GOOD: Duration = Duration::from_secs(12 * 60 * 60);

/// Whom a token is made out to.
pub(crate) struct Bearer<'a> {
    /// Its subject.
    pub(crate) name: &'a str,
    /// Its role.
    pub(crate) role: &'a str,
    /// Its own tenants.
    pub(crate) tenants: Vec<String>,
}

/// A running provider.
pub(crate) struct Issuer {
    /// The newest signs.
    keys: Vec<Ed25519KeyPair>,
    published: Arc<Mutex<Value>>,
    port: u16,
    tokens: u64,
    served: Option<JoinHandle<()>>,
}

impl Issuer {
    /// Start one, with one key.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("a port for the identity provider")?;
        let port = listener.local_addr()?.port();
        let published = Arc::new(Mutex::new(Value::Null));
        let mut issuer = Self { keys: Vec::new(), published, port, tokens: 0, served: None };
        issuer.turn()?;
        issuer.serve(listener);
        Ok(issuer)
    }

    /// Its name, the `iss` of its tokens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sign with a new key from now on; the ones before stay good.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn turn(&mut self) -> Result<()> {
        let broken = |_| anyhow::anyhow!("no key could be made");
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(broken)?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| anyhow::anyhow!("no key of ours"))?;
        self.keys.push(key);
        let keys = self.keys.iter().enumerate().map(|(at, key)| {
            let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
            json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": name(at), "x": x })
        });
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = json!({ "keys": keys.collect::<Vec<_>>() });
        Ok(())
    }

    /// A token by the newest key.
    ///
    /// # Errors
    /// When there is no key.
    pub(crate) fn token(&mut self, bearer: &Bearer<'_>) -> Result<String> {
        let key = self.keys.last().context("no key")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?.as_secs();
        self.tokens += 1;
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": name(self.keys.len() - 1) });
        let claims = json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": bearer.name, "client_id": "faults", "name": bearer.name,
            "iat": now, "nbf": now, "exp": now + GOOD.as_secs(), "jti": format!("faults-{}-{}", now, self.tokens),
            "scope": "mcp:tools", "roles": [bearer.role], "tenants": bearer.tenants,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).as_ref());
        Ok(format!("{message}.{signature}"))
    }

    /// Go away: nobody listens.
    pub(crate) async fn leave(&mut self) {
        if let Some(served) = self.served.take() {
            served.abort();
            drop(served.await);
        }
    }

    /// Come back at the same address.
    pub(crate) async fn come_back(&mut self) {
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let (url, published) = (self.url(), Arc::clone(&self.published));
        let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") });
        let keys = move || {
            let keys = published.lock().unwrap_or_else(PoisonError::into_inner).clone();
            async move { Json(keys) }
        };
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(move || async move { Json(metadata) }))
            .route("/jwks", get(keys));
        self.served = Some(tokio::spawn(async move { drop(axum::serve(listener, router).await) }));
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(served) = &self.served {
            served.abort();
        }
    }
}

/// The name (`kid`) of the key at this place.
fn name(at: usize) -> String {
    format!("faults-{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(token: &str, at: usize) -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).expect("three parts")).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[tokio::test]
    async fn tokens_are_signed_by_the_newest_key_and_keys_stay_published() {
        let mut issuer = Issuer::start().await.expect("a provider");
        let who = Bearer { name: "ann", role: "store_manager", tenants: vec!["t".to_owned()] };
        let first = issuer.token(&who).expect("a token");
        issuer.turn().expect("a key");
        let second = issuer.token(&who).expect("a token");
        assert_eq!((&part(&first, 0)["kid"], &part(&second, 0)["kid"]), (&json!("faults-0"), &json!("faults-1")));
        assert_ne!(part(&first, 1)["jti"], part(&second, 1)["jti"]);
        let published = issuer.published.lock().expect("no panic").clone();
        assert_eq!(published["keys"].as_array().map(Vec::len), Some(2));
        let (message, signature) = second.rsplit_once('.').expect("a signature");
        let public = issuer.keys[1].public_key().as_ref();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        assert!(key.verify(message.as_bytes(), &signature).is_ok());
        assert!(!issuer.url().is_empty());
        issuer.leave().await;
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", issuer.port)).await.is_err(), "gone");
        issuer.come_back().await;
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", issuer.port)).await.is_ok(), "back");
    }
}
