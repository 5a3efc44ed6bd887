//! Tokens that are almost right. All of them get one answer, to the byte.

use super::provider::{BRIEF, Key, Provider};
use super::{PATIENCE, Reply, TOOLS, house, house_with, list, refusal, until};
use crate::harness::App;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A token that holds, taken apart, and the server that made it.
struct Mould<'a> {
    provider: &'a Provider,
    header: Value,
    payload: Value,
}

impl<'a> Mould<'a> {
    fn of(provider: &'a Provider, token: &str) -> Self {
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"));
        let mut json = || serde_json::from_slice(&parts.next().expect("three parts")).expect("JSON");
        Self { provider, header: json(), payload: json() }
    }

    /// The same, with these members of header and body instead; `null` takes one away.
    async fn cast(&self, key: Key, header: Value, payload: Value) -> String {
        let (header, payload) = (changed(&self.header, &header), changed(&self.payload, &payload));
        self.provider.forge(&header.to_string(), &payload.to_string(), key).await
    }

    /// Signed by the issuer itself: the body is what is wrong.
    async fn body(&self, payload: Value) -> String {
        self.cast(Key::Own, json!({}), payload).await
    }

    /// Signed by the issuer itself: the header is what is wrong.
    async fn head(&self, header: Value) -> String {
        self.cast(Key::Own, header, json!({})).await
    }

    /// A second member of the same name before the first one of header or body.
    async fn twice(&self, in_header: &str, in_payload: &str) -> String {
        let before = |member: &str, all: &Value| format!("{{{member}{}", &all.to_string()[1..]);
        let (header, payload) = (before(in_header, &self.header), before(in_payload, &self.payload));
        self.provider.forge(&header, &payload, Key::Own).await
    }

    /// The claim, moved by so many seconds.
    fn moved(&self, claim: &str, seconds: i64) -> Value {
        json!(self.payload[claim].as_i64().expect("a time") + seconds)
    }
}

fn changed(all: &Value, with: &Value) -> Value {
    let mut all = all.as_object().expect("an object").clone();
    for (name, value) in with.as_object().expect("an object") {
        match value {
            Value::Null => all.remove(name),
            value => all.insert(name.clone(), value.clone()),
        };
    }
    all.into()
}

/// Every one of them is refused like a text that is no token at all.
async fn refused(app: &App, cases: Vec<(&str, String)>) {
    let expect = refusal(app).await;
    assert!(!expect.headers.is_empty() && !expect.body.is_empty(), "{expect:?}");
    for (what, token) in cases {
        assert_eq!(list(app, &token).await, expect, "{what}");
    }
}

const HOUR: i64 = 3600;

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_do_not_hold() {
    let (provider, other) = (Provider::start().await, Provider::with("ES256", "/realms/two").await);
    let app = house(&[&provider, &other]).await;
    let good = provider.token("seattle", TOOLS, &app.url()).await;
    let mould = Mould::of(&provider, &good);
    let others = Mould::of(&other, &other.token("seattle", TOOLS, &app.url()).await);
    // What this test makes does hold when nothing is wrong with it, and so do both issuers' own.
    for token in [&good, &mould.body(json!({})).await, &others.body(json!({})).await] {
        assert_eq!(until(&app, token, 200).await.status, 200);
    }
    let (rest, signature) = good.rsplit_once('.').expect("three parts");
    let foreign = provider.foreign_key().await;
    let elsewhere = format!("{}/elsewhere", provider.issuer);
    let cast = async |key, header| mould.cast(key, header, json!({})).await;
    let cases = vec![
        ("alg none", cast(Key::None, json!({ "alg": "none" })).await),
        ("alg none, spelt otherwise", cast(Key::None, json!({ "alg": "nOnE" })).await),
        ("no algorithm", cast(Key::None, json!({ "alg": null })).await),
        ("no signature", cast(Key::None, json!({})).await),
        ("HMAC with the public key as PEM", cast(Key::Pem, json!({ "alg": "HS256" })).await),
        ("HMAC with the modulus", cast(Key::Modulus, json!({ "alg": "HS256" })).await),
        ("HMAC, said to be RSA", cast(Key::Pem, json!({})).await),
        ("another's key under this one's name", cast(Key::Foreign, json!({})).await),
        ("an unknown key", cast(Key::Foreign, json!({ "kid": "nobody's" })).await),
        ("an unknown name for the right key", cast(Key::Own, json!({ "kid": "nobody's" })).await),
        ("a key it brings along", cast(Key::Foreign, json!({ "kid": null, "jwk": foreign })).await),
        ("a key it brings along, under this one's name", cast(Key::Foreign, json!({ "jwk": foreign })).await),
        ("keys it says where to find", cast(Key::Foreign, json!({ "kid": "x", "jku": elsewhere })).await),
        ("a certificate it says where to find", cast(Key::Foreign, json!({ "kid": "x", "x5u": elsewhere })).await),
        ("another issuer's key, by name", cast(Key::Own, json!({ "kid": others.header["kid"] })).await),
        ("an algorithm of another kind of key", cast(Key::Own, json!({ "alg": "ES256" })).await),
        ("an algorithm that is not allowed", cast(Key::Own, json!({ "alg": "RS512" })).await),
        ("an algorithm that is not the key's", cast(Key::Own, json!({ "alg": "PS256" })).await),
        ("an algorithm nobody knows", cast(Key::Own, json!({ "alg": "XX999" })).await),
        ("this issuer's key for another issuer", mould.body(json!({ "iss": others.payload["iss"] })).await),
        ("another issuer's key for this one", others.body(json!({ "iss": mould.payload["iss"] })).await),
        ("another body", {
            let body = changed(&mould.payload, &json!({ "sub": "head-office", "roles": ["super_admin"] }));
            let (head, _) = rest.split_once('.').expect("two parts");
            format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(body.to_string()))
        }),
        ("a signature cut short", good[..good.len() - 4].to_owned()),
        ("a padded signature", format!("{good}=")),
        ("a fourth part", format!("{good}.{signature}")),
        ("a part less", rest.to_owned()),
    ];
    refused(&app, cases).await;
    let path = elsewhere.trim_start_matches("http://").split_once('/').map(|(_, path)| format!("/{path}"));
    assert_eq!(provider.seen(&path.expect("a path")).await, 0, "a token cannot send the host anywhere");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_do_not_fit() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let good = provider.token("seattle", TOOLS, &app.url()).await;
    let mould = Mould::of(&provider, &good);
    assert_eq!(until(&app, &good, 200).await.status, 200);
    let slashed = format!("{}/", provider.issuer);
    let cases = vec![
        ("for another resource", provider.token("seattle", TOOLS, "http://127.0.0.1:1/mcp").await),
        ("for the server, not the endpoint", mould.body(json!({ "aud": app.url().trim_end_matches("/mcp") })).await),
        ("for the demo's own", mould.body(json!({ "aud": "rowhouse" })).await),
        ("for nobody", mould.body(json!({ "aud": null })).await),
        ("for an empty list", mould.body(json!({ "aud": [] })).await),
        ("from nobody", mould.body(json!({ "iss": null })).await),
        ("from elsewhere", mould.body(json!({ "iss": "https://id.example" })).await),
        ("from almost the issuer", mould.body(json!({ "iss": slashed })).await),
        ("from the demo's own issuer", mould.body(json!({ "iss": "rowhouse-demo" })).await),
        ("over", mould.body(json!({ "exp": mould.moved("exp", -HOUR) })).await),
        ("without an end", mould.body(json!({ "exp": null })).await),
        ("with an end that is a text", mould.body(json!({ "exp": mould.payload["exp"].to_string() })).await),
        ("not yet", mould.body(json!({ "nbf": mould.moved("iat", HOUR) })).await),
        ("from tomorrow", mould.body(json!({ "iat": mould.moved("iat", 24 * HOUR) })).await),
        ("about nobody", mould.body(json!({ "sub": null })).await),
        ("about an empty name", mould.body(json!({ "sub": "" })).await),
        ("about a name without end", mould.body(json!({ "sub": "x".repeat(300) })).await),
        ("without a number", mould.body(json!({ "jti": null })).await),
        ("with an empty number", mould.body(json!({ "jti": "" })).await),
        ("tenants that are none", mould.body(json!({ "tenants": ["seattle"] })).await),
        ("tenants that are no list", mould.body(json!({ "tenants": "all" })).await),
        ("roles of another shape", mould.body(json!({ "roles": { "super_admin": true } })).await),
        ("no kind of token", mould.head(json!({ "typ": null })).await),
        ("another kind of token", mould.head(json!({ "typ": "JWT" })).await),
        ("a condition nobody understands", mould.head(json!({ "crit": ["x"], "x": 1 })).await),
        ("two subjects", mould.twice("", r#""sub":"head-office","#).await),
        ("two lists of roles", mould.twice("", r#""roles":["super_admin"],"#).await),
        ("two ends", mould.twice("", r#""exp":1,"#).await),
        ("two algorithms", mould.twice(r#""alg":"none","#, "").await),
        ("two algorithms alike", mould.twice(r#""alg":"RS256","#, "").await),
        ("too long", mould.body(json!({ "padding": "x".repeat(9 << 10) })).await),
        ("a body that is no object", provider.forge(&mould.header.to_string(), "[]", Key::Own).await),
        ("a body that is no JSON", provider.forge(&mould.header.to_string(), "{", Key::Own).await),
        ("a header that is no object", provider.forge("7", &mould.payload.to_string(), Key::Own).await),
        ("the server's own kind", provider.opaque_token("seattle").await),
        ("dots", "..".to_owned()),
        ("dots and letters", "a.b.c".to_owned()),
        ("five parts, as if encrypted", "a.b.c.d.e".to_owned()),
        ("a key that was never made", format!("rh_{}_{}", "a".repeat(12), "b".repeat(43))),
    ];
    refused(&app, cases).await;
    // What fits although it is written otherwise.
    for (what, token) in [
        ("one of several audiences", mould.body(json!({ "aud": ["https://else.example", app.url()] })).await),
        ("the long name of the type", mould.head(json!({ "typ": "application/at+jwt" })).await),
        ("a claim nobody asked for", mould.body(json!({ "color": "green" })).await),
    ] {
        assert_eq!(list(&app, &token).await.status, 200, "{what}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_by_itself() {
    let provider = Provider::start().await;
    let app = house_with(&[&provider], |plan| {
        let mut identity = serde_json::to_value(&plan.settings.identity).expect("JSON");
        identity["issuers"][0]["leeway_seconds"] = 0.into();
        plan.settings.identity = serde_json::from_value(identity).expect("settings of ours");
    })
    .await;
    let expect = refusal(&app).await;
    let end = Instant::now() + PATIENCE;
    // On a machine so busy that it was over before it was used, another one.
    let token = loop {
        let token = provider.token(BRIEF, TOOLS, &app.url()).await;
        let reply: Reply = list(&app, &token).await;
        if reply.status == 200 {
            break token;
        }
        assert!(Instant::now() < end, "never accepted: {reply:?}");
    };
    // It is remembered by now, and ends all the same.
    assert_eq!(until(&app, &token, 401).await, expect);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_issuer_turns_the_demos_off() {
    let demo = App::start().await;
    let token = demo.token("head-office");
    assert_eq!(list(&demo, &token).await.status, 200);
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    assert_eq!(list(&app, &token).await, refusal(&app).await);
    // And nobody else's token opens a house that names no issuer.
    let token = provider.token("seattle", TOOLS, &demo.url()).await;
    assert_eq!(list(&demo, &token).await, refusal(&demo).await);
    demo.stop().await;
    app.stop().await;
}
