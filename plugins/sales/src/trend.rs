//! `get_sales_trend` and its view: revenue over time, smoothed, with growth from one period to the next.

use std::collections::BTreeMap;

use rowhouse_plugin::{chrono::Days, prelude::*};

use crate::{
    database,
    money::{Money, growth, in_words},
    period::{self, Span, Unit},
};

/// Points of one answer: more than a year of days, and still something a model can read.
const MOST_POINTS: usize = 400;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Asked {
    /// Length of one point (default month).
    #[serde(default)]
    granularity: Unit,
    /// First day. Default: 30 days, 13 weeks, 12 months, 8 quarters or 5 years back.
    from: Option<Date>,
    /// Last day, included. Default: the last day with data.
    to: Option<Date>,
    /// Only this category, by its name, e.g. Power Tools.
    #[schemars(length(min = 1, max = 100))]
    category: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) granularity: Unit,
    #[serde(flatten)]
    pub(crate) span: Span,
    pub(crate) category: Option<String>,
    /// Points in each moving average.
    pub(crate) moving_average_points: usize,
    pub(crate) points: Vec<Point>,
    /// Sentences that follow from the numbers.
    pub(crate) insights: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Point {
    /// First day of the point.
    pub(crate) start: Date,
    /// US dollars.
    pub(crate) revenue: Money,
    orders: i64,
    /// Mean revenue of this point and those before it; null where there are too few.
    pub(crate) moving_average: Option<Money>,
    /// Against the point before; null where either is incomplete or nothing was sold before.
    growth_percent: Option<f64>,
    /// False where the point is cut off by `from` or `to`.
    pub(crate) complete: bool,
}

/// What was sold in one period.
#[derive(Clone, Copy, Debug, Default, FromRow)]
struct Sold {
    start: Date,
    revenue: Money,
    orders: i64,
}

/// Whole orders, by the first day of their period; or the lines of one category, and how many orders have one.
fn statement(unit: Unit, Span { first, last }: Span, category: Option<&str>) -> Statement {
    let unit = unit.name();
    match category {
        None => sql!(
            "
SELECT date_trunc({unit}, order_date::timestamp)::date AS start, round(sum(total_amount), 2) AS revenue,
  count(*) AS orders
FROM retail.orders WHERE order_date BETWEEN {first} AND {last} GROUP BY 1 ORDER BY 1"
        ),
        Some(category) => sql!(
            "
SELECT date_trunc({unit}, o.order_date::timestamp)::date AS start, round(sum(i.total_amount), 2) AS revenue,
  count(DISTINCT (o.store_id, o.order_id)) AS orders
FROM retail.orders AS o
JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
JOIN retail.products AS p ON p.product_id = i.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE o.order_date BETWEEN {first} AND {last} AND c.category_name = {category} GROUP BY 1 ORDER BY 1"
        ),
    }
}

/// How far back to look, and over how many points to average: a week of days, a month of weeks, a quarter of months,
/// a year of quarters.
fn usual(unit: Unit) -> (usize, usize) {
    match unit {
        Unit::Day => (30, 7),
        Unit::Week => (13, 4),
        Unit::Month => (12, 3),
        Unit::Quarter => (8, 4),
        Unit::Year => (5, 2),
    }
}

/// Revenue and orders over time by day, week, month, quarter or year, with moving average and growth from point to point,
/// optionally of one category. Without dates, the latest 30 days, 13 weeks, 12 months, 8 quarters or 5 years. At most 400
/// points.
///
/// # Errors
/// Those of [`report`].
#[tool(title = "Sales trend")]
pub(crate) fn get_sales_trend(asked: Asked) -> Result<Worded<Report>> {
    Ok(Worded::new(report(&asked)?, Report::text))
}

/// Draws the answer of get_sales_trend, in clients that know MCP Apps.
#[resource(uri = "ui://sales/trend", title = "Sales trend, drawn", mime_type = "text/html;profile=mcp-app")]
pub(crate) fn trend_view() -> &'static str {
    include_str!("trend/view.html")
}

/// What was asked for, computed.
///
/// # Errors
/// Days that make no sense, too many points, a category there is not, or what the database says.
pub(crate) fn report(asked: &Asked) -> Result<Report> {
    let unit = asked.granularity;
    let span = match (asked.from, asked.to) {
        (None, to) => back_from(unit, to.map_or_else(database::newest, Ok)?),
        (from, to) => period::between(from, to, database::newest)?,
    };
    let starts = starts(unit, span)?;
    let category = database::category(asked.category.as_deref())?;
    let sold: Vec<Sold> = statement(unit, span, category.as_deref()).all()?;
    let sold = sold.into_iter().map(|one| (one.start, one)).collect();
    Ok(Report::of(unit, span, category, &starts, &sold))
}

/// The usual number of periods up to the one that holds `last`.
fn back_from(unit: Unit, last: Date) -> Span {
    let mut first = unit.around(last).first;
    for _ in 1..usual(unit).0 {
        first = unit.before(first).first;
    }
    Span { first, last }
}

/// The first day of every period that `span` touches, whether or not anything was sold in it.
fn starts(unit: Unit, span: Span) -> Result<Vec<Date>> {
    let mut starts = Vec::new();
    let mut next = unit.around(span.first);
    while next.first <= span.last {
        if starts.len() == MOST_POINTS {
            bail!(invalid, "more than {MOST_POINTS} points: ask for a coarser `granularity` or a shorter time");
        }
        starts.push(next.first);
        next = unit.around(next.last + Days::new(1));
    }
    Ok(starts)
}

impl Report {
    fn of(unit: Unit, span: Span, category: Option<String>, starts: &[Date], sold: &BTreeMap<Date, Sold>) -> Report {
        let width = usual(unit).1;
        let mut points: Vec<Point> = Vec::with_capacity(starts.len());
        for &start in starts {
            let Sold { revenue, orders, .. } = sold.get(&start).copied().unwrap_or_default();
            // A period cut off at either end would show a fall that never happened.
            let complete = start >= span.first && unit.around(start).last <= span.last;
            let before = points.last().filter(|point| complete && point.complete);
            let growth_percent = before.and_then(|point| growth(revenue, point.revenue));
            points.push(Point { start, revenue, orders, moving_average: None, growth_percent, complete });
            if let Some(window) = points.len().checked_sub(width).map(|from| &points[from..])
                && window.iter().all(|point| point.complete)
            {
                let sum: Money = window.iter().map(|point| point.revenue).sum();
                let average = sum.among(i64::try_from(width).unwrap_or(i64::MAX));
                if let Some(point) = points.last_mut() {
                    point.moving_average = Some(average);
                }
            }
        }
        let insights = insights(unit, &points);
        Report { granularity: unit, span, category, moving_average_points: width, points, insights }
    }

    fn text(&self) -> String {
        let columns = ["start", "revenue", "orders", "moving_average", "growth_percent"];
        let rows: Vec<_> = self
            .points
            .iter()
            .map(|point| (point.start, point.revenue, point.orders, point.moving_average, point.growth_percent))
            .collect();
        let table = table(&columns, &rows);
        format!(
            "by {}, {} to {}, US dollars\n{table}\n{}",
            self.granularity.name(),
            self.span.first,
            self.span.last,
            self.insights.join("\n")
        )
    }
}

/// Sentences that follow from the complete points.
fn insights(unit: Unit, points: &[Point]) -> Vec<String> {
    let whole: Vec<&Point> = points.iter().filter(|point| point.complete).collect();
    let name = unit.name();
    let (Some(best), Some(worst)) =
        (whole.iter().max_by_key(|point| point.revenue), whole.iter().min_by_key(|point| point.revenue))
    else {
        return vec![format!("No complete {name} in this time.")];
    };
    if best.revenue == worst.revenue {
        return vec![format!("Every {name} sold the same: {}.", best.revenue)];
    }
    let mut said = vec![
        format!("The best {name} began {}: {}.", best.start, best.revenue),
        format!("The weakest {name} began {}: {}.", worst.start, worst.revenue),
    ];
    // Halves of equal length; the one in the middle of an odd number belongs to neither.
    let half = whole.len() / 2;
    if half >= 2 {
        let sum = |points: &[&Point]| points.iter().map(|point| point.revenue).sum::<Money>();
        if let Some(growth) = growth(sum(&whole[whole.len() - half..]), sum(&whole[..half])) {
            said.push(format!("The later {half} {name}s are {} against the first {half}.", in_words(growth)));
        }
    }
    said
}

#[cfg(test)]
mod tests;
