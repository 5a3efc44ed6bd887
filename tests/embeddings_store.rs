//! Vectors of texts in the database: computed, kept current, and changed for another model's while they are read. By a
//! superuser, and by an administrator who is none.

mod rules; // What may be registered, and what the database makes of it.

use crate::harness::{Shared, shared};
use crate::patience::soon;
use hmac::{Hmac, Mac};
use rowhouse_migrations::embeddings::{self as store, Embedding, Model, NewModel, Source, Step, Text};
use rowhouse_migrations::{self as shape, Domains, Error, Level, retail};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_postgres::{Client, Config, NoTls, Row};

/// The databases of this file have a host's key of their own.
const KEY: [u8; 32] = [7; 32];

/// The view, whole: how many vectors, and of how many lengths.
const WHOLE: &str = "SELECT count(*), count(DISTINCT vector_dims(embedding)) FROM retail.product_embeddings";

/// What the demo lets statements call.
fn kept() -> Vec<String> {
    retail::FUNCTIONS.map(str::to_owned).to_vec()
}

/// A hardened database with a small demo. `steward`: of an administrator who is no superuser; the superuser's session
/// is the other one.
async fn database(shared: &Shared, name: &str, steward: bool) -> (Client, Client) {
    let root = shared.admin("postgres").await;
    if steward {
        // As one who made the roles of this cluster, which somebody else did here, and owns the database.
        for statement in [
            "CREATE ROLE steward_of_vectors LOGIN CREATEROLE",
            "GRANT rowhouse_owner, rowhouse_keeper, rowhouse_trusted, retail_owner TO steward_of_vectors WITH INHERIT TRUE, SET TRUE",
            "GRANT rowhouse_one, rowhouse_some, rowhouse_all TO steward_of_vectors WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        ] {
            root.batch_execute(statement).await.expect(statement);
        }
    }
    let owner = if steward { "OWNER steward_of_vectors" } else { "" };
    root.batch_execute(&format!("CREATE DATABASE {name} {owner}")).await.expect("a database");
    let root = shared.admin(name).await;
    let mut admin = shared.admin(name).await;
    if steward {
        admin.batch_execute("SET SESSION AUTHORIZATION steward_of_vectors").await.expect("somebody else");
        // What the steward is told to have done by a superuser.
        while let Err(Error::Extension { statement, .. }) = shape::migrate(&mut admin, Domains::CoreAndRetail).await {
            root.batch_execute(&statement).await.expect("an extension");
        }
    }
    shape::migrate(&mut admin, Domains::CoreAndRetail).await.expect("a schema");
    shape::harden(&root, &kept()).await.expect("walls");
    shape::install_ticket_key(&root, "vectors", &KEY).await.expect("a key");
    retail::seed(&mut admin, 0.001, &mut |_| {}).await.expect("a demo");
    (admin, root)
}

/// A session as an agent role.
async fn agent(shared: &Shared, database: &str) -> Client {
    let mut config: Config = shared.url_of(database).parse().expect("a URL");
    config.options("-c role=rowhouse_all -c search_path=retail,ext");
    let (client, connection) = config.connect(NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// What an agent reads, from inside a context.
async fn ask(agent: &Client, statement: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 30;
    let body = format!("v1|vectors|all|ab|{seconds}|0|n");
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key of any length");
    mac.update(body.as_bytes());
    let ticket = format!("{body}|{}", hex::encode(mac.finalize().into_bytes()));
    agent.batch_execute(&format!("BEGIN READ ONLY; SELECT FROM rowhouse.enter('{ticket}')")).await?;
    let rows = agent.query(statement, &[]).await;
    agent.batch_execute("ROLLBACK").await.expect("an end");
    rows
}

/// The one row of an answer, as numbers.
async fn numbers(agent: &Client, statement: &str) -> (i64, i64) {
    let rows = ask(agent, statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    (rows[0].get(0), rows[0].get(1))
}

/// A model of the suite's own: words that two texts share make them near.
fn vector(text: &str, dimensions: u16) -> Vec<f32> {
    let mut vector = vec![0.0f32; usize::from(dimensions)];
    for word in text.split_whitespace() {
        let digest = Sha256::digest(word.to_lowercase());
        vector[usize::from(u16::from_be_bytes([digest[0], digest[1]]) % dimensions)] += 1.0;
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.iter().map(|number| number / length).collect()
}

fn embed(texts: &[Text], model: &Model) -> Vec<Embedding> {
    let one = |text: &Text| Embedding {
        key: text.key.clone(),
        hash: text.hash,
        vector: vector(&text.text, model.dimensions),
    };
    texts.iter().map(one).collect()
}

fn new(name: &str, dimensions: u16) -> NewModel<'_> {
    NewModel {
        name,
        fingerprint: name,
        provider: "suite",
        model: "words",
        revision: "1",
        dimensions,
        normalised: true,
        floor: 0.25,
    }
}

/// Bring in a model up to its index, a page of 100 texts at a time.
async fn bring_in(admin: &Client, name: &str, dimensions: u16) -> Model {
    let model = store::add_embedding_model(admin, &new(name, dimensions)).await.expect("a model");
    for source in store::embedding_sources(admin).await.expect("sources") {
        store::prepare_embeddings(admin, &source, &model).await.expect("a table");
        let mut after = None;
        loop {
            let texts =
                store::outdated_texts(admin, &source, &model, after.as_deref(), 100).await.expect("a page of texts");
            let stored = store::store_embeddings(admin, &source, &model, &embed(&texts, &model)).await.expect("stored");
            assert_eq!(stored, texts.len() as u64);
            let Some(last) = texts.last() else { break };
            after = Some(last.key.clone());
        }
        let mut steps = Vec::new();
        store::finish_embeddings(admin, &source, &model, None, &mut |step| steps.push(step)).await.expect("an index");
        assert_eq!(steps, [Step::Swept { orphans: 0 }, Step::Indexed]);
    }
    model
}

async fn products(admin: &Client) -> Source {
    let mut sources = store::embedding_sources(admin).await.expect("sources");
    assert_eq!(sources.len(), 1);
    let source = sources.remove(0);
    assert_eq!((&*source.relation, &*source.view), ("retail.products", "retail.product_embeddings"));
    source
}

/// From nothing to vectors that are current, and to other ones while somebody reads.
async fn flow(shared: &Shared, name: &str, steward: bool) {
    let (admin, root) = database(shared, name, steward).await;
    let source = products(&admin).await;
    let reader = agent(shared, name).await;
    assert_eq!(numbers(&reader, WHOLE).await, (0, 0), "nothing before there is a model");
    let first = bring_in(&admin, "first", 384).await;
    assert_eq!(numbers(&reader, WHOLE).await, (0, 0), "nothing before it is active");
    let count = store::count_embeddings(&admin, &first).await.expect("a count").remove(0);
    assert!(count.total > 400 && count.current == count.total && count.indexed && count.bytes > 0, "{count:?}");
    // The load of the demo asked for every product.
    assert_eq!((count.outdated, count.missing, count.orphans, count.queued), (0, 0, 0, count.total));
    store::activate_embeddings(&admin, &first, false).await.expect("active");
    let all = count.total.cast_signed();
    assert_eq!(numbers(&reader, WHOLE).await, (all, 1));

    // Each wall on the way to the vectors.
    let vectors = format!("rowhouse_vectors.s{}_m{}", source.id, first.id);
    let bare = agent(shared, name).await;
    let refused = bare.query(WHOLE, &[]).await.expect_err("no context, no rows");
    assert_eq!(refused.code().map(|state| state.code()), Some("42501"));
    for statement in [format!("SELECT FROM {vectors}"), "SELECT FROM rowhouse.embedding_queue".to_owned()] {
        let refused = ask(&reader, &statement).await.expect_err(&statement);
        assert_eq!(refused.code().map(|state| state.code()), Some("42501"), "{statement}");
    }

    // The agents' own settings of it, for whoever logs in as one of them.
    let settings = "SELECT count(*) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
                    WHERE r.rolname IN ('rowhouse_one', 'rowhouse_some', 'rowhouse_all')
                      AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND s.setconfig @> '{hnsw.ef_search=200,hnsw.iterative_scan=relaxed_order}'
                      AND NOT s.setconfig::text ~ 'rowhouse_vectors'";
    assert_eq!(root.query_one(settings, &[]).await.expect("a count").get::<_, i64>(0), 3);

    // The nearest to a product is itself.
    let search = "SELECT s.product_id = n.product_id, s.similarity > 0.999 FROM (SELECT * FROM retail.product_embeddings LIMIT 1) n
                  CROSS JOIN LATERAL retail.search_products_by_description(n.embedding::vector, 0.2, 3) s";
    let found = ask(&reader, search).await.expect("products");
    assert!(found[0].get::<_, bool>(0) && found[0].get::<_, bool>(1) && found.len() <= 3, "{found:?}");

    kept_current(&admin, &source, &first).await;

    // Another model, of another length, while somebody reads.
    let second = bring_in(&admin, "second", 8).await;
    let done = Arc::new(AtomicBool::new(false));
    let reading = {
        let (reader, done) = (agent(shared, name).await, Arc::clone(&done));
        tokio::spawn(async move {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let (rows, lengths) = numbers(&reader, WHOLE).await;
                assert_eq!((rows, lengths), (all, 1), "all of one model");
                seen += 1;
            }
            seen
        })
    };
    for _ in 0..10 {
        store::activate_embeddings(&admin, &second, false).await.expect("the second");
        assert_eq!(
            numbers(&reader, "SELECT min(vector_dims(embedding))::bigint, 0::bigint FROM retail.product_embeddings")
                .await
                .0,
            8
        );
        store::activate_embeddings(&admin, &first, false).await.expect("the first again");
    }
    done.store(true, Ordering::Relaxed);
    assert!(reading.await.expect("no statement failed") > 0);

    let models = store::embedding_models(&admin).await.expect("models");
    assert_eq!(
        models.iter().map(|model| (&*model.name, model.active)).collect::<Vec<_>>(),
        [("first", true), ("second", false)]
    );
    let error = store::drop_embedding_model(&admin, "first").await.expect_err("it is in use");
    assert!(matches!(error, Error::ActiveModel(_)), "{error:?}");
    store::drop_embedding_model(&admin, "second").await.expect("dropped");
    let error = store::drop_embedding_model(&admin, "second").await.expect_err("it is gone");
    assert!(matches!(error, Error::NoEmbeddingModel(_)), "{error:?}");
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'rowhouse_vectors'::regnamespace AND relkind = 'r'";
    assert_eq!(root.query_one(left, &[]).await.expect("a count").get::<_, i64>(0), 1);
    let findings = shape::lint(&root, &kept()).await.expect("a look");
    assert!(findings.iter().all(|finding| finding.level == Level::Note), "{findings:?}");
}

/// What changes is asked for, computed and taken off the queue; what changes meanwhile is not lost.
async fn kept_current(admin: &Client, source: &Source, model: &Model) {
    let look = async || store::queued_texts(admin, source, model, 1_000).await.expect("the queue");
    // All that the load asked for is current by now.
    let queued = look().await;
    assert!(queued.texts.is_empty() && !queued.asked.is_empty());
    store::forget_queued(admin, source, &queued.asked).await.expect("off the queue");
    assert!(look().await.asked.is_empty());

    let change = "UPDATE retail.products SET product_description = product_description || $1::text
                  WHERE sku IN (SELECT sku FROM retail.products ORDER BY sku LIMIT 2) RETURNING product_id::text";
    let rows = admin.query(change, &[&" Now in green."]).await.expect("a change");
    let mut keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    keys.sort();
    let queued = look().await;
    let mut asked: Vec<&str> = queued.asked.iter().map(|asked| &*asked.key).collect();
    asked.sort_unstable();
    assert_eq!(asked, keys);
    assert!(
        queued.texts.iter().all(|text| text.text.ends_with("Now in green.") && text.text.contains(". ")),
        "{queued:?}"
    );
    let texts = store::outdated_texts(admin, source, model, None, 10).await.expect("texts");
    assert_eq!(texts.iter().map(|text| &*text.key).collect::<Vec<_>>(), keys, "by key");
    let after = store::outdated_texts(admin, source, model, Some(&keys[0]), 10).await.expect("texts");
    assert_eq!(after.iter().map(|text| &*text.key).collect::<Vec<_>>(), keys[1..]);
    let error = store::activate_embeddings(admin, model, false).await.expect_err("two are missing");
    assert!(matches!(error, Error::TextsWithoutVector { lacking: 2, .. }), "{error:?}");
    store::activate_embeddings(admin, model, true).await.expect("in spite of two");

    // One changes again before its vector is there: the vector of the old text is not taken, and it stays asked for.
    let again = "UPDATE retail.products SET product_description = 'Now in blue.' WHERE product_id::text = $1";
    admin.execute(again, &[&keys[0]]).await.expect("a change");
    let stored = store::store_embeddings(admin, source, model, &embed(&queued.texts, model)).await.expect("stored");
    assert_eq!(stored, 1);
    store::forget_queued(admin, source, &queued.asked).await.expect("off the queue");
    let queued = look().await;
    assert_eq!((queued.asked.len(), &*queued.asked[0].key, queued.texts.len()), (1, &*keys[0], 1));
    let wrong = Embedding { key: keys[0].clone(), hash: queued.texts[0].hash, vector: vec![1.0; 3] };
    let error = store::store_embeddings(admin, source, model, &[wrong]).await.expect_err("too short");
    assert!(matches!(error, Error::WrongDimensions { expected: 384, found: 3 }), "{error:?}");
    store::store_embeddings(admin, source, model, &embed(&queued.texts, model)).await.expect("stored");
    store::forget_queued(admin, source, &queued.asked).await.expect("off the queue");
    assert!(look().await.asked.is_empty());
    let count = store::count_embeddings(admin, model).await.expect("a count").remove(0);
    assert_eq!((count.current, count.outdated, count.missing, count.queued), (count.total, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_brings_in_a_model_and_changes_it_under_readers() {
    let shared = soon(shared()).await;
    soon(flow(shared, "vectors", false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_an_administrator_who_is_none() {
    let shared = soon(shared()).await;
    soon(flow(shared, "vectors_of_a_steward", true)).await;
}
