//! By meaning and words together.

use super::*;

/// Its own columns.
pub(super) const OWN: [&str; 5] = ["score", "meaning_place", "similarity", "words_place", "reading"];

#[test]
fn each_product_says_where_each_ranking_has_it() {
    let nothing = Value::Null;
    for (cells, score, meaning, words, text) in [
        (
            cells![0.049_180_33, 1, 0.6314, 1, 2],
            json!(0.04918),
            json!({ "rank": 1, "similarity_percent": 63.1 }),
            json!({ "rank": 1, "match": "all words" }),
            r#"0.04918,"1 (63.1 %)","1 (all words)","Hits.""#,
        ),
        (
            cells![0.016_129, 2, 0.3, nothing, nothing],
            json!(0.01613),
            json!({ "rank": 2, "similarity_percent": 30.0 }),
            json!(null),
            r#"0.01613,"2 (30.0 %)",null,"Hits.""#,
        ),
        (
            cells![0.065_573_77, nothing, nothing, 1, 1],
            json!(0.06557),
            json!(null),
            json!({ "rank": 1, "match": "sku" }),
            r#"0.06557,null,"1 (SKU)","Hits.""#,
        ),
    ] {
        let host = testing::host::<Plugin>()
            .model("small", 2)
            .on("SELECT f.score, n.place", found(&OWN, vec![(cells, mallet())]));
        let answer = host.call("hybrid_search_products", json!({ "query": "hammer" })).expect("products");
        let product = &answer.json()["products"][0];
        assert_eq!((&product["score"], &product["meaning"], &product["words"]), (&score, &meaning, &words));
        assert!(answer.text().contains(text), "{}", answer.text());
        assert!(answer.json().get("degraded").is_none());
    }
}

#[test]
fn one_statement_ranks_both_ways() {
    let host = shop().vector("claw hammer", &[0.6, 0.8]);
    host.call("hybrid_search_products", json!({ "query": "claw hammer", "max_rows": 7 })).expect("products");
    let [asked] = host.asked().try_into().expect("one statement");
    let words = cells!["claw hammer", "claw or hammer", "claw hammer", false];
    assert_eq!(asked.parameters[4..], [words, cells![7, Vector(vec![0.6, 0.8])]].concat());
    for part in [
        "ORDER BY e.embedding <=> $10::halfvec LIMIT 50) AS nearest WHERE similarity >= 0.25)",
        "SELECT product_id, place, 1 AS weight FROM near",
        "CASE reading WHEN 1 THEN 4 WHEN 3 THEN 0.1 ELSE 2 END FROM words",
        "sum(weight::float8 / (60 + place)) AS score FROM lists GROUP BY product_id ORDER BY score DESC",
    ] {
        assert!(asked.statement.contains(part), "{part}: {}", asked.statement);
    }
}

#[test]
fn nothing_found_is_said_after_why_there_are_no_vectors() {
    let host = testing::host::<Plugin>().on("SELECT f.score, n.place", found(&OWN, Vec::new()));
    let answer = host.call("hybrid_search_products", json!({ "query": "hammer" })).expect("an answer");
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(
        lines[..2],
        [
            "Ranked by words, not by meaning: the operator has set up no embedding model.",
            "Nothing found: use other words, or loosen the filters."
        ]
    );
}
