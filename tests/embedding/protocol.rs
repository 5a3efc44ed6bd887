//! What is asked of embedding services and what is believed of their answers, over real HTTP.

use super::endpoint::{Asked, Endpoint, Mood, PRIVATE, vector};
use crate::patience::soon;
use crate::redis::RedisServer;
use rowhouse::config::{self, Provider};
use rowhouse::embedding::{Embeddings, NoVectors, State, Vectors};
use rowhouse::telemetry::Breaker;
use std::time::{Duration, Instant};

/// Length of vectors here.
const DIMENSIONS: usize = 16;

/// Settings of a model behind this endpoint.
fn openai(endpoint: &Endpoint) -> config::Model {
    config::Model {
        provider: Provider::OpenAi,
        url: Some(endpoint.url()),
        model: Some("words".to_owned()),
        key: Some("k-123".to_owned().into()),
        dimensions: Some(16),
        ..config::Model::usual()
    }
}

/// What calls would ask, with this model in use.
async fn open(model: config::Model, change: impl FnOnce(&mut config::Embedding)) -> Embeddings {
    let mut settings = config::Embedding::default();
    settings.models.insert("far".to_owned(), model);
    change(&mut settings);
    let embeddings = Embeddings::open(&settings, std::path::Path::new("/nowhere")).expect("settings that can work");
    let model = embeddings.model("far").await.expect("a model");
    embeddings.set(State::Serves(model));
    embeddings
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

async fn embed(embeddings: &Embeddings, asked: &[&str]) -> Result<Vectors, NoVectors> {
    soon(embeddings.embed("tenant:a", &texts(asked), 64)).await
}

fn header<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.headers.get(name).and_then(|value| value.to_str().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_as_documented() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    let azure = |version: Option<&str>| config::Model {
        provider: Provider::Azure,
        url: Some(endpoint.origin()),
        model: Some("deployed".to_owned()),
        api_version: version.map(str::to_owned),
        ..openai(&endpoint)
    };
    let cut = config::Model { send_dimensions: true, query_prefix: "query: ".to_owned(), ..openai(&endpoint) };
    let table = [
        (openai(&endpoint), "/v1/embeddings", ("authorization", "Bearer k-123"), Some("words"), None, "paint"),
        (cut, "/v1/embeddings", ("authorization", "Bearer k-123"), Some("words"), Some(16), "query: paint"),
        (azure(None), "/openai/v1/embeddings", ("api-key", "k-123"), Some("deployed"), None, "paint"),
        (
            azure(Some("2024-10-21")),
            "/openai/deployments/deployed/embeddings?api-version=2024-10-21",
            ("api-key", "k-123"),
            None,
            None,
            "paint",
        ),
    ];
    for (settings, path, (name, value), model, dimensions, text) in table {
        let embeddings = open(settings, |_| {}).await;
        let made = embed(&embeddings, &["paint"]).await.expect("a vector");
        assert_eq!((made.vectors.len(), made.tokens), (1, text.split(' ').count() as u64), "{path}");
        let asked = endpoint.asked();
        let [one] = &asked[..] else { panic!("{path}: asked {} times", asked.len()) };
        assert_eq!((one.path.as_str(), header(one, name)), (path, Some(value)));
        assert_eq!(one.body["model"].as_str(), model, "{path}");
        assert_eq!(one.body["dimensions"].as_u64(), dimensions, "{path}");
        assert_eq!(one.body["input"], serde_json::json!([text]), "{path}");
        assert!(!path.starts_with("/openai") || header(one, "authorization").is_none(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_believed_as_far_as_they_hold() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    for mood in [Mood::Well, Mood::Backwards, Mood::Packed] {
        endpoint.answers(std::slice::from_ref(&mood));
        let made = embed(&open(openai(&endpoint), |_| {}).await, &["wall paint", "nails"]).await.expect("vectors");
        for (vector_made, text) in made.vectors.iter().zip(["wall paint", "nails"]) {
            let want = vector(text, DIMENSIONS);
            let length = want.iter().map(|x| x * x).sum::<f32>().sqrt();
            let near = vector_made.iter().zip(&want).all(|(a, b)| (a - b / length).abs() < 1e-6);
            assert!(near, "{mood:?}: {text}");
        }
    }
    let refused: [(Mood, &str); 8] = [
        (Mood::Says("<html>"), "sent something that is no list of embeddings"),
        (Mood::Says(r#"{"data":[]}"#), "sent 0 embeddings for 1 texts"),
        (Mood::Says(r#"{"data":[{"index":0,"embedding":[null]}]}"#), "sent something that is no list of embeddings"),
        (Mood::Dimensions(8), "sent vectors of 8 numbers, and the setting `dimensions` says 16"),
        (Mood::Dimensions(8_000), "sent more than such an answer has"),
        (Mood::Status(401), "answered 401: its key or token is not accepted"),
        (Mood::Status(404), "answered 404: `url`, `model` or `api_version` is another one there"),
        (Mood::Status(302), "answered 302"),
    ];
    for (mood, what) in refused {
        endpoint.answers(std::slice::from_ref(&mood));
        endpoint.asked();
        let embeddings = open(openai(&endpoint), |_| {}).await;
        let error = embed(&embeddings, &["paint"]).await.expect_err("no vector").to_string();
        assert_eq!(error, format!("the embedding service {what}"));
        assert!(!error.contains(PRIVATE) && !error.contains("127.0.0.1"));
        assert_eq!(endpoint.asked().len(), 1, "{mood:?}: asking again would not help");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_waited_for_within_bounds() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    let patient = async || open(openai(&endpoint), |settings| settings.query_ms = 20_000).await;
    for (moods, asked) in [
        (&[Mood::Status(500), Mood::Status(503), Mood::Well][..], 3),
        (&[Mood::Busy("retry-after-ms", "300"), Mood::Well], 2),
        (&[Mood::Busy("x-nothing", "0"), Mood::Well], 2),
    ] {
        endpoint.answers(moods);
        endpoint.asked();
        embed(&patient().await, &["paint"]).await.expect("a vector, in the end");
        assert_eq!(endpoint.asked().len(), asked, "{moods:?}");
    }
    // Asked when it said, and not before.
    endpoint.answers(&[Mood::Busy("retry-after", "1"), Mood::Well]);
    let began = Instant::now();
    embed(&patient().await, &["paint"]).await.expect("a vector");
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Whoever searches is not kept.
    endpoint.answers(&[Mood::Slow(Duration::from_secs(60))]);
    let hurried = open(openai(&endpoint), |settings| settings.query_ms = 200).await;
    let error = embed(&hurried, &["paint"]).await.expect_err("too slow").to_string();
    assert_eq!(error, "the embedding service did not answer within 200 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_left_alone_and_found_again() {
    let mut endpoint = Endpoint::start(DIMENSIONS).await;
    let once = config::Model { tries: 1, ..openai(&endpoint) };
    let embeddings = open(once, |_| {}).await;
    let State::Serves(model) = embeddings.state() else { panic!("it is in use") };
    endpoint.leave().await;
    for _ in 0..5 {
        let error = embed(&embeddings, &["paint"]).await.expect_err("nobody is there").to_string();
        assert_eq!(error, "the embedding service cannot be reached");
    }
    assert_eq!(model.standing(), Breaker::Open);
    let error = embed(&embeddings, &["paint"]).await.expect_err("left alone").to_string();
    assert_eq!(error, "the embedding service failed several times and is left alone for a while");
    endpoint.come_back().await;
    soon(async {
        while embed(&embeddings, &["paint"]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(model.standing(), Breaker::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_again_when_it_is_refused() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    let count = tempfile::NamedTempFile::new().expect("a file");
    let script = format!("echo x >> {0}; printf 'token-'; wc -l < {0} | tr -d ' \\n'", count.path().display());
    let command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let settings = config::Model {
        provider: Provider::Azure,
        url: Some(endpoint.origin()),
        key: None,
        token: Some(config::Secret::Command(command)),
        ..openai(&endpoint)
    };
    let embeddings = open(settings, |settings| settings.query_ms = 20_000).await;
    embed(&embeddings, &["a"]).await.expect("a vector");
    embed(&embeddings, &["b"]).await.expect("a vector");
    endpoint.answers(&[Mood::Status(401), Mood::Well]);
    embed(&embeddings, &["c"]).await.expect_err("the token is refused");
    embed(&embeddings, &["d"]).await.expect("a vector");
    let tokens: Vec<String> =
        endpoint.asked().iter().map(|asked| header(asked, "authorization").unwrap_or_default().to_owned()).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_of_the_same_account_is_paid_for_once() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    let redis = RedisServer::start().await;
    let shared = async || open(openai(&endpoint), |settings| settings.redis = Some(redis.url().into())).await;
    let (one, other) = (shared().await, shared().await);
    let asked = async |host: &Embeddings, account: &str, what: &[&str]| {
        let made = soon(host.embed(account, &texts(what), 64)).await.expect("vectors");
        (
            made.tokens,
            endpoint.asked().iter().map(|asked| asked.body["input"].as_array().map_or(0, Vec::len)).sum::<usize>(),
        )
    };
    assert_eq!(asked(&one, "tenant:a", &["wall paint", "nails"]).await, (3, 2));
    assert_eq!(asked(&one, "tenant:a", &["nails", "wall paint"]).await, (0, 0));
    assert_eq!(asked(&one, "tenant:a", &["nails", "screws"]).await, (1, 1), "only what is new");
    assert_eq!(asked(&other, "tenant:a", &["screws"]).await, (0, 0), "another host knows it from Redis");
    assert_eq!(asked(&other, "tenant:b", &["screws"]).await, (1, 1), "another tenant cannot tell who asked before");
    // Redis gone: a helper's outage is no outage.
    drop(redis);
    assert_eq!(asked(&other, "tenant:a", &["bolts"]).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_call_may_ask_for_is_refused_before_it_costs_anything() {
    let endpoint = Endpoint::start(DIMENSIONS).await;
    let embeddings = open(openai(&endpoint), |settings| settings.text_bytes = 20).await;
    let long = "x".repeat(21);
    for (asked, left, want) in [
        (&["a", "b"][..], 1, "a call may have vectors made of 64 texts"),
        (&["a", &long], 64, "a text of 21 bytes: vectors are made of 20 at most"),
    ] {
        let error = embeddings.embed("a", &texts(asked), left).await.expect_err("too much");
        assert_eq!(error, NoVectors::Limit(want.to_owned()));
    }
    assert!(endpoint.asked().is_empty());
    embeddings.set(State::Off);
    assert_eq!(embed(&embeddings, &["a"]).await, Err(NoVectors::NotConfigured));
    embeddings.set(State::Waits("because".to_owned()));
    assert_eq!(embed(&embeddings, &["a"]).await, Err(NoVectors::Unavailable("because".to_owned())));
}
