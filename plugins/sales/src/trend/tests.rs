use super::*;
use crate::catalogue::tests::fits;

fn day(text: &str) -> Date {
    Date::parse(text).expect(text)
}

fn span(first: &str, last: &str) -> Span {
    Span { first: day(first), last: day(last) }
}

#[test]
fn every_period_has_a_point() {
    for (unit, first, last, count, start) in [
        (Unit::Day, "2026-10-02", "2026-10-31", 30, "2026-10-02"),
        (Unit::Week, "2026-10-01", "2026-10-31", 5, "2026-09-28"),
        (Unit::Month, "2025-11-15", "2026-10-31", 12, "2025-11-01"),
        (Unit::Quarter, "2026-01-01", "2026-10-31", 4, "2026-01-01"),
        (Unit::Year, "2022-06-01", "2026-10-31", 5, "2022-01-01"),
    ] {
        let starts = starts(unit, span(first, last)).expect("few enough");
        assert_eq!((starts.len(), starts[0]), (count, day(start)), "{unit:?}");
    }
    assert!(starts(Unit::Day, span("2021-01-01", "2026-10-31")).is_err());
}

#[test]
fn by_default_the_usual_number_of_points() {
    for unit in [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year] {
        let span = back_from(unit, day("2026-10-31"));
        assert_eq!(starts(unit, span).expect("few enough").len(), usual(unit).0, "{unit:?}");
    }
}

#[test]
fn gaps_are_zero_and_cut_periods_are_not_compared() {
    // January is cut at the front and May at the end; nothing was sold in March.
    let span = span("2026-01-10", "2026-05-20");
    let sold = [("2026-01-01", 500), ("2026-02-01", 1_000), ("2026-04-01", 2_000), ("2026-05-01", 900)]
        .map(|(start, cents)| (day(start), (Money(cents), 1)));
    let starts = starts(Unit::Month, span).expect("few enough");
    let report = Report::of(Unit::Month, span, None, &starts, &BTreeMap::from(sold));
    let seen: Vec<_> =
        report.points.iter().map(|p| (p.revenue.0, p.complete, p.growth_percent, p.moving_average)).collect();
    assert_eq!(
        seen,
        [
            (500, false, None, None),
            (1_000, true, None, None),
            (0, true, Some(-100.0), None),
            (2_000, true, None, Some(Money(1_000))),
            (900, false, None, None),
        ]
    );
    assert_eq!(
        report.insights,
        ["The best month began 2026-04-01: $20.00.", "The weakest month began 2026-03-01: $0.00."]
    );
    fits("get_sales_trend", &report);
}

#[test]
fn halves_are_compared() {
    let span = span("2022-01-01", "2025-12-31");
    let starts = starts(Unit::Year, span).expect("few enough");
    let sold = starts.iter().zip([100, 100, 150, 100]).map(|(&start, cents)| (start, (Money(cents), 1))).collect();
    let report = Report::of(Unit::Year, span, Some("Hand Tools".to_owned()), &starts, &sold);
    assert_eq!(report.insights[2], "The later 2 years are up 25.0% against the first 2.");
    fits("get_sales_trend", &report);
}
