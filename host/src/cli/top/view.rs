//! One look at a host: drawn on a terminal, or as plain lines.

use crate::telemetry::{Queue, Snapshot};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};
use std::fmt::Write as _;

/// The share from which a bar is one to look at.
const FULL: f64 = 0.8;

/// The lines about the whole host.
fn head(seen: &Snapshot) -> Vec<String> {
    let minutes = seen.up_seconds / 60;
    let up = format!("{}d {:02}h {:02}m", minutes / 1_440, minutes / 60 % 24, minutes % 60);
    vec![
        format!("up {up}   calls {} ({} failed)   {:.1} a second", seen.calls, seen.failed, seen.calls_per_second),
        format!("latest calls   p50 {:.1} ms   p95 {:.1} ms", seen.p50_ms, seen.p95_ms),
        format!("places {}   connections {}", taken(&seen.places), taken(&seen.connections)),
    ]
}

fn taken(queue: &Queue) -> String {
    format!("{} of {}, {} waiting", queue.running, queue.most, queue.waiting)
}

/// Rows of a table: its first is its head.
fn tools(seen: &Snapshot) -> Vec<[String; 5]> {
    let head = ["tool", "calls", "failed", "p50 ms", "p95 ms"].map(str::to_owned);
    let rows = seen.tools.iter().map(|it| {
        let numbers = [it.calls.to_string(), it.failed.to_string()];
        let [calls, failed] = numbers;
        [format!("{}/{}", it.plugin, it.tool), calls, failed, format!("{:.1}", it.p50_ms), format!("{:.1}", it.p95_ms)]
    });
    std::iter::once(head).chain(rows).collect()
}

fn slow(seen: &Snapshot) -> Vec<[String; 5]> {
    let head = ["slow statement", "count", "mean ms", "p95 ms", "max ms"].map(str::to_owned);
    let rows = seen.slow.iter().map(|it| {
        let statement = it.statement.as_deref().unwrap_or(&it.fingerprint).replace('\n', " ");
        [statement, it.count.to_string(), format!("{:.0}", it.mean_ms), it.p95_ms.to_string(), it.max_ms.to_string()]
    });
    std::iter::once(head).chain(rows).collect()
}

fn errors(seen: &Snapshot) -> Vec<String> {
    let mut errors: Vec<(&String, &u64)> = seen.errors.iter().collect();
    errors.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    errors.into_iter().map(|(code, n)| format!("{n:>8}  {code}")).collect()
}

fn plugins(seen: &Snapshot) -> Vec<String> {
    seen.plugins.iter().map(|(name, version)| format!("{name} {version}")).collect()
}

/// All of it as lines.
pub(super) fn plain(seen: &Snapshot) -> String {
    let mut text = head(seen).join("\n");
    let _ = writeln!(text, "\nsaturation {:.0} %   plugins {}", 100.0 * seen.saturation, plugins(seen).join(", "));
    for table in [tools(seen), slow(seen)] {
        text.push('\n');
        for [name, rest @ ..] in table {
            let name: String = name.chars().take(60).collect();
            let _ = writeln!(text, "{name:<60} {}", rest.map(|cell| format!("{cell:>9}")).concat());
        }
    }
    if !seen.errors.is_empty() {
        let _ = writeln!(text, "\nfailed, by code\n{}", errors(seen).join("\n"));
    }
    text
}

/// All of it on a terminal.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Snapshot) {
    let rows = [
        Constraint::Length(5),
        Constraint::Length(3),
        Constraint::Min(6),
        Constraint::Length(8),
        Constraint::Length(1),
    ];
    let [top, full, middle, low, foot] = Layout::vertical(rows).areas(frame.area());
    let lines = |lines: Vec<String>| lines.into_iter().map(Line::from).collect::<Vec<_>>();
    frame.render_widget(Paragraph::new(lines(head(seen))).block(Block::bordered().title(" rowhouse ")), top);
    let style = if seen.saturation < FULL { Style::new() } else { Style::new().add_modifier(Modifier::REVERSED) };
    let gauge = Gauge::default().ratio(seen.saturation.clamp(0.0, 1.0)).gauge_style(style);
    frame.render_widget(gauge.block(Block::bordered().title(" saturation ")), full);
    let [left, right] = Layout::horizontal([Constraint::Min(50), Constraint::Length(34)]).areas(middle);
    table(frame, left, tools(seen), " tools ");
    let [above, below] = Layout::vertical([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(right);
    frame.render_widget(Paragraph::new(lines(errors(seen))).block(Block::bordered().title(" failed, by code ")), above);
    frame.render_widget(Paragraph::new(lines(plugins(seen))).block(Block::bordered().title(" plugins ")), below);
    table(frame, low, slow(seen), " slow statements ");
    frame.render_widget(Paragraph::new("q leaves"), foot);
}

fn table(frame: &mut Frame<'_>, area: Rect, rows: Vec<[String; 5]>, title: &'static str) {
    let mut rows = rows.into_iter().map(Row::new);
    let head = rows.next().unwrap_or_default().style(Style::new().add_modifier(Modifier::BOLD));
    let widths = [
        Constraint::Min(24),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    frame.render_widget(Table::new(rows, widths).header(head).block(Block::bordered().title(title)), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Line as Tool;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::collections::BTreeMap;

    fn seen() -> Snapshot {
        let places = Queue { running: 3, most: 64, waiting: 1, most_waiting: 1_024 };
        let of = |tool: &str, calls| Tool {
            plugin: "sales".to_owned(),
            tool: tool.to_owned(),
            calls,
            failed: 1,
            p50_ms: 4.2,
            p95_ms: 17.0,
        };
        Snapshot {
            up_seconds: 93_784,
            calls: 120,
            failed: 3,
            calls_per_second: 12.5,
            p50_ms: 4.25,
            p95_ms: 18.0,
            errors: BTreeMap::from([("DATABASE_ERROR".to_owned(), 1), ("QUERY_TIMEOUT".to_owned(), 2)]),
            saturation: 0.4,
            places,
            connections: Queue { running: 2, most: 10, waiting: 4, most_waiting: 10 },
            tools: vec![of("get_top_products", 100), of("get_sales_trend", 20)],
            plugins: BTreeMap::from([("sales".to_owned(), "0.1.0".to_owned())]),
            slow: vec![crate::cli::slow::tests::one()],
        }
    }

    /// What somebody reads there, either way.
    const SHOWN: [&str; 12] = [
        "1d 02h 03m",
        "120 (3 failed)",
        "12.5 a second",
        "p95 18.0 ms",
        "3 of 64, 1 waiting",
        "2 of 10, 4 waiting",
        "sales/get_top_products",
        "sales/get_sales_trend",
        "2  QUERY_TIMEOUT",
        "sales 0.1.0",
        "SELECT $1",
        "1250",
    ];

    #[test]
    fn a_terminal_and_plain_lines_show_the_same() {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        terminal.draw(|frame| draw(frame, &seen())).unwrap();
        let buffer = terminal.backend().buffer();
        let width = usize::from(buffer.area.width);
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        let drawn: String = cells.chunks(width).map(|line| line.concat() + "\n").collect();
        for text in [drawn, plain(&seen())] {
            for shown in SHOWN {
                assert!(text.contains(shown), "{shown}:\n{text}");
            }
        }
    }

    #[test]
    fn a_small_terminal_is_drawn_on() {
        let mut terminal = Terminal::new(TestBackend::new(20, 5)).unwrap();
        terminal.draw(|frame| draw(frame, &seen())).unwrap();
    }
}
