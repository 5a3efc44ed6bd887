use super::*;

/// The last day of the demo's data.
const NEWEST: &str = "2026-10-31";

fn day(text: &str) -> Date {
    text.parse().expect(text)
}

fn span(text: &str) -> Span {
    let (first, last) = text.split_once("..").expect("first..last");
    Span { first: day(first), last: day(last) }
}

fn chosen(asked: &str) -> Result<Chosen> {
    choose(&serde_json::from_str(asked).expect(asked), || Ok(day(NEWEST)))
}

#[test]
fn periods_are_those_of_the_calendar() {
    for (asked, expected, before) in [
        // The last full one, where no day is given.
        ("{}", "2026-10-01..2026-10-31", "2026-09-01..2026-09-30"),
        (r#"{"period":"day"}"#, "2026-10-31..2026-10-31", "2026-10-30..2026-10-30"),
        (r#"{"period":"week"}"#, "2026-10-19..2026-10-25", "2026-10-12..2026-10-18"),
        (r#"{"period":"quarter"}"#, "2026-07-01..2026-09-30", "2026-04-01..2026-06-30"),
        (r#"{"period":"year"}"#, "2025-01-01..2025-12-31", "2024-01-01..2024-12-31"),
        // The one around a day.
        (r#"{"period":"week","date":"2026-01-01"}"#, "2025-12-29..2026-01-04", "2025-12-22..2025-12-28"),
        (r#"{"period":"month","date":"2024-02-10"}"#, "2024-02-01..2024-02-29", "2024-01-01..2024-01-31"),
        (r#"{"period":"quarter","date":"2026-01-15"}"#, "2026-01-01..2026-03-31", "2025-10-01..2025-12-31"),
        (r#"{"period":"quarter","date":"2026-12-31"}"#, "2026-10-01..2026-12-31", "2026-07-01..2026-09-30"),
        (r#"{"period":"quarter","date":"2026-05-31"}"#, "2026-04-01..2026-06-30", "2026-01-01..2026-03-31"),
        (r#"{"period":"year","date":"2024-12-31"}"#, "2024-01-01..2024-12-31", "2023-01-01..2023-12-31"),
        // Ends as given, and as many days before.
        (r#"{"from":"2026-03-01","to":"2026-03-10"}"#, "2026-03-01..2026-03-10", "2026-02-19..2026-02-28"),
        (r#"{"from":"2026-10-31"}"#, "2026-10-31..2026-10-31", "2026-10-30..2026-10-30"),
    ] {
        assert_eq!(chosen(asked), Ok(Chosen { span: span(expected), before: span(before) }), "{asked}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    for (asked, word) in [
        (r#"{"from":"2026-03-10","to":"2026-03-01"}"#, "swap them"),
        (r#"{"from":"2027-03-10"}"#, "after `to` (2026-10-31)"),
        (r#"{"to":"2026-03-01"}"#, "needs `from`"),
        (r#"{"period":"month","from":"2026-03-01"}"#, "not both"),
        (r#"{"date":"2026-03-01","to":"2026-03-01"}"#, "not both"),
    ] {
        let text = chosen(asked).expect_err(asked).to_string();
        assert!(text.contains(word), "{asked}: {text}");
    }
}
