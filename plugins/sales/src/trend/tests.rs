use super::*;
use crate::{Plugin, money::tests::cents};
use rowhouse_plugin::{
    rows,
    testing::{self, date, numeric},
};

fn day(text: &str) -> Date {
    text.parse().expect(text)
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
    let host = testing::host::<Plugin>().on(
        "FROM retail.orders",
        rows![["start", "revenue", "orders"];
            [date("2026-01-01"), numeric("5.00"), 1],
            [date("2026-02-01"), numeric("10.00"), 1],
            [date("2026-04-01"), numeric("20.00"), 1],
            [date("2026-05-01"), numeric("9.00"), 1]],
    );
    let answer = host.call("get_sales_trend", json!({ "from": "2026-01-10", "to": "2026-05-20" })).expect("a report");
    let json = answer.json();
    let points = json["points"].as_array().expect("points");
    let seen: Vec<_> =
        points.iter().map(|p| json!([p["revenue"], p["complete"], p["growth_percent"], p["moving_average"]])).collect();
    assert_eq!(
        json!(seen),
        json!([
            [5.0, false, null, null],
            [10.0, true, null, null],
            [0.0, true, -100.0, null],
            [20.0, true, null, 10.0],
            [9.0, false, null, null],
        ])
    );
    assert_eq!(
        json["insights"],
        json!(["The best month began 2026-04-01: $20.00.", "The weakest month began 2026-03-01: $0.00."])
    );
    assert!(answer.text().starts_with("by month, 2026-01-10 to 2026-05-20, US dollars\n"), "{}", answer.text());
    assert_eq!(host.asked()[0].parameters, [Value::Text("month".to_owned()), date("2026-01-10"), date("2026-05-20")]);
}

#[test]
fn halves_are_compared() {
    let span = span("2022-01-01", "2025-12-31");
    let starts = starts(Unit::Year, span).expect("few enough");
    let year = |(&start, amount)| (start, Sold { start, revenue: cents(amount), orders: 1 });
    let sold = starts.iter().zip([100, 100, 150, 100]).map(year).collect();
    let report = Report::of(Unit::Year, span, Some("Hand Tools".to_owned()), &starts, &sold);
    assert_eq!(report.insights[2], "The later 2 years are up 25.0% against the first 2.");
}

#[test]
fn the_view_asks_nobody_for_anything() {
    let (_, body) = testing::host::<Plugin>().read("ui://sales/trend").expect("the view");
    let rowhouse_plugin::resource::Body::Text(html) = body else { panic!("{body:?}") };
    // The only address in it is the name of SVG; and what comes from the data is text, never markup.
    assert_eq!(html.matches("http").count(), html.matches("http://www.w3.org/2000/svg").count());
    for word in ["fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval(", "src=", "@import", "url("] {
        assert!(!html.contains(word), "{word}");
    }
    for method in ["ui/initialize", "ui/notifications/initialized", "ui/notifications/tool-result"] {
        assert!(html.contains(method), "{method}");
    }
}
