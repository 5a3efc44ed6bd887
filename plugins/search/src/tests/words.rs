//! Readings of a query.

use super::*;
use crate::words::Query;

/// Its own columns.
pub(super) const OWN: [&str; 2] = ["reading", "score"];

#[test]
fn rows_are_products_best_first() {
    let two = found(&OWN, vec![(cells![2, 0.12345], mallet()), (cells![2, 0.1], maul())]);
    let host = testing::host::<Plugin>().on("@@ websearch_to_tsquery", two);
    let answer = host.call("search_products", json!({ "query": "hammer" })).expect("products");
    let json = answer.json();
    assert_eq!((&json["match"], &json["products"][0]["score"]), (&json!("all words"), &json!(0.123)));
    assert_eq!((&json["products"][0]["in_stock"], &json["products"][1]["in_stock"]), (&json!(7), &json!(0)));
    assert_eq!(json["products"][1]["stock"], json!([]));
    let [asked] = host.asked().try_into().expect("one statement");
    assert_eq!(asked.parameters[4..], [cells!["hammer"], vec![Value::Null; 2], cells![false, 20]].concat());
}

#[test]
fn each_reading_is_said() {
    let read = |reading: i64| vec![(cells![reading, 0.5], mallet())];
    for (products, how, words) in [
        (read(2), "all words", r#"{"c":["product""#),
        (read(3), "any word", "No product has all the words; these have some."),
        (read(4), "similar spelling", "No product has these words; these are spelt alike."),
        (Vec::new(), "none", "Nothing found: use fewer or other words, or loosen the filters."),
    ] {
        let host = testing::host::<Plugin>().on("SELECT f.reading", found(&OWN, products));
        let answer = host.call("search_products", json!({ "query": "cordless drill" })).expect(how);
        assert_eq!(answer.json()["match"], how);
        assert!(answer.text().starts_with(words), "{how}: {}", answer.text());
    }
}

#[test]
fn any_word_is_tried_where_it_is_something_new() {
    for (query, any) in [
        ("1/2 in. bit", Some("1 or 2 or in or bit")),
        ("hammer", None),
        ("\"claw hammer\" steel", None),
        ("paint -white", None),
        ("nails OR screws", None),
    ] {
        assert_eq!(bound(&Query::of_words(query))[1], any.to_value(), "{query}");
    }
}

#[test]
fn what_looks_like_a_code_is_looked_for_among_skus() {
    for (query, coded) in [
        ("HT-HAM-001", true),
        ("ham-001", true),
        ("SKU ht-ham-001", true),
        ("ht-ham", false),
        ("2x4", true),
        ("screws for 2x4 studs", false),
        ("claw hammer", false),
    ] {
        assert_eq!(bound(&Query::of_words_and_codes(query))[2..], cells![query, coded], "{query}");
        assert_eq!(bound(&Query::of_words(query))[2..], [Value::Null, Value::Boolean(false)], "{query}");
    }
}

fn bound(query: &Query<'_>) -> Vec<Value> {
    query.bind(Statement::new("")).parameters().to_vec()
}
