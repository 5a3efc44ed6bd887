//! Medians, and how they are shown.

use super::Series;
use serde_json::{Value, json};
use std::time::Duration;

/// One thing that was measured.
pub(super) struct Row {
    /// What.
    name: &'static str,
    /// In what: `us`, `bytes` or nothing.
    unit: &'static str,
    median: f64,
    p95: f64,
    /// Of the plugin that does nothing.
    empty: f64,
}

/// A row for each thing, of a plugin beside one that does nothing.
pub(super) fn rows(plugin: &Series, empty: &Series) -> Vec<Row> {
    let micros = |times: &[Duration]| times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let numbers = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect();
    let sizes = |sizes: &[usize]| sizes.iter().map(|size| *size as f64).collect();
    vec![
        row("instance", "us", micros(&plugin.instance), micros(&empty.instance)),
        row("guest", "us", micros(&plugin.guest), micros(&empty.guest)),
        row("call", "us", micros(&plugin.call), micros(&empty.call)),
        row("memory", "bytes", sizes(&plugin.memory), sizes(&empty.memory)),
        row("rows", "", numbers(&plugin.rows), numbers(&empty.rows)),
        row("host calls", "", numbers(&plugin.host_calls), numbers(&empty.host_calls)),
    ]
}

fn row(name: &'static str, unit: &'static str, mut values: Vec<f64>, mut empty: Vec<f64>) -> Row {
    values.sort_by(f64::total_cmp);
    empty.sort_by(f64::total_cmp);
    Row { name, unit, median: at(&values, 50), p95: at(&values, 95), empty: at(&empty, 50) }
}

/// The value that so many of a hundred are at most.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl Row {
    /// How many times what nothing costs. `None` where nothing costs nothing.
    fn ratio(&self) -> Option<f64> {
        (self.empty > 0.0).then(|| self.median / self.empty)
    }
}

pub(super) fn print(tool: &str, calls: u32, rows: &[Row]) {
    println!("{tool}, {calls} calls, one after the other\n");
    println!("{:<12} {:>12} {:>12} {:>12}", "", "median", "p95", "x empty");
    for row in rows {
        let ratio = row.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"));
        println!("{:<12} {:>12} {:>12} {:>12}", row.name, shown(row.median, row.unit), shown(row.p95, row.unit), ratio);
    }
    println!(
        "\ninstance: a fresh store and instance. guest: from there to its answer, statements included. call: all of it,\n\
         from policy to audit, without HTTP. empty: a plugin that answers a word."
    );
}

fn shown(value: f64, unit: &str) -> String {
    match unit {
        "us" if value >= 10_000.0 => format!("{:.1} ms", value / 1_000.0),
        "us" => format!("{value:.0} us"),
        "bytes" => format!("{:.2} MiB", value / f64::from(1 << 20)),
        _ => format!("{value:.0}"),
    }
}

pub(super) fn json(plugin: &str, tool: &str, calls: u32, rows: &[Row]) -> Value {
    let measured = rows.iter().map(|row| {
        let numbers = json!({
            "unit": row.unit, "median": row.median, "p95": row.p95, "empty": row.empty, "ratio": row.ratio(),
        });
        (row.name.replace(' ', "_"), numbers)
    });
    let measured: serde_json::Map<String, Value> = measured.collect();
    json!({ "plugin": plugin, "tool": tool, "calls": calls, "measured": measured })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        for (sorted, percent, want) in [
            (&values[..], 50, 50.0),
            (&values, 95, 95.0),
            (&values[..1], 95, 1.0),
            (&values[..3], 50, 2.0),
            (&[], 50, 0.0),
        ] {
            assert_eq!(at(sorted, percent), want, "{percent} of {}", sorted.len());
        }
    }

    #[test]
    fn nothing_is_no_measure() {
        let row = |empty| row("x", "us", vec![8.0, 4.0, 6.0], empty);
        assert_eq!((row(vec![2.0]).ratio(), row(vec![0.0]).ratio()), (Some(3.0), None));
    }
}
