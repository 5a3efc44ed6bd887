//! What proves who is asking, and what does not.

mod forged;
mod issuers;
mod mint;
mod server;
mod gone;

use super::*;
use mint::Signer;
use revoked::{Mark, Marks};
use secrecy::SecretBox;
use serde_json::{Value, json};
use server::Server;

const RESOURCE: &str = "https://host.example/mcp";

/// Fetch whenever asked, refresh never, keep for ever: tests say when.
const AT_ONCE: Pace = Pace {
    refresh: Duration::from_secs(1_000_000),
    overdue: Duration::from_secs(1_000_000),
    respite: Duration::ZERO,
    pause: Duration::ZERO,
    pause_without: Duration::ZERO,
    keep: Duration::from_secs(1_000_000),
};

/// An issuer with metadata, publishing these keys.
async fn publish(signers: &[&Signer]) -> Server {
    let server = Server::start().await;
    let metadata = json!({ "issuer": server.url(""), "jwks_uri": server.url("/jwks") });
    server.put("/.well-known/oauth-authorization-server", metadata.to_string());
    server.put("/jwks", jwks(signers));
    server
}

fn jwks(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

fn settings(url: String, more: Value) -> config::Issuer {
    let mut settings = json!({ "url": url });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

/// Believe these issuers.
fn believe(issuers: &[config::Issuer], pace: Pace) -> Identity {
    revoking(issuers, pace, &[])
}

/// Believe these issuers, but not these tokens.
fn revoking(issuers: &[config::Issuer], pace: Pace, revoked: &[Mark]) -> Identity {
    let configured = issuers.iter().map(|it| Issuer::configured(it, RESOURCE, pace).unwrap()).collect();
    let revoked = Revoked::fixed(Marks::new(revoked.iter().copied()), Duration::ZERO);
    let settings = config::Identity { issuers: issuers.to_vec(), ..config::Identity::default() };
    Identity::assemble(&settings, configured, demo(7, None, person()), Some(revoked), None).unwrap()
}

fn person() -> Person {
    Person {
        name: "seattle".to_owned(),
        display_name: "Seattle store manager".to_owned(),
        roles: vec!["store_manager".to_owned()],
        tenants: vec![Uuid::nil()],
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    }
}

fn seed(of: u8) -> Key {
    SecretBox::new(Box::new([of; 32]))
}

fn demo(current: u8, previous: Option<u8>, person: Person) -> Demo {
    let (current, previous) = (seed(current), previous.map(seed));
    Demo::new(Seeds { current: &current, previous: previous.as_ref() }, [person])
}

/// A host that believes its own issuer only.
fn own() -> Identity {
    let settings = config::Identity::default();
    Identity::assemble(&settings, Vec::new(), demo(7, None, person()), None, None).unwrap()
}

/// Why a token is refused; `None` where it is not. The caller reads the same text whatever the reason.
async fn refused(identity: &Identity, token: &str) -> Option<Reason> {
    let refused = identity.from_bearer(token).await.err()?;
    assert_eq!(refused.to_string(), "a valid bearer token is required");
    // The log's text holds neither the token nor a part of it.
    let log = format!("{refused:?}");
    assert!(token.split(['.', '_']).filter(|part| part.len() > 10).all(|part| !log.contains(part)), "{log}");
    Some(refused.reason())
}

#[tokio::test]
async fn our_own_tokens_prove_whom_we_know() {
    let identity = own();
    let token = identity.issue("seattle", Duration::from_secs(60)).unwrap();
    let Proof { principal: seattle, until, .. } = identity.from_bearer(&token).await.unwrap();
    let end = SystemTime::now() + Duration::from_secs(60);
    assert!(until > end && until <= end + Duration::from_secs(30), "what stands on it lasts as long as it is accepted");
    assert_eq!(seattle, identity.local("seattle").unwrap());
    assert_eq!((seattle.issuer(), seattle.scopes()), ("rowhouse-demo", &["mcp:tools".to_owned()][..]));
    assert_eq!(identity.names(), ["seattle"]);
    assert_eq!(identity.local("nobody").unwrap_err().reason(), Reason::UnknownPerson);
    assert_eq!(identity.issue("nobody", Duration::ZERO).unwrap_err().reason(), Reason::UnknownPerson);
    // Another host's key.
    let other = demo(8, None, person()).issue("seattle", Duration::from_secs(60)).unwrap();
    assert_eq!(refused(&identity, &other).await, Some(Reason::BadSignature));
}

#[tokio::test]
async fn our_own_key_can_be_changed() {
    let with = |demo| Identity::assemble(&config::Identity::default(), Vec::new(), demo, None, None).unwrap();
    let issue = |identity: &Identity| identity.issue("seattle", Duration::from_secs(60)).unwrap();
    let before = issue(&own());
    let rotated = with(demo(9, Some(7), person()));
    assert_eq!(refused(&rotated, &before).await, None, "the one before still counts");
    assert_eq!(refused(&rotated, &issue(&rotated)).await, None);
    assert_eq!(refused(&own(), &issue(&rotated)).await, Some(Reason::BadSignature), "the new one signs");
    assert_eq!(refused(&with(demo(9, None, person())), &before).await, Some(Reason::BadSignature));
    // Proved, remembered, and its key replaced at once.
    let host = own();
    assert_eq!(refused(&host, &before).await, None);
    host.set_seeds(Seeds { current: &seed(9), previous: Some(&seed(7)) });
    assert_eq!(refused(&host, &before).await, None, "in its grace");
    host.set_seeds(Seeds { current: &seed(9), previous: None });
    assert!(host.0.memory.recall(&before, SystemTime::now()).is_some());
    assert_eq!(refused(&host, &before).await, Some(Reason::BadSignature), "the memory does not outlive the key");
}

#[tokio::test]
async fn a_real_issuer_turns_ours_off() {
    let identity = believe(&[settings("http://127.0.0.1:9".to_owned(), json!({}))], AT_ONCE);
    assert!(!identity.trusts_own_issuer());
    assert_eq!(identity.issue("seattle", Duration::from_secs(60)).unwrap_err().reason(), Reason::TurnedOff);
    let token = own().issue("seattle", Duration::from_secs(60)).unwrap();
    assert_eq!(refused(&identity, &token).await, Some(Reason::UnknownIssuer));
    assert!(identity.local("seattle").is_ok(), "a local server's people need no issuer");
    assert_eq!(identity.authorization_servers(), ["http://127.0.0.1:9"]);
    assert!(own().authorization_servers().is_empty());
}

#[tokio::test]
async fn what_is_remembered_ends_with_the_token_and_with_its_revocation() {
    let rsa = mint::rsa("k");
    let server = publish(&[&rsa]).await;
    let issuer = settings(server.url(""), json!({}));
    let token = rsa.token(&server.url(""), &json!({}));
    let identity = believe(std::slice::from_ref(&issuer), AT_ONCE);
    let ann = identity.from_bearer(&token).await.unwrap().principal;
    assert!(identity.0.memory.recall(&token, SystemTime::now()).is_some());
    assert_eq!(identity.from_bearer(&token).await.unwrap().principal, ann);
    // Remembered and taken back.
    let strict = revoking(&[issuer], AT_ONCE, &[revoked::mark(&server.url(""), "token-1")]);
    let remember = |identity: &Identity, token: &str, expires: SystemTime| {
        let basis = Basis::Token(revoked::mark(&server.url(""), "token-1"));
        identity.0.memory.keep(token, Proved { principal: ann.clone(), until: Some(expires), basis, weight: 1 });
    };
    let later = SystemTime::now() + Duration::from_secs(60);
    remember(&strict, &token, later);
    assert_eq!(refused(&strict, &token).await, Some(Reason::Revoked));
    // Remembered and over: verified again, not believed.
    remember(&identity, "not a token", later);
    assert!(identity.from_bearer("not a token").await.is_ok(), "the memory is what answers");
    remember(&identity, "not a token", SystemTime::now() - Duration::from_secs(1));
    assert_eq!(refused(&identity, "not a token").await, Some(Reason::Malformed));
}

#[test]
fn scopes_step_up() {
    let mut settings = config::Identity::default();
    settings.tool_scopes.insert("sales/refund".to_owned(), vec!["mcp:admin".to_owned()]);
    let with = |scopes: &[&str]| {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        let demo = demo(7, None, Person { scopes, ..person() });
        let identity = Identity::assemble(&settings, Vec::new(), demo, None, None).unwrap();
        let who = identity.local("seattle").unwrap();
        [None, Some("sales/revenue"), Some("sales/refund")]
            .map(|tool| identity.lacking(&who, tool).map(|scopes| scopes.join(" ")))
    };
    let (base, both) = (|| Some("mcp:tools".to_owned()), || Some("mcp:tools mcp:admin".to_owned()));
    assert_eq!(with(&[]), [base(), base(), both()]);
    assert_eq!(with(&["mcp:tools"]), [None, None, both()]);
    assert_eq!(with(&["mcp:admin"]), [base(), base(), both()]);
    assert_eq!(with(&["mcp:tools", "mcp:admin"]), [None, None, None]);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let check = |url: &str, more: Value, expected: &str| {
        let error = Issuer::configured(&settings(url.to_owned(), more), RESOURCE, AT_ONCE).err();
        let error = error.unwrap_or_else(|| panic!("{url} is taken")).to_string();
        assert!(error.contains(url) && error.contains(expected), "{error}");
    };
    check("http://as.example", json!({}), "https");
    check("ftp://as.example", json!({}), "https");
    check("as.example", json!({}), "not a URL");
    check("https://as.example/?a=b", json!({}), "no query");
    check("https://as.example", json!({ "jwks_url": "http://as.example/jwks" }), "jwks_url");
    check("https://as.example", json!({ "algorithms": [] }), "algorithms");
    check("https://as.example", json!({ "leeway_seconds": 301 }), "leeway_seconds");
    check("https://as.example", json!({ "audiences": [""] }), "audience");
    check("https://as.example", json!({ "types": [] }), "types");
    check("https://as.example", json!({ "claims": { "id": "" } }), "claims.id");
    let twice = ["http://127.0.0.1:9", "http://127.0.0.1:9"].map(|url| settings(url.to_owned(), json!({})));
    let settings = config::Identity { issuers: twice.to_vec(), ..config::Identity::default() };
    let error = Identity::open(&settings, RESOURCE, Seeds { current: &seed(7), previous: None }, Vec::new(), None)
        .err()
        .expect("two of one name");
    assert!(error.to_string().contains("twice"), "{error}");
}
