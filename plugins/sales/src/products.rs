//! `get_top_products`: what sold best, by revenue, units or margin.

use serde::{Deserialize, Serialize};

use crate::{
    answer,
    bindings::{
        exports::rowhouse::plugin::tools::{Answer, ToolError},
        rowhouse::plugin::types::Value,
    },
    database::{self, Row},
    money::{Money, percent},
    period::{self, Span, When},
};

/// Products when the caller does not say how many: what a person reads at a glance.
const USUAL: i64 = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Revenue,
    Units,
    Margin,
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    by: By,
    limit: Option<i64>,
    category: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    from: String,
    to: String,
    by: By,
    category: Option<String>,
    products: Vec<Product>,
    total_revenue: Money,
    insights: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Product {
    rank: usize,
    product: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
    units: i64,
    revenue: Money,
    gross_margin: Money,
    gross_margin_percent: Option<f64>,
    revenue_share_percent: Option<f64>,
}

/// `$1` to `$2` are the days, `$3` a category or null, `$4` how many. The order comes from `By` and from nowhere else.
fn statement(by: By) -> String {
    let order = match by {
        By::Revenue => "revenue",
        By::Units => "units",
        By::Margin => "margin",
    };
    format!(
        "
WITH sold AS (
  SELECT i.product_id, sum(i.quantity) AS units, sum(i.total_amount) AS revenue
  FROM retail.orders AS o
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  WHERE o.order_date BETWEEN $1 AND $2 GROUP BY i.product_id)
SELECT p.product_name, c.category_name, t.type_name, s.units, round(s.revenue, 2) AS revenue,
  round(s.revenue - s.units * p.cost, 2) AS margin, round(sum(s.revenue) OVER (), 2)
FROM sold AS s
JOIN retail.products AS p ON p.product_id = s.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.product_types AS t ON t.type_id = p.type_id
WHERE $3::text IS NULL OR c.category_name = $3
ORDER BY {order} DESC, p.product_name LIMIT $4"
    )
}

/// Answer a call.
///
/// # Errors
/// Days that make no sense, a category there is not, or what the database says.
pub(crate) fn call(arguments: &str) -> Result<Answer, ToolError> {
    let when: When = answer::arguments(arguments)?;
    let Arguments { by, limit, category } = answer::arguments(arguments)?;
    let span = period::choose(&when, database::newest)?.span;
    let category = database::category(category.as_deref())?;
    let limit = Value::Int(limit.unwrap_or(USUAL));
    let parameters = [database::day(span.first), database::day(span.last), database::maybe(category.as_deref()), limit];
    let rows = database::read(&statement(by), &parameters)?;
    let total = rows.first().map(|row| row.money(6)).transpose()?.unwrap_or_default();
    let products =
        rows.iter().enumerate().map(|(index, row)| Product::read(index + 1, row, total)).collect::<Result<_, _>>()?;
    let report = Report::of(span, by, category, products, total);
    let text = report.text();
    answer::structured(&report, text)
}

impl Product {
    fn read(rank: usize, row: &Row, total: Money) -> Result<Product, ToolError> {
        Ok(Product::of(
            rank,
            [row.text(0)?, row.text(1)?, row.text(2)?],
            row.int(3)?,
            row.money(4)?,
            row.money(5)?,
            total,
        ))
    }

    fn of(rank: usize, names: [String; 3], units: i64, revenue: Money, gross_margin: Money, total: Money) -> Product {
        let [product, category, kind] = names;
        Product {
            rank,
            product,
            category,
            kind,
            units,
            revenue,
            gross_margin,
            gross_margin_percent: percent(gross_margin.0, revenue.0),
            revenue_share_percent: percent(revenue.0, total.0),
        }
    }
}

impl Report {
    fn of(span: Span, by: By, category: Option<String>, products: Vec<Product>, total_revenue: Money) -> Report {
        let insights = insights(by, &products, total_revenue);
        let (from, to) = (span.first.to_string(), span.last.to_string());
        Report { from, to, by, category, products, total_revenue, insights }
    }

    fn text(&self) -> String {
        let columns = ["rank", "product", "category", "units", "revenue", "gross_margin"];
        let rows: Vec<_> = self
            .products
            .iter()
            .map(|one| (one.rank, &one.product, &one.category, one.units, one.revenue, one.gross_margin))
            .collect();
        let table = answer::table(&columns, &rows);
        format!("{} to {}, US dollars\n{table}\n{}", self.from, self.to, self.insights.join("\n"))
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
    if let (Some(share), true) = (percent(listed.0, total.0), products.len() > 1) {
        let count = products.len();
        said.push(format!("These {count} products made {listed} of {total}: {share:.1}% of revenue."));
    }
    if let Some(loss) = products.iter().find(|one| one.gross_margin < Money(0)) {
        said.push(format!("{} sold below cost: margin {}.", loss.product, loss.gross_margin));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::tests::fits, date::Date};

    fn report(by: By, sold: &[(&str, i64, i64, i64)], total: i64) -> Report {
        let day = Date::parse("2026-10-31").expect("a day");
        let named = |name: &str| [name.to_owned(), "Hand Tools".to_owned(), "Hammers".to_owned()];
        let products = sold.iter().enumerate().map(|(index, &(name, units, revenue, margin))| {
            Product::of(index + 1, named(name), units, Money(revenue), Money(margin), Money(total))
        });
        Report::of(Span { first: day, last: day }, by, None, products.collect(), Money(total))
    }

    #[test]
    fn the_first_is_named_by_what_was_asked() {
        let sold = [("Claw Hammer", 9, 20_000, 5_000), ("Mallet", 4, 5_000, -100)];
        for (by, sentence) in [
            (By::Revenue, "Claw Hammer comes first with $200.00 of revenue."),
            (By::Units, "Claw Hammer comes first with 9 units."),
            (By::Margin, "Claw Hammer comes first with $50.00 of gross margin."),
        ] {
            let report = report(by, &sold, 100_000);
            assert_eq!(
                report.insights,
                [
                    sentence,
                    "These 2 products made $250.00 of $1,000.00: 25.0% of revenue.",
                    "Mallet sold below cost: margin -$1.00."
                ]
            );
            assert_eq!(report.products[0].revenue_share_percent, Some(20.0));
            fits("get_top_products", &report);
        }
    }

    #[test]
    fn nothing_sold_is_said() {
        let report = report(By::Units, &[], 0);
        assert_eq!(report.insights, ["Nothing was sold in this period."]);
        assert!(report.text().contains("No rows"));
        fits("get_top_products", &report);
    }
}
