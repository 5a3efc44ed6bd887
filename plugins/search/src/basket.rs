//! What to offer beside what is in a basket: what the caller's stores sold together with it, and what is like it.

use rowhouse_plugin::prelude::*;

use crate::{
    alike::{self, ids, kin},
    customer::{self, NEWEST},
    fusion::{DEPTH, best, rounded},
    named::{self, Named},
    product::{FITS, Filters, Line, Product, SHOWN, SHOWN_FROM, Said, lines, listed},
};

/// Cosine similarity from which a product is like another in a way worth telling: of the demo's products, under MiniLM,
/// one pair in eight of different types is so near, and most pairs of one type are.
const LIKE: f64 = 0.4;

/// Orders added to those that chance would give, before the two are compared. Without, what was sold three times in its
/// life, twice with this, would come before what went with it a hundred times.
const DAMPING: u32 = 5;

/// Orders with both that are no accident.
const FEWEST: u32 = 2;

/// Queries of a WITH clause, the last of which is `together (product_id, orders, place)`: products that fit and were in
/// `orders` orders of the last year with one of the given (`$5`), most surprising first. That is the ratio (lift) of
/// these orders to those by chance: the part that the product has in all lines ever sold, of the lines in question. So
/// what is in every second basket anyway does not come first.
fn together() -> String {
    format!(
        "\
baskets AS (
  SELECT DISTINCT o.store_id, o.order_id
  FROM retail.order_items AS i
  JOIN retail.orders AS o ON o.store_id = i.store_id AND o.order_id = i.order_id
  WHERE i.product_id = ANY ($5::uuid[]) AND o.order_date > {NEWEST} - 365),
beside AS (
  SELECT i.product_id, count(DISTINCT (i.store_id, i.order_id)) AS orders
  FROM baskets AS b JOIN retail.order_items AS i ON i.store_id = b.store_id AND i.order_id = b.order_id
  WHERE i.product_id <> ALL ($5::uuid[])
  GROUP BY i.product_id),
sold AS (SELECT product_id, count(*) AS lines FROM retail.order_items GROUP BY product_id),
chances AS (
  SELECT b.product_id, b.orders,
    sum(b.orders) OVER () * s.lines / (SELECT sum(lines) FROM sold)::float8 AS by_chance
  FROM beside AS b JOIN sold AS s ON s.product_id = b.product_id),
together AS (
  SELECT product_id, orders, row_number() OVER (ORDER BY lift DESC, product_id) AS place
  FROM (
    SELECT b.product_id, b.orders, b.orders / (b.by_chance + {DAMPING}) AS lift
    FROM chances AS b
    JOIN retail.products AS p ON p.product_id = b.product_id
    JOIN retail.categories AS c ON c.category_id = p.category_id
    WHERE b.orders >= {FEWEST} AND b.orders > b.by_chance AND {FITS}) AS likely
  ORDER BY place LIMIT {DEPTH})"
    )
}

/// What a row says of a product.
#[derive(FromRow)]
struct Reasons {
    score: f64,
    orders: Option<i64>,
    nearest: Option<String>,
    closeness: Option<f64>,
    #[row(default)]
    same_type: bool,
}

impl Reasons {
    fn why(&self) -> Vec<String> {
        let together = self.orders.map(|orders| format!("bought together in {orders} orders"));
        let alike = self.nearest.as_deref().map(|nearest| alike::why(nearest, self.closeness, self.same_type));
        together.into_iter().chain(alike).collect()
    }
}

fn statement(given: &[Named], vectors: bool, filters: &Filters, max_rows: i64) -> Statement {
    // The two count alike: what sells together goes together, and what is like it is there where few have bought yet.
    let text = format!(
        "
WITH {kin},
{together},
lists AS (
  SELECT product_id, place, 1 AS weight FROM kin
  UNION ALL SELECT product_id, place, 1 FROM together),
{best}
SELECT f.score, b.orders, k.nearest, k.closeness, k.same_type, {SHOWN}
FROM best AS f
LEFT JOIN together AS b ON b.product_id = f.product_id
LEFT JOIN kin AS k ON k.product_id = f.product_id
{SHOWN_FROM}
ORDER BY f.score DESC, f.product_id",
        kin = kin(vectors, DEPTH, LIKE),
        together = together(),
        best = best("$6")
    );
    filters.statement(text).bind(&ids(given)).bind(&max_rows)
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Why likeness was judged by type and name and not by meaning; left out where all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    /// Whose purchases the basket is; left out where products were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    /// The products to go with, none of which is recommended.
    basket: Vec<String>,
    /// Best first.
    products: Vec<Recommended>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Recommended {
    #[serde(flatten)]
    product: Product,
    /// Higher is better; comparable within one answer.
    score: f64,
    /// Why it is here: what it was bought with, what it is like.
    why: Vec<String>,
}

/// Whom to recommend to.
pub(crate) enum To<'a> {
    /// By name or e-mail address.
    Customer(&'a str),
    /// By what they have already.
    Basket(&'a [String]),
}

/// Products to offer.
///
/// # Errors
/// A customer or product there is not, or that may be several; a category there is not; or what the database says.
pub(crate) fn recommend(to: &To<'_>, filters: &Filters, max_rows: i64, include_ids: bool) -> Result<Worded<Found>> {
    let (customer, given, understood) = match to {
        To::Customer(asked) => {
            let (customer, bought) = customer::basket(asked)?;
            (Some(customer), bought, Vec::new())
        }
        To::Basket(asked) => {
            let found = named::find(asked)?;
            (None, found.products, found.understood)
        }
    };
    let degraded = alike::degraded(&given);
    let lines: Vec<Line<Reasons>> = statement(&given, degraded.is_none(), filters, max_rows).all()?;
    if lines.is_empty() {
        filters.check_category()?;
    }
    let recommended = |line: Line<Reasons>| {
        let (product, reasons) = line.split(include_ids);
        Recommended { product, score: rounded(reasons.score), why: reasons.why() }
    };
    let products = lines.into_iter().map(recommended).collect();
    let basket = given.into_iter().map(|one| one.name).collect();
    let found = Found { degraded, customer, basket, products };
    Ok(Worded::new(found, |found| found.text(understood)))
}

/// Products of a basket that a text names.
const NAMED: usize = 5;

impl Found {
    fn text(&self, understood: Vec<String>) -> String {
        let rows = self.products.iter().map(|one| (&one.product, vec![Said::Text(one.why.join("; "))]));
        let table = listed(&["why"], rows);
        let some = self.basket.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match self.basket.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let head = match &self.customer {
            Some(customer) => format!("For {customer}, who bought in the last year: {some}{more}."),
            None => format!("To go with {some}{more}:"),
        };
        let nothing = self.products.is_empty().then(|| "Nothing goes with these: loosen the filters.".to_owned());
        let understood = understood.into_iter().map(Some);
        lines([self.degraded.clone()].into_iter().chain(understood).chain([Some(head), nothing, Some(table)]))
    }
}
