//! `get_top_products`: what sold best, by revenue, units or margin.

use rowhouse_plugin::prelude::*;

use crate::{
    database,
    money::{Money, share},
    period::{self, Span, When},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Revenue,
    Units,
    Margin,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Asked {
    /// What to rank by (default revenue).
    #[serde(default)]
    by: By,
    /// How many products (default 10).
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 50))]
    limit: i64,
    #[serde(flatten)]
    when: When,
    /// Only this category, by its name, e.g. Power Tools.
    #[schemars(length(min = 1, max = 100))]
    category: Option<String>,
}

/// Products when the caller does not say how many: what a person reads at a glance.
fn usual() -> i64 {
    10
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    #[serde(flatten)]
    span: Span,
    by: By,
    category: Option<String>,
    products: Vec<Product>,
    /// Revenue of all products in question, listed or not, US dollars.
    total_revenue: Money,
    /// Sentences that follow from the numbers.
    insights: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Product {
    rank: usize,
    product: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
    units: i64,
    /// US dollars.
    revenue: Money,
    /// US dollars, at today's cost.
    gross_margin: Money,
    /// Of revenue.
    gross_margin_percent: Option<f64>,
    /// Of `total_revenue`.
    revenue_share_percent: Option<f64>,
}

/// One row.
#[derive(FromRow)]
struct Sold {
    product_name: String,
    category_name: String,
    type_name: String,
    units: i64,
    revenue: Money,
    margin: Money,
    total: Money,
}

fn statement(by: By, Span { first, last }: Span, category: Option<&str>, limit: i64) -> Statement {
    let order = match by {
        By::Revenue => "revenue",
        By::Units => "units",
        By::Margin => "margin",
    };
    sql!(
        "
WITH sold AS (
  SELECT i.product_id, sum(i.quantity) AS units, sum(i.total_amount) AS revenue
  FROM retail.orders AS o
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  WHERE o.order_date BETWEEN {first} AND {last} GROUP BY i.product_id)
SELECT p.product_name, c.category_name, t.type_name, s.units, round(s.revenue, 2) AS revenue,
  round(s.revenue - s.units * p.cost, 2) AS margin, round(sum(s.revenue) OVER (), 2) AS total
FROM sold AS s
JOIN retail.products AS p ON p.product_id = s.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.product_types AS t ON t.type_id = p.type_id
WHERE {category}::text IS NULL OR c.category_name = {category}
ORDER BY {order:sql} DESC, p.product_name LIMIT {limit}"
    )
}

/// Products ranked by revenue, units or gross margin over a period, in the stores the caller may see, optionally of one
/// category. Without a period, the last whole month of data. To find products by what they are good for, use
/// search_products instead.
///
/// # Errors
/// Days that make no sense, a category there is not, or what the database says.
#[tool(title = "Top products")]
pub(crate) fn get_top_products(Asked { by, limit, when, category }: Asked) -> Result<Worded<Report>> {
    let span = period::choose(&when, database::newest)?.span;
    let category = database::category(category.as_deref())?;
    let sold: Vec<Sold> = statement(by, span, category.as_deref(), limit).all()?;
    let total_revenue = sold.first().map(|one| one.total).unwrap_or_default();
    let products: Vec<Product> = sold.into_iter().zip(1..).map(|(sold, rank)| Product::of(rank, sold)).collect();
    let insights = insights(by, &products, total_revenue);
    Ok(Worded::new(Report { span, by, category, products, total_revenue, insights }, Report::text))
}

impl Product {
    fn of(rank: usize, sold: Sold) -> Product {
        Product {
            rank,
            product: sold.product_name,
            category: sold.category_name,
            kind: sold.type_name,
            units: sold.units,
            revenue: sold.revenue,
            gross_margin: sold.margin,
            gross_margin_percent: share(sold.margin, sold.revenue),
            revenue_share_percent: share(sold.revenue, sold.total),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let columns = ["rank", "product", "category", "units", "revenue", "gross_margin"];
        let rows: Vec<_> = self
            .products
            .iter()
            .map(|one| (one.rank, &one.product, &one.category, one.units, one.revenue, one.gross_margin))
            .collect();
        let table = table(&columns, &rows);
        format!("{} to {}, US dollars\n{table}\n{}", self.span.first, self.span.last, self.insights.join("\n"))
    }
}

/// Sentences that follow from the numbers.
fn insights(by: By, products: &[Product], total: Money) -> Vec<String> {
    let Some(first) = products.first() else {
        return vec!["Nothing was sold in this period.".to_owned()];
    };
    let amount = match by {
        By::Revenue => format!("{} of revenue", first.revenue),
        By::Units => format!("{} units", first.units),
        By::Margin => format!("{} of gross margin", first.gross_margin),
    };
    let mut said = vec![format!("{} comes first with {amount}.", first.product)];
    let listed: Money = products.iter().map(|one| one.revenue).sum();
    if let (Some(percent), true) = (share(listed, total), products.len() > 1) {
        let count = products.len();
        said.push(format!("These {count} products made {listed} of {total}: {percent:.1}% of revenue."));
    }
    if let Some(loss) = products.iter().find(|one| one.gross_margin < Money::default()) {
        said.push(format!("{} sold below cost: margin {}.", loss.product, loss.gross_margin));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;
    use rowhouse_plugin::{
        rows,
        testing::{self, Outcome, Table, date, numeric},
    };

    fn sold() -> Table {
        let (all, none) = (numeric("1000.00"), "Hand Tools");
        rows![["product_name", "category_name", "type_name", "units", "revenue", "margin", "total"];
            ["Claw Hammer", none, "Hammers", 9, numeric("200.00"), numeric("50.00"), all],
            ["Mallet", none, "Hammers", 4, numeric("50.00"), numeric("-1.00"), all]]
    }

    fn ask(sold: Table, asked: serde_json::Value) -> (Outcome, testing::Asked) {
        let host = testing::host::<Plugin>()
            .on("FROM sold AS s", sold)
            .on("max(order_date)", rows![["max"]; [date("2026-10-31")]])
            .on("FROM retail.categories", rows![["category_name"]; ["Hand Tools"], ["Paint"]]);
        let answer = host.call("get_top_products", asked).expect("a report");
        (answer, host.asked().pop().expect("a statement"))
    }

    #[test]
    fn the_first_is_named_by_what_was_asked() {
        for (by, sentence) in [
            ("revenue", "Claw Hammer comes first with $200.00 of revenue."),
            ("units", "Claw Hammer comes first with 9 units."),
            ("margin", "Claw Hammer comes first with $50.00 of gross margin."),
        ] {
            let (answer, asked) = ask(sold(), json!({ "by": by, "category": "paint", "limit": 2 }));
            let json = answer.json();
            assert_eq!(
                json["insights"],
                json!([
                    sentence,
                    "These 2 products made $250.00 of $1,000.00: 25.0% of revenue.",
                    "Mallet sold below cost: margin -$1.00."
                ])
            );
            assert_eq!(
                (&json["category"], &json["products"][0]["revenue_share_percent"]),
                (&json!("Paint"), &json!(20.0))
            );
            assert!(asked.statement.ends_with(&format!("ORDER BY {by} DESC, p.product_name LIMIT $4")), "{by}");
            assert_eq!(
                asked.parameters,
                [date("2026-10-01"), date("2026-10-31"), Value::Text("Paint".to_owned()), Value::Int(2)]
            );
        }
    }

    #[test]
    fn nothing_sold_is_said() {
        let (answer, asked) = ask(sold().without_rows(), json!({}));
        assert_eq!(answer.json()["insights"], json!(["Nothing was sold in this period."]));
        assert!(answer.text().contains("No rows"));
        assert_eq!(asked.parameters[2..], [Value::Null, Value::Int(10)]);
    }
}
