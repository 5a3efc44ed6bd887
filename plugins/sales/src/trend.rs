//! `get_sales_trend`: revenue over time, smoothed, with growth from one period to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    answer,
    bindings::{
        exports::rowhouse::plugin::tools::{Answer, ToolError},
        rowhouse::plugin::types::Value,
    },
    database::{self, Row},
    date::Date,
    money::{Money, growth, in_words},
    period::{self, Mistake, Span, Unit},
};

/// Points of one answer: more than a year of days, and still something a model can read.
const MOST_POINTS: usize = 400;

#[derive(Deserialize)]
struct Arguments {
    granularity: Option<Unit>,
    from: Option<String>,
    to: Option<String>,
    category: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    granularity: &'static str,
    from: String,
    to: String,
    category: Option<String>,
    moving_average_points: usize,
    points: Vec<Point>,
    insights: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Point {
    start: Date,
    revenue: Money,
    orders: i64,
    moving_average: Option<Money>,
    growth_percent: Option<f64>,
    complete: bool,
}

/// Whole orders, by the first day of their period (`$1` is its kind).
const ALL: &str = "
SELECT date_trunc($1, order_date::timestamp)::date AS start, round(sum(total_amount), 2), count(*)
FROM retail.orders WHERE order_date BETWEEN $2 AND $3 GROUP BY 1 ORDER BY 1";

/// The lines of one category (`$4`), and how many orders have one.
const OF_CATEGORY: &str = "
SELECT date_trunc($1, o.order_date::timestamp)::date AS start, round(sum(i.total_amount), 2),
  count(DISTINCT (o.store_id, o.order_id))
FROM retail.orders AS o
JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
JOIN retail.products AS p ON p.product_id = i.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE o.order_date BETWEEN $2 AND $3 AND c.category_name = $4 GROUP BY 1 ORDER BY 1";

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

/// Answer a call.
///
/// # Errors
/// Days that make no sense, too many points, a category there is not, or what the database says.
pub(crate) fn call(arguments: &str) -> Result<Answer, ToolError> {
    let asked: Arguments = answer::arguments(arguments)?;
    let unit = asked.granularity.unwrap_or(Unit::Month);
    let span = match (&asked.from, &asked.to) {
        (None, None) => back_from(unit, database::newest()?),
        (None, Some(to)) => back_from(unit, period::read("to", to)?),
        (from, to) => period::between(from.as_deref(), to.as_deref(), database::newest)?,
    };
    let starts = starts(unit, span)?;
    let category = database::category(asked.category.as_deref())?;
    let mut parameters = vec![Value::Text(unit.name().to_owned()), database::day(span.first), database::day(span.last)];
    let rows = match &category {
        None => database::read(ALL, &parameters)?,
        Some(category) => {
            parameters.push(Value::Text(category.clone()));
            database::read(OF_CATEGORY, &parameters)?
        }
    };
    let sold = rows.iter().map(bucket).collect::<Result<BTreeMap<_, _>, _>>()?;
    let report = Report::of(unit, span, category, &starts, &sold);
    let text = report.text();
    answer::structured(&report, text)
}

fn bucket(row: &Row) -> Result<(Date, (Money, i64)), ToolError> {
    let start = row.date(0)?.ok_or_else(|| ToolError::Failed("a period without a first day".to_owned()))?;
    Ok((start, (row.money(1)?, row.int(2)?)))
}

/// The usual number of periods up to the one that holds `last`.
fn back_from(unit: Unit, last: Date) -> Span {
    let mut first = unit.around(last).first;
    for _ in 1..usual(unit).0 {
        first = unit.around(first.plus(-1)).first;
    }
    Span { first, last }
}

/// The first day of every period that `span` touches, whether or not anything was sold in it.
fn starts(unit: Unit, span: Span) -> Result<Vec<Date>, Mistake> {
    let mut starts = Vec::new();
    let mut next = unit.around(span.first);
    while next.first <= span.last {
        if starts.len() == MOST_POINTS {
            let text = format!("more than {MOST_POINTS} points: ask for a coarser `granularity` or a shorter time");
            return Err(Mistake(text));
        }
        starts.push(next.first);
        next = unit.around(next.last.plus(1));
    }
    Ok(starts)
}

impl Report {
    fn of(
        unit: Unit,
        span: Span,
        category: Option<String>,
        starts: &[Date],
        sold: &BTreeMap<Date, (Money, i64)>,
    ) -> Report {
        let width = usual(unit).1;
        let mut points: Vec<Point> = Vec::with_capacity(starts.len());
        for &start in starts {
            let (revenue, orders) = sold.get(&start).copied().unwrap_or_default();
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
        Report {
            granularity: unit.name(),
            from: span.first.to_string(),
            to: span.last.to_string(),
            category,
            moving_average_points: width,
            points,
            insights,
        }
    }

    fn text(&self) -> String {
        let columns = ["start", "revenue", "orders", "moving_average", "growth_percent"];
        let rows: Vec<_> = self
            .points
            .iter()
            .map(|point| (point.start, point.revenue, point.orders, point.moving_average, point.growth_percent))
            .collect();
        let table = answer::table(&columns, &rows);
        format!(
            "by {}, {} to {}, US dollars\n{table}\n{}",
            self.granularity,
            self.from,
            self.to,
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
