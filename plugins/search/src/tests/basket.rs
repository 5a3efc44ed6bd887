//! What goes with a basket.

use super::*;

/// Its own columns.
pub(super) const OWN: [&str; 5] = ["score", "orders", "nearest", "closeness", "same_type"];

/// What a customer bought; so many people have the name.
pub(super) fn bought(people: i64, products: &[&str], known: bool) -> Table {
    let columns = ["people", "customer", "product_id", "product_name", "known"];
    let row = |&name: &&str| cells![people, "Ann Lee", key(), name, known];
    let mut rows: Vec<Vec<Value>> = products.iter().map(row).collect();
    if rows.is_empty() {
        let nobody = (people > 0).then_some("Ann Lee");
        rows.push(cells![people, nobody, Value::Null, Value::Null, false]);
    }
    Table::new(&columns, rows)
}

#[test]
fn each_product_says_why() {
    let nothing = Value::Null;
    for (cells, why) in [
        (cells![0.03, 12, "Maul", 0.634, false], json!(["bought together in 12 orders", "similar to Maul (63 %)"])),
        (cells![0.02, 12, nothing, nothing, nothing], json!(["bought together in 12 orders"])),
        (cells![0.01, nothing, "Maul", 0.4, false], json!(["similar to Maul (40 %)"])),
        (cells![0.01, nothing, "Maul", nothing, true], json!(["same type as Maul"])),
        (cells![0.01, nothing, "Maul", nothing, false], json!(["name like that of Maul"])),
    ] {
        let host = testing::host::<Plugin>()
            .model("small", 2)
            .on("FROM unnest(", named::candidates(&[(1, "Maul", 2, 1.0)]))
            .on("SELECT f.score, b.orders", found(&OWN, vec![(cells, mallet())]));
        let answer = host.call("recommend_products", json!({ "basket": ["Maul"] })).expect("products");
        let json = answer.json();
        assert_eq!((&json["products"][0]["why"], &json["basket"]), (&why, &json!(["Maul"])));
        assert!(json.get("customer").is_none() && json.get("degraded").is_none(), "{json}");
        assert!(answer.text().starts_with("To go with Maul:\n"), "{}", answer.text());
    }
}

#[test]
fn a_basket_is_asked_with_what_was_sold_with_it_and_what_is_like_it() {
    let host = shop();
    let asked = json!({ "basket": ["Maul", "Axe"], "max_rows": 3 });
    host.call("recommend_products", asked).expect("products");
    let [_, asked] = host.asked().try_into().expect("two statements");
    for part in [
        "avg(embedding)",
        "SELECT product_id, place, 1 AS weight FROM kin UNION ALL SELECT product_id, place, 1 FROM together",
        "i.product_id <> ALL ($5::uuid[])",
        "g.closeness >= 0.4",
    ] {
        assert!(asked.statement.contains(part), "{part}: {}", asked.statement);
    }
    assert!(matches!(&asked.parameters[4], Value::UuidArray(ids) if ids.len() == 2));
    assert_eq!(asked.parameters[5], Value::Int(3));
    assert_eq!(host.embedded(), Vec::<String>::new());
}

#[test]
fn a_customer_is_their_last_years_purchases() {
    let names = ["A", "B", "C", "D", "E", "F", "G"];
    let host = testing::host::<Plugin>()
        .model("small", 2)
        .on_with("FROM counted AS c", "Ann Lee", bought(1, &names, true))
        .on("SELECT f.score, b.orders", found(&OWN, Vec::new()));
    let answer = host.call("recommend_products", json!({ "customer": "  Ann   Lee " })).expect("an answer");
    assert_eq!((&answer.json()["customer"], &answer.json()["basket"]), (&json!("Ann Lee"), &json!(names)));
    let lines: Vec<&str> = answer.text().lines().take(2).collect();
    assert_eq!(
        lines,
        [
            "For Ann Lee, who bought in the last year: A, B, C, D, E and 2 more.",
            "Nothing goes with these: loosen the filters."
        ]
    );
}

#[test]
fn a_customer_who_is_nobody_here_several_or_new_is_said() {
    // Row security shows no customer of another store, so theirs is the first text, too.
    let nobody = "no customer of the stores you may see has this name or e-mail address: give either whole";
    for (table, error) in [
        (bought(0, &[], false), Error::not_found(nobody)),
        (
            bought(12, &[], false),
            Error::invalid("12 customers have this name: give the e-mail address of the one you mean"),
        ),
        (
            bought(1, &[], false),
            Error::not_found("Ann Lee bought nothing in the last year of data: give a `basket` of products instead"),
        ),
    ] {
        let host = testing::host::<Plugin>().on("FROM counted AS c", table);
        assert_eq!(host.call("recommend_products", json!({ "customer": "Ann Lee" })), Err(error));
    }
}

#[test]
fn without_vectors_types_and_names_stand_in() {
    let host = testing::host::<Plugin>()
        .on("FROM counted AS c", bought(1, &["Maul"], false))
        .on("SELECT f.score, b.orders", found(&OWN, vec![(cells![0.01, 3, "Maul", Value::Null, true], mallet())]));
    let answer = host.call("recommend_products", json!({ "customer": "Ann Lee" })).expect("products");
    let first = "Found by type and name, not by meaning: the operator has set up no embedding model.";
    assert_eq!((&answer.json()["degraded"], answer.text().lines().next()), (&json!(first), Some(first)));
    let asked = host.asked().pop().expect("a statement");
    assert!(asked.statement.contains("together AS (") && !asked.statement.contains("<=>"), "{}", asked.statement);
}
