//! `get_store_performance`: each store's period beside the one before.

use rowhouse_plugin::prelude::*;

use crate::{
    database,
    money::{Money, growth, in_words, share},
    period::{self, Chosen, Span, When},
};

/// What the statement says of one store.
#[derive(Clone, Debug, FromRow)]
struct Figures {
    store_name: String,
    region: String,
    #[row(default)]
    orders: i64,
    #[row(default)]
    revenue: Money,
    #[row(default)]
    cost: Money,
    #[row(default)]
    orders_before: i64,
    #[row(default)]
    revenue_before: Money,
}

/// The period and the one before. Cost is today's, the only one the catalogue keeps.
fn statement(Chosen { span, before }: Chosen) -> Statement {
    sql!(
        "
WITH placed AS (
  SELECT store_id, order_id, total_amount, order_date BETWEEN {span.first} AND {span.last} AS recent
  FROM retail.orders
  WHERE order_date BETWEEN {span.first} AND {span.last} OR order_date BETWEEN {before.first} AND {before.last}),
taken AS (
  SELECT store_id,
    count(*) FILTER (WHERE recent) AS orders, sum(total_amount) FILTER (WHERE recent) AS revenue,
    count(*) FILTER (WHERE NOT recent) AS orders_before, sum(total_amount) FILTER (WHERE NOT recent) AS revenue_before
  FROM placed GROUP BY store_id),
spent AS (
  SELECT i.store_id, sum(i.quantity * p.cost) AS cost
  FROM placed AS o
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  JOIN retail.products AS p ON p.product_id = i.product_id
  WHERE o.recent GROUP BY i.store_id)
SELECT s.store_name, s.region, t.orders, round(t.revenue, 2) AS revenue, round(c.cost, 2) AS cost, t.orders_before,
  round(t.revenue_before, 2) AS revenue_before
FROM retail.stores AS s
LEFT JOIN taken AS t ON t.store_id = s.store_id
LEFT JOIN spent AS c ON c.store_id = s.store_id
ORDER BY t.revenue DESC NULLS LAST, s.store_name"
    )
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    #[serde(flatten)]
    span: Span,
    compared_with: Span,
    /// Every store you may see, the highest revenue first.
    stores: Vec<Line>,
    total: Line,
    /// Sentences that follow from the numbers.
    insights: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    store: String,
    region: String,
    /// US dollars.
    revenue: Money,
    orders: i64,
    /// Revenue per order, US dollars.
    average_basket: Money,
    /// Revenue less today's cost of what was sold, US dollars.
    gross_margin: Money,
    /// Of revenue; null without revenue.
    gross_margin_percent: Option<f64>,
    /// US dollars, in the period before.
    previous_revenue: Money,
    previous_orders: i64,
    /// Against the period before; null where that had no revenue.
    revenue_growth_percent: Option<f64>,
}

/// Revenue, orders, average basket and gross margin of every store the caller may see, with growth against the period
/// before and sentences that sum it up. Name a period (day, week, month, quarter, year) and a date inside it, or from and
/// to; without either, the last whole month of data. `from` and `to` are compared with as many days before, a period with
/// the one before it in the calendar.
///
/// # Errors
/// Days that make no sense, no store at all, or what the database says.
#[tool(title = "Store performance")]
pub(crate) fn get_store_performance(when: When) -> Result<Worded<Report>> {
    let chosen = period::choose(&when, database::newest)?;
    let figures: Vec<Figures> = statement(chosen).all()?;
    if figures.is_empty() {
        bail!(not_found, "there is no store you may see");
    }
    Ok(Worded::new(Report::of(chosen, &figures), Report::text))
}

impl Figures {
    fn total(all: &[Figures]) -> Figures {
        Figures {
            store_name: "all stores you may see".to_owned(),
            region: "all".to_owned(),
            orders: all.iter().map(|one| one.orders).sum(),
            revenue: all.iter().map(|one| one.revenue).sum(),
            cost: all.iter().map(|one| one.cost).sum(),
            orders_before: all.iter().map(|one| one.orders_before).sum(),
            revenue_before: all.iter().map(|one| one.revenue_before).sum(),
        }
    }
}

impl Line {
    fn of(figures: &Figures) -> Line {
        let gross_margin = figures.revenue - figures.cost;
        Line {
            store: figures.store_name.clone(),
            region: figures.region.clone(),
            revenue: figures.revenue,
            orders: figures.orders,
            average_basket: figures.revenue.among(figures.orders),
            gross_margin,
            gross_margin_percent: share(gross_margin, figures.revenue),
            previous_revenue: figures.revenue_before,
            previous_orders: figures.orders_before,
            revenue_growth_percent: growth(figures.revenue, figures.revenue_before),
        }
    }
}

impl Report {
    fn of(chosen: Chosen, figures: &[Figures]) -> Report {
        let stores: Vec<Line> = figures.iter().map(Line::of).collect();
        let total = Line::of(&Figures::total(figures));
        let insights = insights(&stores, &total);
        Report { span: chosen.span, compared_with: chosen.before, stores, total, insights }
    }

    fn text(&self) -> String {
        let columns =
            ["store", "revenue", "orders", "average_basket", "gross_margin_percent", "revenue_growth_percent"];
        let cells = |line: &Line| {
            let (name, margin) = (line.store.clone(), line.gross_margin_percent);
            (name, line.revenue, line.orders, line.average_basket, margin, line.revenue_growth_percent)
        };
        let mut rows: Vec<_> = self.stores.iter().map(cells).collect();
        if rows.len() > 1 {
            rows.push(cells(&self.total));
        }
        format!(
            "{} to {} against {} to {}, US dollars\n{}\n{}",
            self.span.first,
            self.span.last,
            self.compared_with.first,
            self.compared_with.last,
            table(&columns, &rows),
            self.insights.join("\n")
        )
    }
}

/// Sentences that follow from the numbers, the broadest first.
fn insights(stores: &[Line], total: &Line) -> Vec<String> {
    if total.orders == 0 {
        return vec!["No orders in this period.".to_owned()];
    }
    let mut said = vec![match total.revenue_growth_percent {
        Some(growth) => format!(
            "Revenue was {} in {} orders, {} against the period before ({}).",
            total.revenue,
            total.orders,
            in_words(growth),
            total.previous_revenue
        ),
        None => {
            format!("Revenue was {} in {} orders; there was none in the period before.", total.revenue, total.orders)
        }
    }];
    if let Some(margin) = total.gross_margin_percent {
        said.push(format!("Gross margin was {} ({margin:.1}% of revenue).", total.gross_margin));
    }
    if let [best, .., weakest] = stores {
        let of_all = share(best.revenue, total.revenue).unwrap_or_default();
        said.push(format!("{} sold most: {} ({of_all:.1}% of revenue).", best.store, best.revenue));
        said.push(format!("{} sold least: {}.", weakest.store, weakest.revenue));
        let moved = || stores.iter().filter_map(|line| Some((line, line.revenue_growth_percent?)));
        let up = moved().max_by(|a, b| a.1.total_cmp(&b.1));
        let down = moved().min_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some((up, rise)), Some((down, fall))) = (up, down)
            && up.store != down.store
        {
            said.push(format!("{} did best against the period before ({}).", up.store, in_words(rise)));
            said.push(format!("{} did worst against the period before ({}).", down.store, in_words(fall)));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;
    use rowhouse_plugin::{
        rows,
        testing::{self, Outcome, Table, numeric},
    };

    const ASKED: [&str; 7] = ["store_name", "region", "orders", "revenue", "cost", "orders_before", "revenue_before"];

    fn performance(figures: Table) -> Outcome {
        let host = testing::host::<Plugin>().on("FROM retail.stores AS s", figures);
        host.call("get_store_performance", json!({ "period": "quarter", "date": "2026-08-15" })).expect("a report")
    }

    #[test]
    fn numbers_and_sentences_agree() {
        let [store, region, orders, revenue, cost, orders_before, before] = ASKED;
        let answer = performance(rows![[store, region, orders, revenue, cost, orders_before, before];
            ["Seattle", "Puget Sound", 3, numeric("300.00"), numeric("200.00"), 1, numeric("200.00")],
            ["Spokane", "Inland", 1, numeric("100.00"), numeric("80.00"), 1, numeric("200.00")]]);
        let json = answer.json();
        assert_eq!(json["compared_with"], json!({ "from": "2026-04-01", "to": "2026-06-30" }));
        assert_eq!((&json["total"]["revenue"], &json["total"]["orders"]), (&json!(400.0), &json!(4)));
        assert_eq!(json["stores"][0]["average_basket"], 100.0);
        assert_eq!(json["stores"][0]["gross_margin_percent"], 33.3);
        assert_eq!(
            json["insights"],
            json!([
                "Revenue was $400.00 in 4 orders, unchanged against the period before ($400.00).",
                "Gross margin was $120.00 (30.0% of revenue).",
                "Seattle sold most: $300.00 (75.0% of revenue).",
                "Spokane sold least: $100.00.",
                "Seattle did best against the period before (up 50.0%).",
                "Spokane did worst against the period before (down 50.0%).",
            ])
        );
        assert!(answer.text().contains(r#"["Seattle",300.00,3,100.00,33.3,50.0]"#), "{}", answer.text());
    }

    #[test]
    fn a_store_without_orders_has_no_average_and_no_growth() {
        let [store, region, orders, revenue, cost, orders_before, before] = ASKED;
        let none = Value::Null;
        let answer = performance(rows![[store, region, orders, revenue, cost, orders_before, before];
            ["Tacoma", "Puget Sound", none, none, none, none, none]]);
        assert_eq!(answer.json()["insights"], json!(["No orders in this period."]));
        assert_eq!(answer.json()["total"]["revenue_growth_percent"], json!(null));
    }
}
