//! Of arguments: a model goes by their schema, and the host holds every call to it.

use super::tools::snake;
use serde_json::{Map, Value};

/// How deep a schema is followed; one that points at itself is as deep as anybody likes.
const DEPTH: usize = 16;

/// Something loose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which rule.
    pub(super) code: &'static str,
    /// Where, and what to write.
    pub(super) text: String,
}

/// What is loose in an input schema, each thing once.
pub(super) fn faults(schema: &Map<String, Value>) -> Vec<Fault> {
    let mut walk = Walk { root: schema, found: Vec::new() };
    walk.visit("the arguments", schema, DEPTH);
    walk.found
}

struct Walk<'a> {
    root: &'a Map<String, Value>,
    found: Vec<Fault>,
}

impl Walk<'_> {
    fn say(&mut self, code: &'static str, text: String) {
        let fault = Fault { code, text };
        if !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }

    fn visit(&mut self, place: &str, schema: &Map<String, Value>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            if let Some(target) = self.follow(target) {
                self.visit(place, &target, depth);
            }
            return;
        }
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
        let choices: Vec<&Value> = choices.flatten().collect();
        for choice in choices.iter().filter_map(|it| it.as_object()) {
            self.visit(place, choice, depth);
        }
        // A list of values, or one value, is as bounded as anything.
        if schema.contains_key("enum") || schema.contains_key("const") {
            return;
        }
        let types = types(schema);
        if types.is_empty() {
            if choices.is_empty() {
                self.say("type-missing", format!("{place} has no \"type\": anything would do"));
            }
            return;
        }
        for kind in types {
            match kind {
                "object" => self.object(place, schema, depth),
                "array" => self.array(place, schema, depth),
                "string" if !has(schema, &["maxLength", "format"]) && !fixed(schema) => {
                    self.say("string-unbounded", format!("{place} is a string of any length: add \"maxLength\""));
                }
                "integer" => {
                    let low = has(schema, &["minimum", "exclusiveMinimum"]);
                    let high = has(schema, &["maximum", "exclusiveMaximum"]);
                    if !low || !high {
                        let lacks = match (low, high) {
                            (false, false) => "\"minimum\" and \"maximum\"",
                            (false, true) => "\"minimum\"",
                            _ => "\"maximum\"",
                        };
                        self.say("integer-unbounded", format!("{place} is an integer of any size: add {lacks}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn object(&mut self, place: &str, schema: &Map<String, Value>, depth: usize) {
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            // A map from any name to values of one kind.
            Some(Value::Object(values)) => self.visit(&format!("each value of {place}"), values, depth),
            _ => self.say("schema-open", format!("{place} may hold anything else, and a misspelt name is not noticed: add \"additionalProperties\": false")),
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = format!("`{name}`");
            if !snake(name) {
                self.say("name-not-snake-case", format!("the argument {place} is not snake_case, as models expect it"));
            }
            let Some(property) = property.as_object() else {
                self.say("type-missing", format!("{place} has no \"type\": anything would do"));
                continue;
            };
            if property.get("description").and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
                self.say("argument-undescribed", format!("the argument {place} has no description"));
            }
            self.visit(&place, property, depth);
        }
    }

    fn array(&mut self, place: &str, schema: &Map<String, Value>, depth: usize) {
        if !schema.contains_key("maxItems") {
            self.say("array-unbounded", format!("{place} is an array of any length: add \"maxItems\""));
        }
        match schema.get("items").and_then(Value::as_object) {
            Some(items) => self.visit(&format!("each of {place}"), items, depth),
            None if schema.contains_key("prefixItems") => {}
            None => self.say("type-missing", format!("{place} has no \"items\": anything would do")),
        }
    }

    /// What `#/$defs/Name` points at.
    fn follow(&self, target: &str) -> Option<Map<String, Value>> {
        let mut at = self.root;
        let mut steps = target.strip_prefix("#/")?.split('/').peekable();
        while let Some(step) = steps.next() {
            at = at.get(&step.replace("~1", "/").replace("~0", "~"))?.as_object()?;
            if steps.peek().is_none() {
                return Some(at.clone());
            }
        }
        None
    }
}

fn has(schema: &Map<String, Value>, keys: &[&str]) -> bool {
    keys.iter().any(|key| schema.contains_key(*key))
}

/// Whether a pattern leaves no room: from the beginning to the end, and nothing in it is repeated at will.
fn fixed(schema: &Map<String, Value>) -> bool {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    pattern.starts_with('^') && pattern.ends_with('$') && !pattern.contains(['*', '+']) && !pattern.contains(",}")
}

/// Its types, null among them: a value that may be left out is bounded as one that may not.
fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The codes of one property's schema, described and in a closed object.
    fn codes(property: &Value) -> Vec<&'static str> {
        let mut property = property.clone();
        property["description"] = "What it is.".into();
        let schema = json!({
            "type": "object", "properties": { "a": property }, "additionalProperties": false,
            "$defs": { "Name": { "type": "string" }, "Loop": { "anyOf": [{ "$ref": "#/$defs/Loop" }, { "type": "null" }] } },
        });
        faults(schema.as_object().expect("an object")).into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn what_is_loose_is_found_wherever_it_stands() {
        for (property, want) in [
            (json!({ "type": "string", "maxLength": 9 }), &[][..]),
            (json!({ "type": "string" }), &["string-unbounded"]),
            (json!({ "type": ["string", "null"] }), &["string-unbounded"]),
            (json!({ "type": "string", "format": "date" }), &[]),
            (json!({ "type": "string", "pattern": "^\\d{4}$" }), &[]),
            (json!({ "type": "string", "pattern": "^\\d+$" }), &["string-unbounded"]),
            (json!({ "type": "string", "pattern": "\\d{4}" }), &["string-unbounded"]),
            (json!({ "enum": ["a", "b"] }), &[]),
            (json!({ "const": 1 }), &[]),
            (json!({ "type": "integer", "minimum": 0, "maximum": 9 }), &[]),
            (json!({ "type": "integer", "minimum": 0 }), &["integer-unbounded"]),
            (json!({ "type": "integer" }), &["integer-unbounded"]),
            (json!({ "type": "number" }), &[]),
            (json!({ "type": "boolean" }), &[]),
            (json!({}), &["type-missing"]),
            (json!({ "$ref": "#/$defs/Name" }), &["string-unbounded"]),
            (json!({ "$ref": "#/$defs/Loop" }), &[]),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), &["string-unbounded"]),
            (json!({ "type": "array", "items": { "type": "boolean" }, "maxItems": 3 }), &[]),
            (json!({ "type": "array", "items": { "type": "boolean" } }), &["array-unbounded"]),
            (json!({ "type": "array", "maxItems": 3 }), &["type-missing"]),
            (json!({ "type": "array", "maxItems": 3, "items": { "type": "string" } }), &["string-unbounded"]),
            (json!({ "type": "object" }), &["schema-open"]),
            (json!({ "type": "object", "additionalProperties": { "type": "string" } }), &["string-unbounded"]),
        ] {
            assert_eq!(codes(&property), want, "{property}");
        }
    }

    #[test]
    fn the_whole_and_its_names_are_looked_at() {
        for (schema, want) in [
            (json!({ "type": "object" }), &["schema-open"][..]),
            (json!({ "type": "object", "additionalProperties": true }), &["schema-open"]),
            (
                json!({ "type": "object", "additionalProperties": false, "properties": { "atMost": { "type": "boolean", "description": "x" } } }),
                &["name-not-snake-case"],
            ),
            (
                json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "boolean" } } }),
                &["argument-undescribed"],
            ),
            (
                json!({ "type": "object", "additionalProperties": false, "properties": { "a": true } }),
                &["type-missing"],
            ),
        ] {
            let found = faults(schema.as_object().expect("an object"));
            assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), want, "{schema}");
        }
    }
}
