//! `get_store_performance`: each store's period beside the one before.

use serde::Serialize;

use crate::{
    answer,
    bindings::exports::rowhouse::plugin::tools::{Answer, ToolError},
    database::{self, Row},
    money::{Money, growth, in_words, percent},
    period::{self, Chosen, Span, When},
};

/// `$1` to `$2` is the period, `$3` to `$4` the one before. Cost is today's, the only one the catalogue keeps.
const STATEMENT: &str = "
WITH placed AS (
  SELECT store_id, order_id, total_amount, order_date BETWEEN $1 AND $2 AS recent
  FROM retail.orders WHERE order_date BETWEEN $1 AND $2 OR order_date BETWEEN $3 AND $4),
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
SELECT s.store_name, s.region, t.orders, round(t.revenue, 2), round(c.cost, 2), t.orders_before, round(t.revenue_before, 2)
FROM retail.stores AS s
LEFT JOIN taken AS t ON t.store_id = s.store_id
LEFT JOIN spent AS c ON c.store_id = s.store_id
ORDER BY t.revenue DESC NULLS LAST, s.store_name";

/// What the statement says of one store.
#[derive(Clone, Debug)]
struct Figures {
    store: String,
    region: String,
    orders: i64,
    revenue: Money,
    cost: Money,
    orders_before: i64,
    revenue_before: Money,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    from: String,
    to: String,
    compared_with: Compared,
    stores: Vec<Line>,
    total: Line,
    insights: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Compared {
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Line {
    store: String,
    region: String,
    revenue: Money,
    orders: i64,
    average_basket: Money,
    gross_margin: Money,
    gross_margin_percent: Option<f64>,
    previous_revenue: Money,
    previous_orders: i64,
    revenue_growth_percent: Option<f64>,
}

/// Answer a call.
///
/// # Errors
/// Days that make no sense, or what the database says.
pub(crate) fn call(arguments: &str) -> Result<Answer, ToolError> {
    let when: When = answer::arguments(arguments)?;
    let chosen = period::choose(&when, database::newest)?;
    let days = [chosen.span.first, chosen.span.last, chosen.before.first, chosen.before.last].map(database::day);
    let figures = database::read(STATEMENT, &days)?.iter().map(Figures::read).collect::<Result<Vec<_>, _>>()?;
    if figures.is_empty() {
        return Err(ToolError::NotFound("there is no store you may see".to_owned()));
    }
    let report = Report::of(chosen, &figures);
    let text = report.text();
    answer::structured(&report, text)
}

impl Figures {
    fn read(row: &Row) -> Result<Figures, ToolError> {
        Ok(Figures {
            store: row.text(0)?,
            region: row.text(1)?,
            orders: row.int(2)?,
            revenue: row.money(3)?,
            cost: row.money(4)?,
            orders_before: row.int(5)?,
            revenue_before: row.money(6)?,
        })
    }

    fn total(all: &[Figures]) -> Figures {
        Figures {
            store: "all stores you may see".to_owned(),
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
            store: figures.store.clone(),
            region: figures.region.clone(),
            revenue: figures.revenue,
            orders: figures.orders,
            average_basket: figures.revenue.among(figures.orders),
            gross_margin,
            gross_margin_percent: percent(gross_margin.0, figures.revenue.0),
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
        let Span { first, last } = chosen.before;
        Report {
            from: chosen.span.first.to_string(),
            to: chosen.span.last.to_string(),
            compared_with: Compared { from: first.to_string(), to: last.to_string() },
            stores,
            total,
            insights,
        }
    }

    fn text(&self) -> String {
        let columns =
            ["store", "revenue", "orders", "average_basket", "gross_margin_percent", "revenue_growth_percent"];
        let cells = |line: &Line| {
            let name = line.store.clone();
            (
                name,
                line.revenue,
                line.orders,
                line.average_basket,
                line.gross_margin_percent,
                line.revenue_growth_percent,
            )
        };
        let mut rows: Vec<_> = self.stores.iter().map(cells).collect();
        if rows.len() > 1 {
            rows.push(cells(&self.total));
        }
        format!(
            "{} to {} against {} to {}, US dollars\n{}\n{}",
            self.from,
            self.to,
            self.compared_with.from,
            self.compared_with.to,
            answer::table(&columns, &rows),
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
        let share = percent(best.revenue.0, total.revenue.0).unwrap_or_default();
        said.push(format!("{} sold most: {} ({share:.1}% of revenue).", best.store, best.revenue));
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
    use crate::{catalogue::tests::fits, date::Date};

    fn figures(store: &str, orders: i64, revenue: i64, cost: i64, before: i64) -> Figures {
        Figures {
            store: store.to_owned(),
            region: "Puget Sound".to_owned(),
            orders,
            revenue: Money(revenue),
            cost: Money(cost),
            orders_before: 1,
            revenue_before: Money(before),
        }
    }

    fn report(figures: &[Figures]) -> Report {
        let day = |text| Date::parse(text).expect(text);
        let span = Span { first: day("2026-07-01"), last: day("2026-09-30") };
        let before = Span { first: day("2026-04-01"), last: day("2026-06-30") };
        Report::of(Chosen { span, before }, figures)
    }

    #[test]
    fn numbers_and_sentences_agree() {
        let report =
            report(&[figures("Seattle", 3, 30_000, 20_000, 20_000), figures("Spokane", 1, 10_000, 8_000, 20_000)]);
        assert_eq!((report.total.revenue, report.total.orders), (Money(40_000), 4));
        assert_eq!(report.stores[0].average_basket, Money(10_000));
        assert_eq!(report.stores[0].gross_margin_percent, Some(33.3));
        assert_eq!(
            report.insights,
            [
                "Revenue was $400.00 in 4 orders, unchanged against the period before ($400.00).",
                "Gross margin was $120.00 (30.0% of revenue).",
                "Seattle sold most: $300.00 (75.0% of revenue).",
                "Spokane sold least: $100.00.",
                "Seattle did best against the period before (up 50.0%).",
                "Spokane did worst against the period before (down 50.0%).",
            ]
        );
        assert!(report.text().contains(r#"["Seattle",300.00,3,100.00,33.3,50.0]"#), "{}", report.text());
        fits("get_store_performance", &report);
    }

    #[test]
    fn a_store_without_orders_has_no_average_and_no_growth() {
        let report = report(&[figures("Tacoma", 0, 0, 0, 0)]);
        assert_eq!(report.insights, ["No orders in this period."]);
        assert_eq!(report.total.revenue_growth_percent, None);
        fits("get_store_performance", &report);
    }
}
