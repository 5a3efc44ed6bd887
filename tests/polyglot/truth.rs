//! What the two plugins answer, beside what the administrator's own statements say of the same stores.

use super::house;
use crate::harness::{App, Plan, shared};
use crate::patience::soon;
use rowhouse::embedded::DATABASE;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio_postgres::Client;

/// Who asks, and the store whose rows there are for it; none: all of them.
const WHO: [(&str, Option<&str>); 3] =
    [("seattle", Some("Seattle")), ("spokane", Some("Spokane")), ("head-office", None)];

/// The last whole week of the data, which ends on Saturday 2026-10-31.
const WEEK: (&str, &str) = ("2026-10-19", "2026-10-25");

async fn open() -> (App, Client) {
    let plan = |plan: &mut Plan| plan.guests = vec!["basket", "report", "sales"];
    (house(plan).await, shared().await.admin(DATABASE).await)
}

/// Orders of each pair of products, both ways round, and of each product alone (paired with itself).
async fn pairs(admin: &Client, store: Option<&str>) -> BTreeMap<(String, String), i64> {
    let statement = "SELECT p.product_name, q.product_name, count(DISTINCT a.order_id) FROM retail.stores s \
                     JOIN retail.order_items a USING (store_id) JOIN retail.order_items b USING (store_id, order_id) \
                     JOIN retail.products p ON p.product_id = a.product_id JOIN retail.products q ON q.product_id = b.product_id \
                     WHERE $1::text IS NULL OR s.store_name = $1 GROUP BY 1, 2";
    let rows = admin.query(statement, &[&store]).await.expect("the administrator's own rows");
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

/// Orders and revenue of some days.
async fn sold(admin: &Client, store: Option<&str>, from: &str, to: &str) -> (i64, f64) {
    let statement = "SELECT count(*), coalesce(sum(total_amount), 0)::float8 FROM retail.orders JOIN retail.stores USING (store_id) \
                     WHERE ($1::text IS NULL OR store_name = $1) AND order_date::text BETWEEN $2 AND $3";
    let row = admin.query_one(statement, &[&store, &from, &to]).await.expect("the administrator's own rows");
    (row.get(0), row.get(1))
}

/// A number at a place of an answer.
#[track_caller]
fn number(answer: &Value, pointer: &str) -> f64 {
    answer.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("a number at {pointer} of {answer}"))
}

/// Equal, as far as an answer that is rounded to hundredths can be.
#[track_caller]
fn near(is: f64, should: f64, what: &str) {
    assert!((is - should).abs() < 0.006, "{what}: {is}, and should be {should}");
}

#[tokio::test]
async fn baskets_are_those_of_the_callers_stores() {
    let (app, admin) = open().await;
    let mut seen = Vec::new();
    for (who, store) in WHO {
        let truth = pairs(&admin, store).await;
        let (orders, _) = sold(&admin, store, "2020-01-01", "2026-12-31").await;
        let asked = json!({ "from": "2020-01-01", "to": "2026-12-31", "min_orders": 2, "by": "support", "limit": 50 });
        let answer = soon(app.answer(who, "get_basket_analysis", asked)).await;
        near(number(&answer, "/orders"), orders as f64, who);
        let reached = truth.iter().filter(|((one, other), count)| one < other && **count >= 2).count();
        near(number(&answer, "/pairs_found"), reached as f64, who);
        let listed = answer["pairs"].as_array().expect("pairs");
        assert!(!listed.is_empty(), "{who}: {answer}");
        for pair in listed {
            let of = |one: &str, other: &str| {
                let key = [one, other].map(|name| pair[name].as_str().expect("a name").to_owned());
                truth[&(key[0].clone(), key[1].clone())] as f64
            };
            let (both, one, other) = (of("product", "with"), of("product", "product"), of("with", "with"));
            near(number(pair, "/orders"), both, who);
            near(number(pair, "/support_percent"), 100.0 * both / orders as f64, who);
            near(number(pair, "/confidence_percent"), 100.0 * both / one, who);
            near(number(pair, "/reverse_confidence_percent"), 100.0 * both / other, who);
            near(number(pair, "/lift"), both * orders as f64 / (one * other), who);
        }
        let most = truth.iter().filter(|((one, other), _)| one < other).map(|(_, count)| *count).max().expect("pairs");
        near(number(&answer, "/pairs/0/orders"), most as f64, who);
        seen.push(answer["orders"].clone());
    }
    assert!(seen[0] != seen[1] && seen[0] != seen[2], "each has rows of its own: {seen:?}");
}

#[tokio::test]
async fn a_product_and_a_category_narrow_the_pairs() {
    let (app, _) = open().await;
    let whole = json!({ "from": "2020-01-01", "min_orders": 2, "by": "support" });
    let first = soon(app.answer("head-office", "get_basket_analysis", whole.clone())).await["pairs"][0].clone();
    for (name, value) in [("product", &first["with"]), ("category", &first["with_category"])] {
        let mut asked = whole.clone();
        asked[name] = value.as_str().expect("a name").to_uppercase().into();
        let answer = soon(app.answer("head-office", "get_basket_analysis", asked)).await;
        assert_eq!(&answer[name], value, "as the catalogue writes it");
        for pair in answer["pairs"].as_array().expect("pairs") {
            let sides = [&pair[name], &pair[format!("with{}", if name == "product" { "" } else { "_category" })]];
            assert!(sides.contains(&value), "{name} {value}: {pair}");
        }
    }
    for (asked, code, part) in [
        (json!({ "category": "Nonsense" }), "NOT_FOUND", "there are: "),
        (json!({ "product": "Nonsense" }), "NOT_FOUND", "no such product"),
        (json!({ "from": "2026-02-30" }), "VALIDATION_ERROR", "`from` is not a day"),
        (json!({ "min_orders": 0 }), "VALIDATION_ERROR", "min_orders"),
        (json!({ "store": "Spokane" }), "VALIDATION_ERROR", "store"),
    ] {
        let (got, text) = soon(app.failure("seattle", "get_basket_analysis", asked.clone())).await;
        assert_eq!(got, code, "{asked}: {text}");
        assert!(text.contains(part), "{asked}: {text}");
    }
}

#[tokio::test]
async fn weeks_are_those_of_the_callers_stores() {
    let (app, admin) = open().await;
    for (who, store) in WHO {
        for asked in [json!({}), json!({ "date": "2025-12-24" }), json!({ "date": "2019-01-01" })] {
            let answer = soon(app.answer(who, "get_weekly_report", asked.clone())).await;
            for week in ["week", "week_before", "year_before"] {
                let day = |name: &str| answer[week][name].as_str().expect("a day").to_owned();
                let (orders, revenue) = sold(&admin, store, &day("from"), &day("to")).await;
                near(number(&answer, &format!("/{week}/orders")), orders as f64, who);
                near(number(&answer, &format!("/{week}/revenue")), revenue, who);
            }
            if asked == json!({}) {
                assert_eq!((&answer["week"]["from"], &answer["week"]["to"]), (&json!(WEEK.0), &json!(WEEK.1)), "{who}");
            }
            // However it is cut, a chart adds up to the week.
            for chart in answer["charts"].as_array().expect("charts") {
                for (series, week) in
                    chart["series"].as_array().expect("series").iter().zip(["week", "week_before", "year_before"])
                {
                    let values = series["values"].as_array().expect("values");
                    assert_eq!(values.len(), chart["labels"].as_array().expect("labels").len(), "{who}: {chart}");
                    let sum: f64 = values.iter().filter_map(Value::as_f64).sum();
                    near(
                        sum,
                        number(&answer, &format!("/{week}/revenue")),
                        &format!("{who} {week} {}", chart["title"]),
                    );
                }
            }
            movers(&app, who, &answer).await;
        }
    }
    for (asked, part) in [(json!({ "date": "2026-02-30" }), "not a day"), (json!({ "movers": 21 }), "movers")] {
        let (code, text) = soon(app.failure("seattle", "get_weekly_report", asked)).await;
        assert_eq!(code, "VALIDATION_ERROR", "{text}");
        assert!(text.contains(part), "{text}");
    }
}

/// Gainers gained and losers lost, the most first, and by what another plugin says they sold.
async fn movers(app: &App, who: &str, answer: &Value) {
    let named = |side: &str| answer[side].as_array().expect("movers").clone();
    for (side, sign) in [("gainers", 1.0), ("losers", -1.0)] {
        let changes: Vec<f64> = named(side).iter().map(|mover| sign * number(mover, "/change")).collect();
        assert!(
            changes.iter().all(|change| *change > 0.0) && changes.is_sorted_by(|a, b| a >= b),
            "{who} {side}: {changes:?}"
        );
    }
    let Some(first) = named("gainers").first().cloned() else { return };
    let span = json!({ "from": answer["week"]["from"], "to": answer["week"]["to"], "limit": 50 });
    let top = soon(app.answer(who, "get_top_products", span)).await;
    let products = top["products"].as_array().expect("products");
    if let Some(same) = products.iter().find(|one| one["product"] == first["product"]) {
        near(number(&first, "/revenue"), number(same, "/revenue"), who);
    }
}
