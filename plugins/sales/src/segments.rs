//! `get_customer_segments`: customers by how recently, how often and for how much they bought.

use rowhouse_plugin::prelude::*;

use crate::{
    database,
    money::{Money, percent, share},
};

/// Scores 1 (lowest fifth) to 5 of every customer as of a day, counted together where they are alike. `percent_rank`,
/// not `ntile`: customers who are alike get the same score.
fn statement(as_of: Date) -> Statement {
    sql!(
        "
WITH bought AS (
  SELECT store_id, customer_id, max(order_date) AS latest, count(*) AS orders, sum(total_amount) AS revenue
  FROM retail.orders WHERE order_date <= {as_of} GROUP BY store_id, customer_id),
scored AS (
  SELECT orders, revenue, {as_of} - latest AS days,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY latest)))::int AS r,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY orders)))::int AS f,
    least(5, 1 + floor(5 * percent_rank() OVER (ORDER BY revenue)))::int AS m
  FROM bought)
SELECT r AS recency, f AS frequency, m AS monetary, count(*) AS customers, sum(orders)::bigint AS orders,
  round(sum(revenue), 2) AS revenue, sum(days)::bigint AS days
FROM scored GROUP BY r, f, m ORDER BY r, f, m"
    )
}

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
#[derive(Clone, Copy, Debug, FromRow)]
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

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Asked {
    /// Look at orders up to this day (default: the last day with data).
    as_of: Option<Date>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// Orders up to this day were counted.
    as_of: Date,
    customers: i64,
    /// US dollars.
    revenue: Money,
    segments: Vec<Segment>,
    /// Sentences that follow from the numbers.
    insights: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Segment {
    segment: &'static str,
    advice: &'static str,
    customers: i64,
    customers_percent: Option<f64>,
    /// US dollars.
    revenue: Money,
    revenue_percent: Option<f64>,
    /// US dollars.
    revenue_per_customer: Money,
    orders_per_customer: f64,
    /// On average.
    days_since_last_order: i64,
}

/// Customers of the stores the caller may see, grouped by how recently, how often and for how much they bought (RFM):
/// Champions, Loyal, At risk and so on, with counts, revenue and advice. Names no customer.
///
/// # Errors
/// No customers by then, or what the database says.
#[tool(title = "Customer segments")]
pub(crate) fn get_customer_segments(Asked { as_of }: Asked) -> Result<Worded<Report>> {
    let as_of = as_of.map_or_else(database::newest, Ok)?;
    let cells: Vec<Cell> = statement(as_of).all()?;
    if cells.is_empty() {
        bail!(not_found, "nobody had bought anything by {as_of}: ask for a later `as_of`");
    }
    Ok(Worded::new(Report::of(as_of, &cells), Report::text))
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
        let table = table(&columns, &rows);
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
            customers_percent: percent(customers as f64, all as f64),
            revenue,
            revenue_percent: share(revenue, total),
            revenue_per_customer: revenue.among(customers),
            orders_per_customer: (sum(|cell| cell.orders) as f64 / customers as f64 * 10.0).round() / 10.0,
            days_since_last_order: sum(|cell| cell.days) / customers,
        })
    }
}

/// Sentences that follow from the numbers.
fn insights(segments: &[Segment]) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(top) = segments.iter().max_by_key(|one| one.revenue) {
        said.push(format!(
            "{} are {:.1}% of customers and {:.1}% of revenue ({}).",
            top.segment,
            top.customers_percent.unwrap_or_default(),
            top.revenue_percent.unwrap_or_default(),
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
    use crate::Plugin;
    use rowhouse_plugin::{
        rows,
        testing::{self, Table, date, numeric},
    };

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

    /// Two customers with each three scores.
    fn everybody() -> Table {
        let cell = |i: i64| {
            let scores = [i / 25 + 1, i / 5 % 5 + 1, i % 5 + 1, 2, 3].map(Value::Int);
            [scores.as_slice(), &[numeric("10.00"), Value::Int(14)]].concat()
        };
        let columns = ["recency", "frequency", "monetary", "customers", "orders", "revenue", "days"];
        Table::new(&columns, (0..125).map(cell).collect())
    }

    #[test]
    fn everybody_is_in_one_segment() {
        let host = testing::host::<Plugin>()
            .on("FROM scored", everybody())
            .on("max(order_date)", rows![["max"]; [date("2026-10-31")]]);
        let json = host.call("get_customer_segments", json!({})).expect("a report").json();
        assert_eq!((&json["customers"], &json["revenue"]), (&json!(250), &json!(1250.0)));
        let segments = json["segments"].as_array().expect("segments");
        assert_eq!(segments.len(), SEGMENTS.len());
        assert_eq!(segments.iter().filter_map(|one| one["customers"].as_i64()).sum::<i64>(), 250);
        for one in segments {
            assert_eq!((&one["orders_per_customer"], &one["days_since_last_order"]), (&json!(1.5), &json!(7)));
            assert_eq!(one["revenue_per_customer"], 5.0);
        }
        assert!(json["insights"][1].as_str().is_some_and(|text| text.contains("stayed away")), "{json}");
    }

    #[test]
    fn nobody_is_said() {
        let host = testing::host::<Plugin>().on("FROM scored", everybody().without_rows());
        let error = host.call("get_customer_segments", json!({ "as_of": "2020-01-01" })).expect_err("nobody");
        assert_eq!(error, Error::not_found("nobody had bought anything by 2020-01-01: ask for a later `as_of`"));
    }
}
