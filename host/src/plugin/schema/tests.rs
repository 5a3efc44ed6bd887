use super::*;
use serde_json::json;

#[track_caller]
fn refused(text: &str, part: &str) {
    let fault = Schema::read(text).expect_err(&text[..text.len().min(200)]).to_string();
    assert!(fault.contains(part), "{fault}");
    assert!(fault.len() < 1_000, "{fault}");
}

#[test]
fn usual_schemas_hold() {
    for (schema, fits, misses) in [
        (json!({ "type": "object" }), json!({}), json!(7)),
        (
            json!({ "$defs": { "n": { "$anchor": "num", "type": "integer" } },
                "properties": { "a": { "$ref": "#/$defs/n" }, "b": { "$ref": "#num" } } }),
            json!({ "a": 1, "b": 2 }),
            json!({ "b": "two" }),
        ),
        (
            json!({ "properties": { "s": { "pattern": "^[A-Z]{2}\\d+$" } } }),
            json!({ "s": "AB12" }),
            json!({ "s": "x" }),
        ),
        // A property that is called like a keyword is no keyword.
        (json!({ "properties": { "$ref": { "type": "string" } } }), json!({ "$ref": "x" }), json!({ "$ref": 1 })),
    ] {
        let read = Schema::read(&schema.to_string()).unwrap_or_else(|e| panic!("{schema}: {e}"));
        assert!(read.validator.is_valid(&fits), "{schema}");
        assert!(!read.validator.is_valid(&misses), "{schema}");
        assert!(!read.is_too_much(&fits), "{schema}");
    }
}

/// Levels that each name the next one twice: a thousand bytes, a million checks of one value.
fn doubling(levels: usize) -> String {
    let mut defs = Map::new();
    for level in 0..levels {
        let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
        defs.insert(format!("l{level}"), json!({ "allOf": [next, next] }));
    }
    defs.insert(format!("l{levels}"), json!({ "type": "object" }));
    json!({ "$defs": defs, "$ref": "#/$defs/l0" }).to_string()
}

#[test]
fn what_has_no_bound_is_refused() {
    for (text, part) in [
        (r##"{"$ref":"#"}"##, "refers to itself"),
        (r##"{"properties":{"a":{"$ref":"#"}}}"##, "refers to itself"),
        (r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}}}"##, "refers to itself"),
        (r##"{"$ref":"#/$defs/nowhere"}"##, "refers to \"#/$defs/nowhere\""),
        (r#"{"$ref":"https://json-schema.org/draft/2020-12/schema"}"#, "only places of the same document"),
        (r#"{"$ref":"file:///etc/passwd"}"#, "only places of the same document"),
        (r##"{"$dynamicRef":"#a"}"##, "has a $dynamicRef"),
        (r##"{"properties":{"a":{"$id":"x","$ref":"#"}}}"##, "$id below its top"),
        (r#"{"properties":{"s":{"pattern":"(?=a)b"}}}"#, "is not a JSON Schema"),
        (r#"{"properties":{"s":{"pattern":"(a+)+\\1"}}}"#, "is not a JSON Schema"),
        (r#"{"properties":{"s":{"pattern":"((a{100}){100}){100}"}}}"#, "is not a JSON Schema"),
        (r#"{"properties":{"n":{"type":7}}}"#, "is not a JSON Schema"),
        ("{", "is not JSON"),
        ("[]", "JSON"),
        ("{\"description\":\"\\u001b[2J\"}", "U+001B"),
        ("{\"properties\":{\"a\\u0000\":{}}}", "U+0000"),
    ] {
        refused(text, part);
    }
    refused(&doubling(20), "is too heavy");
    refused(&format!("{{\"description\":\"{}\"}}", "x".repeat(MAX_BYTES)), "at most 65536");
    refused(&format!("{}{}", "[".repeat(100_000 / 2), "]".repeat(10)), "deeper than 64");
    Schema::read(&doubling(5)).expect("two to the five");
}

#[test]
fn work_is_weight_times_size() {
    let heavy = Schema::read(&doubling(8)).expect("two to the eight");
    assert!(!heavy.is_too_much(&json!({ "a": [1, 2, 3] })));
    assert!(heavy.is_too_much(&json!(vec![0; 100_000])));
    let light = Schema::read(r#"{"type":"object"}"#).expect("a schema");
    assert!(!light.is_too_much(&json!(vec![0; 100_000])));
}
