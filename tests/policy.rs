//! A policy that changes under a running host: what callers see, what they are told, and what is kept of it.

use crate::harness::{App, Plan, binary, shared};
use crate::isolation::{directory_without, under};
use crate::patience::soon;
use crate::protocol::caller::{Caller, Stream, whole};
use rowhouse::policy::SHIPPED;
use rowhouse_migrations::retail::STORES;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Nobody but head office has any business with this plugin.
const HIDDEN: &str = "@id(\"hidden\") forbid (principal, action, resource in Rowhouse::Plugin::\"widens\")
    unless { principal in Rowhouse::Role::\"super_admin\" };";

/// No store manager calls this plugin any more.
const NO_ECHO: &str = "@id(\"no-echo\") forbid (principal in Rowhouse::Role::\"store_manager\", action,
    resource in Rowhouse::Plugin::\"echo\");";

/// A stream of changes, past its acknowledgement.
async fn listening(app: &App, who: &str) -> Stream {
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = Stream::open(Caller::new(app, who).modern("subscriptions/listen", listen)).await;
    stream.next().await.expect("an acknowledgement");
    stream
}

/// The next message is word of a change.
async fn told(stream: &mut Stream, what: &str) {
    let message = stream.next().await.expect("a message");
    assert_eq!(message["method"], "notifications/tools/list_changed", "{what}: {message}");
}

/// The names of the tools a client is listed.
async fn listed(app: &App, who: &str) -> Vec<String> {
    let (_, _, body) = whole(Caller::new(app, who).modern("tools/list", json!({}))).await;
    let tools = body["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list: {body}"));
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// Wait until an event with this digest is in the trail.
async fn kept(event: &str, digest: &str) {
    let admin = shared().await.admin(rowhouse::embedded::DATABASE).await;
    let count = "SELECT count(*) FROM rowhouse.audit WHERE event = $1 AND record::jsonb ->> 'digest' = $2";
    while admin.query_one(count, &[&event, &digest]).await.expect("a count").get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A house with one plugin, whose policy is this file.
async fn watching(file: &Path) -> App {
    let file: PathBuf = file.to_owned();
    soon(App::plan(|plan: &mut Plan| {
        plan.guests = vec!["echo"];
        plan.settings.policy.file = Some(file);
    }))
    .await
}

#[tokio::test]
async fn a_saved_text_reaches_lists_calls_and_open_streams() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("my.cedar");
    std::fs::write(&file, SHIPPED).expect("a policy");
    let app = watching(&file).await;
    let (mut seattle, mut head_office) = (listening(&app, "seattle").await, listening(&app, "head-office").await);
    let all = listed(&app, "seattle").await;
    assert!(all.contains(&"echo".to_owned()), "{all:?}");
    std::fs::write(&file, format!("{SHIPPED}\n{NO_ECHO}")).expect("a policy");
    told(&mut seattle, "forbidden").await;
    assert_eq!(listed(&app, "seattle").await, Vec::<String>::new());
    let gone = soon(app.post("seattle", "echo", json!({}))).await;
    assert_eq!(gone["error"]["message"], "unknown tool: echo", "{gone}");
    // A text that cannot be served changes nothing, and the trail says which it was.
    let mut refusals = app.host.policy.refusals();
    let bad = format!("// {}\npermit", uuid::Uuid::new_v4());
    std::fs::write(&file, &bad).expect("a policy");
    soon(refusals.changed()).await.expect("a refusal");
    soon(kept("policy_refused", &hex::encode(Sha256::digest(&bad)))).await;
    assert_eq!(listed(&app, "seattle").await, Vec::<String>::new());
    std::fs::write(&file, SHIPPED).expect("a policy");
    told(&mut seattle, "permitted again").await;
    assert_eq!(listed(&app, "seattle").await, all);
    // Whose list stayed as it was heard nothing: its next word is the last.
    app.stop().await;
    let last = head_office.next().await.expect("a last word");
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
}

#[tokio::test]
async fn who_may_not_list_a_plugin_is_not_told_of_it() {
    let (app, _file) = under(&format!("{SHIPPED}\n{HIDDEN}"), None).await;
    let caller = Caller::new(&app, "seattle");
    let session = caller.session().await;
    let mut legacy = Stream::open(caller.request(reqwest::Method::GET).header("mcp-session-id", &session)).await;
    let (mut modern, mut head_office) = (listening(&app, "seattle").await, listening(&app, "head-office").await);
    let before = listed(&app, "seattle").await;
    // Several times: one word too many would be among what follows.
    for _ in 0..3 {
        app.install("widens", "widens");
        soon(app.look()).await;
        told(&mut head_office, "there").await;
        std::fs::remove_file(app.plugins.path().join("widens.wasm")).expect("removed");
        soon(app.look()).await;
        told(&mut head_office, "gone").await;
    }
    assert_eq!(listed(&app, "seattle").await, before);
    app.install("trap", "trap");
    soon(app.look()).await;
    for stream in [&mut legacy, &mut modern, &mut head_office] {
        told(stream, "everybody's").await;
    }
    app.stop().await;
    let last = modern.next().await.expect("a last word");
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
    assert_eq!(legacy.next().await, None);
}

#[tokio::test]
async fn a_forbidden_store_stays_closed_when_the_directory_drops_it() {
    let spokane = STORES.iter().find(|store| store.key == "spokane").expect("a store").id();
    let forbid = format!("@id(\"closed\") forbid (principal, action, resource == Rowhouse::Tenant::\"{spokane}\");");
    let (app, _file) = under(&format!("{SHIPPED}\n{forbid}"), None).await;
    let seen = async || {
        let rows = soon(app.rows("head-office", "SELECT DISTINCT store_id FROM retail.orders")).await;
        rows.iter().map(|row| row[0].clone()).collect::<Vec<Value>>()
    };
    for gone in [&[][..], &["spokane"]] {
        app.host.policy.set_directory(directory_without(gone)).expect("a directory");
        let seen = seen().await;
        assert_eq!(seen.len(), STORES.len() - 1, "without {gone:?}: {seen:?}");
        assert!(!seen.contains(&json!(spokane)), "without {gone:?}: {seen:?}");
    }
}

/// What a command says to this on its standard input: its exit code and its JSON.
async fn rowhouse(arguments: &str, input: &str) -> (Option<i32>, Value) {
    let (shared, nowhere) = (shared().await, tempfile::tempdir().expect("a directory"));
    let mut child = Command::new(binary())
        .args(arguments.split_whitespace())
        .current_dir(nowhere.path())
        .env("DATABASE_URL", &shared.url)
        .arg("--state-dir")
        .arg(&shared.state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built host");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("written");
    drop(stdin);
    let ended = soon(child.wait_with_output()).await.expect("an end");
    let said = serde_json::from_slice(&ended.stdout);
    (ended.status.code(), said.unwrap_or_else(|_| json!(String::from_utf8_lossy(&ended.stderr))))
}

#[tokio::test]
async fn a_proof_is_explained_as_a_host_takes_it() {
    let app = soon(App::start()).await;
    let seattle = STORES.iter().find(|store| store.key == "seattle").expect("a store").id();
    let explain = "policy explain --token - --json --call echo/echo";
    let token = app.token("seattle");
    let create = "api-key create --name explained --role store_manager --tenant Seattle --json";
    let made = rowhouse(create, "").await.1;
    let field = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{name}: {made}")).to_owned();
    let (key, id) = (field("key"), field("id"));
    for proof in [&token, &format!("{token}\n"), &key] {
        let (code, said) = rowhouse(explain, proof).await;
        assert_eq!((code, &said["allowed"], &said["scope"]), (Some(0), &json!(true), &json!([seattle])), "{said}");
    }
    let refused = async |proof: &str, why: &str| {
        let said = rowhouse(explain, proof).await;
        assert_eq!(said, (Some(1), json!({ "allowed": false, "unproven": why })));
    };
    refused("", "malformed").await;
    refused(&format!("{token}AAAA"), "bad_signature").await;
    assert_eq!(rowhouse(&format!("api-key revoke {id}"), "").await.0, Some(0));
    assert_eq!(rowhouse("token revoke -", &token).await.0, Some(0));
    refused(&key, "wrong_api_key").await;
    refused(&token, "revoked").await;
    // The caller is permitted, and its token is not enough.
    let lacking = "policy explain --role store_manager --own-tenant Seattle --scope x --json --call echo/echo";
    let (code, said) = rowhouse(lacking, "").await;
    assert_eq!(
        (code, &said["permitted"], &said["lacking_scopes"]),
        (Some(1), &json!(true), &json!(["mcp:tools"])),
        "{said}"
    );
}
