//! Hosts that share a server, and hosts that must not.

use crate::harness::{SCALE, Silent, settings, shared};
use crate::patience::soon;
use rowhouse::config::{Person, Settings};
use rowhouse::house::{Ground, identity};
use rowhouse::keys::Keys;

/// A host with another key would change what the first one logs in with: it is refused before it changes anything,
/// on the same database and on another one of the same server.
#[tokio::test]
async fn a_host_with_another_key_is_refused() {
    let shared = shared().await;
    let other = tempfile::tempdir().expect("a directory");
    let foreign = Keys::open(other.path()).expect("keys");
    let ours = Keys::open(&shared.state).expect("keys");
    shared.admin("postgres").await.batch_execute("CREATE DATABASE another_tenancy").await.expect("a database");
    for (database, part) in [
        (rowhouse::embedded::DATABASE, "served by a host with another ticket key"),
        ("another_tenancy", "has the password"),
    ] {
        let mut settings = settings(shared);
        settings.database.url = Some(shared.url_of(database).into());
        let ground = soon(Ground::find(&settings, false, &mut Silent)).await.expect("the database");
        let refused = soon(ground.prepare(&settings, &foreign, &mut Silent)).await.expect_err(database).to_string();
        for part in [part, "keys/ticket.key", "rowhouse db migrate --adopt"] {
            assert!(refused.contains(part), "{database}: no {part:?} in {refused}");
        }
        soon(ground.prepare(&settings, &ours, &mut Silent)).await.expect("who shares the key is welcome");
        if database == "another_tenancy" {
            soon(ground.seed(SCALE, &mut Silent)).await.expect("seeded");
        }
    }
}

/// People of the operator's own, and the demo's only where the demo is served.
#[tokio::test]
async fn people_come_from_the_settings() {
    let shared = shared().await;
    let keys = Keys::open(&shared.state).expect("keys");
    let mut settings = settings(shared);
    let names = |settings: &Settings| identity(&keys, settings, None).expect("identity").names();
    assert!(names(&settings).contains(&"seattle".to_owned()));
    settings.database.schemas = vec!["shop".to_owned()];
    assert_eq!(names(&settings), Vec::<String>::new());
    settings.identity.people = vec![Person {
        name: "acme".to_owned(),
        display_name: "Acme".to_owned(),
        roles: vec!["store_manager".to_owned()],
        tenants: vec![uuid::Uuid::nil()],
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    }];
    let acme = identity(&keys, &settings, None).expect("identity").local("acme").expect("known");
    assert_eq!((acme.tenants(), acme.roles()), (&[uuid::Uuid::nil()][..], &["store_manager".to_owned()][..]));
}
