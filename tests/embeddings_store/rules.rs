//! What may be registered, and what the database makes of it: the view, the queue, the plan of a search.

use super::{KEY, agent, ask, bring_in, database, embed, kept, products, store};
use crate::harness::{Shared, shared};
use crate::patience::soon;
use rowhouse_migrations::{self as shape, Domains, Level};
use tokio_postgres::Client;

/// A table of an operator's own, with a function for its texts. Its names need quotes, its key is a text.
const SHOP: &str = r#"
    CREATE SCHEMA "Shop";
    CREATE TABLE "Shop"."Advice" ("Key" varchar(20) COLLATE "C" PRIMARY KEY, title text NOT NULL, body text);
    CREATE FUNCTION "Shop".say(it "Shop"."Advice") RETURNS text LANGUAGE sql STABLE
      AS $$ SELECT concat_ws('. ', nullif(it.title, ''), it.body) $$;
    CALL rowhouse.share('"Shop"."Advice"');
    INSERT INTO "Shop"."Advice" VALUES ('a', 'Sand first', 'then paint'), ('b', 'Wear gloves', NULL), ('c', '', NULL)"#;
const EMBED: &str = r#"CALL rowhouse.embed('"Shop"."Advice"', 'Key', '"Shop".say', '"Shop"."Meanings"')"#;

/// A database of the core alone, with a table of its own.
async fn shop(shared: &Shared, name: &str) -> Client {
    let root = shared.admin("postgres").await;
    root.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let mut admin = shared.admin(name).await;
    shape::migrate(&mut admin, Domains::Core).await.expect("the core");
    shape::install_ticket_key(&admin, "vectors", &KEY).await.expect("a key");
    admin.batch_execute(SHOP).await.expect("a shop");
    admin
}

/// How a statement ends: `ok`, or an SQLSTATE.
async fn ends(admin: &Client, statement: &str) -> String {
    match admin.batch_execute(statement).await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.code().map_or_else(|| error.to_string(), |state| state.code().to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_searched_by_meaning() {
    let admin = soon(shop(soon(shared()).await, "vectors_of_a_shop")).await;
    assert_eq!(ends(&admin, EMBED).await, "58P01", "the core does without pgvector, and says that this needs it");
    admin
        .batch_execute(
            r#"CREATE EXTENSION vector SCHEMA ext;
               CREATE TABLE "Shop".bills (account uuid NOT NULL, "Key" text PRIMARY KEY);
               CALL rowhouse.protect('"Shop".bills', 'account');
               CREATE TABLE "Shop".plain ("Key" text PRIMARY KEY);
               CREATE TABLE "Shop".paired (a int, b int, PRIMARY KEY (a, b));
               CREATE TABLE "Shop".dated (day date PRIMARY KEY);
               CALL rowhouse.share('"Shop".paired'); CALL rowhouse.share('"Shop".dated');
               CREATE FUNCTION "Shop".loud(it "Shop"."Advice") RETURNS text LANGUAGE sql VOLATILE AS 'SELECT ''x''';
               CREATE FUNCTION "Shop".count(it "Shop"."Advice") RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
               CREATE FUNCTION "Shop".both(it "Shop"."Advice", more text) RETURNS text LANGUAGE sql STABLE AS 'SELECT ''x''';
               CREATE VIEW "Shop".taken AS SELECT 1 AS one"#,
        )
        .await
        .expect("more of the shop");
    for (table, key, function, view, state) in [
        // The rows of tenants: one index over all would tell each of the others.
        ("bills", "Key", "say", "\"Shop\".m", "0A000"),
        ("plain", "Key", "say", "\"Shop\".m", "55000"),
        ("Advice", "title", "say", "\"Shop\".m", "42P10"),
        ("paired", "a", "say", "\"Shop\".m", "42P10"),
        ("dated", "day", "say", "\"Shop\".m", "42P10"),
        ("Advice", "Key", "loud", "\"Shop\".m", "42883"),
        ("Advice", "Key", "count", "\"Shop\".m", "42883"),
        ("Advice", "Key", "both", "\"Shop\".m", "42883"),
        ("Advice", "Key", "nothing", "\"Shop\".m", "42883"),
        ("Advice", "Key", "say", "public.m", "42602"),
        ("Advice", "Key", "say", "m", "42602"),
        ("Advice", "Key", "say", "\"Shop\".m; DROP TABLE x", "22023"),
        ("Advice", "Key", "say", "\"Shop\".taken", "42P07"),
        ("Advice", "Key", "say", "\"Shop\".\"Advice\"", "42P07"),
    ] {
        let call = format!(r#"CALL rowhouse.embed('"Shop"."{table}"', '{key}', '"Shop".{function}', '{view}')"#);
        assert_eq!(ends(&admin, &call).await, state, "{call}");
    }
    for (statement, state) in [
        (EMBED, "ok"),
        // Again, and with another name.
        (EMBED, "ok"),
        (r#"CALL rowhouse.embed('"Shop"."Advice"', 'Key', '"Shop".say', '"Shop"."Means"')"#, "ok"),
        (r#"SELECT FROM "Shop"."Meanings""#, "42P01"),
        (r#"CALL rowhouse.unembed('"Shop"."Advice"')"#, "ok"),
        (r#"CALL rowhouse.unembed('"Shop"."Advice"')"#, "42704"),
        (r#"SELECT FROM "Shop"."Means""#, "42P01"),
        (EMBED, "ok"),
    ] {
        assert_eq!(ends(&admin, statement).await, state, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_ones_own_is_searched_by_meaning() {
    let shared = soon(shared()).await;
    let admin = soon(shop(shared, "vectors_of_advice")).await;
    admin.batch_execute(&format!("CREATE EXTENSION vector SCHEMA ext; {EMBED}")).await.expect("registered");
    // What an operator makes of the view stays whatever model is active.
    admin
        .batch_execute(
            r#"CREATE VIEW "Shop".near WITH (security_invoker = true) AS SELECT "Key", embedding FROM "Shop"."Meanings";
               GRANT SELECT ON "Shop".near TO rowhouse_all"#,
        )
        .await
        .expect("a view");
    for (name, dimensions) in [("short", 8), ("long", 600), ("longest", 4_000)] {
        let model = soon(bring_in(&admin, name, dimensions)).await;
        store::activate_embeddings(&admin, &model, false).await.expect("active");
        let reader = agent(shared, "vectors_of_advice").await;
        let rows =
            ask(&reader, r#"SELECT "Key", vector_dims(embedding) FROM "Shop".near ORDER BY 1"#).await.expect("rows");
        let found: Vec<(&str, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let length = i32::from(dimensions);
        assert_eq!(found, [("a", length), ("b", length)], "an empty text means nothing");
    }
    // A second table comes in while a model is active: its view shows vectors as they are stored.
    let more = r#"CREATE TABLE "Shop".tips (id int PRIMARY KEY, tip text); CALL rowhouse.share('"Shop".tips');
        CREATE FUNCTION "Shop".tip(it "Shop".tips) RETURNS text LANGUAGE sql STABLE AS 'SELECT it.tip';
        CALL rowhouse.embed('"Shop".tips', 'id', '"Shop".tip', '"Shop".tip_meanings');
        INSERT INTO "Shop".tips SELECT i, 'tip ' || i FROM generate_series(1, 25) i"#;
    admin.batch_execute(more).await.expect("a second table");
    let model = bring_in(&admin, "longest", 4_000).await;
    let counts = store::count_embeddings(&admin, &model).await.expect("counts");
    let counts: Vec<_> = counts.iter().map(|one| (&*one.source, one.total, one.current)).collect();
    assert_eq!(counts, [("\"Shop\".\"Advice\"", 2, 2), ("\"Shop\".tips", 25, 25)]);
    let reader = agent(shared, "vectors_of_advice").await;
    let rows = ask(&reader, r#"SELECT count(*) FROM "Shop".tip_meanings"#).await.expect("rows");
    assert_eq!(rows[0].get::<_, i64>(0), 25);
    // Rows that go, and texts that are emptied, take their vectors with them at the next sweep.
    admin
        .batch_execute(r#"DELETE FROM "Shop".tips WHERE id > 20; UPDATE "Shop".tips SET tip = ' ' WHERE id > 15"#)
        .await
        .expect("less");
    let sources = store::embedding_sources(&admin).await.expect("sources");
    let mut swept = 0;
    for source in &sources {
        let mut on = |step| {
            if let store::Step::Swept { orphans } = step {
                swept += orphans;
            }
        };
        store::finish_embeddings(&admin, source, &model, None, &mut on).await.expect("swept");
    }
    assert_eq!(swept, 10);

    // Another owner, who is to reach what the one before made.
    let changed = r#"ALTER TABLE "Shop".tips OWNER TO rowhouse_owner; GRANT USAGE ON SCHEMA "Shop" TO rowhouse_owner"#;
    admin.batch_execute(changed).await.expect("another owner");
    let tips = store::embedding_sources(&admin).await.expect("sources").remove(1);
    let error = store::finish_embeddings(&admin, &tips, &model, None, &mut |_| {}).await.expect_err("it sees no rows");
    assert!(error.to_string().contains("rowhouse.share"), "nothing is swept: {error}");
    admin
        .batch_execute(
            r#"CALL rowhouse.share('"Shop".tips');
               CALL rowhouse.embed('"Shop".tips', 'id', '"Shop".tip', '"Shop".tip_meanings');
               INSERT INTO "Shop".tips VALUES (99, 'one more')"#,
        )
        .await
        .expect("another owner");
    bring_in(&admin, "longest", 4_000).await;
    let rows = ask(&reader, r#"SELECT count(*) FROM "Shop".tip_meanings"#).await.expect("rows");
    assert_eq!(rows[0].get::<_, i64>(0), 16);

    // Names one is not to take for another's, and a size nothing takes.
    let other = store::NewModel { fingerprint: "other", ..super::new("longest", 4_000) };
    let error = store::add_embedding_model(&admin, &other).await.expect_err("another fingerprint");
    assert!(error.to_string().contains("another name"), "{error}");
    let error = store::add_embedding_model(&admin, &super::new("too long", 4_001)).await.expect_err("too long");
    assert!(error.to_string().contains("4001"), "{error}");

    // What the doctor says of each hole.
    let holes = [
        (
            r#"ALTER TABLE "Shop".tips DISABLE TRIGGER rowhouse_embed_update"#,
            Level::Weak,
            "changed texts are not told of",
        ),
        (r#"ALTER TABLE "Shop".tips ALTER id TYPE bigint"#, Level::Weak, "changed texts are not told of"),
        ("GRANT USAGE ON SCHEMA rowhouse_vectors TO rowhouse_one", Level::Weak, "agents may look behind"),
        (
            "CREATE TABLE rowhouse_vectors.mine (x int); GRANT SELECT ON rowhouse_vectors.mine TO rowhouse_one",
            Level::Unsafe,
            "vectors outside the registry",
        ),
        (
            r#"ALTER TABLE "Shop".tips ADD account uuid NOT NULL DEFAULT gen_random_uuid();
               CALL rowhouse.protect('"Shop".tips', 'account')"#,
            Level::Unsafe,
            "vectors of rows that are not shared",
        ),
        (r#"DROP TABLE "Shop"."Advice" CASCADE; DROP VIEW "Shop".near"#, Level::Weak, "searched table is gone"),
    ];
    for (hole, level, rule) in holes {
        admin.batch_execute(hole).await.expect(hole);
        let found = shape::lint(&admin, &[]).await.expect("a look");
        let told = found.into_iter().find(|it| it.rule.starts_with(rule)).unwrap_or_else(|| panic!("{hole}"));
        assert_eq!(told.level, level, "{hole}");
        admin.batch_execute(&told.mend).await.unwrap_or_else(|error| panic!("{}: {error:?}", told.mend));
        let found = shape::lint(&admin, &[]).await.expect("a look");
        assert!(found.iter().all(|it| !it.rule.starts_with(rule)), "{hole}: {found:?}");
    }
}

/// A writer that has not committed yet loses nothing to the one who takes rows off the queue, and waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_commits_late_is_not_lost() {
    let shared = soon(shared()).await;
    let (admin, _) = soon(database(shared, "vectors_late", false)).await;
    let source = products(&admin).await;
    let model = soon(bring_in(&admin, "first", 8)).await;
    let queued = store::queued_texts(&admin, &source, &model, 1_000).await.expect("the queue");
    store::forget_queued(&admin, &source, &queued.asked).await.expect("off the queue");

    let writer = shared.admin("vectors_late").await;
    let change = |what: &str| {
        format!(
            "UPDATE retail.products SET product_description = '{what}' WHERE sku = (SELECT min(sku) FROM retail.products)"
        )
    };
    admin.batch_execute(&change("early")).await.expect("a change");
    writer.batch_execute(&format!("BEGIN; {}", change("late"))).await.expect("a change in the making");
    let queued = store::queued_texts(&admin, &source, &model, 10).await.expect("the queue");
    assert!(queued.texts.len() == 1 && queued.texts[0].text.ends_with("early"), "{queued:?}");
    store::store_embeddings(&admin, &source, &model, &embed(&queued.texts, &model)).await.expect("stored");
    soon(store::forget_queued(&admin, &source, &queued.asked)).await.expect("waits for nobody");
    writer.batch_execute("COMMIT").await.expect("committed");
    let queued = store::queued_texts(&admin, &source, &model, 10).await.expect("the queue");
    assert!(queued.texts.len() == 1 && queued.texts[0].text.ends_with("late"), "{queued:?}");

    // Of several hosts one keeps the vectors current.
    assert!(store::claim_embeddings(&admin).await.expect("a claim"));
    assert!(store::claim_embeddings(&admin).await.expect("still ours"));
    assert!(!store::claim_embeddings(&writer).await.expect("somebody has it"));
    drop(admin);
    soon(async {
        while !store::claim_embeddings(&writer).await.expect("a claim") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_uses_the_index() {
    let shared = soon(shared()).await;
    let (admin, root) = soon(database(shared, "vectors_planned", false)).await;
    let model = soon(bring_in(&admin, "first", 8)).await;
    store::activate_embeddings(&admin, &model, false).await.expect("active");
    // A build that was broken off is made good.
    let index = format!("rowhouse_vectors.s{}_m{}_nearest", products(&admin).await.id, model.id);
    root.batch_execute(&format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"))
        .await
        .expect("a broken index");
    let count = store::count_embeddings(&admin, &model).await.expect("a count").remove(0);
    assert!(!count.indexed);
    bring_in(&admin, "first", 8).await;
    let count = store::count_embeddings(&admin, &model).await.expect("a count").remove(0);
    assert!(count.indexed);

    let reader = agent(shared, "vectors_planned").await;
    // A catalogue this small is read whole; one that is not, is not.
    reader.batch_execute("SET enable_seqscan = off; SET enable_sort = off").await.expect("settings");
    for statement in [
        "SELECT * FROM retail.search_products_by_description('[1,0,0,0,0,0,0,0]'::vector)",
        "SELECT * FROM retail.search_products_by_description('[1,0,0,0,0,0,0,0]'::vector, 0.1, 5)",
        "SELECT product_id FROM retail.product_embeddings ORDER BY embedding <=> '[1,0,0,0,0,0,0,0]'::vector LIMIT 5",
    ] {
        let rows = ask(&reader, &format!("EXPLAIN (COSTS OFF) {statement}")).await.expect("a plan");
        let plan: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("_nearest on s") && !plan.contains("Function Scan"), "{plan}");
    }
    let findings = shape::lint(&root, &kept()).await.expect("a look");
    assert!(findings.iter().all(|finding| finding.level == Level::Note), "{findings:?}");
}
