use super::*;
use rowhouse_plugin::{rows, testing, testing::numeric};

/// Rows for one statement: two products, one of them nowhere in stock.
fn two() -> testing::Table {
    rows![
        ["product_name", "category_name", "type_name", "product_description", "base_price", "score", "stores", "units"];
        ["Mallet", "Hand Tools", "Hammers", "Hits.", numeric("12.50"), 0.12345,
            vec!["Seattle".to_owned(), "Tacoma".to_owned()], vec![5_i64, 2]],
        ["Maul", "Hand Tools", "Hammers", "Splits.", numeric("0.99"), 0.1, Value::Null, Value::Null],
    ]
}

fn none() -> testing::Table {
    two().without_rows()
}

#[test]
fn the_host_would_take_it() {
    testing::host::<Plugin>().check();
}

#[test]
fn rows_are_products_with_their_stock() {
    let host = testing::host::<Plugin>().on("@@ websearch_to_tsquery", two()).model("small", 3);
    let answer = host.call("search_products", json!({ "query": "hammer" })).expect("products");
    let json = answer.json();
    assert_eq!((&json["match"], &json["semantic_model"]), (&json!("all words"), &json!("small")));
    assert_eq!(json["products"][0]["stock"][1], json!({ "store": "Tacoma", "units": 2 }));
    assert_eq!((&json["products"][0]["in_stock"], &json["products"][1]["in_stock"]), (&json!(7), &json!(0)));
    assert_eq!(json["products"][0]["score"], json!(0.123));
    assert!(answer.text().contains(r#"["Mallet","Hand Tools",12.50,7,"#), "digits are kept: {}", answer.text());
}

#[test]
fn each_reading_is_more_forgiving_and_said() {
    for (rows, how, word) in [
        ([none(), two(), none()], "any word", "have some"),
        ([none(), none(), two()], "similar spelling", "alike"),
        ([none(), none(), none()], "none", "No rows"),
    ] {
        let [all, any, alike] = rows;
        let mut host = testing::host::<Plugin>().on("word_similarity($1, p.product_name) >= 0.35", alike);
        host = host.on_with("websearch_to_tsquery", "cordless drill", all);
        host = host.on_with("websearch_to_tsquery", "cordless or drill", any);
        let answer = host.call("search_products", json!({ "query": "cordless drill" })).expect(how);
        assert_eq!(answer.json()["match"], how);
        assert!(answer.text().contains(word), "{how}: {}", answer.text());
    }
    for (query, any) in [
        ("1/2 in. bit", Some("1 or 2 or in or bit")),
        ("hammer", None),
        ("\"claw hammer\" steel", None),
        ("paint -white", None),
        ("nails OR screws", None),
    ] {
        assert_eq!(find::reading(How::AnyWord, query).as_deref(), any, "{query}");
    }
}

#[test]
fn a_callers_words_are_parameters_only() {
    let host = testing::host::<Plugin>().on("FROM retail.products", two());
    let wicked = "'; DROP TABLE x; --";
    let asked = json!({ "query": wicked, "category": " Paint ", "max_price": 9.5, "in_stock_only": true });
    host.call("search_products", asked).expect("products");
    let [asked] = host.asked().try_into().expect("one statement");
    assert!(!asked.statement.contains("DROP"));
    assert_eq!(
        asked.parameters,
        [
            Value::Text(wicked.to_owned()),
            Value::Text("Paint".to_owned()),
            Value::Null,
            Value::Float(9.5),
            Value::Boolean(true),
            Value::Int(20)
        ]
    );
}

#[test]
fn what_makes_no_sense_is_said() {
    let host = testing::host::<Plugin>();
    let error = host.call("search_products", json!({ "query": "a", "min_price": 9, "max_price": 1 }));
    assert_eq!(error, Err(Error::invalid("`min_price` (9) is above `max_price` (1): swap them")));
    for wrong in
        [json!({}), json!({ "query": "" }), json!({ "query": "a", "max_rows": 0 }), json!({ "query": "a", "x": 1 })]
    {
        assert!(host.call("search_products", wrong.clone()).is_err(), "{wrong}");
    }
}
