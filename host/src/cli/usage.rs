//! `rowhouse usage`: what was used, and what it costs.

use crate::config::Settings;
use crate::house::Ground;
use crate::plugin::printable;
use crate::usage::{self, By, Cost, Line, Query, Report, Used};
use anyhow::{Result, bail};
use chrono::{Datelike, NaiveDate, Utc};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum UsageCommand {
    /// Calls, errors, rows, bytes, time of database and processor, fuel and embedding tokens, with what they cost.
    ///
    /// Days are those of UTC. What hosts counted in the last seconds (`traffic.flush_seconds`) is not in it yet. Costs are by
    /// `[usage.prices]` of these settings, today's for all days. Exit code 0, also where nothing was used.
    #[command(
        after_help = "Example:  rowhouse usage report --from 2026-11-01 --to 2026-11-30 --by tenant,plugin --format csv"
    )]
    Report {
        /// The first day. Unset: the first of this month.
        #[arg(long, value_name = "DATE")]
        from: Option<NaiveDate>,
        /// The last day. Unset: today.
        #[arg(long, value_name = "DATE")]
        to: Option<NaiveDate>,
        /// What each line is of; several with commas.
        #[arg(long, value_delimiter = ',', default_value = "tenant", value_name = "WHAT")]
        by: Vec<Which>,
        /// One tenant alone: its name, or its id.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// How it is printed.
        #[arg(long, default_value = "table")]
        format: Form,
    },
}

/// What a line is of, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Which {
    Tenant,
    Plugin,
    Day,
}

impl Which {
    fn by(self) -> By {
        match self {
            Self::Tenant => By::Tenant,
            Self::Plugin => By::Plugin,
            Self::Day => By::Day,
        }
    }
}

/// How a report is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For spreadsheets, with a header and without a total.
    Csv,
    /// For programs.
    Json,
}

/// Do it.
///
/// # Errors
/// Books that cannot be read, a tenant that is not there.
pub(crate) async fn run(command: UsageCommand, settings: &Settings, ground: &Ground) -> Result<ExitCode> {
    let UsageCommand::Report { from, to, by, tenant, format } = command;
    let today = Utc::now().date_naive();
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| to.with_day(1).unwrap_or(to));
    if from > to {
        bail!("--from {from} comes after --to {to}");
    }
    let query = Query { days: (from, to), by: by.into_iter().map(Which::by).collect(), tenant };
    let prices = &settings.usage.prices;
    let report = usage::report(&ground.admin().await?, &query, prices).await?;
    let mut out = io::stdout().lock();
    let written = match format {
        Form::Table => table(&report, &query, &prices.currency, &mut out),
        Form::Csv => csv(&report, &query, &prices.currency, &mut out),
        Form::Json => writeln!(out, "{:#}", told(&report, &query, &prices.currency)),
    };
    match written {
        // `| head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => Ok(written.map(|()| ExitCode::SUCCESS)?),
    }
}

/// The columns a report is by, in the order of its lines.
fn dimensions(query: &Query) -> Vec<By> {
    [By::Day, By::Tenant, By::Plugin].into_iter().filter(|by| query.by.contains(by)).collect()
}

fn title(by: By) -> &'static str {
    match by {
        By::Day => "day",
        By::Tenant => "tenant",
        By::Plugin => "plugin",
    }
}

fn cell(line: &Line, by: By) -> String {
    match by {
        By::Day => line.day.map(|day| day.to_string()),
        By::Tenant => line.tenant.as_ref().map(|payer| payer.name.clone()),
        By::Plugin => line.plugin.clone(),
    }
    .unwrap_or_default()
}

/// What is counted, in the order of all forms.
const COUNTS: [&str; 8] = ["calls", "errors", "rows", "bytes_out", "database_us", "cpu_us", "fuel", "embedding_tokens"];

fn counts(used: &Used) -> [i128; COUNTS.len()] {
    [
        used.calls,
        used.errors,
        used.rows,
        used.bytes_out,
        used.database_us,
        used.cpu_us,
        used.fuel,
        used.embedding_tokens,
    ]
}

/// Numbers to the right, words to the left, the total below a line. Times are in milliseconds, half up.
fn table(report: &Report, query: &Query, currency: &str, out: &mut impl Write) -> io::Result<()> {
    if report.lines.is_empty() {
        return writeln!(out, "nothing was used from {} to {}", query.days.0, query.days.1);
    }
    let by = dimensions(query);
    let numbers = |used: &Used, cost: Cost| {
        let mut counts = counts(used);
        for micros in &mut counts[4..6] {
            *micros = (*micros + 500) / 1_000;
        }
        counts.map(|count| count.to_string()).into_iter().chain([cost.to_string()]).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let titles = COUNTS.map(|title| title.replace("_us", "_ms")).into_iter().chain([currency.to_owned()]);
    rows.push(by.iter().map(|by| title(*by).to_owned()).chain(titles).collect());
    for line in &report.lines {
        // A name is somebody's word: nothing in it moves a terminal's cursor.
        let words = by.iter().map(|by| printable(&cell(line, *by)).replace('\n', " "));
        rows.push(words.chain(numbers(&line.used, line.cost)).collect());
    }
    let mut total: Vec<String> = by.iter().map(|_| String::new()).collect();
    total.extend(numbers(&report.total.0, report.total.1));
    match total.first_mut() {
        Some(first) if !by.is_empty() => "total".clone_into(first),
        _ => {}
    }
    if !by.is_empty() {
        rows.push(total);
    }
    let wide: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    for row in rows {
        let cells = row.iter().zip(&wide).enumerate().map(|(column, (cell, wide))| match column < by.len() {
            true => format!("{cell:<wide$}"),
            false => format!("{cell:>wide$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A header and a line each, RFC 4180. Of a tenant its account, too: names change.
fn csv(report: &Report, query: &Query, currency: &str, out: &mut impl Write) -> io::Result<()> {
    let by = dimensions(query);
    let mut writer = csv::Writer::from_writer(out);
    let mut header: Vec<&str> = by.iter().map(|by| title(*by)).collect();
    let accounts = by.contains(&By::Tenant);
    header.extend(accounts.then_some("account"));
    header.extend(COUNTS);
    header.extend(["cost", "currency"]);
    writer.write_record(header)?;
    for line in &report.lines {
        let mut record: Vec<String> = by.iter().map(|by| cell(line, *by)).collect();
        record.extend(line.tenant.as_ref().map(|payer| payer.account.clone()));
        record.extend(counts(&line.used).map(|count| count.to_string()));
        record.extend([line.cost.to_string(), currency.to_owned()]);
        writer.write_record(record)?;
    }
    writer.flush()
}

/// Money is text: a reader of JSON may take a number for a float.
fn told(report: &Report, query: &Query, currency: &str) -> Value {
    let used = |used: &Used, cost: Cost| {
        let mut told: serde_json::Map<String, Value> = COUNTS
            .into_iter()
            .zip(counts(used))
            .map(|(name, count)| (name.to_owned(), json!(u64::try_from(count.max(0)).unwrap_or(u64::MAX))))
            .collect();
        told.insert("cost".to_owned(), json!(cost.to_string()));
        told
    };
    let lines = report.lines.iter().map(|line| {
        let mut told = used(&line.used, line.cost);
        for by in dimensions(query) {
            told.insert(title(by).to_owned(), json!(cell(line, by)));
        }
        told.extend(line.tenant.as_ref().map(|payer| ("account".to_owned(), json!(payer.account))));
        Value::Object(told)
    });
    json!({
        "from": query.days.0.to_string(), "to": query.days.1.to_string(), "currency": currency,
        "lines": lines.collect::<Vec<_>>(), "total": used(&report.total.0, report.total.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Payer;

    fn example() -> (Report, Query) {
        let day: NaiveDate = "2026-11-21".parse().unwrap();
        let line = |name: &str, calls| Line {
            day: None,
            tenant: Some(Payer { name: name.to_owned(), account: format!("tenant:{calls}") }),
            plugin: Some("sales".to_owned()),
            used: Used { calls, database_us: 1_500 * calls, cpu_us: 499, ..Used::default() },
            cost: Cost::default(),
        };
        let total = (Used { calls: 13, database_us: 19_500, cpu_us: 998, ..Used::default() }, Cost::default());
        let report = Report { lines: vec![line("Acme, \"Ltd\"", 1), line("Zo\u{1b}[2J", 12)], total };
        (report, Query { days: (day, day), by: vec![By::Plugin, By::Tenant], tenant: None })
    }

    fn written(write: impl Fn(&Report, &Query, &str, &mut Vec<u8>) -> io::Result<()>) -> String {
        let ((report, query), mut out) = (example(), Vec::new());
        write(&report, &query, "EUR", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_has_a_total() {
        let text = written(table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(lines[0].starts_with("tenant") && lines[0].ends_with("EUR"), "{text}");
        let words: Vec<&str> = lines[3].split_whitespace().collect();
        assert_eq!(words, ["total", "13", "0", "0", "0", "20", "1", "0", "0", "0.000000"], "{text}");
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{text}");
        let (report, query) = example();
        let mut out = Vec::new();
        table(&Report { lines: Vec::new(), ..report }, &query, "EUR", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "nothing was used from 2026-11-21 to 2026-11-21\n");
    }

    #[test]
    fn a_spreadsheet_reads_what_was_written() {
        let text = written(csv);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(" ");
        let expected = format!("tenant plugin account {} cost currency", COUNTS.join(" "));
        assert_eq!(header, expected);
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((records.len(), &records[0][0], &records[0][2]), (2, "Acme, \"Ltd\"", "tenant:1"));
        assert_eq!((&records[1][3], &records[1][7]), ("12", "18000"));
    }

    #[test]
    fn a_program_reads_integers_and_money_as_text() {
        let (report, query) = example();
        let told = told(&report, &query, "EUR");
        assert_eq!((&told["total"]["calls"], &told["total"]["cost"]), (&json!(13), &json!("0.000000")));
        assert_eq!((&told["lines"][1]["database_us"], &told["lines"][0]["plugin"]), (&json!(18_000), &json!("sales")));
        assert_eq!((&told["from"], &told["lines"][0].get("day")), (&json!("2026-11-21"), &None));
    }
}
