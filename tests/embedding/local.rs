//! The model of this machine against vectors made by another implementation of it.

use super::weights;
use base64::Engine;
use rowhouse::config;
use rowhouse::embedding::{Embeddings, Purpose};
use serde_json::Value;
use std::time::Duration;

/// What another implementation in single precision may differ by in any component, ten times over: 2e-7 was seen between
/// two of them. Cutting a text one token off is 1e-2, and another normalisation 3e-5.
const TOLERANCE: f32 = 2e-6;

#[tokio::test(flavor = "multi_thread")]
async fn its_vectors_are_those_of_the_reference() {
    let file: Value = serde_json::from_str(include_str!("../search/reference.json")).expect("JSON");
    let mut settings = config::Embedding { weights: Some(weights().await), ..config::Embedding::default() };
    // As many at once as a machine may have: results must not depend on it.
    settings.models.get_mut(config::USUAL_MODEL).expect("the usual model").threads = Some(3);
    let embeddings = Embeddings::open(&settings, std::path::Path::new("/nowhere")).expect("settings that can work");
    let model = embeddings.model(config::USUAL_MODEL).await.expect("the model");
    let known = file["texts"].as_array().expect("texts");
    let texts: Vec<String> = known.iter().map(|one| one["text"].as_str().expect("a text").to_owned()).collect();
    // All together, where the shorter ones are padded, and each alone.
    let together = model.vectors(Purpose::Document, &texts, Duration::from_secs(120)).await.expect("vectors");
    let mut tokens = 0;
    for (at, one) in known.iter().enumerate() {
        let alone = model.vectors(Purpose::Query, &texts[at..=at], Duration::from_secs(120)).await.expect("a vector");
        let packed = one["vector"].as_str().expect("a vector");
        let bytes = base64::prelude::BASE64_STANDARD.decode(packed).expect("base64");
        let want: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four"))).collect();
        for got in [&together.vectors[at], &alone.vectors[0]] {
            assert_eq!(got.len(), want.len());
            let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= TOLERANCE, "text {at} is off by {off:e}: {:?}", &texts[at]);
        }
        assert_eq!(alone.tokens, one["tokens"].as_u64().expect("a count"), "text {at}");
        tokens += alone.tokens;
    }
    assert_eq!(together.tokens, tokens);
}
