//! JSON Schemas from Rust types.
//!
//! schemars makes them (draft 2020-12, what a type refers to written in place); what is changed here is what the
//! contract and models want: objects are closed, a field that may be left out need not be null as well, dates have a
//! pattern (validators need not know `format`), and words that say nothing to a caller are gone.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value};

/// The dialect of every schema.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A day as PostgreSQL and ISO 8601 write it.
const DAY: &str = r"^\d{4}-\d{2}-\d{2}$";

/// The schema of arguments, as they are read.
#[must_use]
pub fn input<T: JsonSchema>() -> Schema {
    let mut schema = made::<T>(settings().for_deserialize());
    leave_out_null(&mut schema);
    schema
}

/// The schema of a structured answer, as it is written.
#[must_use]
pub fn output<T: JsonSchema>() -> Schema {
    made::<T>(settings().for_serialize())
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = Some(DIALECT.into());
        settings.inline_subschemas = true;
    })
}

fn made<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // What the struct says of itself is for readers of the source; the tool's description is for callers.
    schema.remove("description");
    tidy(&mut schema, true);
    schema
}

/// `alone`: no schema beside or around this one describes the same object, so closing it shuts nobody out.
fn tidy(schema: &mut Schema, alone: bool) {
    schema.remove("title");
    let shared = ["allOf", "anyOf", "oneOf", "$ref"].iter().any(|&word| schema.get(word).is_some());
    let object = schema.get("type").is_some_and(|kind| kind == "object");
    if alone && !shared && object && schema.get("additionalProperties").is_none() {
        if schema.get("properties").is_none() {
            schema.insert("properties".to_owned(), Value::Object(Map::new()));
        }
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    // `int64`, `double`: widths are Rust's affair.
    match schema.get("format").and_then(Value::as_str) {
        Some("date") if schema.get("pattern").is_none() => {
            schema.insert("pattern".to_owned(), DAY.into());
        }
        Some(format) if is_width(format) => {
            schema.remove("format");
        }
        _ => {}
    }
    let own = schema.get("properties").is_some();
    let within_all = schema.get("allOf").is_some();
    transform_subschemas(&mut |inner: &mut Schema| tidy(inner, !(within_all || shared && own)), schema);
}

fn is_width(format: &str) -> bool {
    matches!(format, "float" | "double") || format.trim_start_matches('u').starts_with("int")
}

/// Of what may be left out, null is taken away: one way to say nothing is enough, and some clients know no type lists.
/// (Reading still accepts it.)
fn leave_out_null(schema: &mut Schema) {
    let required: Vec<String> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (name, property) in properties {
        let Value::Object(property) = property else { continue };
        if required.contains(name) {
            continue;
        }
        if let Some(Value::Array(kinds)) = property.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                property.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(values)) = property.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        for word in ["anyOf", "oneOf"] {
            let Some(Value::Array(choices)) = property.get_mut(word) else { continue };
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                property.remove(word);
                for (key, value) in only {
                    property.entry(key).or_insert(value);
                }
            }
        }
        if property.get("default").is_some_and(Value::is_null) {
            property.remove("default");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Date, decimal::Decimal};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Unit {
        Day,
        Week,
    }

    /// For readers of the source.
    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Asked {
        /// How many.
        #[serde(default = "ten")]
        #[schemars(range(min = 1, max = 50))]
        limit: i64,
        /// What of.
        unit: Option<Unit>,
        #[serde(default)]
        from: Option<Date>,
        price: Option<Decimal>,
        #[schemars(length(min = 1))]
        name: String,
    }

    fn ten() -> i64 {
        10
    }

    #[test]
    fn arguments_are_closed_and_short() {
        assert_eq!(
            input::<Asked>().to_value(),
            json!({
                "$schema": DIALECT,
                "type": "object",
                "properties": {
                    "limit": { "type": "integer", "minimum": 1, "maximum": 50, "default": 10, "description": "How many." },
                    "unit": { "type": "string", "enum": ["day", "week"], "description": "What of." },
                    "from": { "type": "string", "format": "date", "pattern": DAY },
                    "price": { "type": "number" },
                    "name": { "type": "string", "minLength": 1 },
                },
                "required": ["name"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn answers_say_where_null_may_be() {
        let schema = output::<Asked>();
        assert_eq!(schema.get("required").and_then(Value::as_array).map(Vec::len), Some(5));
        assert_eq!(schema.pointer("/properties/from/type"), Some(&json!(["string", "null"])));
        assert_eq!(schema.pointer("/properties/price/type"), Some(&json!(["number", "null"])));
        for (value, fits) in [
            (json!({ "limit": 1, "unit": "day", "from": null, "price": 1.5, "name": "a" }), true),
            (json!({ "limit": 1, "unit": "day", "price": 1.5, "name": "a" }), false),
            (json!({ "limit": 1, "unit": "day", "from": "soon", "price": 1.5, "name": "a" }), false),
        ] {
            assert_eq!(jsonschema::is_valid(schema.as_value(), &value), fits, "{value}");
        }
    }

    #[test]
    fn nothing_is_an_empty_object() {
        assert_eq!(
            input::<crate::tool::NoArguments>().to_value(),
            json!({ "$schema": DIALECT, "type": "object", "properties": {}, "additionalProperties": false })
        );
    }
}
