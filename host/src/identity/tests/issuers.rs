//! Issuers that are down, slow, huge, someone else, or change their keys.

use super::mint;
use super::server::Page;
use super::*;

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// Why this issuer's good token is refused, with its pages changed.
async fn with_pages(change: impl FnOnce(&Server)) -> (Option<Reason>, Server) {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    change(&server);
    let identity = believe(&[settings(server.url(""), json!({}))], AT_ONCE);
    let found = refused(&identity, &rsa.token(&server.url(""), &json!({}))).await;
    (found, server)
}

#[tokio::test]
async fn an_issuer_that_cannot_be_had_is_not_believed() {
    let unreachable = Some(Reason::IssuerUnreachable);
    let gone = |status| Page { status, location: None, body: String::new() };
    let (found, _) = with_pages(|server| server.page(METADATA, gone(404))).await;
    assert_eq!(found, unreachable, "no metadata");
    let (found, _) = with_pages(|server| server.page("/jwks", gone(500))).await;
    assert_eq!(found, unreachable, "no keys");
    let (found, _) = with_pages(|server| server.put(METADATA, "<html>")).await;
    assert_eq!(found, unreachable, "metadata that is none");
    let (found, _) = with_pages(|server| server.put("/jwks", "{}")).await;
    assert_eq!(found, unreachable, "keys that are none");
    let (found, _) = with_pages(|server| {
        let other = json!({ "issuer": "https://as.example", "jwks_uri": server.url("/jwks") });
        server.put(METADATA, other.to_string());
    })
    .await;
    assert_eq!(found, unreachable, "metadata of another issuer");
    let (found, _) = with_pages(|server| {
        let other = json!({ "issuer": server.url("/"), "jwks_uri": server.url("/jwks") });
        server.put(METADATA, other.to_string());
    })
    .await;
    assert_eq!(found, unreachable, "metadata of nearly the same issuer");
    let (found, _) = with_pages(|server| {
        let plain = json!({ "issuer": server.url(""), "jwks_uri": "http://as.example/jwks" });
        server.put(METADATA, plain.to_string());
    })
    .await;
    assert_eq!(found, unreachable, "keys over plain http");
    let (found, _) = with_pages(|server| {
        let twice = format!(r#"{{"issuer":"{0}","jwks_uri":"{0}/jwks","issuer":"{0}"}}"#, server.url(""));
        server.put(METADATA, twice);
    })
    .await;
    assert_eq!(found, unreachable, "metadata that can be read in two ways");
}

#[tokio::test]
async fn an_issuer_that_sends_too_much_is_not_believed() {
    let rsa = mint::rsa("r");
    let small = json!({ "kty": "OKP", "kid": "x" });
    let keys = |count: usize| {
        let keys = [vec![rsa.jwk()], vec![small.clone(); count]].concat();
        json!({ "keys": keys }).to_string()
    };
    assert_eq!(with_pages(|server| server.put("/jwks", keys(99))).await.0, None, "a hundred keys");
    assert!(keys(100).len() < 256 << 10);
    for (what, body) in [("101 keys", keys(100)), ("10,000 keys", keys(9_999)), ("1 MB", " ".repeat(1 << 20))] {
        assert_eq!(with_pages(|server| server.put("/jwks", body)).await.0, Some(Reason::IssuerUnreachable), "{what}");
    }
    let padded = |server: &Server| {
        let metadata = json!({ "issuer": server.url(""), "jwks_uri": server.url("/jwks"), "x": "x".repeat(1 << 20) });
        server.put(METADATA, metadata.to_string());
    };
    assert_eq!(with_pages(padded).await.0, Some(Reason::IssuerUnreachable), "metadata of 1 MB");
}

#[tokio::test]
async fn redirects_stay_at_home() {
    let to = |url: String| Page { status: 302, location: Some(url), body: String::new() };
    let moved = |server: &Server| {
        server.put("/moved", jwks(&[&mint::rsa("r")]));
        server.page("/jwks", to(server.url("/moved")));
    };
    assert_eq!(with_pages(moved).await.0, None, "within the origin");
    let elsewhere = publish(&[&mint::rsa("r")]).await;
    let (found, _) = with_pages(|server| server.page("/jwks", to(elsewhere.url("/jwks")))).await;
    assert_eq!((found, elsewhere.asked_at_all()), (Some(Reason::IssuerUnreachable), 0), "to another origin");
    let (found, server) = with_pages(|server| server.page("/jwks", to(server.url("/jwks")))).await;
    assert_eq!((found, server.asked("/jwks")), (Some(Reason::IssuerUnreachable), 4), "round and round");
}

/// Keys by OpenID Connect Discovery, and by a URL of the settings.
#[tokio::test]
async fn keys_are_found_another_way() {
    let openid = |server: &Server| {
        let metadata = json!({ "issuer": server.url(""), "jwks_uri": server.url("/jwks") });
        server.page(METADATA, Page { status: 404, location: None, body: String::new() });
        server.put(OPENID, metadata.to_string());
    };
    assert_eq!(with_pages(openid).await.0, None);
    let rsa = mint::rsa("r");
    let server = Server::start().await;
    server.put("/here", jwks(&[&rsa]));
    let identity = believe(&[settings(server.url(""), json!({ "jwks_url": server.url("/here") }))], AT_ONCE);
    assert_eq!(refused(&identity, &rsa.token(&server.url(""), &json!({}))).await, None);
    assert_eq!((server.asked("/here"), server.asked_at_all()), (1, 1));
}

/// Keys for encryption, and keys that say another algorithm, verify nothing.
#[tokio::test]
async fn keys_are_used_for_what_they_are_for() {
    let rsa = mint::rsa("r");
    let cases = [
        ("as it is", json!({}), None),
        ("no use and no algorithm", json!({ "use": null, "alg": null }), None),
        ("key_ops", json!({ "use": null, "key_ops": ["verify"] }), None),
        ("for encryption", json!({ "use": "enc" }), Some(Reason::UnknownKey)),
        ("for signing only", json!({ "use": null, "key_ops": ["sign"] }), Some(Reason::UnknownKey)),
        ("for PS256", json!({ "alg": "PS256" }), Some(Reason::UnknownKey)),
        ("for HS256", json!({ "alg": "HS256" }), Some(Reason::UnknownKey)),
        ("for RSA-OAEP", json!({ "alg": "RSA-OAEP" }), Some(Reason::UnknownKey)),
        ("an even exponent", json!({ "e": "AQAA" }), Some(Reason::UnknownKey)),
        ("the exponent one", json!({ "e": "AQ" }), Some(Reason::UnknownKey)),
        ("no modulus", json!({ "n": "" }), Some(Reason::UnknownKey)),
        ("a secret", json!({ "kty": "oct", "k": "c2VjcmV0" }), Some(Reason::UnknownKey)),
        ("no name", json!({ "kid": null }), Some(Reason::UnknownKey)),
    ];
    for (what, changes, expected) in cases {
        let mut jwk = rsa.jwk().as_object().unwrap().clone();
        jwk.extend(changes.as_object().unwrap().clone());
        jwk.retain(|_, value| !value.is_null());
        let (found, _) = with_pages(|server| server.put("/jwks", json!({ "keys": [jwk] }).to_string())).await;
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn new_keys_are_found_and_withdrawn_ones_refused() {
    let (old, new) = (mint::ed25519("old", 1), mint::ed25519("new", 2));
    let server = publish(&[&old]).await;
    let url = server.url("");
    let identity = believe(&[settings(url.clone(), json!({}))], AT_ONCE);
    let token = |signer: &Signer, id: &str| signer.token(&url, &json!({ "jti": id }));
    assert_eq!(refused(&identity, &token(&old, "1")).await, None);
    server.put("/jwks", jwks(&[&old, &new]));
    assert_eq!(refused(&identity, &token(&new, "2")).await, None, "a new key is looked for");
    assert_eq!(refused(&identity, &token(&old, "3")).await, None);
    server.put("/jwks", jwks(&[&new]));
    assert_eq!(identity.refresh().await[0].usable, Ok(1));
    assert_eq!(refused(&identity, &token(&old, "4")).await, Some(Reason::UnknownKey), "withdrawn");
    assert_eq!(refused(&identity, &token(&new, "5")).await, None);
    // A withdrawal of everything counts; a server that is down does not.
    server.put("/jwks", "not now");
    assert!(identity.refresh().await[0].usable.is_err());
    assert_eq!(refused(&identity, &token(&new, "6")).await, None, "the last good keys serve");
    server.put("/jwks", r#"{"keys":[]}"#);
    assert_eq!(identity.refresh().await[0].usable, Ok(0));
    assert_eq!(refused(&identity, &token(&new, "7")).await, Some(Reason::UnknownKey));
}

#[tokio::test]
async fn an_issuer_is_not_hammered() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let hour = Duration::from_secs(3600);
    let pace = Pace { pause: hour, pause_without: hour, ..AT_ONCE };
    let identity = believe(&[settings(server.url(""), json!({}))], pace);
    let unknown = |id: usize| {
        let header = json!({ "alg": "RS256", "kid": format!("unknown-{id}"), "typ": "at+jwt" });
        rsa.sign(&header, &mint::claims(&server.url(""), &json!({})))
    };
    // Fifty at once share one fetch; fifty more get none.
    for round in 0..2 {
        let tokens: Vec<_> = (0..50).map(|at| unknown(round * 50 + at)).collect();
        let all = tokens.iter().map(|token| refused(&identity, token));
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|reason| *reason == Some(Reason::UnknownKey)), "{all:?}");
        assert_eq!(server.asked("/jwks"), 1);
    }
    assert_eq!(refused(&identity, &rsa.token(&server.url(""), &json!({}))).await, None);
}

/// More wait than may: the rest is told so, and nothing is lost when those who wait leave.
#[tokio::test]
async fn waiting_for_keys_is_bounded() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let identity = believe(&[settings(server.url(""), json!({}))], AT_ONCE);
    let tokens: Vec<_> = (0..300).map(|at| rsa.token(&server.url(""), &json!({ "jti": at.to_string() }))).collect();
    let all = futures_util::future::join_all(tokens.iter().map(|token| refused(&identity, token))).await;
    assert_eq!(all.iter().filter(|it| **it == Some(Reason::Busy)).count(), 300 - 256);
    assert_eq!(all.iter().filter(|it| it.is_none()).count(), 256);
    assert_eq!(server.asked("/jwks"), 1, "all who wait share one fetch");
}

/// Keys that are due are fetched behind the callers' backs; keys that are too old are not used.
#[tokio::test]
async fn keys_grow_old() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let url = server.url("");
    let token = |id: &str| rsa.token(&url, &json!({ "jti": id }));
    let due = Pace { refresh: Duration::ZERO, ..AT_ONCE };
    let identity = believe(&[settings(url.clone(), json!({}))], due);
    assert_eq!(refused(&identity, &token("1")).await, None);
    server.put("/jwks", r#"{"keys":[]}"#);
    assert_eq!(refused(&identity, &token("2")).await, None, "the old ones serve while the new ones come");
    let asked_again = async {
        while server.asked("/jwks") < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked_again).await.expect("keys that are due are fetched");
    let identity = believe(&[settings(url.clone(), json!({}))], Pace { keep: Duration::ZERO, ..AT_ONCE });
    server.put("/jwks", jwks(&[&rsa]));
    assert_eq!(refused(&identity, &token("3")).await, Some(Reason::IssuerUnreachable), "too old as soon as they come");
}

/// After a silence nobody is judged by keys that may have been withdrawn meanwhile; while the issuer is down, by those.
#[tokio::test]
async fn after_a_silence_keys_are_looked_at_first() {
    let (rsa, other) = (mint::rsa("r"), mint::p256("p"));
    let server = publish(&[&rsa]).await;
    let url = server.url("");
    let token = |id: &str| rsa.token(&url, &json!({ "jti": id }));
    let silent = Pace { overdue: Duration::ZERO, respite: Duration::from_secs(3600), ..AT_ONCE };
    let identity = believe(&[settings(url.clone(), json!({}))], silent);
    assert_eq!(refused(&identity, &token("1")).await, None);
    server.put("/jwks", jwks(&[&other]));
    assert_eq!(refused(&identity, &token("2")).await, Some(Reason::UnknownKey), "withdrawn in the silence");
    server.put("/jwks", jwks(&[&rsa]));
    assert_eq!(refused(&identity, &token("3")).await, None);
    server.put("/jwks", "not now");
    let before = server.asked("/jwks");
    for id in ["4", "5", "6"] {
        assert_eq!(refused(&identity, &token(id)).await, None, "the last good keys serve");
    }
    assert_eq!(server.asked("/jwks"), before + 1, "one waits for an issuer that is down, not all");
}

/// An issuer that puts another key under the same name is looked at again, and not once for every forgery.
#[tokio::test]
async fn another_key_of_the_same_name_is_found() {
    let (before, after) = (mint::ed25519("k", 1), mint::ed25519("k", 2));
    let server = publish(&[&before]).await;
    let url = server.url("");
    let identity = believe(&[settings(url.clone(), json!({}))], AT_ONCE);
    let token = |signer: &Signer, id: &str| signer.token(&url, &json!({ "jti": id }));
    assert_eq!(refused(&identity, &token(&before, "1")).await, None);
    server.put("/jwks", jwks(&[&after]));
    assert_eq!(refused(&identity, &token(&after, "2")).await, None);
    assert_eq!(refused(&identity, &token(&before, "3")).await, Some(Reason::BadSignature));
    let hour = Duration::from_secs(3600);
    let slow = believe(&[settings(url.clone(), json!({}))], Pace { pause: hour, ..AT_ONCE });
    assert_eq!(refused(&slow, &token(&after, "4")).await, None);
    let asked = server.asked("/jwks");
    for id in 0..20 {
        let forged = token(&before, &id.to_string());
        assert_eq!(refused(&slow, &forged).await, Some(Reason::BadSignature));
    }
    assert_eq!(server.asked("/jwks"), asked);
}

#[tokio::test]
async fn the_doctor_learns_what_stands_in_the_way() {
    let server = Server::start().await;
    let identity = believe(&[settings(server.url(""), json!({}))], AT_ONCE);
    let found = identity.refresh().await;
    let [Asked { usable: Err(trouble), .. }] = found.as_slice() else { panic!("{found:?}") };
    assert!(trouble.contains(METADATA) && trouble.contains(OPENID) && trouble.contains("404"), "{trouble}");
}
