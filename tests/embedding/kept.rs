//! Vectors of a database: made behind the calls, kept up with texts, changed for another model's while calls run, and
//! done without.

use super::endpoint::{Endpoint, Mood};
use crate::harness::{App, Silent, binary, settings, shared};
use crate::patience::soon;
use rowhouse::config::{self, Provider, Settings};
use rowhouse::embedding::{Embeddings, State, backfill};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use rowhouse_migrations::embeddings as shape;
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::Command;
use tokio_postgres::Client;

/// A database of a test's own with the demo's data, and a service that makes vectors of its texts.
struct Place {
    settings: Settings,
    admin: Client,
    endpoint: Endpoint,
}

fn model(endpoint: &Endpoint, dimensions: u16) -> config::Model {
    config::Model {
        provider: Provider::OpenAi,
        url: Some(endpoint.url()),
        model: Some("words".to_owned()),
        dimensions: Some(dimensions),
        tries: 1,
        ..config::Model::usual()
    }
}

/// As many numbers as the service gives. Few words share one of these.
const DIMENSIONS: u16 = 512;

impl Place {
    async fn new(name: &str) -> Self {
        let shared = shared().await;
        shared.admin("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
        let mut settings = settings(shared);
        settings.database.url = Some(shared.url_of(name).into());
        let keys = Keys::open(&shared.state).expect("keys");
        let ground = Ground::find(&settings, false, &mut Silent).await.expect("the database");
        soon(ground.prepare(&settings, &keys, &mut Silent)).await.expect("a migrated database");
        soon(ground.seed(0.01, &mut Silent)).await.expect("a seeded database");
        let endpoint = Endpoint::start(usize::from(DIMENSIONS)).await;
        settings.embedding.model = "words".to_owned();
        settings.embedding.models.insert("words".to_owned(), model(&endpoint, DIMENSIONS));
        Self { settings, admin: shared.admin(name).await, endpoint }
    }

    async fn app(&self) -> App {
        App::plan(|plan| {
            plan.settings = self.settings.clone();
            plan.guests = vec!["sales", "search"];
        })
        .await
    }

    /// Hosts look at once.
    async fn knock(&self) {
        self.admin.batch_execute("NOTIFY rowhouse_embeddings").await.expect("a word to the hosts");
    }

    /// `rowhouse` with these settings; its exit code and what it printed.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let models: String = self
            .settings
            .embedding
            .models
            .iter()
            .filter(|(_, model)| model.provider == Provider::OpenAi)
            .map(|(name, model)| {
                let (url, dimensions) = (model.url.as_deref().unwrap_or_default(), model.dimensions.unwrap_or_default());
                format!("[embedding.models.{name}]\nprovider = 'openai'\nurl = '{url}'\nmodel = 'words'\ndimensions = {dimensions}\ntries = 1\n")
            })
            .collect();
        let first = &self.settings.embedding.model;
        std::fs::write(dir.path().join("rowhouse.toml"), format!("[embedding]\nmodel = '{first}'\n{models}"))
            .expect("settings");
        let mut command = Command::new(binary());
        let url = self.settings.database.url.as_ref().expect("a URL").resolve().expect("a URL");
        command.args(arguments).env_clear().env("DATABASE_URL", secrecy::ExposeSecret::expose_secret(&url));
        command.env("ROWHOUSE_STATE", self.settings.state_dir()).current_dir(dir.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = soon(command.output()).await.expect("the host runs");
        let text = |bytes| String::from_utf8(bytes).expect("words in UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        (output.status.code(), if output.status.code() == Some(0) { out } else { out + &err })
    }
}

/// Until calls get vectors of this model.
async fn serves(app: &App, name: &str) {
    soon(async {
        while !matches!(app.host.embeddings.state(), State::Serves(model) if model.name() == name) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn search(app: &App, what: &str) -> Value {
    app.answer("seattle", "semantic_search_products", json!({ "query_description": what, "similarity_threshold": 20 }))
        .await
}

fn names(answer: &Value) -> Vec<&str> {
    answer["products"].as_array().expect("products").iter().map(|it| it["product"].as_str().expect("a name")).collect()
}

fn degraded(answer: &Value) -> &str {
    answer["degraded"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_made_behind_calls_and_follow_their_texts() {
    let mut place = Place::new("vectors_follow").await;
    place.endpoint.answers(&[Mood::Status(503)]);
    let app = place.app().await;
    // Nothing to search in by meaning: words answer, and why is said.
    let answer = search(&app, "claw hammer").await;
    assert!(names(&answer).iter().any(|name| name.contains("Claw Hammer")), "{answer}");
    assert!(degraded(&answer).contains("vectors are being made"), "{answer}");
    place.endpoint.answers(&[Mood::Well]);
    soon(async {
        // The breaker may still be open.
        while !matches!(app.host.embeddings.state(), State::Serves(_)) {
            place.knock().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    let answer = search(&app, "claw hammer").await;
    assert!(names(&answer)[0].contains("Claw Hammer") && degraded(&answer).is_empty(), "{answer}");
    // A text that changes is made again, and it alone.
    place.endpoint.asked();
    let change = "UPDATE retail.products SET product_description = 'Zyxwv quuxly plonk.' WHERE sku = 'HT-HAM-005';
                  UPDATE retail.products SET base_price = base_price + 1 WHERE sku = 'HT-HAM-006'";
    place.admin.batch_execute(change).await.expect("a change");
    let changed = place
        .admin
        .query_one("SELECT product_name FROM retail.products WHERE sku = 'HT-HAM-005'", &[])
        .await
        .expect("the product");
    let changed: String = changed.get(0);
    soon(async {
        while names(&search(&app, "zyxwv quuxly plonk").await).first() != Some(&changed.as_str()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let made: Vec<Value> = place.endpoint.asked().into_iter().map(|asked| asked.body["input"].clone()).collect();
    let documents: Vec<&Value> = made
        .iter()
        .flat_map(|input| input.as_array().expect("texts"))
        .filter(|text| text.as_str().is_some_and(|t| t.contains("Zyxwv")))
        .collect();
    assert_eq!(documents.len(), 1, "a price is no text: {made:?}");
    // A service that goes away is no outage of anything else.
    place.endpoint.leave().await;
    let answer = search(&app, "claw hammer of another kind").await;
    assert!(degraded(&answer).contains("cannot be reached"), "{answer}");
    assert!(!names(&answer).is_empty());
    app.rows("seattle", "SELECT 1").await;
    place.endpoint.come_back().await;
    soon(async {
        while !degraded(&search(&app, "claw hammer of yet another kind").await).is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_is_taken_into_use_under_calls() {
    let mut place = Place::new("vectors_switch").await;
    let other = Endpoint::start(64).await;
    place.settings.embedding.models.insert("fewer".to_owned(), model(&other, 64));
    let app = Arc::new(place.app().await);
    serves(&app, "words").await;
    let over = Arc::new(AtomicBool::new(false));
    let calls = {
        let (app, over) = (Arc::clone(&app), Arc::clone(&over));
        tokio::spawn(async move {
            let (mut all, mut worded) = (0_u32, 0_u32);
            while !over.load(Ordering::Relaxed) {
                // An answer that is an error fails this.
                let answer = search(&app, &format!("claw hammer {all}")).await;
                assert!(!names(&answer).is_empty(), "{answer}");
                (all, worded) = (all + 1, worded + u32::from(!degraded(&answer).is_empty()));
            }
            (all, worded)
        })
    };
    let embeddings = Embeddings::open(&place.settings.embedding, &place.settings.state_dir()).expect("settings");
    let fewer = embeddings.model("fewer").await.expect("a model");
    let minute = Duration::from_secs(60);
    let report = soon(backfill::all(&place.admin, None, &fewer, minute, &mut |_| ())).await.expect("vectors");
    assert_eq!((report.made, report.skipped.len()), (535, 0));
    // Made beside those in use.
    assert!(matches!(app.host.embeddings.state(), State::Serves(model) if model.name() == "words"));
    let row = backfill::register(&place.admin, &fewer).await.expect("its row");
    soon(shape::activate_embeddings(&place.admin, &row, false)).await.expect("the switch");
    serves(&app, "fewer").await;
    over.store(true, Ordering::Relaxed);
    let (all, worded) = soon(calls).await.expect("no call failed");
    assert!(all > 10 && worded <= all / 2, "{worded} of {all} answered by words");
    let answer = search(&app, "claw hammer").await;
    // So few numbers that words share them: the first may be another.
    assert!(degraded(&answer).is_empty(), "{answer}");
    assert!(names(&answer).iter().any(|name| name.contains("Claw Hammer")), "{answer}");
    // What is not in use may go; what is may not.
    let refused = shape::drop_embedding_model(&place.admin, "fewer").await.expect_err("it is in use").to_string();
    assert!(refused.contains("active"), "{refused}");
    shape::drop_embedding_model(&place.admin, "words").await.expect("it is not");
    // A host that has not got the model in use answers by words.
    let mut poorer = place.settings.clone();
    poorer.embedding.models.remove("fewer");
    let poorer = App::plan(|plan| {
        plan.settings = poorer;
        plan.guests = vec!["search"];
    })
    .await;
    soon(async {
        while !degraded(&search(&poorer, "claw hammer").await).contains("which this host cannot ask") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    poorer.stop().await;
    Arc::into_inner(app).expect("nobody calls any more").stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vectors_cost_is_the_tenants() {
    let mut place = Place::new("vectors_cost").await;
    place.settings.traffic.quota.embedding_tokens = Some(3);
    let app = place.app().await;
    serves(&app, "words").await;
    search(&app, "claw hammer with handle").await;
    let (code, text) = app.failure("seattle", "semantic_search_products", json!({ "query_description": "saw" })).await;
    assert_eq!(code, "QUOTA_EXCEEDED", "{text}");
    assert!(text.contains("3 embedding tokens"), "{text}");
    app.answer("spokane", "semantic_search_products", json!({ "query_description": "saw" })).await;
    app.stop().await;
    // The plugin that asked is known by the time of a bill, and it comes to what quotas count.
    let text = "SELECT d.account, d.embedding_tokens FROM rowhouse.usage_by_plugin AS d JOIN rowhouse.usage AS u
                  USING (day, account) WHERE d.plugin = 'search' AND u.embedding_tokens = d.embedding_tokens ORDER BY 2";
    let rows = place.admin.query(text, &[]).await.expect("the books");
    let tokens: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    assert!(tokens.len() == 2 && tokens[0] > 0 && tokens[1] > tokens[0], "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_and_do_the_same() {
    let mut place = Place::new("vectors_commands").await;
    let status = async |place: &Place| {
        let (code, out) = place.run(&["embed", "status", "--json"]).await;
        let json: Value =
            serde_json::from_str(out.lines().next().map_or("", |_| &out)).unwrap_or_else(|e| panic!("{e}: {out}"));
        (code, json)
    };
    let (code, said) = status(&place).await;
    assert_eq!((code, &said["models"], &said["sources"]), (Some(1), &json!([]), &json!(["retail.products"])));
    let (code, said) = place.run(&["embed", "backfill", "--dry-run"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "retail.products: 535 to make, 0 of them changed\n"));
    // Ended half-way, and gone on with.
    place.endpoint.answers(&[Mood::Well, Mood::Well, Mood::Well, Mood::Status(401)]);
    let (code, said) = place.run(&["embed", "backfill"]).await;
    assert!(code == Some(1) && said.contains("answered 401: its key or token is not accepted"), "{said}");
    place.endpoint.answers(&[Mood::AtMost(20)]);
    let (code, said) = place.run(&["embed", "backfill", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let made = said["made"].as_u64().expect("a count");
    assert!(code == Some(0) && made > 0 && made < 535, "{said}");
    let (code, said) = place.run(&["embed", "switch", "words"]).await;
    assert!(code == Some(0) && said.ends_with("words is in use\n"), "{said}");
    let (code, said) = status(&place).await;
    let table = &said["models"][0]["tables"][0];
    assert_eq!(
        (code, &said["models"][0]["in_use"], &table["current"], &table["indexed"]),
        (Some(0), &json!(true), &json!(535), &json!(true)),
        "{said}"
    );
    // One name is one model.
    place.settings.embedding.models.get_mut("words").expect("the model").dimensions = Some(8);
    let (code, said) = place.run(&["embed", "switch", "words"]).await;
    assert!(code == Some(1) && said.contains("give the new one another name"), "{said}");
    let (code, said) = place.run(&["embed", "switch", "nobody"]).await;
    assert!(code == Some(1) && said.contains("add [embedding.models.nobody]"), "{said}");
}
