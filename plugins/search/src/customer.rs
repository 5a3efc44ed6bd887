//! What a customer bought, as a basket.

use rowhouse_plugin::prelude::*;

use crate::named::{By, Named};

/// The last day with an order of the caller's stores: one look at an index for each store, where `max(order_date)`
/// reads every order.
pub(crate) const NEWEST: &str = "\
(SELECT max(latest.order_date)
    FROM retail.stores AS s CROSS JOIN LATERAL (
      SELECT o.order_date FROM retail.orders AS o
      WHERE o.store_id = s.store_id ORDER BY o.order_date DESC LIMIT 1) AS latest)";

/// Products of a customer that count, latest first: beyond them a basket says what everybody buys.
const MOST: i64 = 50;

/// One row: how many people are called so, and a product, where there is one person and something bought.
#[derive(FromRow)]
struct Bought {
    people: i64,
    customer: Option<String>,
    product_id: Option<Uuid>,
    product_name: Option<String>,
    #[row(default)]
    known: bool,
}

/// Whoever shares an e-mail address is one person, in whichever of the caller's stores they are registered. Which
/// customers there are at all is row security's to say: somebody of another store is nobody here.
fn statement(asked: &str) -> Statement {
    sql!(
        "
WITH who AS (
  SELECT store_id, customer_id, first_name || ' ' || last_name AS customer, lower(email) AS email
  FROM retail.customers
  WHERE lower(email) = lower({asked}) OR lower(first_name || ' ' || last_name) = lower({asked})),
counted AS (SELECT count(DISTINCT email) AS people, min(customer) AS customer FROM who),
bought AS (
  SELECT i.product_id, max(o.order_date) AS latest
  FROM who AS w
  JOIN retail.orders AS o ON o.store_id = w.store_id AND o.customer_id = w.customer_id
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  WHERE (SELECT people FROM counted) = 1 AND o.order_date > {NEWEST:sql} - 365
  GROUP BY i.product_id ORDER BY latest DESC, i.product_id LIMIT {MOST})
SELECT c.people, c.customer, b.product_id, p.product_name,
  EXISTS (SELECT 1 FROM retail.product_embeddings AS e WHERE e.product_id = b.product_id) AS known
FROM counted AS c
LEFT JOIN bought AS b ON true
LEFT JOIN retail.products AS p ON p.product_id = b.product_id
ORDER BY b.latest DESC, p.product_name"
    )
}

/// The customer's name, and what they bought in the last year of data, latest first.
///
/// # Errors
/// Nobody is called so, with one text for who does not exist and who is another store's; several people are; they
/// bought nothing; or what the database says.
pub(crate) fn basket(asked: &str) -> Result<(String, Vec<Named>)> {
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows: Vec<Bought> = statement(&asked).all()?;
    let people = rows.first().map_or(0, |row| row.people);
    let customer = rows.first().and_then(|row| row.customer.clone()).unwrap_or_default();
    match people {
        0 => {
            bail!(not_found, "no customer of the stores you may see has this name or e-mail address: give either whole")
        }
        1 => {}
        _ => bail!(invalid, "{people} customers have this name: give the e-mail address of the one you mean"),
    }
    let named = |row: Bought| {
        let (id, name) = row.product_id.zip(row.product_name)?;
        Some(Named { id, name, by: By::Name, known: row.known })
    };
    let bought: Vec<Named> = rows.into_iter().filter_map(named).collect();
    if bought.is_empty() {
        bail!(not_found, "{customer} bought nothing in the last year of data: give a `basket` of products instead");
    }
    Ok((customer, bought))
}
