//! What a person or a script reads of a run.

use crate::host::DEADLINE;
use crate::row::{LATE, RECOVERY, Row, seconds};
use anyhow::Result;
use serde_json::json;
use std::io::Write;

/// One row, while others are still to come.
pub(crate) fn in_a_line(row: &Row, timed: bool) -> String {
    let reds = row.reds(timed);
    match (reds.is_empty(), row.unmeasured.is_some()) {
        (true, _) => format!("good: {} calls, {} answered, none wrong", row.calls, row.right),
        (false, true) => reds.join("; "),
        (false, false) => format!("RED: {}", reds.join("; ")),
    }
}

/// Print the table on standard output, or all of it as JSON.
///
/// # Errors
/// When nobody reads it.
pub(crate) fn print(rows: &[Row], timed: bool, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let good = rows.iter().all(|row| row.reds(timed).is_empty());
        let all: Vec<_> = rows.iter().map(|row| row.json(timed)).collect();
        serde_json::to_writer_pretty(&mut out, &json!({ "good": good, "timed": timed, "rows": all }))?;
        writeln!(out)?;
        return Ok(());
    }
    table(&mut out, rows)?;
    let reds: Vec<_> = rows.iter().flat_map(|row| row.reds(timed).into_iter().map(|red| (&row.fault, red))).collect();
    let most = seconds(DEADLINE + LATE);
    writeln!(
        out,
        "\nwrong and what is left behind must be 0, back less than {} s, longest at most {most} s;",
        seconds(RECOVERY)
    )?;
    writeln!(out, "left behind is after minus before, at rest: connections / places / handles / tasks / threads")?;
    for row in rows {
        for check in &row.checks {
            let word = if check.holds { "holds" } else { "RED  " };
            writeln!(out, "  {word}  {:<12} {}: {}", row.fault, check.what, check.seen)?;
        }
    }
    match reds.len() {
        0 => writeln!(out, "\nevery row is good")?,
        count => writeln!(out, "\nNOT GOOD: {count}")?,
    }
    for (fault, red) in reds {
        writeln!(out, "  {fault}: {red}")?;
    }
    Ok(())
}

fn table(out: &mut impl Write, rows: &[Row]) -> Result<()> {
    writeln!(
        out,
        "\n{:<12} {:>6} {:>6} {:>6} {:>7} {:>8}  {:<21} errors",
        "fault", "calls", "right", "wrong", "back", "longest", "left behind"
    )?;
    for row in rows {
        if row.unmeasured.is_some() {
            writeln!(out, "{:<12} NOT MEASURED", row.fault)?;
            continue;
        }
        let (before, after) = row.held;
        let left = [
            after.connections - before.connections,
            after.places - before.places,
            after.handles - before.handles,
            after.tasks - before.tasks,
            after.threads - before.threads,
        ];
        let left = left.map(|it| format!("{it:+}").replace("+0", "0")).join(" / ");
        let errors: Vec<String> = row.errors.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let errors = if errors.is_empty() { "-".to_owned() } else { errors.join(", ") };
        let back = row.recovery.map_or_else(|| "never".to_owned(), seconds);
        let longest = seconds(row.longest);
        writeln!(
            out,
            "{:<12} {:>6} {:>6} {:>6} {back:>7} {longest:>8}  {left:<21} {errors}",
            row.fault, row.calls, row.right, row.wrong
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::Vitals;
    use std::time::Duration;

    #[test]
    fn the_table_has_a_line_for_each_row() {
        let before = Vitals { connections: 5, handles: 40, threads: 9, ..Vitals::default() };
        let mut row = Row::new("killed", (before, Vitals { connections: 3, handles: 41, ..before }));
        (row.calls, row.right, row.recovery) = (9, 8, Some(Duration::from_millis(310)));
        row.errors.insert("DATABASE_ERROR".to_owned(), 1);
        let mut text = Vec::new();
        table(&mut text, &[row.clone(), Row::unmeasured("disk", "no mount".to_owned())]).expect("a table");
        let text = String::from_utf8(text).expect("words");
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let cells: Vec<&str> = lines[0].split_whitespace().collect();
        assert_eq!(cells[..6], ["killed", "9", "8", "0", "0.31", "0.00"]);
        assert!(lines[0].contains("-2 / 0 / +1 / 0 / 0") && lines[0].ends_with("DATABASE_ERROR 1"), "{text}");
        assert_eq!(lines[1], "disk         NOT MEASURED");
        assert!(in_a_line(&row, true).starts_with("RED: left behind: handles"));
    }
}
