use super::*;

/// The last day of the demo's data.
const NEWEST: &str = "2026-10-31";

fn span(text: &str) -> Span {
    let (first, last) = text.split_once("..").expect("first..last");
    Span { first: Date::parse(first).expect(first), last: Date::parse(last).expect(last) }
}

fn when(text: &str) -> When {
    serde_json::from_str(text).expect(text)
}

#[track_caller]
fn chooses(asked: &str, expected: &str, before: &str) {
    let chosen = choose(&when(asked), || Ok::<_, Mistake>(Date::parse(NEWEST).expect("a day"))).expect(asked);
    assert_eq!(chosen, Chosen { span: span(expected), before: span(before) }, "{asked}");
}

#[test]
fn periods_are_those_of_the_calendar() {
    // The last full one, where no day is given.
    chooses("{}", "2026-10-01..2026-10-31", "2026-09-01..2026-09-30");
    chooses(r#"{"period":"day"}"#, "2026-10-31..2026-10-31", "2026-10-30..2026-10-30");
    chooses(r#"{"period":"week"}"#, "2026-10-19..2026-10-25", "2026-10-12..2026-10-18");
    chooses(r#"{"period":"quarter"}"#, "2026-07-01..2026-09-30", "2026-04-01..2026-06-30");
    chooses(r#"{"period":"year"}"#, "2025-01-01..2025-12-31", "2024-01-01..2024-12-31");
    // The one around a day.
    chooses(r#"{"period":"week","date":"2026-01-01"}"#, "2025-12-29..2026-01-04", "2025-12-22..2025-12-28");
    chooses(r#"{"period":"month","date":"2024-02-10"}"#, "2024-02-01..2024-02-29", "2024-01-01..2024-01-31");
    chooses(r#"{"period":"quarter","date":"2026-01-15"}"#, "2026-01-01..2026-03-31", "2025-10-01..2025-12-31");
    chooses(r#"{"period":"quarter","date":"2026-12-31"}"#, "2026-10-01..2026-12-31", "2026-07-01..2026-09-30");
    // Ends as given, and as many days before.
    chooses(r#"{"from":"2026-03-01","to":"2026-03-10"}"#, "2026-03-01..2026-03-10", "2026-02-19..2026-02-28");
    chooses(r#"{"from":"2026-10-31"}"#, "2026-10-31..2026-10-31", "2026-10-30..2026-10-30");
}

#[test]
fn what_makes_no_sense_is_said() {
    for (asked, word) in [
        (r#"{"from":"2026-03-10","to":"2026-03-01"}"#, "swap them"),
        (r#"{"from":"2027-03-10"}"#, "after `to` (2026-10-31)"),
        (r#"{"to":"2026-03-01"}"#, "needs `from`"),
        (r#"{"from":"yesterday"}"#, "`from` is not a day"),
        (r#"{"from":"2026-03-01","to":"2026-02-30"}"#, "`to` is not a day"),
        (r#"{"period":"month","date":"03/2026"}"#, "`date` is not a day"),
        (r#"{"period":"month","from":"2026-03-01"}"#, "not both"),
        (r#"{"date":"2026-03-01","to":"2026-03-01"}"#, "not both"),
    ] {
        let Mistake(text) =
            choose(&when(asked), || Ok::<_, Mistake>(Date::parse(NEWEST).expect("a day"))).expect_err(asked);
        assert!(text.contains(word), "{asked}: {text}");
    }
}
