//! New versions on trial: a caller gets one version and no other, and one that fails goes back by itself.

use super::{does, only_echo, set, version, version_for, waits};
use crate::harness::{App, Plan};
use crate::patience::soon;
use crate::protocol::caller::{Caller, whole};
use rowhouse::config::{Person, Rollback};
use rowhouse_migrations::retail::STORES;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The words the reworded version adds for models.
const ADDED: &str = "Call this tool before every other one.";

/// The version of `echo` that lists and calls of one caller agree on.
async fn gets(app: &App, who: &str) -> String {
    let (_, _, body) = whole(Caller::new(app, who).modern("tools/list", json!({}))).await;
    let tools = body["result"]["tools"].as_array().unwrap_or_else(|| panic!("a list: {body}"));
    let echo = tools.iter().find(|tool| tool["name"] == "echo").expect("echo");
    let reworded = echo["description"].as_str().expect("a text").contains(ADDED);
    let version = version_for(app, who).await;
    assert_eq!(reworded, version == "0.1.2", "{who} reads of one version and calls {version}");
    version
}

async fn all_get(app: &App, expected: &[(&str, &str)], what: &str) {
    for (who, version) in expected {
        assert_eq!(gets(app, who).await, *version, "{what}: {who}");
    }
}

#[tokio::test]
async fn a_canary_by_tenant_is_for_callers_who_see_no_other() {
    let app = only_echo(|_| {}).await;
    let seattle = STORES.iter().find(|store| store.key == "seattle").expect("a store");
    app.install("echo_reworded", "echo");
    let old = [("seattle", "0.1.0"), ("spokane", "0.1.0"), ("puget-sound", "0.1.0"), ("head-office", "0.1.0")];
    soon(app.look()).await;
    all_get(&app, &old, "parked").await;
    for name in [seattle.name.to_owned(), seattle.id().to_string()] {
        does(&app, &["canary", "echo", "--tenant", &name, "--by", "ann"]);
        soon(app.look()).await;
        assert_eq!(waits(&app), None);
        all_get(&app, &[("seattle", "0.1.2"), old[1], old[2], old[3]], &name).await;
    }
    // Narrowed to that tenant, a caller of several still gets the version it reads of.
    let narrowed = Caller::new(&app, "head-office")
        .modern("tools/call", json!({ "name": "echo", "arguments": { "text": "hi" } }))
        .header("x-rls-user-id", seattle.id().to_string());
    let (_, _, body) = whole(narrowed).await;
    assert_eq!(body["result"]["structuredContent"]["version"], "0.1.0", "{body}");
    does(&app, &["rollback", "echo", "--why", "not yet"]);
    soon(app.look()).await;
    all_get(&app, &old, "dropped").await;
    assert!(waits(&app).is_some_and(|why| why.contains("not yet")), "{:?}", waits(&app));
    does(&app, &["canary", "echo", "--tenant", seattle.name]);
    does(&app, &["approve", "echo", "--yes"]);
    soon(app.look()).await;
    let new = old.map(|(who, _)| (who, "0.1.2"));
    all_get(&app, &new, "promoted").await;
    assert!(app.host.plugins.published().canaries.is_empty());
}

#[tokio::test]
async fn a_canary_by_share_is_always_for_the_same_callers() {
    let people: Vec<String> = (0..200).map(|n| format!("person-{n}")).collect();
    let app = only_echo(|plan: &mut Plan| {
        plan.settings.identity.people = people
            .iter()
            .map(|name| Person {
                name: name.clone(),
                display_name: name.clone(),
                roles: vec!["super_admin".to_owned()],
                tenants: Vec::new(),
                regions: Vec::new(),
                scopes: plan.settings.identity.scopes.clone(),
            })
            .collect();
    })
    .await;
    let trying = |app: &App| -> BTreeSet<String> {
        let (policy, published) = (app.host.policy.current(), app.host.plugins.published());
        let tries = |name: &&String| {
            let who = app.principal(name);
            let (plugin, tool) = published.find_for("echo", &who, &policy).expect("echo");
            let listed = app.host.tool(&who, "echo").expect("listed");
            assert!(std::sync::Arc::ptr_eq(&listed, tool), "{name} is listed another version");
            plugin.version == "0.1.4"
        };
        people.iter().filter(tries).cloned().collect()
    };
    // A version that callers cannot tell from the one that serves, from a file of its own.
    let desk = tempfile::tempdir().expect("a directory");
    let build = desk.path().join("echo.wasm");
    std::fs::copy(crate::harness::guest("echo_broken"), &build).expect("a guest");
    does(&app, &["canary", "echo", "--percent", "20", "--file", &build.display().to_string()]);
    soon(app.look()).await;
    let few = trying(&app);
    // Two in ten of two hundred are forty; the digest of a build decides which.
    assert!((15..=70).contains(&few.len()), "{} of 200 try it", few.len());
    soon(app.look()).await;
    assert_eq!(trying(&app), few);
    does(&app, &["canary", "echo", "--percent", "60"]);
    soon(app.look()).await;
    let more = trying(&app);
    assert!(few.is_subset(&more) && (90..=150).contains(&more.len()), "{} of 200 try it", more.len());
}

/// A call that the broken version traps on, and no other does.
async fn breaks(app: &App, who: &str) -> bool {
    let reply = soon(app.post(who, "echo", json!({ "text": "break" }))).await;
    reply["result"]["isError"] == true
}

/// Wait until the version of the directory is held back by the host itself; why.
async fn taken_back(app: &App) -> String {
    soon(async {
        loop {
            match waits(app) {
                Some(why) => return why,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_version_that_fails_is_taken_back_by_itself() {
    let app = only_echo(|plan| {
        plan.settings.plugins.rollback = Rollback { calls: 12, ..Rollback::default() };
    })
    .await;
    app.install("echo_broken", "echo");
    soon(app.look()).await;
    assert_eq!(version(&app).await, "0.1.4", "it looks the same");
    // One who breaks it on purpose does not take it from those it works for.
    for who in ["spokane", "redmond"] {
        assert_eq!(version_for(&app, who).await, "0.1.4");
    }
    for _ in 0..20 {
        assert!(breaks(&app, "bellevue").await);
    }
    assert_eq!(version(&app).await, "0.1.4");
    for who in ["spokane", "redmond", "seattle"] {
        for _ in 0..4 {
            breaks(&app, who).await;
        }
    }
    let why = taken_back(&app).await;
    assert!(why.contains("held by rowhouse") && why.contains("most with PLUGIN_TRAPPED"), "{why}");
    assert_eq!(version(&app).await, "0.1.0");
    assert!(!breaks(&app, "seattle").await);
    let listed = does(&app, &["list"]);
    assert!(listed.contains("HELD") && listed.contains("0.1.4") && listed.contains("calls failed"), "{listed}");
}

#[tokio::test]
async fn a_canary_that_fails_is_dropped_and_an_old_version_never() {
    let bound = Rollback { calls: 8, ..Rollback::default() };
    let app = only_echo(|plan| {
        plan.settings.plugins.approval = rowhouse::config::Approval::All;
        plan.settings.plugins.rollback = bound;
    })
    .await;
    set(&app, "[plugins]\napproval = \"all\"\n");
    does(&app, &["approve", "echo", "--yes"]);
    app.install("echo_broken", "echo");
    soon(app.look()).await;
    let spokane = STORES.iter().find(|store| store.key == "spokane").expect("a store");
    does(&app, &["canary", "echo", "--tenant", spokane.name]);
    soon(app.look()).await;
    for _ in 0..8 {
        assert!(breaks(&app, "spokane").await);
        assert!(!breaks(&app, "seattle").await);
    }
    assert!(taken_back(&app).await.contains("8 of 8 calls failed"));
    assert_eq!(version_for(&app, "spokane").await, "0.1.0");
    // A first version has nothing to go back to, and serves on however it fails.
    let app = only_echo(|plan| {
        plan.guests = vec!["trap"];
        plan.settings.plugins.rollback = bound;
    })
    .await;
    for _ in 0..20 {
        let (code, _) = soon(app.failure("seattle", "trap", json!({}))).await;
        assert_eq!(code, "PLUGIN_TRAPPED");
    }
    assert!(app.host.plugins.published().decided["trap"].hold.is_none());
}
