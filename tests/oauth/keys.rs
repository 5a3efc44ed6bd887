//! Signing keys: of several issuers at once, changed while the host runs, and out of reach.

use super::provider::{Key, Provider};
use super::{Reply, TOOLS, house, list, provider, refusal, stores, until};
use crate::harness::App;
use serde_json::json;
use tokio::time::Instant;

/// Seconds between two fetches of an issuer's keys that unknown ones may cause.
const BETWEEN: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn several_issuers_each_for_itself() {
    let (first, second, third) =
        (Provider::start().await, Provider::with("ES256", "/realms/two").await, Provider::with("EdDSA", "").await);
    let app = house(&[&first, &second, &third]).await;
    for (issuer, who, expect) in
        [(&first, "seattle", "Seattle"), (&second, "spokane", "Spokane"), (&third, "online", "Online")]
    {
        assert_eq!(stores(&app, &issuer.token(who, TOOLS, &app.url()).await).await, [expect], "{}", issuer.issuer);
    }
    // One name at two issuers is two people: the one cannot go on with the other's session.
    let (ours, theirs) =
        (first.token("seattle", TOOLS, &app.url()).await, second.token("seattle", TOOLS, &app.url()).await);
    let id = session(&app, &ours).await;
    for (token, status) in [(&ours, 200), (&theirs, 404)] {
        let ask = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        assert_eq!(
            legacy(&app, token, &ask).header("mcp-session-id", &id).send().await.expect("a reply").status(),
            status
        );
    }
    // One that is away does not disturb the others.
    first.go_down().await;
    first.rotate(false).await;
    let unknown = list(&app, &first.token("seattle", TOOLS, &app.url()).await).await;
    assert_eq!(unknown, refusal(&app).await);
    assert_eq!(stores(&app, &second.token("tacoma", TOOLS, &app.url()).await).await, ["Tacoma"]);
    app.stop().await;
}

fn legacy(app: &App, token: &str, message: &serde_json::Value) -> reqwest::RequestBuilder {
    let request = provider::http().post(app.url()).bearer_auth(token).json(message);
    request.header("accept", "application/json, text/event-stream").header("mcp-protocol-version", "2025-11-25")
}

/// Shake hands as clients did until 2025-11-25; the session's id.
pub(super) async fn session(app: &App, token: &str) -> String {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = Reply::of(legacy(app, token, &hello)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.header("mcp-session-id").to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let reply = Reply::of(legacy(app, token, &ready).header("mcp-session-id", &id)).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_while_the_host_runs() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let token = async || provider.token("seattle", TOOLS, &app.url()).await;
    let (used, kept) = (token().await, token().await);
    assert_eq!(list(&app, &used).await.status, 200);
    // As it should be done: the new key signs, the old one is still published.
    provider.rotate(true).await;
    let fresh = token().await;
    until(&app, &fresh, 200).await;
    assert_eq!(list(&app, &kept).await.status, 200, "an old key that is still published");
    // In a hurry: the old keys are gone. What they signed is over as soon as the host has looked; a proof that was
    // remembered may last for a minute, so these are new to it.
    let old = token().await;
    let never_used = provider.token("spokane", TOOLS, &app.url()).await;
    provider.rotate(false).await;
    until(&app, &token().await, 200).await;
    let expect = refusal(&app).await;
    for gone in [&old, &never_used] {
        assert_eq!(list(&app, gone).await, expect, "a key that was taken away");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_out_of_reach() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let token = async || provider.token("seattle", TOOLS, &app.url()).await;
    assert_eq!(list(&app, &token().await).await.status, 200);
    let expect = refusal(&app).await;
    provider.go_down().await;
    assert_eq!(list(&app, &token().await).await.status, 200, "a key that is known is good for new tokens, too");
    provider.rotate(false).await;
    let fresh = token().await;
    assert_eq!(list(&app, &fresh).await, expect, "one that is not known is not believed");
    provider.come_back().await;
    until(&app, &fresh, 200).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_starts_while_its_issuer_is_away() {
    let provider = Provider::start().await;
    provider.go_down().await;
    let app = house(&[&provider]).await;
    let token = provider.token("seattle", TOOLS, &app.url()).await;
    // Not believed, though nothing is known to be wrong with it: its bearer keeps it, and comes back.
    let reply = list(&app, &token).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{reply:?}");
    provider.come_back().await;
    until(&app, &token, 200).await;
    assert_eq!(stores(&app, &token).await, ["Seattle"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_cost_the_issuer_little() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    assert_eq!(list(&app, &provider.token("seattle", TOOLS, &app.url()).await).await.status, 200);
    let (before, began) = (provider.seen("/jwks").await, Instant::now());
    for number in 0..100 {
        let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": format!("unknown {number}") }).to_string();
        let payload =
            json!({ "iss": provider.issuer, "aud": app.url(), "sub": "x", "jti": "x", "exp": 4_000_000_000_u64 });
        let token = provider.forge(&header, &payload.to_string(), Key::Foreign).await;
        assert_eq!(list(&app, &token).await.status, 401);
    }
    let (asked, most) = (provider.seen("/jwks").await - before, 1 + began.elapsed().as_secs() / BETWEEN);
    assert!(asked <= most + 1, "{asked} fetches, {most} would have done");
    app.stop().await;
}
