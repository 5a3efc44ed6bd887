//! What the door says: where tokens come from, which scopes are missing, and what the tenant header may do.

use super::provider::{self, OTHER, Provider};
use super::{ADMIN, BOTH, Reply, STORES, TOOLS, WIDER, call, house, house_with, list, names, request, stores, words};
use crate::harness::{self, App};
use rowhouse_migrations::retail;
use serde_json::{Value, json};

/// The documents about the resource.
const DOCUMENTS: [&str; 2] = ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"];

async fn get(app: &App, path: &str) -> Reply {
    let root = app.url().trim_end_matches("/mcp").to_owned();
    Reply::of(provider::http().get(format!("{root}{path}"))).await
}

/// The tenant of a store of the demo.
fn tenant(store: &str) -> String {
    retail::STORES.iter().find(|found| found.key == store).expect("a store of the demo").id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_issuer() {
    let (first, second) = (Provider::start().await, Provider::with("ES256", "/realms/two").await);
    let app = house(&[&first, &second]).await;
    for path in DOCUMENTS {
        let reply = get(&app, path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{path}");
        let mut document = reply.json();
        let scopes = document["scopes_supported"].take();
        let mut scopes: Vec<&str> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        scopes.sort_unstable();
        assert_eq!(scopes, [ADMIN, TOOLS], "{path}");
        let expect = json!({
            "resource": app.url(), "authorization_servers": [first.issuer, second.issuer], "scopes_supported": null,
            "bearer_methods_supported": ["header"], "resource_name": "Rowhouse",
        });
        assert_eq!(document, expect, "{path}");
    }
    for path in ["/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource/mcp/x"] {
        assert_eq!(get(&app, path).await.status, 404, "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn without_an_issuer_there_is_no_document() {
    let app = App::start().await;
    for path in DOCUMENTS {
        assert_eq!(get(&app, path).await.status, 404, "{path}");
    }
    let reply = Reply::of(request(&app, "tools/list", json!({}))).await;
    assert_eq!(reply.challenge().get("resource_metadata"), None, "{reply:?}");
    app.stop().await;
}

#[tokio::test]
async fn the_document_is_where_the_public_url_says() {
    let provider = Provider::start().await;
    let app = house_with(&[&provider], |plan| {
        plan.settings.http.public_url = Some("https://tools.example/mcp".to_owned());
    })
    .await;
    let reply = list(&app, "garbage").await;
    let metadata = "https://tools.example/.well-known/oauth-protected-resource/mcp";
    assert_eq!(reply.challenge()["resource_metadata"], metadata);
    assert_eq!(get(&app, DOCUMENTS[0]).await.json()["resource"], "https://tools.example/mcp");
    // Behind a proxy that adds to the path: where the challenge says, and where the host itself has it.
    let behind = house_with(&[&provider], |plan| {
        plan.settings.http.public_url = Some("https://tools.example/zava/tools/:mcp".to_owned());
    })
    .await;
    let challenge = list(&behind, "garbage").await;
    let place = challenge.challenge()["resource_metadata"].strip_prefix("https://tools.example").expect("its host");
    for path in [place, DOCUMENTS[0], DOCUMENTS[1]] {
        let document = get(&behind, path).await.json();
        assert_eq!(document["resource"], "https://tools.example/zava/tools/:mcp", "{path}");
    }
    assert_eq!(get(&behind, "/.well-known/oauth-protected-resource/x/tools/:mcp").await.status, 404);
    behind.stop().await;
    // A token for the address that happens to be listened on is a token for something else.
    let reply = list(&app, &provider.token("seattle", TOOLS, &app.url()).await).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    app.stop().await;
}

#[tokio::test]
async fn who_has_no_proof_is_told_where_to_get_one() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let metadata = format!("{}{}", app.url().trim_end_matches("/mcp"), DOCUMENTS[0]);
    let common = [("realm", "rowhouse"), ("resource_metadata", metadata.as_str()), ("scope", TOOLS)];
    let none = Reply::of(request(&app, "tools/list", json!({}))).await;
    assert_eq!((none.status, none.challenge()), (401, common.into()));
    let bad = list(&app, "garbage").await;
    let with_error = common.into_iter().chain([("error", "invalid_token")]).collect();
    assert_eq!((bad.status, bad.challenge()), (401, with_error));
    assert_eq!(none.body, bad.body, "the body says the same");
    assert_eq!(get(&app, "/mcp").await.status, 401, "no method is open");
    app.stop().await;
}

#[tokio::test]
async fn scopes_that_are_missing_are_named() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let metadata = format!("{}{}", app.url().trim_end_matches("/mcp"), DOCUMENTS[0]);
    let (other, narrow, wide) = (
        provider.token("seattle", OTHER, &app.url()).await,
        provider.token("seattle", TOOLS, &app.url()).await,
        provider.token("seattle", BOTH, &app.url()).await,
    );
    for (what, reply, scopes) in [
        ("every request needs one", list(&app, &other).await, TOOLS),
        ("every tool", call(&app, &other, "echo", json!({})).await, TOOLS),
        ("a tool may need more", call(&app, &narrow, WIDER, json!({})).await, BOTH),
        ("all are named at once", call(&app, &other, WIDER, json!({})).await, BOTH),
    ] {
        let challenge = reply.challenge();
        assert_eq!((reply.status, challenge["error"]), (403, "insufficient_scope"), "{what}");
        assert_eq!(words(challenge["scope"]), words(scopes), "{what}");
        assert_eq!((challenge["realm"], challenge["resource_metadata"]), ("rowhouse", metadata.as_str()), "{what}");
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {reply:?}");
    }
    let call_needs_more = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": WIDER } });
    let legacy = provider::http().post(app.url()).bearer_auth(&narrow).json(&call_needs_more);
    let legacy = Reply::of(legacy.header("accept", "application/json, text/event-stream")).await;
    assert_eq!(legacy.status, 403, "whatever the revision: {legacy:?}");
    let reply = call(&app, &wide, WIDER, json!({})).await;
    assert_eq!((reply.status, &reply.json()["result"]["isError"]), (200, &json!(false)), "{reply:?}");
    assert_eq!(stores(&app, &narrow).await, ["Seattle"]);
    app.stop().await;
}

#[tokio::test]
async fn what_the_policy_forbids_needs_no_scope() {
    let provider = Provider::start().await;
    let rules = tempfile::tempdir().expect("a directory");
    let file = rules.path().join("rules.cedar");
    std::fs::write(&file, without_echo()).expect("a file of ours");
    let app = house_with(&[&provider], |plan| plan.settings.policy.file = Some(file)).await;
    // To somebody with every scope there is and to somebody with few: it is not there.
    for scope in [TOOLS, BOTH] {
        let token = provider.token("seattle", scope, &app.url()).await;
        let forbidden = call(&app, &token, WIDER, json!({})).await;
        let absent = call(&app, &token, "echo_nothing", json!({})).await;
        assert_eq!(forbidden.body.replace(WIDER, "echo_nothing"), absent.body, "{scope}");
        assert_eq!(forbidden.status, absent.status, "{scope}");
    }
    app.stop().await;
}

/// The policy Rowhouse ships with, and a store manager may not use the plugin `echo`.
pub(super) fn without_echo() -> String {
    let shipped = std::fs::read_to_string(harness::root().join("host/policy/retail.cedar")).expect("what we ship");
    let less = r#"
@id("no-echo")
forbid (
    principal in Rowhouse::Role::"store_manager",
    action in [Rowhouse::Action::"list", Rowhouse::Action::"call"],
    resource in Rowhouse::Plugin::"echo"
);"#;
    shipped + less
}

#[tokio::test]
async fn everybody_sees_their_own_stores() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let all: Vec<_> = ["Bellevue", "Everett", "Kirkland", "Online", "Redmond", "Seattle", "Spokane", "Tacoma"].into();
    for (who, expect) in [
        ("seattle", vec!["Seattle"]),
        ("spokane", vec!["Spokane"]),
        ("puget-sound", vec!["Everett", "Seattle", "Tacoma"]),
        ("head-office", all),
    ] {
        assert_eq!(stores(&app, &provider.token(who, TOOLS, &app.url()).await).await, expect, "{who}");
    }
    app.stop().await;
}

#[tokio::test]
async fn the_tenant_header_only_narrows() {
    let provider = Provider::start().await;
    let app = house(&[&provider]).await;
    let ask = async |who: &str, header: &str| {
        let token = provider.token(who, TOOLS, &app.url()).await;
        let call = json!({ "name": "execute_sales_query", "arguments": { "query": STORES } });
        Reply::of(request(&app, "tools/call", call).bearer_auth(token).header("x-rls-user-id", header)).await
    };
    let (seattle, tacoma, spokane) = (tenant("seattle"), tenant("tacoma"), tenant("spokane"));
    for (who, header, expect) in [
        ("head-office", seattle.clone(), vec!["Seattle"]),
        ("head-office", format!("{spokane}, {tacoma}"), vec!["Spokane", "Tacoma"]),
        ("puget-sound", tacoma.clone(), vec!["Tacoma"]),
        ("seattle", seattle.clone(), vec!["Seattle"]),
    ] {
        assert_eq!(names(&ask(who, &header).await), expect, "{who}, {header}");
    }
    let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
    let mut texts = Vec::new();
    for (who, header) in [
        ("seattle", spokane.clone()),
        ("seattle", unknown.clone()),
        ("seattle", format!("{seattle},{spokane}")),
        ("puget-sound", spokane),
        ("head-office", unknown),
    ] {
        let mut body = ask(who, &header).await.json();
        let result = body["result"].take();
        let code = &result["_meta"]["rowhouse/error"]["code"];
        assert_eq!((&result["isError"], code), (&json!(true), &json!("AUTHORIZATION_ERROR")), "{who}, {header}");
        texts.push(result["content"][0]["text"].as_str().expect("a text").to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "unknown and forbidden look alike: {texts:?}");
    for header in ["seattle", "*", ",", "' OR true --"] {
        let reply = ask("head-office", header).await;
        let refused = reply.status == 400 || reply.json()["result"]["isError"] == true;
        assert!(refused, "a header that names no tenant does not mean all of them: {header}: {reply:?}");
    }
    app.stop().await;
}
