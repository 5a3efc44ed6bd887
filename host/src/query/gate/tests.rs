//! The gate, seen from outside: tables of statements it must refuse and of statements it must let through.

mod accepted;
mod analysts;
mod analytics;
mod limits;
mod refused;
mod relations;
mod settled;
mod slots;

use std::collections::BTreeMap;

use super::*;

/// The list that ships.
const FUNCTIONS: &str = include_str!("../../../../migrations/allow/functions.txt");

/// A gate over a small shop. `archive` may be read but is not on the path; the system schemas must not count.
fn gate() -> Gate {
    let names = |names: &str| names.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let readable = BTreeMap::from([
        (
            "retail".to_owned(),
            names("stores customers categories products orders order_items inventory embeddings pg_stat_statements"),
        ),
        ("archive".to_owned(), names("orders_2024 orders")),
        ("pg_catalog".to_owned(), names("pg_class pg_authid")),
        ("information_schema".to_owned(), names("tables")),
    ]);
    let search_path = vec!["retail".to_owned(), "ext".to_owned(), "pg_catalog".to_owned()];
    Gate::new(FUNCTIONS, Relations { search_path, readable })
        .with_names(Names {
            fields: names("store_name total"),
            callable: names("steal count"),
            enums: BTreeMap::from([("retail".to_owned(), names("status"))]),
            dated: names("order_date paid_at value"),
        })
        .with_functions(&["retail.digest".to_owned()])
}

/// Every statement must be refused, and for this reason.
#[track_caller]
fn refuses(reason: Reason, statements: &[&str]) {
    let gate = gate();
    for sql in statements {
        match gate.check(sql) {
            Ok(_) => panic!("let through: {sql}"),
            Err(refusal) => assert_eq!(refusal.reason, reason, "{sql}: {refusal}"),
        }
    }
}

/// Every statement must pass.
#[track_caller]
fn accepts(statements: &[&str]) {
    let gate = gate();
    for sql in statements {
        if let Err(refusal) = gate.check(sql) {
            panic!("refused: {sql}: {refusal:?}");
        }
    }
}
