//! `get_customer_segments`: customers by how recently, how often and for how much they bought.

use serde::{Deserialize, Serialize};

use crate::{
    answer,
    bindings::exports::rowhouse::plugin::tools::{Answer, ToolError},
    database::{self, Row},
    date::Date,
    money::{Money, percent},
    period,
};

/// Scores 1 (lowest fifth) to 5 of every customer as of `$1`, counted together where they are alike. `percent_rank`,
/// not `ntile`: customers who are alike get the same score.
const STATEMENT: &str = "
WITH bought AS (
  SELECT store_id, customer_id, max(order_date) AS latest, count(*) AS orders, sum(total_amount) AS revenue
  FROM retail.orders WHERE order_date <= $1 GROUP BY store_id, customer_id),
scored AS (
  SELECT orders, revenue, $1 - latest AS days,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY latest)))::int AS r,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY orders)))::int AS f,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY revenue)))::int AS m
  FROM bought)
SELECT r, f, m, count(*), sum(orders)::bigint, round(sum(revenue), 2), sum(days)::bigint
FROM scored GROUP BY r, f, m ORDER BY r, f, m";

/// Segments, best first, with what to do about each.
const SEGMENTS: [(&str, &str); 8] = [
    ("Champions", "Bought lately, often and for much: keep them, and show them what is new first."),
    ("Loyal", "Buy often: thank them, and offer what goes with what they bought."),
    ("Big spenders", "Few but large orders: advise on their next project."),
    ("New", "First bought lately: make the second purchase easy."),
    ("Promising", "Bought not long ago, without a habit yet: remind them."),
    ("Cannot lose", "Were among the best and stay away: call them."),
    ("At risk", "Bought often or for much, not lately: win them back."),
    ("Dormant", "Rarely, little and long ago: spend little on them."),
];

/// Customers who share three scores.
#[derive(Clone, Copy, Debug)]
struct Cell {
    recency: i64,
    frequency: i64,
    monetary: i64,
    customers: i64,
    orders: i64,
    revenue: Money,
    /// Days since the last order, all customers' together.
    days: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    as_of: Date,
    customers: i64,
    revenue: Money,
    segments: Vec<Segment>,
    insights: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Segment {
    segment: &'static str,
    advice: &'static str,
    customers: i64,
    customers_percent: Option<f64>,
    revenue: Money,
    revenue_percent: Option<f64>,
    revenue_per_customer: Money,
    orders_per_customer: f64,
    days_since_last_order: i64,
}

/// Answer a call.
///
/// # Errors
/// A day that is none, no customers by then, or what the database says.
pub(crate) fn call(arguments: &str) -> Result<Answer, ToolError> {
    #[derive(Deserialize)]
    struct Arguments {
        as_of: Option<String>,
    }
    let Arguments { as_of } = answer::arguments(arguments)?;
    let as_of = match as_of {
        Some(text) => period::read("as_of", &text)?,
        None => database::newest()?,
    };
    let cells = database::read(STATEMENT, &[database::day(as_of)])?.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
    if cells.is_empty() {
        return Err(ToolError::NotFound(format!("nobody had bought anything by {as_of}: ask for a later `as_of`")));
    }
    let report = Report::of(as_of, &cells);
    let text = report.text();
    answer::structured(&report, text)
}

fn cell(row: &Row) -> Result<Cell, ToolError> {
    Ok(Cell {
        recency: row.int(0)?,
        frequency: row.int(1)?,
        monetary: row.int(2)?,
        customers: row.int(3)?,
        orders: row.int(4)?,
        revenue: row.money(5)?,
        days: row.int(6)?,
    })
}

/// The place in [`SEGMENTS`] of three scores.
fn segment(recency: i64, frequency: i64, monetary: i64) -> usize {
    match (recency, frequency, monetary) {
        (4.., 4.., 4..) => 0,
        (3.., 4.., _) => 1,
        (3.., _, 4..) => 2,
        (4.., 1, _) => 3,
        (3.., _, _) => 4,
        (_, 4.., 4..) => 5,
        (_, f, m) if f >= 3 || m >= 3 => 6,
        _ => 7,
    }
}

impl Report {
    fn of(as_of: Date, cells: &[Cell]) -> Report {
        let customers = cells.iter().map(|cell| cell.customers).sum();
        let revenue: Money = cells.iter().map(|cell| cell.revenue).sum();
        let segments: Vec<Segment> = (0..SEGMENTS.len())
            .filter_map(|place| {
                let of_it = cells.iter().filter(|one| segment(one.recency, one.frequency, one.monetary) == place);
                Segment::of(place, of_it, customers, revenue)
            })
            .collect();
        let insights = insights(&segments);
        Report { as_of, customers, revenue, segments, insights }
    }

    fn text(&self) -> String {
        let columns =
            ["segment", "customers", "revenue", "revenue_percent", "orders_per_customer", "days_since_last_order"];
        let rows: Vec<_> = self
            .segments
            .iter()
            .map(|one| {
                let Segment { segment, customers, revenue, revenue_percent, orders_per_customer, .. } = one;
                (segment, customers, revenue, revenue_percent, orders_per_customer, one.days_since_last_order)
            })
            .collect();
        let table = answer::table(&columns, &rows);
        format!("{} customers as of {}, US dollars\n{table}\n{}", self.customers, self.as_of, self.insights.join("\n"))
    }
}

impl Segment {
    /// None where nobody is in it.
    fn of<'a>(place: usize, cells: impl Iterator<Item = &'a Cell>, all: i64, total: Money) -> Option<Segment> {
        let cells: Vec<&Cell> = cells.collect();
        let sum = |of: fn(&Cell) -> i64| cells.iter().map(|cell| of(cell)).sum::<i64>();
        let customers = sum(|cell| cell.customers);
        if customers == 0 {
            return None;
        }
        let revenue: Money = cells.iter().map(|cell| cell.revenue).sum();
        let (segment, advice) = SEGMENTS[place];
        Some(Segment {
            segment,
            advice,
            customers,
            customers_percent: percent(customers, all),
            revenue,
            revenue_percent: percent(revenue.0, total.0),
            revenue_per_customer: revenue.among(customers),
            orders_per_customer: (sum(|cell| cell.orders) as f64 / customers as f64 * 10.0).round() / 10.0,
            days_since_last_order: sum(|cell| cell.days) / customers,
        })
    }
}

/// Sentences that follow from the numbers.
fn insights(segments: &[Segment]) -> Vec<String> {
    let mut said = Vec::new();
    let share = |of: Option<f64>| of.unwrap_or_default();
    if let Some(top) = segments.iter().max_by_key(|one| one.revenue) {
        said.push(format!(
            "{} are {:.1}% of customers and {:.1}% of revenue ({}).",
            top.segment,
            share(top.customers_percent),
            share(top.revenue_percent),
            top.revenue
        ));
    }
    let leaving: Vec<_> = segments.iter().filter(|one| matches!(one.segment, "Cannot lose" | "At risk")).collect();
    if !leaving.is_empty() {
        let customers: i64 = leaving.iter().map(|one| one.customers).sum();
        let revenue: Money = leaving.iter().map(|one| one.revenue).sum();
        said.push(format!("{customers} customers who spent {revenue} so far have stayed away lately."));
    }
    if let Some(new) = segments.iter().find(|one| one.segment == "New") {
        said.push(format!("{} customers are new; {}", new.customers, "a second order decides whether they stay."));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::fits;

    #[test]
    fn scores_have_names() {
        for ((r, f, m), name) in [
            ((5, 5, 5), "Champions"),
            ((4, 4, 4), "Champions"),
            ((3, 5, 5), "Loyal"),
            ((5, 4, 1), "Loyal"),
            ((5, 1, 5), "Big spenders"),
            ((5, 1, 1), "New"),
            ((3, 1, 1), "Promising"),
            ((4, 3, 3), "Promising"),
            ((1, 5, 5), "Cannot lose"),
            ((2, 3, 1), "At risk"),
            ((1, 1, 5), "At risk"),
            ((1, 1, 1), "Dormant"),
            ((2, 2, 2), "Dormant"),
        ] {
            assert_eq!(SEGMENTS[segment(r, f, m)].0, name, "{r}{f}{m}");
        }
    }

    #[test]
    fn everybody_is_in_one_segment() {
        let cells: Vec<Cell> = (0..125)
            .map(|i| Cell {
                recency: i / 25 + 1,
                frequency: i / 5 % 5 + 1,
                monetary: i % 5 + 1,
                customers: 2,
                orders: 3,
                revenue: Money(1_000),
                days: 14,
            })
            .collect();
        let report = Report::of(Date::parse("2026-10-31").expect("a day"), &cells);
        assert_eq!((report.customers, report.revenue), (250, Money(125_000)));
        assert_eq!(report.segments.iter().map(|one| one.customers).sum::<i64>(), 250);
        assert_eq!(report.segments.len(), SEGMENTS.len());
        for one in &report.segments {
            assert_eq!((one.orders_per_customer, one.days_since_last_order), (1.5, 7));
            assert_eq!(one.revenue_per_customer, Money(500));
        }
        assert!(report.insights[1].contains("stayed away"), "{:?}", report.insights);
        fits("get_customer_segments", &report);
    }
}
