//! Who gives out tokens for a registry, as registries in the cloud have it ("Token Authentication Specification" of the
//! CNCF's `distribution`): the registry sends callers there, and believes what is signed there.

use super::authority::{Authority, Issued, Secured};
use super::server::{ACCOUNT, basic};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the registry calls itself there, and what it believes.
const SERVICE: &str = "registry.test";
const ISSUER: &str = "tokens.test";

/// Seconds a token holds.
const HOLDS: u64 = 300;

/// Where tokens are had. It ends with the runtime.
pub struct Tokens {
    desk: Arc<Desk>,
    realm: String,
}

struct Desk {
    signs: Issued,
    asked: Mutex<Vec<String>>,
}

impl Tokens {
    /// One behind TLS, whose certificates are of this authority.
    pub async fn open(authority: &Authority) -> Self {
        let desk = Arc::new(Desk { signs: authority.issue(ISSUER), asked: Mutex::default() });
        let listener = Secured::open(authority).await;
        let realm = format!("https://{}/token", listener.local_addr().expect("a bound listener has an address"));
        let app = Router::new().route("/token", get(token)).with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { desk, realm }
    }

    /// What a registry's settings say of it; the certificates it believes are in the file `authorities.pem`.
    pub fn settings(&self) -> String {
        format!(
            "auth: {{ token: {{ realm: \"{}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: authorities.pem }} }}\n",
            self.realm
        )
    }

    /// A token for everything in a repository, had in advance.
    pub fn issue(&self, repository: &str) -> String {
        self.desk.issue(repository, &["pull", "push"])
    }

    /// For what it was asked since the last time, and by whom.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.desk.asked.lock().expect("no panic while it was held"))
    }
}

impl Desk {
    fn issue(&self, repository: &str, actions: &[&str]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = json!({
            "iss": ISSUER, "sub": "somebody", "aud": SERVICE, "jti": "one",
            "iat": now, "nbf": now - 60, "exp": now + HOLDS,
            "access": [{ "type": "repository", "name": repository, "actions": actions }],
        });
        let mut header = Header::new(Algorithm::ES256);
        let certificate = CertificateDer::from_pem_slice(self.signs.certificate.as_bytes()).expect("a certificate");
        header.x5c = Some(vec![BASE64_STANDARD.encode(&certificate)]);
        let key = EncodingKey::from_ec_pem(self.signs.key.as_bytes()).expect("a key");
        jsonwebtoken::encode(&header, &claims, &key).expect("a token")
    }
}

/// Everybody may pull what is `zava`'s, and who is [`ACCOUNT`] may push it.
async fn token(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let asked = Url::parse(&format!("https://here/?{}", query.unwrap_or_default())).expect("a query");
    let scope = asked.query_pairs().find(|(name, _)| name == "scope").map(|it| it.1).unwrap_or_default();
    let proof = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let known = format!("Basic {}", basic(ACCOUNT.1));
    let who = match proof {
        None => "nobody",
        Some(proof) if proof == known => ACCOUNT.0,
        // Words that hold what was sent, to see that they are not passed on.
        Some(proof) => {
            let words = json!({ "details": format!("you sent {proof}") });
            return (StatusCode::UNAUTHORIZED, Json(words)).into_response();
        }
    };
    desk.asked.lock().expect("no panic while it was held").push(format!("{who} {scope}"));
    let (repository, actions) = match scope.split(':').collect::<Vec<_>>()[..] {
        ["repository", repository, actions] => (repository, actions),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let may = |action: &&str| repository.starts_with("zava/") && (*action == "pull" || who == ACCOUNT.0);
    let actions: Vec<&str> = actions.split(',').filter(may).collect();
    Json(json!({ "token": desk.issue(repository, &actions), "expires_in": HOLDS })).into_response()
}
