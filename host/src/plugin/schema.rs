//! Schemas of tools, read so that holding a value to them has a bound that is known before.
//!
//! A validator does what a schema says, and a schema can say a great deal in few bytes: references that go in circles,
//! definitions that double with every level, patterns that try every way. So patterns are those of a matcher without
//! backtracking, references stay inside the document and never lead back, and what is left has a weight: the nodes of
//! the schema with every reference written out. Weight times size bounds the work.

use super::nesting::deeper_than;
use super::text;
use crate::error::BoxError;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of one schema. A model reads all of them on every list.
const MAX_BYTES: usize = 64 << 10;
/// How deep a schema may nest: the default of `plugins.limits.json_depth`.
const MAX_DEPTH: usize = 64;
/// The heaviest schema: ten times the bytes it may have, in nodes of usual size.
const MAX_WEIGHT: u64 = 20_000;
/// Bytes a compiled pattern may have: some thousand states.
const MAX_PATTERN: usize = 64 << 10;
/// What a pattern weighs against a node.
const PATTERN_WEIGHT: u64 = 100;
/// Weight times size up to which a value is held to its schema: about a second.
const MAX_WORK: u64 = 50_000_000;

/// A schema that can be held against values.
#[derive(Debug)]
pub(super) struct Schema {
    /// As callers see it.
    pub(super) shown: Arc<Map<String, Value>>,
    pub(super) validator: Validator,
    weight: u64,
}

impl Schema {
    /// Read one. `$ref` to another document is refused: nothing is ever fetched.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub(super) fn read(text: &str) -> Result<Self, BoxError> {
        if text.len() > MAX_BYTES {
            return Err(format!("has {} bytes; at most {MAX_BYTES} are accepted", text.len()).into());
        }
        if deeper_than(text, MAX_DEPTH) {
            return Err(format!("nests deeper than {MAX_DEPTH} levels").into());
        }
        let value: Value = serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
        let weight = Weigher { root: &value, known: HashMap::new() }.weigh(&value)?;
        if weight > MAX_WEIGHT {
            return Err(
                format!("is too heavy: {weight} nodes with its references written out, at most {MAX_WEIGHT}").into()
            );
        }
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN);
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(patterns)
            .build(&value)
            .map_err(|e| format!("is not a JSON Schema (2020-12): {e}"))?;
        match value {
            Value::Object(map) => Ok(Self { shown: Arc::new(map), validator, weight }),
            _ => Err("must be a JSON object".into()),
        }
    }

    /// Whether holding this value to it is more work than a call may ask of the host.
    pub(super) fn is_too_much(&self, value: &Value) -> bool {
        self.weight.saturating_mul(size(value)) > MAX_WORK
    }
}

/// Nodes, and eight bytes of text as much as one.
fn size(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() as u64 / 8 + size(value)).sum(),
        Value::String(text) => text.len() as u64 / 8,
        _ => 0,
    }
}

/// Weighs each node once; one that is under way and met again is a circle.
struct Weigher<'a> {
    root: &'a Value,
    /// By address. `None`: under way.
    known: HashMap<*const Value, Option<u64>>,
}

impl<'a> Weigher<'a> {
    fn weigh(&mut self, node: &'a Value) -> Result<u64, BoxError> {
        let address: *const Value = node;
        match self.known.get(&address) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                return Err(
                    "refers to itself; write it out to the depth it needs: work without a bound is refused".into()
                );
            }
            None => {}
        }
        self.known.insert(address, None);
        let mut weight = 1u64;
        match node {
            Value::Array(items) => {
                for item in items {
                    weight = weight.saturating_add(self.weigh(item)?);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    weight = weight.saturating_add(self.weigh(value)?).saturating_add(self.extra(node, key, value)?);
                }
            }
            Value::String(words) => {
                if let Some(fault) = text::fault(words, true, MAX_BYTES) {
                    return Err(format!("holds a text that {fault}").into());
                }
            }
            _ => {}
        }
        self.known.insert(address, Some(weight));
        Ok(weight)
    }

    /// What a keyword weighs besides its value.
    fn extra(&mut self, node: &'a Value, key: &str, value: &'a Value) -> Result<u64, BoxError> {
        if let Some(fault) = text::fault(key, false, MAX_BYTES) {
            return Err(format!("has a key that {fault}").into());
        }
        let is_root = std::ptr::eq(node, self.root);
        match (key, value) {
            ("$ref", Value::String(to)) => {
                let target = self.find(to).ok_or_else(|| {
                    format!("refers to {:?}; only places of the same document are looked at", text::line(to, 100))
                })?;
                self.weigh(target)
            }
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => Err(format!("has a {key}; use $ref").into()),
            ("$id", Value::String(_)) if !is_root => {
                Err("has an $id below its top, which changes what $ref means".into())
            }
            ("pattern", Value::String(_)) => Ok(PATTERN_WEIGHT),
            ("patternProperties", Value::Object(patterns)) => Ok(PATTERN_WEIGHT * patterns.len() as u64),
            _ => Ok(0),
        }
    }

    /// The node a reference means.
    fn find(&self, to: &str) -> Option<&'a Value> {
        let fragment = to.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            // Percent signs would need decoding: what a validator then finds might be another node.
            return (!fragment.contains('%')).then(|| self.root.pointer(fragment))?;
        }
        anchored(self.root, fragment)
    }
}

/// The only node with this anchor.
fn anchored<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match node {
            Value::Object(map) => {
                if map.get("$anchor").and_then(Value::as_str) == Some(name) {
                    found.push(node);
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    match found[..] {
        [one] => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
