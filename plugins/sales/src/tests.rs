use super::*;
use rowhouse_plugin::{
    rows,
    testing::{self, date},
};

#[test]
fn the_host_would_take_it() {
    testing::host::<Plugin>().check();
}

#[test]
fn schemas_are_closed_objects_of_the_dialect_we_name() {
    for tool in testing::host::<Plugin>().describe().tools {
        for text in [Some(tool.input_schema.as_str()), tool.output_schema.as_deref()].into_iter().flatten() {
            let schema: serde_json::Value = serde_json::from_str(text).expect("a schema is JSON");
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", tool.name);
            assert_eq!(schema["additionalProperties"], false, "{}", tool.name);
        }
    }
}

#[test]
fn days_have_their_pattern_and_nothing_may_be_null_that_may_be_left_out() {
    let tools = testing::host::<Plugin>().describe().tools;
    let tool = tools.iter().find(|tool| tool.name == "get_top_products").expect("the tool");
    let schema: serde_json::Value = serde_json::from_str(&tool.input_schema).expect("a schema is JSON");
    for (property, key, expected) in [
        ("from", "pattern", json!(r"^\d{4}-\d{2}-\d{2}$")),
        ("from", "type", json!("string")),
        ("period", "enum", json!(["day", "week", "month", "quarter", "year"])),
        ("by", "enum", json!(["revenue", "units", "margin"])),
        ("limit", "maximum", json!(50)),
        ("category", "minLength", json!(1)),
    ] {
        assert_eq!(schema["properties"][property][key], expected, "{property}.{key} of {schema}");
    }
}

#[test]
fn rows_pass_through_and_the_statement_is_the_callers() {
    let host = testing::host::<Plugin>().on("SELECT day", rows![["day", "n"]; [date("2026-10-31"), 7]].truncated());
    let answer = host.call("execute_sales_query", json!({ "query": "SELECT day, n FROM x" })).expect("rows");
    assert_eq!(answer.json(), json!({ "c": ["day", "n"], "r": [["2026-10-31", 7]], "n": 1, "truncated": true }));
}

#[test]
fn the_clock_is_the_hosts() {
    for (at, utc, date) in [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01"),
        ("2026-10-31T23:59:59.999Z", "2026-10-31T23:59:59Z", "2026-10-31"),
    ] {
        let host = testing::host::<Plugin>().at(at.parse().expect(at));
        let answer = host.call("get_current_utc_date", json!({})).expect("the time");
        assert_eq!((answer.json(), answer.text()), (json!({ "utc": utc, "date": date }), utc));
    }
}

#[test]
fn a_day_that_is_none_is_named() {
    for (asked, place) in [(json!({ "from": "2026-02-30" }), "`from`"), (json!({ "from": "soon" }), "soon")] {
        let error = testing::host::<Plugin>().call("get_sales_trend", asked).expect_err("no such day");
        assert!(matches!(&error, Error::InvalidArguments(text) if text.contains(place)), "{error:?}");
    }
}
