//! What is like a product.

use super::*;

/// Its own columns.
pub(super) const OWN: [&str; 3] = ["nearest", "closeness", "same_type"];

#[test]
fn its_own_vector_is_compared_and_no_model_is_asked() {
    let host = shop();
    let answer = host.call("similar_products", json!({ "product": "maul", "in_stock_only": true })).expect("products");
    assert_eq!(host.embedded(), Vec::<String>::new());
    let json = answer.json();
    assert_eq!((&json["product"], &json["matched_by"]), (&json!("Maul"), &json!("name")));
    assert_eq!(json["products"][0]["similarity_percent"], json!(50.0));
    assert!(json.get("degraded").is_none() && json["products"][0].get("why").is_none(), "{json}");
    assert!(answer.text().starts_with("Like Maul:\n"), "{}", answer.text());
    let [_, asked] = host.asked().try_into().expect("two statements");
    assert!(asked.statement.contains("ORDER BY e.embedding <=> (SELECT embedding FROM middle) LIMIT $6"));
    assert!(asked.statement.contains("e.product_id <> ALL ($5::uuid[])"), "it is not like itself");
    assert_eq!(asked.parameters[..4], [vec![Value::Null; 3], cells![true]].concat());
    assert!(matches!(&asked.parameters[4], Value::UuidArray(ids) if ids.len() == 1));
    assert_eq!(asked.parameters[5], Value::Int(10));
}

#[test]
fn what_was_understood_is_said() {
    let host = testing::host::<Plugin>()
        .model("small", 2)
        .on("FROM unnest(", named::candidates(&[(1, "Rubber Mallet", 5, 0.8)]))
        .on("SELECT f.nearest", found(&OWN, Vec::new()));
    let answer = host.call("similar_products", json!({ "product": "ruber malet" })).expect("an answer");
    let lines: Vec<&str> = answer.text().lines().take(3).collect();
    assert_eq!(lines, ["`ruber malet` is taken to be Rubber Mallet.", "Like Rubber Mallet:", "Nothing found."]);
    assert_eq!(answer.json()["matched_by"], "similar spelling");
}

#[test]
fn a_product_without_a_vector_is_compared_by_type_and_name() {
    let host = || {
        let alike = vec![(cells!["Maul", Value::Null, true], mallet()), (cells!["Maul", Value::Null, false], maul())];
        testing::host::<Plugin>()
            .on("FROM unnest(", named::known_candidates(&[(1, "Maul", 2, 1.0)], false))
            .on("SELECT f.nearest", found(&OWN, alike))
    };
    let waits = NoVectors::Unavailable("vectors are being made: 120 of 535".to_owned());
    for (host, why) in [
        (host(), "the operator has set up no embedding model"),
        (host().no_vectors(waits), "vectors are being made: 120 of 535"),
        (host().model("small", 2), "these products have no vectors yet"),
    ] {
        let answer = host.call("similar_products", json!({ "product": "Maul" })).expect("products");
        let first = format!("Found by type and name, not by meaning: {why}.");
        assert_eq!((&answer.json()["degraded"], answer.text().lines().next()), (&json!(first), Some(first.as_str())));
        let reasons: Vec<_> =
            answer.json()["products"].as_array().expect("two").iter().map(|one| one["why"].clone()).collect();
        assert_eq!(reasons, ["same type as Maul", "name like that of Maul"]);
        let asked = host.asked().pop().expect("a statement");
        assert!(!asked.statement.contains("<=>"), "{}", asked.statement);
        assert_eq!(host.embedded(), Vec::<String>::new());
    }
}
