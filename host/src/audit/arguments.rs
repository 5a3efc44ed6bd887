//! A tool's arguments as the trail keeps them: names, and seals of the values.

use super::chain::{derive, hmac};
use crate::keys::Key;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Names one record keeps. A tool has a dozen; names beyond its schema are the caller's invention.
const NAMES: usize = 64;

/// Characters a name may have to be kept.
const NAME: usize = 64;

/// Bytes of plain values one record keeps, as JSON. What goes over is sealed like any other value.
const PLAIN: usize = 16 << 10;

/// Bytes of a value's seal that are kept: 128 bits, written as 32 digits.
const SEAL: usize = 16;

/// A call's arguments, as recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Arguments {
    /// By name: `hmac:` and 32 hexadecimal digits, or the value itself where the policy allows it. Equal values have
    /// equal seals within one installation.
    pub arguments: BTreeMap<String, Value>,
    /// Names the tool's schema does not list, kept or not.
    #[serde(skip_serializing_if = "super::record::none")]
    pub arguments_unknown: u64,
    /// Arguments that are not in `arguments`: too many, or their names too long.
    #[serde(skip_serializing_if = "super::record::none")]
    pub arguments_omitted: u64,
}

/// Seals argument values.
pub(super) struct Sealer(Key);

impl Sealer {
    /// `key` is the audit key itself.
    pub(super) fn new(key: &Key) -> Self {
        Self(derive(key, "arguments"))
    }

    /// `known` says whether the tool's schema lists a name; `plain` is the policy's leave to record values.
    pub(super) fn seal(&self, given: &Map<String, Value>, known: impl Fn(&str) -> bool, plain: bool) -> Arguments {
        let mut kept = Arguments::default();
        let mut room = if plain { PLAIN } else { 0 };
        // The tool's own names first: a caller's inventions must not push them out.
        for own in [true, false] {
            for (name, value) in given.iter().filter(|(name, _)| known(name) == own) {
                kept.arguments_unknown += u64::from(!own);
                if kept.arguments.len() >= NAMES || name.chars().nth(NAME).is_some() {
                    kept.arguments_omitted += 1;
                    continue;
                }
                let text = canonical(value);
                // A value under an invented name is nothing the policy could have thought of.
                let shown = if own && text.len() <= room {
                    room -= text.len();
                    value.clone()
                } else {
                    Value::String(format!("hmac:{}", hex::encode(&hmac(&self.0, &[text.as_bytes()])[..SEAL])))
                };
                kept.arguments.insert(name.clone(), shown);
            }
        }
        kept
    }
}

/// JSON with sorted keys and no space: one text for equal values, whatever order the caller wrote them in.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let fields: Vec<_> =
                sorted.into_iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), canonical(v))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretBox;
    use serde_json::json;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&SecretBox::new(Box::new([byte; 32])))
    }

    fn seal(value: Value, plain: bool) -> Value {
        let given = Map::from_iter([("a".to_owned(), value)]);
        sealer(1).seal(&given, |_| true, plain).arguments.remove("a").unwrap()
    }

    #[test]
    fn values_are_sealed_unless_the_policy_allows_more() {
        let secret = json!({ "card": "4111 1111", "list": [1, 2, null] });
        let sealed = seal(secret.clone(), false);
        let text = sealed.as_str().unwrap();
        assert!(text.strip_prefix("hmac:").is_some_and(|hex| hex.len() == 32 && hex::decode(hex).is_ok()), "{text}");
        assert!(!text.contains("4111"));
        assert_eq!(seal(secret.clone(), true), secret);
        let long = json!("x".repeat(PLAIN));
        assert!(seal(long, true).as_str().unwrap().starts_with("hmac:"), "over the bound for plain values");
    }

    #[test]
    fn equal_values_have_equal_seals() {
        let same = |a: &str, b: &str| {
            seal(serde_json::from_str(a).unwrap(), false) == seal(serde_json::from_str(b).unwrap(), false)
        };
        assert!(same(r#"{"a":1,"b":{"c":[1],"d":2}}"#, r#"{ "b": {"d":2,"c":[1]}, "a": 1 }"#));
        assert!(same(r#""é""#, r#""\u00e9""#));
        assert!(!same("[1,2]", "[2,1]") && !same("1", r#""1""#) && !same("[[1],2]", "[[1,2]]"));
        let given = Map::from_iter([("a".to_owned(), json!(1))]);
        assert_ne!(sealer(1).seal(&given, |_| true, false), sealer(2).seal(&given, |_| true, false), "another key");
    }

    #[test]
    fn names_are_bounded_and_the_tools_own_come_first() {
        let mut given: Map<String, Value> = (0..200).map(|n| (format!("a{n}"), json!(n))).collect();
        given.insert("zone".to_owned(), json!("west"));
        given.insert("n".repeat(65), json!(1));
        let kept = sealer(1).seal(&given, |name| name == "zone", true);
        assert_eq!(kept.arguments.len(), NAMES);
        assert_eq!(kept.arguments["zone"], "west");
        assert_eq!((kept.arguments_unknown, kept.arguments_omitted), (201, 202 - NAMES as u64));
        assert!(
            kept.arguments.iter().all(|(name, value)| name == "zone" || value.as_str().unwrap().starts_with("hmac:"))
        );
    }
}
