//! Proofs that are taken back while the host runs, and the host's own keys from their making to their end.

use super::provider::Provider;
use super::{PATIENCE, TOOLS, house, keys, list, provider, refusal, stores, until, within};
use crate::harness;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rowhouse::embedded;
use rowhouse::identity::api_key::{self, New};
use rowhouse_migrations::retail;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// How long a host may take to hear that something was taken back. It looks by itself each minute: within a sixth of
/// that, it was told.
const TOLD: Duration = Duration::from_secs(10);

/// The number a token carries.
fn number(token: &str) -> String {
    let body = token.split('.').nth(1).expect("three parts");
    let body: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("base64")).expect("JSON");
    body["jti"].as_str().expect("a number").to_owned()
}

/// What an operator writes into the table.
async fn revoke(issuer: &str, token: &str) {
    let admin = harness::shared().await.admin(embedded::DATABASE).await;
    let insert = "INSERT INTO rowhouse.revocations (issuer, jti, expires_at, reason)
                  VALUES ($1, $2, now() + interval '1 hour', 'a test')";
    admin.execute(insert, &[&issuer, &number(token)]).await.expect("the table");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_at_once() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let token = async || provider.token("seattle", TOOLS, &app.url()).await;
    let (gone, others, kept) = (token().await, token().await, token().await);
    for token in [&gone, &others, &kept] {
        assert_eq!(list(&app, token).await.status, 200);
    }
    let session = keys::session(&app, &gone).await;
    // The number alone is nothing: another issuer's token may have the same.
    revoke("https://id.example", &others).await;
    revoke(&provider.issuer, &gone).await;
    let reply = within(TOLD, &app, &gone, 401).await;
    assert_eq!(reply, refusal(&app).await, "it looks like any other that does not hold");
    for token in [&others, &kept] {
        assert_eq!(list(&app, token).await.status, 200, "what was not taken back");
    }
    let ask = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let on = |token: &str| {
        let request = provider::http().post(app.url()).bearer_auth(token).json(&ask);
        let request = request.header("accept", "application/json, text/event-stream");
        request.header("mcp-protocol-version", "2025-11-25").header("mcp-session-id", &session)
    };
    assert_eq!(on(&gone).send().await.expect("a reply").status(), 401, "a session does not outlive its token");
    assert_eq!(on(&kept).send().await.expect("a reply").status(), 200, "and goes on with another of the same person");
    // A host that starts later knows, too. Its address is another, so its tokens are; this one is for both.
    let later = super::house_with(&[&provider], |plan| {
        let mut settings = serde_json::to_value(&plan.settings.identity).expect("JSON");
        settings["issuers"][0]["audiences"] = json!([app.url()]);
        plan.settings.identity = serde_json::from_value(settings).expect("settings of ours");
    })
    .await;
    until(&later, &kept, 200).await;
    assert_eq!(list(&later, &gone).await, refusal(&later).await);
    later.stop().await;
    app.stop().await;
}

/// A key for the Seattle store manager.
fn seattle(name: &str, expires: Option<SystemTime>) -> New {
    let store = retail::STORES.iter().find(|store| store.key == "seattle").expect("a store of the demo");
    New {
        name: name.to_owned(),
        display_name: "Seattle's till".to_owned(),
        roles: vec!["store_manager".to_owned()],
        tenants: vec![store.id()],
        regions: Vec::new(),
        scopes: vec![TOOLS.to_owned()],
        expires,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_from_its_making_to_its_end() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let admin = harness::shared().await.admin(embedded::DATABASE).await;
    let made = api_key::create(&admin, seattle("till", None)).await.expect("a key");
    let key = made.token.expose_secret().to_owned();
    within(TOLD, &app, &key, 200).await;
    assert_eq!(stores(&app, &key).await, ["Seattle"]);
    let reply = super::call(&app, &key, super::WIDER, json!({})).await;
    assert_eq!((reply.status, reply.challenge()["error"]), (403, "insufficient_scope"), "scopes hold for keys, too");
    // Almost the key.
    let expect = refusal(&app).await;
    let (rest, secret) = key.rsplit_once('_').expect("three parts");
    let turned: String = secret.chars().rev().collect();
    for wrong in
        [format!("{rest}_{turned}"), format!("{rest}_"), rest.to_owned(), format!("{key}x"), format!("rh_{secret}")]
    {
        assert_eq!(list(&app, &wrong).await, expect, "{wrong}");
    }
    assert_eq!(list(&app, &format!("rh_{}_{secret}", "x".repeat(12))).await, expect, "another id");
    assert!(api_key::revoke(&admin, &made.id).await.expect("the table"));
    assert_eq!(within(TOLD, &app, &key, 401).await, expect);
    assert!(!api_key::revoke(&admin, &made.id).await.expect("the table"), "once is enough");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_ends_by_itself_and_may_be_turned_off() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let without = super::house_with(&[&provider], |plan| plan.settings.identity.api_keys = false).await;
    let admin = harness::shared().await.admin(embedded::DATABASE).await;
    // Long enough to be seen to work on a busy machine.
    let end = SystemTime::now() + PATIENCE / 4;
    let made = api_key::create(&admin, seattle("brief", Some(end))).await.expect("a key");
    let key = made.token.expose_secret().to_owned();
    within(TOLD, &app, &key, 200).await;
    assert_eq!(list(&without, &key).await, refusal(&without).await, "where they are turned off");
    assert_eq!(until(&app, &key, 401).await, refusal(&app).await, "it is remembered, and ends all the same");
    without.stop().await;
    app.stop().await;
}
