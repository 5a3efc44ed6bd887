//! Every forgery we know of, each beside the good token it is made from.

use super::mint::{self, b64, claims, hmac, now};
use super::*;

/// What is believed: every algorithm, lists and single values, names from elsewhere.
#[tokio::test]
async fn good_tokens_are_believed() {
    let signers = [mint::rsa("r"), mint::p256("p"), mint::ed25519("e", 1)];
    let server = publish(&signers.iter().collect::<Vec<_>>()).await;
    let identity = believe(&[settings(server.url(""), json!({}))], AT_ONCE);
    let url = server.url("");
    for signer in &signers {
        let ann = identity.from_bearer(&signer.token(&url, &json!({}))).await.unwrap().principal;
        assert_eq!((ann.issuer(), ann.subject(), ann.display_name()), (url.as_str(), "ann", "Ann"));
        assert_eq!((ann.roles(), ann.regions()), (&["store_manager".to_owned()][..], &["Here".to_owned()][..]));
        assert_eq!((ann.tenants(), ann.scopes().len()), (&[mint::TENANT.parse().unwrap()][..], 2));
    }
    let rsa = &signers[0];
    let good = [
        ("a list of audiences", json!({ "aud": ["https://other.example", RESOURCE] })),
        ("a little late", json!({ "exp": now() - 10 })),
        ("a little early", json!({ "nbf": now() + 10, "iat": now() + 10 })),
        ("scp", json!({ "scope": null, "scp": ["mcp:tools", "more"] })),
        ("scp as text", json!({ "scope": null, "scp": "mcp:tools more" })),
        ("no rights at all", json!({ "roles": null, "tenants": null, "regions": null, "name": null, "scope": null })),
        ("one role, not in a list", json!({ "roles": "store_manager" })),
    ];
    for (what, changes) in good {
        assert_eq!(refused(&identity, &rsa.token(&url, &changes)).await, None, "{what}");
    }
    for typ in ["AT+JWT", "application/at+jwt"] {
        let header = json!({ "alg": "RS256", "kid": "r", "typ": typ });
        assert_eq!(refused(&identity, &rsa.sign(&header, &claims(&url, &json!({})))).await, None, "{typ}");
    }
    let header = json!({ "alg": "Ed25519", "kid": "e", "typ": "at+jwt" });
    assert_eq!(refused(&identity, &signers[2].sign(&header, &claims(&url, &json!({})))).await, None, "RFC 9864");
}

#[tokio::test]
async fn claims_are_found_where_the_settings_say() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let places = json!({ "claims": { "roles": "realm_access.roles", "tenants": "https://shop.example/stores" } });
    let identity = believe(&[settings(server.url(""), places)], AT_ONCE);
    let changes = json!({ "realm_access": { "roles": ["auditor"] }, "https://shop.example/stores": [mint::TENANT] });
    let ann = identity.from_bearer(&rsa.token(&server.url(""), &changes)).await.unwrap().principal;
    assert_eq!((ann.roles(), ann.tenants().len()), (&["auditor".to_owned()][..], 1));
}

/// Issuers that do not write RFC 9068: what they call an access token, and what stays out all the same.
#[tokio::test]
async fn kinds_of_token_are_the_settings() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let url = server.url("");
    let (none, kind) = (None, Some(Reason::NotAccessToken));
    let strict = json!({});
    let entra = json!({ "types": ["JWT"], "claims": { "id": "uti" } });
    let okta = json!({ "types": ["at+jwt", ""] });
    let header = |typ: Value| match typ {
        Value::Null => json!({ "alg": "RS256", "kid": "r" }),
        typ => json!({ "alg": "RS256", "kid": "r", "typ": typ }),
    };
    let uti = json!({ "jti": null, "uti": "token-1" });
    let cases = [
        ("an ID token, by default", &strict, json!("JWT"), json!({}), kind),
        ("no kind, by default", &strict, Value::Null, json!({}), kind),
        ("an access token that was sent beside an ID token", &strict, json!("at+jwt"), json!({ "at_hash": "x" }), kind),
        ("Entra", &entra, json!("JWT"), uti.clone(), none),
        ("Entra, in small letters", &entra, json!("jwt"), uti.clone(), none),
        ("Entra, without a name", &entra, json!("JWT"), json!({}), Some(Reason::BadClaim)),
        ("what is not listed any more", &entra, json!("at+jwt"), uti.clone(), kind),
        ("no kind, where a kind is wanted", &entra, Value::Null, uti, kind),
        ("Okta", &okta, Value::Null, json!({}), none),
        ("both", &okta, json!("at+jwt"), json!({}), none),
        ("another kind", &okta, json!("JWT"), json!({}), kind),
        ("a kind that is no text", &okta, json!(7), json!({}), Some(Reason::Malformed)),
        ("an ID token by what it carries", &okta, Value::Null, json!({ "c_hash": "x" }), kind),
        ("an ID token by Keycloak's word", &okta, Value::Null, json!({ "typ": "ID" }), kind),
        ("an access token by Keycloak's word", &okta, Value::Null, json!({ "typ": "Bearer" }), none),
    ];
    for (what, more, typ, changes, expected) in cases {
        let issuer = settings(url.clone(), more.clone());
        let token = rsa.sign(&header(typ), &claims(&url, &changes));
        assert_eq!(refused(&believe(std::slice::from_ref(&issuer), AT_ONCE), &token).await, expected, "{what}");
        // Whoever takes it back names it as the host does.
        let identity = config::Identity { issuers: vec![issuer], ..config::Identity::default() };
        let named = revoked::Named::read(&token, &identity).map(|named| named.id).map_err(|error| error.reason());
        assert_eq!(named, expected.map_or(Ok("token-1".to_owned()), Err), "{what}");
    }
}

#[tokio::test]
async fn forged_claims_are_refused() {
    let rsa = mint::rsa("r");
    let server = publish(&[&rsa]).await;
    let issuer = settings(server.url(""), json!({ "max_token_seconds": 3600 }));
    let url = server.url("");
    let identity = revoking(&[issuer], AT_ONCE, &[revoked::mark(&url, "taken-back")]);
    let many = |count: usize| (0..count).map(|at| Uuid::from_u128(at as u128).simple().to_string()).collect::<Vec<_>>();
    let cases = [
        ("wrong audience", json!({ "aud": "https://other.example/mcp" }), Reason::WrongAudience),
        ("a part of ours", json!({ "aud": "https://host.example" }), Reason::WrongAudience),
        ("ours and a slash", json!({ "aud": "https://host.example/mcp/" }), Reason::WrongAudience),
        ("our own issuer's", json!({ "aud": "rowhouse" }), Reason::WrongAudience),
        ("no audience", json!({ "aud": null }), Reason::WrongAudience),
        ("no audience in a list", json!({ "aud": [] }), Reason::WrongAudience),
        ("an audience that is no text", json!({ "aud": [RESOURCE, 7] }), Reason::WrongAudience),
        ("wrong issuer", json!({ "iss": "https://as.example" }), Reason::UnknownIssuer),
        ("its issuer and a slash", json!({ "iss": format!("{url}/") }), Reason::UnknownIssuer),
        ("ours for an issuer", json!({ "iss": "rowhouse-demo" }), Reason::UnknownIssuer),
        ("our keys for an issuer", json!({ "iss": "rowhouse-keys" }), Reason::UnknownIssuer),
        ("no issuer", json!({ "iss": null }), Reason::BadClaim),
        ("two issuers", json!({ "iss": [url, "https://as.example"] }), Reason::BadClaim),
        ("expired", json!({ "exp": now() - 31 }), Reason::Expired),
        ("no end", json!({ "exp": null }), Reason::BadClaim),
        ("an end that is text", json!({ "exp": "9999999999" }), Reason::BadClaim),
        ("an end in parts", json!({ "exp": 9_999_999_999.5 }), Reason::BadClaim),
        ("an end before time", json!({ "exp": -1 }), Reason::BadClaim),
        ("an end beyond time", json!({ "exp": u64::MAX }), Reason::LivesTooLong),
        ("lives too long", json!({ "exp": now() + 4000 }), Reason::LivesTooLong),
        ("not yet", json!({ "nbf": now() + 100 }), Reason::NotYetValid),
        ("issued tomorrow", json!({ "iat": now() + 100 }), Reason::NotYetValid),
        ("never issued", json!({ "iat": null }), Reason::BadClaim),
        ("nobody", json!({ "sub": null }), Reason::BadClaim),
        ("no name", json!({ "sub": "" }), Reason::BadClaim),
        ("a long name", json!({ "sub": "x".repeat(257) }), Reason::BadClaim),
        ("a name of two lines", json!({ "sub": "ann\nlevel=error" }), Reason::BadClaim),
        ("no number", json!({ "jti": null }), Reason::BadClaim),
        ("an empty number", json!({ "jti": "" }), Reason::BadClaim),
        ("revoked", json!({ "jti": "taken-back" }), Reason::Revoked),
        ("a tenant that is no UUID", json!({ "tenants": ["*"] }), Reason::BadClaim),
        ("tenants that are no list", json!({ "tenants": { "0": mint::TENANT } }), Reason::BadClaim),
        ("a tenant among numbers", json!({ "tenants": [mint::TENANT, 7] }), Reason::BadClaim),
        ("too many roles", json!({ "roles": vec!["x"; 101] }), Reason::BadClaim),
        ("roles that are no text", json!({ "roles": [true] }), Reason::BadClaim),
        ("regions that are no text", json!({ "regions": [null] }), Reason::BadClaim),
        ("a scope that is a list", json!({ "scope": ["mcp:tools"] }), Reason::BadClaim),
        ("too long", json!({ "tenants": many(1_000) }), Reason::TooLong),
        ("too long for nothing", json!({ "x": "x".repeat(8 << 10) }), Reason::TooLong),
    ];
    for (what, changes, reason) in cases {
        assert_eq!(refused(&identity, &rsa.token(&url, &changes)).await, Some(reason), "{what}");
    }
    assert_eq!(refused(&identity, &rsa.token(&url, &json!({}))).await, None);
}

#[tokio::test]
async fn forged_headers_and_signatures_are_refused() {
    let (rsa, p256, ed) = (mint::rsa("r"), mint::p256("p"), mint::ed25519("e", 1));
    let (foreign, elsewhere) = (mint::other_rsa("r"), mint::other_rsa("of-another-issuer"));
    let (p384, weak) = (mint::p384("p384"), mint::weak_rsa("weak"));
    let server = publish(&[&rsa, &p256, &ed, &p384, &weak]).await;
    let other = publish(&[&elsewhere]).await;
    let url = server.url("");
    let believed = [settings(server.url(""), json!({})), settings(other.url(""), json!({}))];
    let identity = believe(&believed, AT_ONCE);
    let good = claims(&url, &json!({}));
    let with = |header: Value| rsa.sign(&header, &good);
    let header = |changes: Value| {
        let mut header = rsa.header();
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        header
    };
    let unsigned = |alg: &str| format!("{}.{}.", b64(header(json!({ "alg": alg })).to_string()), b64(good.to_string()));
    let whole = rsa.sign(&rsa.header(), &good);
    let (message, signature) = whole.rsplit_once('.').unwrap();
    let hs256 = header(json!({ "alg": "HS256" }));
    let modulus = rsa.jwk()["n"].as_str().unwrap().to_owned();
    let doubled = |text: &str, again: &str| format!("{},{again}}}", text.strip_suffix('}').unwrap());
    let twice_in_header = rsa.sign_text(&doubled(&rsa.header().to_string(), r#""alg":"RS256""#), &good.to_string());
    let twice_in_claims = rsa.sign_text(&rsa.header().to_string(), &doubled(&good.to_string(), r#""sub":"root""#));
    let twice_deeper = rsa.sign_text(&rsa.header().to_string(), &doubled(&good.to_string(), r#""x":{"a":1,"a":2}"#));
    let cases = [
        ("nothing", String::new(), Reason::Malformed),
        ("words", "a.b.c".to_owned(), Reason::Malformed),
        ("two parts", message.to_owned(), Reason::Malformed),
        ("four parts", format!("{whole}.{signature}"), Reason::Malformed),
        ("five parts", format!("{message}.{message}.{signature}"), Reason::Malformed),
        (
            "padded",
            format!("{}=.{}.{signature}", b64(rsa.header().to_string()), b64(good.to_string())),
            Reason::Malformed,
        ),
        ("no signature", format!("{message}."), Reason::BadSignature),
        ("another's signature", format!("{message}.{}", b64([0; 256])), Reason::BadSignature),
        ("alg none", unsigned("none"), Reason::WrongAlgorithm),
        ("alg None", unsigned("None"), Reason::WrongAlgorithm),
        ("alg empty", unsigned(""), Reason::WrongAlgorithm),
        ("HMAC with the modulus", hmac(&hs256, &good, modulus.as_bytes()), Reason::WrongAlgorithm),
        ("HMAC with the key", hmac(&hs256, &good, rsa.jwk().to_string().as_bytes()), Reason::WrongAlgorithm),
        ("HMAC that says RS256", hmac(&rsa.header(), &good, modulus.as_bytes()), Reason::BadSignature),
        ("an algorithm that is not allowed", with(header(json!({ "alg": "PS256" }))), Reason::WrongAlgorithm),
        ("an algorithm of another key", with(header(json!({ "alg": "ES256" }))), Reason::WrongAlgorithm),
        ("a key of another algorithm", with(header(json!({ "kid": "p" }))), Reason::WrongAlgorithm),
        ("a curve that is not allowed", p384.sign(&p384.header(), &good), Reason::UnknownKey),
        ("a key that is too short", weak.sign(&weak.header(), &good), Reason::UnknownKey),
        ("a foreign key of the same name", foreign.sign(&foreign.header(), &good), Reason::BadSignature),
        ("a key of another issuer", elsewhere.sign(&elsewhere.header(), &good), Reason::UnknownKey),
        ("an unknown key", with(header(json!({ "kid": "?" }))), Reason::UnknownKey),
        ("no key named", with(json!({ "alg": "RS256", "typ": "at+jwt" })), Reason::UnknownKey),
        ("a key that is a number", with(header(json!({ "kid": 7 }))), Reason::Malformed),
        ("an ID token", with(header(json!({ "typ": "JWT" }))), Reason::NotAccessToken),
        ("no type", with(json!({ "alg": "RS256", "kid": "r" })), Reason::NotAccessToken),
        ("crit", with(header(json!({ "crit": ["exp"] }))), Reason::Malformed),
        ("crit, empty", with(header(json!({ "crit": [] }))), Reason::Malformed),
        ("b64", with(header(json!({ "b64": false, "crit": ["b64"] }))), Reason::Malformed),
        ("a header member twice", twice_in_header, Reason::Malformed),
        ("a claim twice", twice_in_claims, Reason::Malformed),
        ("a member of a claim twice", twice_deeper, Reason::Malformed),
        ("a header that is a list", rsa.sign(&json!([rsa.header()]), &good), Reason::Malformed),
        ("claims that are text", rsa.sign(&rsa.header(), &json!("all")), Reason::Malformed),
    ];
    for (what, token, reason) in cases {
        assert_eq!(refused(&identity, &token).await, Some(reason), "{what}");
    }
    assert_eq!(refused(&identity, &whole).await, None);
}

/// Keys a token brings along, or points to, are neither used nor fetched.
#[tokio::test]
async fn a_token_does_not_bring_its_own_key() {
    let (rsa, foreign) = (mint::rsa("r"), mint::other_rsa("r"));
    let server = publish(&[&rsa]).await;
    let attacker = publish(&[&foreign]).await;
    let identity = believe(&[settings(server.url(""), json!({}))], AT_ONCE);
    let good = claims(&server.url(""), &json!({}));
    let header = |kid: &str| {
        json!({ "alg": "RS256", "kid": kid, "typ": "at+jwt", "jwk": foreign.jwk(),
                "jku": attacker.url("/jwks"), "x5u": attacker.url("/jwks") })
    };
    assert_eq!(refused(&identity, &foreign.sign(&header("r"), &good)).await, Some(Reason::BadSignature));
    assert_eq!(refused(&identity, &foreign.sign(&header("new"), &good)).await, Some(Reason::UnknownKey));
    assert_eq!(refused(&identity, &rsa.sign(&header("r"), &good)).await, None, "they are ignored, not an error");
    assert_eq!(attacker.asked_at_all(), 0);
}
