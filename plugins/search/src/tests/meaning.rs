//! By meaning.

use super::*;
use rowhouse_plugin::sql::SqlErrorCode;

#[test]
fn the_vector_of_the_words_is_looked_for() {
    let host = shop().vector("leaking basement", &[0.6, 0.8]);
    let asked = json!({ "query_description": " leaking basement ", "max_rows": 5 });
    let answer = host.call("semantic_search_products", asked).expect("products");
    assert_eq!(host.embedded(), ["leaking basement"]);
    let [asked] = host.asked().try_into().expect("one statement");
    assert_eq!(asked.parameters[4..], cells![Vector(vec![0.6, 0.8]), 5]);
    let json = answer.json();
    assert_eq!(json["products"][0]["similarity_percent"], json!(63.1));
    assert_eq!((&json["best_similarity_percent"], &json["similarity_threshold"]), (&json!(63.1), &json!(30.0)));
    assert!(json.get("degraded").is_none(), "{json}");
    assert!(answer.text().contains(r#"["Mallet","Hand Tools",12.50,7,63.1,"Hits."]"#), "{}", answer.text());
}

#[test]
fn what_is_below_the_threshold_is_left_out_and_the_best_is_said() {
    let low = |similarity: f64, threshold: f64| {
        let two = vec![(cells![similarity], mallet()), (cells![similarity - 0.1], maul())];
        let host = testing::host::<Plugin>().model("small", 2).on("SELECT f.similarity", found(&["similarity"], two));
        let asked = json!({ "query_description": "a", "similarity_threshold": threshold });
        host.call("semantic_search_products", asked).expect("an answer")
    };
    for (similarity, threshold, products, words) in [
        (0.45, 30.0, 2, r#"{"c":"#),
        (0.39, 30.0, 1, r#"{"c":"#),
        // Shown as 30.0.
        (0.2996, 30.0, 1, r#"{"c":"#),
        (0.2941, 30.0, 0, "No product is 30 % like this. The most similar one is 29.4 %: try similarity_threshold 29,"),
        (0.1, 20.0, 0, "No product is 20 % like this. The most similar one is 10.0 %: use other words, or hybrid_"),
        (-0.1, 20.0, 0, "No product is 20 % like this. The most similar one is 0.0 %: use other words, or hybrid_"),
    ] {
        let answer = low(similarity, threshold);
        assert_eq!(answer.json()["products"].as_array().map(Vec::len), Some(products), "{similarity} {threshold}");
        assert!(answer.text().starts_with(words), "{similarity} {threshold}: {}", answer.text());
    }
    let nothing = testing::host::<Plugin>().model("small", 2).on("SELECT f.similarity", found(&["similarity"], vec![]));
    let answer = nothing.call("semantic_search_products", json!({ "query_description": "a" })).expect("an answer");
    assert!(answer.text().starts_with("Nothing found: use other words, or loosen the filters.\n"), "{}", answer.text());
}

#[test]
fn without_vectors_words_say_how_they_found_it() {
    let answer = shop()
        .no_vectors(NoVectors::NotConfigured)
        .call("semantic_search_products", json!({ "query_description": "a" }));
    let json = answer.expect("products").json();
    let product = &json["products"][0];
    assert_eq!((&product["match"], product.get("similarity_percent")), (&json!("all words"), None));
    assert!(json.get("best_similarity_percent").is_none(), "{json}");
}

/// Vectors of another length than the query's: the statement fails, and words answer.
#[test]
fn while_another_model_is_taken_into_use_words_answer() {
    let nothing = Value::Null;
    let by_words = found(&fusion::OWN, vec![(cells![0.0328, nothing, nothing, 1, 2], mallet())]);
    for (tool, argument) in [("semantic_search_products", "query_description"), ("hybrid_search_products", "query")] {
        let call = |code: SqlErrorCode| {
            let host = testing::host::<Plugin>().model("small", 2).fails("::halfvec", code, "no");
            host.on("SELECT f.score, n.place", by_words.clone()).call(tool, json!({ argument: "a" }))
        };
        let json = call(SqlErrorCode::Invalid).expect("products").json();
        let why = "Ranked by words, not by meaning: another model is being taken into use.";
        assert_eq!((&json["degraded"], &json["products"][0]["product"]), (&json!(why), &json!("Mallet")), "{tool}");
        // Any other failure is one.
        assert!(call(SqlErrorCode::Timeout).is_err(), "{tool}");
    }
}
