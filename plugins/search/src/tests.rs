use super::*;
use rowhouse_plugin::{
    ToValue,
    embedding::NoVectors,
    rows,
    testing::{self, Host, Table, numeric},
};

/// Cells of whatever kind.
macro_rules! cells {
    ($($cell:expr),*) => { vec![$(ToValue::to_value(&$cell)),*] };
}

mod alike;
mod basket;
mod fusion;
mod meaning;
mod named;
mod words;

/// The columns of a product, after a search's own.
const SHOWN: [&str; 9] = [
    "sku",
    "product_id",
    "product_name",
    "category_name",
    "type_name",
    "product_description",
    "base_price",
    "stores",
    "units",
];

/// The key of every product here.
const KEY: &str = "0b9f6a3e-6c0a-4e7e-9f0e-0c9a5a1d2e3f";

fn key() -> Value {
    Value::Uuid(KEY.to_owned())
}

/// In two stores.
fn mallet() -> Vec<Value> {
    let (stores, units) = (vec!["Seattle".to_owned(), "Tacoma".to_owned()], vec![5_i64, 2]);
    cells!["HT-1", key(), "Mallet", "Hand Tools", "Hammers", "Hits.", numeric("12.50"), stores, units]
}

/// Nowhere in stock.
fn maul() -> Vec<Value> {
    cells!["HT-2", key(), "Maul", "Hand Tools", "Hammers", "Splits.", numeric("0.99"), Value::Null, Value::Null]
}

/// What a search gives: of each product the search's own cells, and the product's.
fn found(own: &[&str], products: Vec<(Vec<Value>, Vec<Value>)>) -> Table {
    let rows = products.into_iter().map(|(cells, product)| [cells, product].concat()).collect();
    Table::new(&[own, &SHOWN].concat(), rows)
}

/// A shop that has a model, and whose every search finds the mallet.
fn shop() -> Host<Plugin> {
    let nothing = Value::Null;
    let by_both = cells![0.0328, nothing, nothing, 1, 2];
    testing::host::<Plugin>()
        .model("small", 2)
        .on("FROM unnest(", named::candidates(&[(1, "Maul", 2, 1.0), (2, "Axe", 2, 1.0)]))
        .on("FROM counted AS c", basket::bought(1, &["Maul"], true))
        .on("FROM retail.categories ORDER BY", rows![["category_name"]; ["Hand Tools"], ["Paint"]])
        .on("SELECT f.reading", found(&words::OWN, vec![(cells![2, 0.5], mallet())]))
        .on("SELECT f.similarity", found(&["similarity"], vec![(cells![0.631], mallet())]))
        .on("SELECT f.score, n.place", found(&fusion::OWN, vec![(by_both, mallet())]))
        .on("SELECT f.nearest", found(&alike::OWN, vec![(cells!["Maul", 0.5, false], mallet())]))
        .on("SELECT f.score, b.orders", found(&basket::OWN, vec![(cells![0.0328, 7, "Maul", 0.5, false], mallet())]))
}

/// A call of every tool, with `text` for what is looked for.
fn calls(text: &str) -> [(&'static str, serde_json::Value); 6] {
    [
        ("search_products", json!({ "query": text })),
        ("semantic_search_products", json!({ "query_description": text })),
        ("hybrid_search_products", json!({ "query": text })),
        ("similar_products", json!({ "product": text })),
        ("recommend_products", json!({ "customer": text })),
        ("recommend_products", json!({ "basket": [text, "Axe"] })),
    ]
}

/// All there is to choose by, but for `similar_products`.
fn filtered(mut asked: serde_json::Value) -> serde_json::Value {
    for (name, value) in [("category", json!(" Paint ")), ("min_price", json!(1)), ("max_price", json!(9.5))] {
        asked[name] = value;
    }
    asked["in_stock_only"] = json!(true);
    asked
}

#[test]
fn the_host_would_take_it() {
    testing::host::<Plugin>().check();
}

#[test]
fn a_callers_words_are_parameters_and_statements_few_and_bounded() {
    let wicked = "'; DROP TABLE x; --";
    for (tool, asked) in calls(wicked) {
        let host = shop();
        host.call(tool, asked).unwrap_or_else(|error| panic!("{tool}: {error}"));
        let asked = host.asked();
        assert!((1..=2).contains(&asked.len()), "{tool}: {} statements", asked.len());
        for one in asked {
            assert!(!one.statement.contains("DROP") && one.statement.contains("LIMIT"), "{tool}: {}", one.statement);
        }
    }
}

#[test]
fn the_filters_are_the_first_parameters_of_every_search() {
    let all = cells!["Paint", 1.0, 9.5, true];
    for (tool, asked) in calls("Maul").into_iter().filter(|(tool, _)| *tool != "similar_products") {
        let host = shop();
        host.call(tool, filtered(asked)).expect(tool);
        let last = host.asked().pop().expect(tool);
        assert_eq!(last.parameters[..4], all, "{tool}");
        assert!(last.statement.contains("lower(c.category_name) = lower($1)"), "{tool}");
    }
}

#[test]
fn products_have_their_stock_and_no_keys_unless_asked_for() {
    for (tool, mut asked) in calls("Maul") {
        let without = shop().call(tool, asked.clone()).expect(tool);
        let product = &without.json()["products"][0];
        assert_eq!((&product["product"], &product["type"]), (&json!("Mallet"), &json!("Hammers")), "{tool}");
        assert_eq!((&product["in_stock"], &product["price"]), (&json!(7), &json!(12.5)), "{tool}");
        assert_eq!(product["stock"][1], json!({ "store": "Tacoma", "units": 2 }), "{tool}");
        assert!(without.text().contains(r#"["Mallet","Hand Tools",12.50,7,"#), "{tool}: {}", without.text());
        asked["include_ids"] = json!(true);
        let with = shop().call(tool, asked).expect(tool);
        assert_eq!(
            (&with.json()["products"][0]["sku"], &with.json()["products"][0]["product_id"]),
            (&json!("HT-1"), &json!(KEY))
        );
        for (answer, has) in [(without, false), (with, true)] {
            assert_eq!(answer.json().to_string().contains("HT-1"), has, "{tool}");
            assert_eq!(
                answer.text().contains(&format!(r#""Hits.","HT-1","{KEY}"]"#)),
                has,
                "{tool}: {}",
                answer.text()
            );
        }
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let blank = |argument: &str| format!("`{argument}` is blank: say what is wanted");
    let swapped = "`min_price` (9) is above `max_price` (1): swap them".to_owned();
    let one = "give `customer` or `basket`, one of them".to_owned();
    for (tool, asked, text) in [
        ("search_products", json!({ "query": "a", "min_price": 9, "max_price": 1 }), swapped.clone()),
        (
            "semantic_search_products",
            json!({ "query_description": "a", "min_price": 9, "max_price": 1 }),
            swapped.clone(),
        ),
        ("hybrid_search_products", json!({ "query": "a", "min_price": 9, "max_price": 1 }), swapped.clone()),
        ("recommend_products", json!({ "basket": ["a"], "min_price": 9, "max_price": 1 }), swapped),
        ("semantic_search_products", json!({ "query_description": " " }), blank("query_description")),
        ("hybrid_search_products", json!({ "query": " \t" }), blank("query")),
        ("recommend_products", json!({ "customer": " " }), blank("customer")),
        ("recommend_products", json!({}), one.clone()),
        ("recommend_products", json!({ "customer": "a", "basket": ["b"] }), one),
    ] {
        let host = shop();
        assert_eq!(host.call(tool, asked.clone()), Err(Error::invalid(text)), "{tool} {asked}");
        assert_eq!(
            (host.asked(), host.embedded()),
            (Vec::new(), Vec::new()),
            "{tool} {asked}: before anything is asked"
        );
    }
}

#[test]
fn arguments_are_bounded() {
    for (tool, wrong) in [
        ("search_products", json!({})),
        ("search_products", json!({ "query": "" })),
        ("search_products", json!({ "query": "a", "max_rows": 0 })),
        ("search_products", json!({ "query": "a", "x": 1 })),
        ("semantic_search_products", json!({ "query_description": "a", "similarity_threshold": 19.9 })),
        ("semantic_search_products", json!({ "query_description": "a", "similarity_threshold": 81 })),
        ("hybrid_search_products", json!({ "query": "a".repeat(501) })),
        ("hybrid_search_products", json!({ "query": "a", "max_rows": 101 })),
        ("similar_products", json!({ "product": "a", "category": "Paint" })),
        ("recommend_products", json!({ "basket": [] })),
        ("recommend_products", json!({ "basket": [""] })),
        ("recommend_products", json!({ "basket": vec!["a"; 21] })),
    ] {
        let refused = shop().call(tool, wrong.clone());
        assert!(matches!(refused, Err(Error::InvalidArguments(_))), "{tool} {wrong}: {refused:?}");
    }
}

#[test]
fn a_category_there_is_not_is_told_from_an_empty_one() {
    for (category, error) in [
        ("Paint", None),
        ("hand tools ", None),
        ("Gardening", Some(Error::not_found("no such category; there are: Hand Tools, Paint"))),
    ] {
        for (tool, part, own, mut asked) in [
            (
                "semantic_search_products",
                "SELECT f.similarity",
                &["similarity"][..],
                json!({ "query_description": "a" }),
            ),
            ("hybrid_search_products", "SELECT f.score, n.place", &fusion::OWN, json!({ "query": "a" })),
            ("recommend_products", "SELECT f.score, b.orders", &basket::OWN, json!({ "customer": "Ann Lee" })),
        ] {
            asked["category"] = json!(category);
            let host = testing::host::<Plugin>()
                .model("small", 2)
                .on("FROM counted AS c", basket::bought(1, &["Maul"], true))
                .on(part, found(own, Vec::new()))
                .on("FROM retail.categories ORDER BY", rows![["category_name"]; ["Hand Tools"], ["Paint"]]);
            assert_eq!(host.call(tool, asked).err(), error, "{tool} {category}");
        }
    }
}

#[test]
fn without_vectors_every_tool_answers_and_says_why() {
    let down = "the model cannot be reached: try again in a minute.";
    let spent = "the tenant's quota of embedding tokens is used up";
    for (why, text) in [
        (NoVectors::NotConfigured, "the operator has set up no embedding model."),
        (NoVectors::Unavailable(down.to_owned()), down),
        (NoVectors::Limit(spent.to_owned()), "the tenant's quota of embedding tokens is used up."),
    ] {
        for (tool, asked) in [
            ("semantic_search_products", json!({ "query_description": "hammer" })),
            ("hybrid_search_products", json!({ "query": "hammer" })),
        ] {
            let host = shop().no_vectors(why.clone());
            let answer = host.call(tool, asked).expect(tool);
            let first = format!("Ranked by words, not by meaning: {text}");
            assert_eq!(answer.json()["degraded"], json!(first), "{tool}");
            assert_eq!(answer.text().lines().next(), Some(first.as_str()), "{tool}");
            let [asked] = host.asked().try_into().expect("one statement");
            assert!(
                asked.statement.contains("near AS (SELECT NULL::uuid") && !asked.statement.contains("<=>"),
                "{tool}"
            );
        }
    }
}
