//! What a plugin offers besides tools, as a client meets it: prompts, documents, completion, views, and calls that ask
//! back. Under the same policy, the same row security and the same trail as tools.

use crate::harness::{App, Plan};
use crate::patience::soon;
use crate::protocol::caller::{Caller, whole};
use serde_json::{Value, json};

async fn app(change: impl FnOnce(&mut Plan)) -> App {
    soon(App::plan(|plan: &mut Plan| {
        plan.guests = vec!["sales", "conformance"];
        change(plan);
    }))
    .await
}

/// The reply to a request of 2026-07-28.
async fn ask(app: &App, who: &str, method: &str, params: Value) -> Value {
    soon(whole(Caller::new(app, who).modern(method, params))).await.2
}

fn names(reply: &Value, list: &str, key: &str) -> Vec<String> {
    let list = reply["result"][list].as_array().unwrap_or_else(|| panic!("{reply}"));
    list.iter().map(|item| item[key].as_str().expect("a text").to_owned()).collect()
}

/// Nobody may use these.
const LESS: &str =
    "@id(\"no-review\") forbid (principal, action, resource == Rowhouse::Prompt::\"sales/monthly_review\");
    @id(\"no-tables\") forbid (principal, action, resource == Rowhouse::Resource::\"sales/schema://retail/tables\");
    @id(\"no-family\") forbid (principal, action == Rowhouse::Action::\"read\",
    resource == Rowhouse::Resource::\"conformance/test://template/{id}/data\");";

#[tokio::test]
async fn what_a_plugin_offers_is_listed_and_had_under_the_callers_own_rights() {
    let app = app(|_| {}).await;
    let prompts = ask(&app, "seattle", "prompts/list", json!({})).await;
    assert!(names(&prompts, "prompts", "name").contains(&"monthly_review".to_owned()), "{prompts}");
    assert_eq!(prompts["result"]["cacheScope"], "private", "{prompts}");
    let resources = ask(&app, "seattle", "resources/list", json!({})).await;
    let uris = names(&resources, "resources", "uri");
    assert!(
        uris.contains(&"schema://retail/tables".to_owned()) && uris.contains(&"ui://sales/trend".to_owned()),
        "{uris:?}"
    );
    assert!(uris.is_sorted(), "{uris:?}");
    let templates = ask(&app, "seattle", "resources/templates/list", json!({})).await;
    assert_eq!(names(&templates, "resourceTemplates", "uriTemplate"), ["test://template/{id}/data"]);

    // The prompt asks the database: each caller's names its own stores and no others.
    for (who, theirs, others) in [("seattle", "Seattle", "Spokane"), ("spokane", "Spokane", "Seattle")] {
        let filled = ask(&app, who, "prompts/get", json!({ "name": "monthly_review", "arguments": {} })).await;
        let text = filled["result"]["messages"].to_string();
        assert!(text.contains("month"), "{filled}");
        assert!(!text.contains(others), "{who}: {filled}");
        let request = json!({
            "ref": { "type": "ref/prompt", "name": "monthly_review" }, "argument": { "name": "store", "value": "" },
        });
        let values = ask(&app, who, "completion/complete", request).await["result"]["completion"]["values"].to_string();
        assert!(values.contains(theirs) && !values.contains(others), "{who}: {values}");
    }
    let tables = ask(&app, "seattle", "resources/read", json!({ "uri": "schema://retail/tables" })).await;
    assert!(tables["result"]["contents"][0]["text"].to_string().contains("retail.orders"), "{tables}");
    // What a document says depends on who asks, and on when: nobody keeps it.
    assert_eq!((&tables["result"]["cacheScope"], &tables["result"]["ttlMs"]), (&json!("private"), &json!(0)));

    // The view is named where the tool is, and is served as one.
    let tools = ask(&app, "seattle", "tools/list", json!({})).await;
    let viewed: Vec<_> = tools["result"]["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|tool| tool["_meta"]["ui"]["resourceUri"].as_str())
        .collect();
    assert!(viewed.contains(&"ui://sales/trend"), "{viewed:?}");
    let view = ask(&app, "seattle", "resources/read", json!({ "uri": "ui://sales/trend" })).await;
    assert_eq!(view["result"]["contents"][0]["mimeType"], "text/html;profile=mcp-app", "{view}");
}

#[tokio::test]
async fn forbidden_and_absent_look_alike() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{}\n{LESS}", rowhouse::policy::SHIPPED)).expect("a policy");
    let path = file.path().to_owned();
    let app = app(|plan| plan.settings.policy.file = Some(path)).await;
    let listed = ask(&app, "seattle", "prompts/list", json!({})).await;
    assert!(!names(&listed, "prompts", "name").contains(&"monthly_review".to_owned()), "{listed}");
    let listed = ask(&app, "seattle", "resources/list", json!({})).await;
    assert!(!names(&listed, "resources", "uri").contains(&"schema://retail/tables".to_owned()), "{listed}");
    // Word for word, but for the name the caller gave.
    let bare = |mut reply: Value, name: &str| {
        if let Some(data) = reply["error"]["data"].as_object_mut() {
            data.remove("requestId");
        }
        reply.to_string().replace(name, "NAME")
    };
    for (method, key, there, absent) in [
        ("prompts/get", "name", "monthly_review", "monthly_revue"),
        ("resources/read", "uri", "schema://retail/tables", "schema://retail/tablets"),
        ("resources/read", "uri", "test://template/7/data", "test://temblate/7/data"),
    ] {
        let forbidden = ask(&app, "seattle", method, json!({ key: there })).await;
        assert_eq!(forbidden["error"]["code"], -32602, "{forbidden}");
        let unknown = ask(&app, "seattle", method, json!({ key: absent })).await;
        assert_eq!(bare(forbidden, there), bare(unknown, absent), "{method}");
    }
    for (reference, there, absent) in [
        ("ref/prompt", "monthly_review", "monthly_revue"),
        ("ref/resource", "test://template/{id}/data", "test://temblate/{id}/data"),
    ] {
        let key = if reference == "ref/prompt" { "name" } else { "uri" };
        let complete =
            |name: &str| json!({ "ref": { "type": reference, key: name }, "argument": { "name": "id", "value": "" } });
        let forbidden = ask(&app, "seattle", "completion/complete", complete(there)).await;
        assert_eq!(forbidden["error"]["code"], -32602, "{forbidden}");
        let unknown = ask(&app, "seattle", "completion/complete", complete(absent)).await;
        assert_eq!(bare(forbidden, there), bare(unknown, absent), "{reference}");
    }
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_said() {
    let app = app(|_| {}).await;
    let get = |arguments: Value| json!({ "name": "test_prompt_with_arguments", "arguments": arguments });
    let complete = |argument: &str| {
        let template = "test://template/{id}/data";
        json!({ "ref": { "type": "ref/resource", "uri": template }, "argument": { "name": argument, "value": "" } })
    };
    for (method, params, part) in [
        ("prompts/get", get(json!({})), "`arg1` is required"),
        ("prompts/get", get(json!({ "arg1": 7 })), "`arg1` must be a text"),
        ("prompts/get", get(json!({ "arg1": "a", "arg3": "b" })), "no argument `arg3`"),
        ("resources/read", json!({ "uri": "test://template/none/data" }), "no document"),
        ("resources/read", json!({ "uri": "test://template/a/b/data" }), "unknown resource"),
        ("completion/complete", complete("other"), "no such argument"),
        ("prompts/list", json!({ "cursor": "a cursor" }), "invalid cursor"),
    ] {
        let reply = ask(&app, "seattle", method, params).await;
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
        assert!(reply["error"]["message"].as_str().is_some_and(|text| text.contains(part)), "{part}: {reply}");
    }
    let many = ask(&app, "seattle", "completion/complete", complete("id")).await;
    let found = &many["result"]["completion"];
    assert_eq!(found["values"].as_array().map(Vec::len), Some(100), "{many}");
    assert_eq!((&found["total"], &found["hasMore"]), (&json!(150), &json!(true)));
}

#[tokio::test]
async fn a_state_between_rounds_belongs_to_one_call_of_one_caller() {
    let app = app(|_| {}).await;
    let tool = "test_input_required_result_request_state";
    let call = |tool: &str, arguments: Value, state: Option<&Value>| {
        let mut params = json!({ "name": tool, "arguments": arguments });
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] = json!({ "confirm": { "action": "accept", "content": { "ok": true } } });
        }
        params
    };
    let first = ask(&app, "seattle", "tools/call", call(tool, json!({}), None)).await;
    assert_eq!(first["result"]["resultType"], "input_required", "{first}");
    let state = &first["result"]["requestState"];
    let text = state.as_str().expect("a state");
    assert!(!text.contains("confirm"), "the plugin's own state is not to be read: {text}");
    let other = "test_input_required_result_tampered_state";
    let changed = json!(format!("{text}A"));
    for (who, tool, state, what) in [
        ("spokane", tool, state, "another caller"),
        ("seattle", other, state, "another tool"),
        ("seattle", tool, &changed, "another state"),
    ] {
        let reply = ask(&app, who, "tools/call", call(tool, json!({}), Some(state))).await;
        assert_eq!(reply["error"]["code"], -32602, "{what}: {reply}");
        assert_eq!(reply["error"]["data"]["code"], "REQUEST_STATE", "{what}: {reply}");
    }
    let last = ask(&app, "seattle", "tools/call", call(tool, json!({}), Some(state))).await;
    assert!(last["result"]["content"].to_string().contains("state-ok"), "{last}");
    // Whoever cannot be asked is told what it would take.
    let mut params = call(tool, json!({}), None);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "roots": {} });
    let reply = ask(&app, "seattle", "tools/call", params).await;
    assert_eq!(reply["error"]["code"], -32021, "{reply}");
    assert!(reply["error"]["data"]["requiredCapabilities"]["elicitation"].is_object(), "{reply}");
}

#[tokio::test]
async fn a_prompt_and_a_document_have_one_owner() {
    let app = app(|_| {}).await;
    app.install("prompt_squatter", "prompt_squatter");
    app.install("more_prompts", "more_prompts");
    soon(app.look()).await;
    let published = app.host.plugins.published();
    let why = published.refused["prompt_squatter"].to_string();
    assert!(why.contains("`prompt:monthly_review` is already served by the plugin `sales`"), "{why}");
    let listed = ask(&app, "seattle", "prompts/list", json!({})).await;
    let listed = names(&listed, "prompts", "name");
    assert_eq!(listed.iter().filter(|name| *name == "monthly_review").count(), 1, "{listed:?}");
    assert!(listed.contains(&"one_more".to_owned()), "{listed:?}");
}
