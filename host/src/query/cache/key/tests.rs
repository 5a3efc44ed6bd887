use super::*;
use crate::policy::Tables;
use rand::Rng;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A whole question, as a test holds it.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    place: u8,
    plugin: &'static str,
    role: &'static str,
    scope: Scope,
    readable: &'static [(&'static str, &'static [&'static str])],
    rows: u32,
    bytes: usize,
    statement: String,
    parameters: Vec<Value>,
}

impl Asked {
    fn readable(&self) -> Readable {
        let tables: Tables = self
            .readable
            .iter()
            .map(|(schema, names)| ((*schema).to_owned(), names.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        Readable::of(tables)
    }

    fn key(&self) -> Key {
        let (scope, readable) = (&self.scope, &self.readable());
        let facts = Facts { plugin: self.plugin, role: self.role, scope, readable, rows: self.rows, bytes: self.bytes };
        Asker::new(&facts).key(&[self.place; 32], &self.statement, &self.parameters)
    }

    fn usual() -> Self {
        Self {
            place: 1,
            plugin: "d1",
            role: "rowhouse_one",
            scope: Scope::One(Uuid::from_u128(1)),
            readable: &[("retail", &["orders", "stores"])],
            rows: 10,
            bytes: 10,
            statement: "SELECT 1".to_owned(),
            parameters: vec![],
        }
    }
}

const SCOPES: fn() -> Vec<Scope> = || {
    let ids = |ids: &[u128]| ids.iter().copied().map(Uuid::from_u128).collect::<Vec<_>>();
    let mut all = vec![Scope::All];
    all.extend(ids(&[0, 1, 2, 3]).into_iter().map(Scope::One));
    all.extend(
        [&[0, 1][..], &[1, 2], &[1, 3], &[1, 2, 3], &[0, 1, 2, 3], &[2, 3]].map(|tenants| Scope::Some(ids(tenants))),
    );
    all
};

const READABLE: [&[(&str, &[&str])]; 7] = [
    &[],
    &[("retail", &[])],
    &[("retail", &["orders"])],
    &[("retail", &["orders", "stores"])],
    &[("retail", &["ordersstores"])],
    &[("retail", &["orders"]), ("stores", &[])],
    &[("retailorders", &[]), ("stores", &[])],
];

fn parameters() -> Vec<Vec<Value>> {
    let t = |text: &str| Value::Text(text.into());
    let (one, two) = (|| vec!["a".to_owned()], || vec!["a".to_owned(), String::new()]);
    let mut all: Vec<Vec<Value>> = vec![
        vec![],
        vec![t("a"), t("b")],
        vec![t("ab"), t("")],
        vec![t(""), t("ab")],
        vec![t("ab")],
        vec![t("a"), t("b"), Value::Null],
    ];
    let single = [
        Value::Null,
        Value::Boolean(false),
        Value::Boolean(true),
        Value::Int(0),
        Value::Int(1),
        Value::Float(0.0),
        Value::Float(-0.0),
        Value::Float(1.0),
        Value::Numeric("1".into()),
        t("1"),
        t(""),
        Value::Timestamp("1".into()),
        Value::Date("1".into()),
        Value::Uuid("1".into()),
        Value::Json("1".into()),
        Value::Bytes(b"1".to_vec()),
        Value::Bytes(vec![]),
        Value::BooleanArray(vec![]),
        Value::BooleanArray(vec![true]),
        Value::IntArray(vec![]),
        Value::IntArray(vec![1]),
        Value::FloatArray(vec![]),
        Value::FloatArray(vec![1.0]),
        Value::TextArray(vec![]),
        Value::TextArray(one()),
        Value::TextArray(two()),
        Value::UuidArray(vec![]),
        Value::UuidArray(one()),
        Value::UuidArray(two()),
        Value::Vector(vec![]),
        Value::Vector(vec![1.0]),
    ];
    all.extend(single.into_iter().map(|value| vec![value]));
    all
}

/// Every question of these has a key of its own.
fn distinct(all: impl Iterator<Item = Asked>) -> usize {
    let mut known: HashMap<Key, Asked> = HashMap::new();
    for asked in all {
        if let Some(other) = known.insert(asked.key(), asked.clone()) {
            panic!("one key for two questions:\n{other:?}\n{asked:?}");
        }
    }
    known.len()
}

#[test]
fn no_two_scopes_rights_or_bounds_share_a_key() {
    let all = SCOPES().into_iter().flat_map(|scope| {
        READABLE.into_iter().flat_map(move |readable| {
            let scope = scope.clone();
            ["rowhouse_one", "rowhouse_some", "rowhouse_all"].into_iter().flat_map(move |role| {
                let scope = scope.clone();
                ["d1", "d2", ""].into_iter().flat_map(move |plugin| {
                    let scope = scope.clone();
                    [(1, 10, 10), (2, 10, 10), (1, 11, 10), (1, 10, 11)].into_iter().map(move |(place, rows, bytes)| {
                        Asked { place, plugin, role, scope: scope.clone(), readable, rows, bytes, ..Asked::usual() }
                    })
                })
            })
        })
    });
    assert_eq!(distinct(all), 11 * 7 * 3 * 3 * 4);
}

#[test]
fn no_two_statements_or_parameters_share_a_key() {
    let statements = ["", "SELECT 1", "SELECT 1 ", "select 1", "SELECT 1\0", "SELECT $1"];
    let all = statements.into_iter().flat_map(|statement| {
        parameters().into_iter().map(move |parameters| Asked {
            statement: statement.to_owned(),
            parameters,
            ..Asked::usual()
        })
    });
    assert_eq!(distinct(all), 6 * (6 + 31));
}

#[test]
fn the_same_tenants_are_the_same_scope() {
    let ids = |ids: [u128; 3]| Scope::Some(ids.map(Uuid::from_u128).to_vec());
    let key = |scope| Asked { scope, ..Asked::usual() }.key();
    assert_eq!(key(ids([1, 2, 3])), key(ids([3, 1, 2])));
    assert_ne!(key(ids([1, 2, 3])), key(ids([1, 2, 4])));
}

/// Bytes cut at random into the same number of parts, over an alphabet of two letters: what a careless join would mix up.
#[test]
fn what_looks_alike_when_joined_does_not_share_a_key() {
    let mut rng = rand::rng();
    let mut known: BTreeMap<Vec<String>, Key> = BTreeMap::new();
    let mut keys: HashMap<Key, Vec<String>> = HashMap::new();
    for _ in 0..20_000 {
        let parts: Vec<String> = (0..rng.random_range(1..5))
            .map(|_| (0..rng.random_range(0..4)).map(|_| if rng.random() { 'a' } else { '\u{1}' }).collect())
            .collect();
        let (statement, texts) = parts.split_first().expect("one at least");
        let parameters = texts.iter().cloned().map(Value::Text).collect();
        let key = Asked { statement: statement.clone(), parameters, ..Asked::usual() }.key();
        assert_eq!(*known.entry(parts.clone()).or_insert(key), key, "the same question, another key: {parts:?}");
        let other = keys.entry(key).or_insert_with(|| parts.clone());
        assert_eq!(*other, parts, "one key for two questions");
    }
}
