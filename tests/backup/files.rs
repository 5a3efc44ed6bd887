//! The embedded database, as it lies on disk.

use super::{Site, files_below, names, restore, take};
use crate::harness::{App, Silent};
use crate::patience::soon;
use rowhouse::backup::{self, Kind, Want, Wanted, meter};
use rowhouse::house::Ground;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// Rows of a table; nothing where there is none.
async fn rows(client: &Client, table: &str) -> Option<i64> {
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.expect("a look");
    if !there.get::<_, bool>(0) {
        return None;
    }
    Some(client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("a count").get(0))
}

/// What changes between two backups.
const CHANGE: &str = "
    CREATE SCHEMA ledger; CREATE TABLE ledger.notes AS SELECT n, repeat('x', n % 50) FROM generate_series(1, 1000) n;
    DELETE FROM retail.inventory WHERE stock_level % 2 = 0;
    UPDATE retail.products SET product_name = 'Claw hammer' WHERE sku = (SELECT min(sku) FROM retail.products);";

#[tokio::test(flavor = "multi_thread")]
async fn both_moments_come_back_and_the_copies_serve() {
    let site = Site::new().await;
    let ground = site.open(true).await;
    let admin = ground.admin().await.expect("the administrator");
    let with_state = Wanted { state: true, ..Wanted::default() };
    let first = take(&site.settings, &ground, &with_state).await.expect("a backup");
    assert_eq!((first.manifest.kind, first.open), (Kind::Full, false));
    assert!(first.full_because.is_some_and(|why| why.contains("no full one")));
    let before = (None, rows(&admin, "retail.inventory").await);
    admin.batch_execute(CHANGE).await.expect("a change");
    let second = take(&site.settings, &ground, &with_state).await.expect("a backup");
    assert_eq!((second.manifest.kind, second.full_because), (Kind::Incremental, None));
    assert_eq!(second.manifest.parent.as_ref(), Some(&first.manifest.id));
    assert!(
        second.manifest.size() < first.manifest.size() / 2,
        "{} of {}",
        second.manifest.size(),
        first.manifest.size()
    );
    let after = (Some(1000), rows(&admin, "retail.inventory").await);
    assert_ne!(before.1, after.1);
    let orders = "SELECT count(*) FROM retail.orders WHERE store_id = (SELECT id FROM rowhouse.tenants_directory
                  WHERE name = 'Seattle' OR name LIKE '%Seattle')";
    let orders: i64 = admin.query_one(orders, &[]).await.expect("a count").get(0);
    assert!(orders > 0);
    for (manifest, moment, chain) in [(&first.manifest, before, 1), (&second.manifest, after, 2)] {
        let report = backup::verify(&site.settings, &manifest.id, None, None, &meter()).await.expect("a trial");
        assert_eq!((report.differences, report.chain), (Vec::<String>::new(), chain));
        assert!(report.compared > 10, "{}", report.compared);
        let to = site.path(&manifest.id);
        let back = restore(&site.settings, &manifest.id, &to).await.expect("a copy");
        assert_eq!((back.chain, back.state), (chain, true));
        let mut copy = site.settings.clone();
        copy.state = Some(to);
        let app = App::plan(|plan| (plan.settings, plan.guests) = (copy.clone(), vec!["sales"])).await;
        // The context is signed with the key that came along in the copy, the ticket with the one of the state.
        assert_eq!(app.rows("seattle", "SELECT count(*) FROM retail.orders").await, [json!([orders])]);
        let joined = Ground::find(&copy, true, &mut Silent).await.expect("the same database");
        let client = joined.admin().await.expect("the administrator, by the copy's own password");
        let found = (rows(&client, "ledger.notes").await, rows(&client, "retail.inventory").await);
        assert_eq!(found, moment, "{}", manifest.id);
        drop(client);
        soon(app.stop()).await;
    }
    ground.leave().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_of_tables_is_held_against_what_comes_out() {
    let site = Site::new().await;
    let ground = site.open(false).await;
    let admin = ground.admin().await.expect("the administrator");
    admin.batch_execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1), (2)").await.expect("a table");
    let taken = site.take(&ground, Want::Full).await.expect("a backup").manifest;
    let table = taken.tables.iter().find(|table| table.name == "public.kept").expect("it is counted");
    assert_eq!((table.rows, table.moving), (2, false));
    // Nothing of a row, and nothing that tells of one: the salt of the checksums is encrypted.
    let path = site.path("place").join(&taken.id).join("manifest.json");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let mut json: Value = serde_json::from_str(&text).expect("JSON");
    assert!(json.get("salt").is_none() && !text.contains("AGE-SECRET-KEY"));
    let sealed = files_below(&site.path("place"));
    let sealed = sealed.iter().filter(|path| !path.ends_with("manifest.json"));
    for path in sealed {
        assert!(std::fs::read(path).expect("a file").starts_with(b"age-encryption.org/v1\n"), "{}", path.display());
    }
    let tables = json["tables"].as_array_mut().expect("tables");
    for table in tables.iter_mut().filter(|table| table["name"] == "public.kept") {
        table["rows"] = 3.into();
    }
    tables.push(json!({ "name": "public.lost", "rows": 1, "checksum": "7" }));
    std::fs::write(&path, json.to_string()).expect("a file");
    let report = backup::verify(&site.settings, "latest", None, None, &meter()).await.expect("a trial");
    let mut found = report.differences;
    found.sort();
    assert_eq!(found, ["public.kept: 2 rows, not 3", "public.lost: the table is not there"]);
    ground.leave().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_keep_what_is_needed_and_a_chain_has_an_end() {
    let mut site = Site::new().await;
    let ground = site.open(false).await;
    site.settings.backup.chain = 2;
    let mut made = Vec::new();
    for kind in [Kind::Full, Kind::Incremental, Kind::Full, Kind::Incremental] {
        let taken = site.take(&ground, Want::Any).await.expect("a backup");
        assert_eq!((taken.manifest.kind, taken.removed.len()), (kind, 0));
        made.push(taken.manifest.id);
    }
    let refused = site.take(&ground, Want::Incremental).await.map(|_| ()).map_err(super::words);
    assert!(refused.as_ref().is_err_and(|said| said.contains("backup.chain")), "{refused:?}");
    site.settings.backup.keep.last = 2;
    let taken = site.take(&ground, Want::Full).await.expect("a backup");
    // The newest two are this one and an incremental one, which stands on the third.
    assert_eq!(taken.removed, [made[1].clone(), made[0].clone()]);
    let catalog = site.catalog().await;
    let left = names(catalog.entries.iter().map(|entry| &entry.manifest));
    assert_eq!(left, [&made[2], &made[3], &taken.manifest.id]);
    assert!(catalog.entries.iter().all(|entry| catalog.chain(&entry.manifest).is_ok()));
    ground.leave().await.expect("an end");
}
