//! Values only a run knows, put where a statement of the corpus names them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Names and what they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Say what a name stands for.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    /// What a name stands for; empty when nobody said.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A text with every `{name}` replaced, and every `{repeat:COUNT:TEXT}` written out. Other braces stay.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest.find('}').unwrap_or(0);
            let name = rest.get(1..end).unwrap_or("");
            let value = match name.strip_prefix("repeat:").and_then(|it| it.split_once(':')) {
                Some((count, what)) => count.parse().ok().map(|count| what.repeat(count)),
                None if name == "random" => Some(Uuid::new_v4().to_string()),
                None => self.0.get(name).cloned(),
            };
            match value {
                Some(value) => {
                    out.push_str(&value);
                    rest = &rest[end + 1..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// The same in every text of a JSON value.
    pub(crate) fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_json(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (self.fill(key), self.fill_json(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// Tokens made of the attacker's own without a key.
    pub(crate) fn forge(&mut self, token: &str) {
        self.set("token", token);
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(signature)) = (parts.next(), parts.next(), parts.next()) else { return };
        let mut claims: Value = BASE64_URL_SAFE_NO_PAD
            .decode(body)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| json!({}));
        claims["sub"] = json!("head-office");
        claims["roles"] = json!(["super_admin"]);
        claims["tenants"] = json!([]);
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let none = encode(&json!({ "alg": "none", "typ": "at+jwt" }));
        let symmetric = encode(&json!({ "alg": "HS256", "typ": "at+jwt" }));
        let elsewhere = encode(&json!({ "alg": "EdDSA", "typ": "at+jwt", "jku": "http://127.0.0.1:9/keys" }));
        let body = encode(&claims);
        self.set("token_none", format!("{none}.{body}."));
        self.set("token_none_signed", format!("{none}.{body}.{signature}"));
        self.set("token_symmetric", format!("{symmetric}.{body}.{signature}"));
        self.set("token_edited", format!("{head}.{body}.{signature}"));
        self.set("token_elsewhere", format!("{elsewhere}.{body}.{signature}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_other_braces_stay() {
        let mut words = Words::default();
        words.set("own", "u1");
        for (text, filled) in [
            ("a {own} b", "a u1 b"),
            ("'{1,2}'::int[] {own}", "'{1,2}'::int[] u1"),
            ("{\"a\":\"{own}\"}", "{\"a\":\"u1\"}"),
            ("x{repeat:3:ab}y", "xabababy"),
            ("{unknown} {", "{unknown} {"),
        ] {
            assert_eq!(words.fill(text), filled);
        }
        assert_eq!(words.fill_json(&json!({"{own}": ["{own}", 1]})), json!({"u1": ["u1", 1]}));
    }

    #[test]
    fn a_forged_token_keeps_its_shape() {
        let mut words = Words::default();
        words.forge("e30.eyJzdWIiOiJhIn0.c2ln");
        for name in ["token_none", "token_edited", "token_symmetric", "token_elsewhere"] {
            assert_eq!(words.get(name).split('.').count(), 3, "{name}");
        }
        assert!(words.get("token_edited").ends_with(".c2ln"));
    }
}
