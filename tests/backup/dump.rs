//! A database that is somebody else's: dumped, and brought back into an empty one.

use super::{Site, catalog, take, words};
use crate::harness::{App, Silent, shared};
use crate::patience::soon;
use rowhouse::backup::{self, Kind, Want, Wanted, meter};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_comes_back_into_an_empty_database_and_serves() {
    let (site, shared) = (Site::new().await, shared().await);
    let _turn = super::TURN.lock().await;
    let mut source = site.settings.clone();
    source.state = Some(shared.state.clone());
    source.database.url = Some(shared.url.clone().into());
    let ground = Ground::find(&source, false, &mut Silent).await.expect("the shared database");
    let wanted = Wanted { kind: Want::Incremental, ..Wanted::default() };
    let refused = take(&source, &ground, &wanted).await.map(|_| ()).map_err(words);
    assert!(refused.as_ref().is_err_and(|said| said.contains("is dumped")), "{refused:?}");
    let taken = take(&source, &ground, &Wanted::default()).await.expect("a dump").manifest;
    assert_eq!((taken.kind, taken.parent.clone()), (Kind::Dump, None));
    // Keys stay where they are, and no role has a password.
    assert!(taken.tables.iter().all(|table| table.name != "rowhouse_private.key"));
    let roles: Vec<&str> = taken.roles.iter().map(|role| role.name.as_str()).collect();
    assert!(["retail_owner", "rowhouse_one", "rowhouse_keeper"].iter().all(|name| roles.contains(name)), "{roles:?}");
    let report = backup::verify(&source, &taken.id, None, None, &meter()).await.expect("a trial");
    assert_eq!(report.differences, Vec::<String>::new());
    assert!(report.moving.is_empty() && report.compared > 10);

    let admin = shared.admin("postgres").await;
    admin.batch_execute("CREATE DATABASE brought_back").await.expect("a new database");
    let mut target = source.clone();
    target.database.url = Some(shared.url_of("brought_back").into());
    let count = meter();
    let back = || backup::restore(&target, "latest", None, None, None, &count);
    let done = back().await.map_err(words).expect("it comes back");
    // The server is the same one: its roles are there.
    assert_eq!((done.kind, done.roles), (Kind::Dump, Vec::<String>::new()));
    let again = words(back().await.map(|_| ()).expect_err("there is something"));
    assert!(again.contains("the database brought_back is not empty"), "{again}");
    let keys = Keys::open(&shared.state).expect("keys");
    let copy = Ground::find(&target, false, &mut Silent).await.expect("the copy");
    soon(copy.prepare(&target, &keys, &mut Silent)).await.expect("safe to serve");
    let counted = shared.admin("brought_back").await;
    let orders: i64 = counted.query_one("SELECT count(*) FROM retail.orders", &[]).await.expect("a count").get(0);
    let app = App::plan(|plan| (plan.settings, plan.guests) = (target.clone(), vec!["sales"])).await;
    assert_eq!(app.rows("head-office", "SELECT count(*) FROM retail.orders").await, [json!([orders])]);
    soon(app.stop()).await;
    // Files do not go into a database, nor a dump into a directory.
    let to = site.path("nowhere");
    let wrong = words(super::restore(&target, "latest", &to).await.map(|_| ()).expect_err("a dump"));
    assert!(wrong.contains("this one is a dump") && !to.exists(), "{wrong}");
    let typed = "postgres://postgres:hunter2@localhost/x";
    let said = words(
        backup::restore(&target, "latest", None, Some(typed), None, &meter()).await.map(|_| ()).expect_err("typed"),
    );
    assert!(said.contains("DATABASE_URL") && !said.contains("hunter2"), "{said}");
    assert_eq!(catalog(&source).await.entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_does_not_see_every_row_makes_no_dump() {
    let (site, shared) = (Site::new().await, shared().await);
    let _turn = super::TURN.lock().await;
    let admin = shared.admin("rowhouse").await;
    admin
        .batch_execute("CREATE ROLE blind_dumper LOGIN PASSWORD 'hunter2' IN ROLE pg_read_all_data")
        .await
        .expect("a role");
    let mut source = site.settings.clone();
    source.database.url = Some(shared.url.clone().into());
    let host = shared.socket.display().to_string().replace('/', "%2F");
    source.backup.url = Some(format!("postgres://blind_dumper:hunter2@{host}/rowhouse").into());
    let ground = Ground::find(&source, false, &mut Silent).await.expect("the shared database");
    let said = words(take(&source, &ground, &Wanted::default()).await.map(|_| ()).expect_err("it is blind"));
    assert!(said.contains("BYPASSRLS") && said.contains("backup.url") && !said.contains("hunter2"), "{said}");
    assert!(catalog(&source).await.entries.is_empty());
    // What the error says would do, does.
    let mend = "ALTER ROLE blind_dumper BYPASSRLS; GRANT rowhouse_trusted TO blind_dumper";
    admin.batch_execute(mend).await.expect("a grant");
    take(&source, &ground, &Wanted::default()).await.map_err(words).expect("a dump");
}
