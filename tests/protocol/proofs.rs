//! What ends with the proof it stands on, and what does not: the real commands, two hosts at once.

use super::caller::{Caller, Stream, whole};
use crate::harness::{self, App};
use crate::patience::soon;
use reqwest::Method;
use rowhouse::embedded;
use rowhouse::identity::api_key::{self, New};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a host may take to hear that something was taken back. It looks by itself each minute: within a sixth of
/// that, it was told.
const TOLD: Duration = Duration::from_secs(10);

/// Between two looks at something that is bound to come.
const LOOK: Duration = Duration::from_millis(50);

/// The command, on the database all hosts of the run share.
async fn rowhouse(arguments: &[&str], input: &str) -> String {
    let shared = harness::shared().await;
    let mut command = Command::new(harness::binary());
    command.args(arguments).env_clear().env("DATABASE_URL", &shared.url).env("ROWHOUSE_STATE", &shared.state);
    command.current_dir(&shared.state).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("the host starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).await.expect("its input");
    drop(pipe);
    let output = soon(child.wait_with_output()).await.expect("the host runs");
    let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {out}{err}");
    out
}

fn bearer(app: &App, token: &str) -> Caller {
    Caller { token: token.to_owned(), ..Caller::new(app, "seattle") }
}

async fn status(caller: &Caller) -> u16 {
    whole(caller.modern("tools/list", json!({}))).await.0
}

/// Ask until the answer is this, for as long as word may take.
async fn becomes(callers: &[Caller], expect: u16) {
    let all = async {
        for caller in callers {
            while status(caller).await != expect {
                tokio::time::sleep(LOOK).await;
            }
        }
    };
    tokio::time::timeout(TOLD, all).await.unwrap_or_else(|_| panic!("not {expect} within {TOLD:?}"));
}

/// A subscription and a session's own stream of this caller.
async fn streams(caller: &Caller) -> [Stream; 2] {
    let mut modern =
        Stream::open(caller.modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })))
            .await;
    assert!(modern.next().await.is_some(), "an acknowledgement");
    let session = caller.session().await;
    [modern, Stream::open(caller.request(Method::GET).header("mcp-session-id", &session)).await]
}

/// All of them end, and say nothing before.
async fn end(streams: Vec<[Stream; 2]>) {
    for mut stream in streams.into_iter().flatten() {
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_a_token_that_is_taken_back_on_every_host() {
    let apps = [App::start().await, App::start().await];
    let (gone, kept) = (apps[0].token("seattle"), apps[0].token("seattle"));
    let callers: Vec<_> = apps.iter().map(|app| bearer(app, &gone)).collect();
    let others: Vec<_> = apps.iter().map(|app| bearer(app, &kept)).collect();
    let (mut open, mut stay) = (Vec::new(), Vec::new());
    for caller in &callers {
        open.push(streams(caller).await);
    }
    for caller in &others {
        stay.push(streams(caller).await);
    }
    let said = rowhouse(&["token", "revoke", "-", "--reason", "a test"], &format!("{gone}\n")).await;
    assert!(said.starts_with("taken back: ") && !said.contains(&gone), "{said}");
    becomes(&callers, 401).await;
    end(open).await;
    // The same person's other token, and what stands on it, goes on.
    becomes(&others, 200).await;
    for app in &apps {
        app.install("widens", "widens");
        app.look().await;
    }
    for stream in stay.iter_mut().flatten() {
        assert_eq!(stream.next().await.expect("a notification")["method"], "notifications/tools/list_changed");
    }
    for app in apps {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_an_api_key_that_is_taken_back_on_every_host() {
    let apps = [App::start().await, App::start().await];
    let make = ["api-key", "create", "--name", "till", "--role", "store_manager", "--tenant", "Seattle", "--json"];
    let made: Value = serde_json::from_str(&rowhouse(&make, "").await).expect("JSON");
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let callers: Vec<_> = apps.iter().map(|app| bearer(app, key)).collect();
    becomes(&callers, 200).await;
    let listed = async || -> Value {
        let all = rowhouse(&["api-key", "list", "--json"], "").await;
        assert!(!all.contains(key), "{all}");
        let mut all = all.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        all.find(|it| it["id"] == id).expect("the key")
    };
    let found = listed().await;
    assert_eq!(
        (&found["name"], &found["roles"], &found["revoked"]),
        (&json!("till"), &json!(["store_manager"]), &Value::Null)
    );
    let mut open = Vec::new();
    for caller in &callers {
        open.push(streams(caller).await);
    }
    rowhouse(&["api-key", "revoke", id], "").await;
    becomes(&callers, 401).await;
    end(open).await;
    assert!(listed().await["revoked"].is_string());
    // Who did it is in the trail, and nothing of the secret is.
    let admin = harness::shared().await.admin(embedded::DATABASE).await;
    let trail =
        "SELECT event, record FROM rowhouse.audit WHERE event LIKE 'api_key_%' AND strpos(record, $1) > 0 ORDER BY at";
    let told = async {
        loop {
            let rows = admin.query(trail, &[&id]).await.expect("the trail");
            if rows.len() == 2 {
                return rows;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let rows = soon(told).await;
    assert_eq!([0, 1].map(|at| rows[at].get::<_, String>(0)), ["api_key_made", "api_key_revoked"]);
    assert!(rows.iter().all(|row| !row.get::<_, String>(1).contains(key)));
    for app in apps {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_their_proof_does() {
    let app = App::start().await;
    let admin = harness::shared().await.admin(embedded::DATABASE).await;
    let new = New {
        name: "brief".to_owned(),
        display_name: String::new(),
        roles: vec!["store_manager".to_owned()],
        tenants: Vec::new(),
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
        // Long enough for streams to be opened on a busy machine.
        expires: Some(SystemTime::now() + Duration::from_secs(15)),
    };
    let made = api_key::create(&admin, new).await.expect("a key");
    let caller = [bearer(&app, made.token.expose_secret())];
    becomes(&caller, 200).await;
    end(vec![streams(&caller[0]).await]).await;
    assert_eq!(status(&caller[0]).await, 401);
    app.stop().await;
}

/// A token that is past its end by less than clocks may differ is accepted, and so its call is answered whole.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_call_is_not_cut() {
    let app = App::start().await;
    let over = app.host.identity().issue("seattle", Duration::ZERO).expect("a known identity");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let caller = bearer(&app, &over);
    let call = json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": "p" } });
    let mut stream = Stream::open(caller.modern("tools/call", call)).await;
    let mut seen = Vec::new();
    while let Some(message) = stream.next().await {
        seen.push(message["method"].as_str().unwrap_or("result").to_owned());
    }
    assert_eq!(seen, ["notifications/progress", "notifications/progress", "notifications/progress", "result"]);
    app.stop().await;
}

/// Guesses fill every place where keys are checked: that is said as such, and who was known goes on.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_keys_locks_nobody_out() {
    let app = App::start().await;
    let make = ["api-key", "create", "--name", "known", "--role", "store_manager", "--tenant", "Seattle", "--json"];
    let made: Value = serde_json::from_str(&rowhouse(&make, "").await).expect("JSON");
    let known = [bearer(&app, made["key"].as_str().expect("a key"))];
    becomes(&known, 200).await;
    let guess = |at: usize| whole(bearer(&app, &format!("rh_{at:0>12}_{at:0>43}")).modern("tools/list", json!({})));
    // On a machine so fast that there was room for all, once more.
    soon(async {
        loop {
            let guesses = futures_util::future::join_all((0..200).map(guess));
            let (replies, ours) = tokio::join!(guesses, status(&known[0]));
            assert_eq!(ours, 200);
            let busy: Vec<_> = replies.iter().filter(|(status, ..)| *status == 503).collect();
            assert!(replies.iter().all(|(status, ..)| [401, 503].contains(status)));
            assert!(
                busy.iter()
                    .all(|(_, headers, _)| headers["retry-after"] == "1" && headers.get("www-authenticate").is_none())
            );
            if !busy.is_empty() {
                return;
            }
        }
    })
    .await;
    app.stop().await;
}
