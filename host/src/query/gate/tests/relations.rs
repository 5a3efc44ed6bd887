//! Which relation a name means, and that a name out of its scope means nothing.

use std::collections::BTreeSet;

use super::{Reason, accepts, gate, refuses};

#[test]
fn relations_read() {
    let gate = gate();
    let check = |sql: &str, expected: &str| {
        let read = gate.check(sql).expect(sql).relations;
        assert_eq!(read.into_iter().collect::<Vec<_>>().join(" "), expected, "{sql}");
    };
    check("SELECT 1", "");
    check("SELECT * FROM orders", "retail.orders");
    check("SELECT * FROM retail.orders, archive.orders_2024", "archive.orders_2024 retail.orders");
    check("SELECT * FROM archive.orders", "archive.orders");
    check("SELECT * FROM Orders, \"stores\"", "retail.orders retail.stores");
    check("WITH orders AS (SELECT * FROM stores) SELECT * FROM orders", "retail.stores");
    check("WITH orders AS (SELECT * FROM orders) SELECT * FROM orders", "retail.orders");
    check("WITH RECURSIVE orders AS (SELECT 1 UNION ALL SELECT * FROM orders) SELECT * FROM orders", "");
    check("WITH orders AS (SELECT 1) SELECT * FROM retail.orders", "retail.orders");
    check("WITH t AS (SELECT 1) SELECT (SELECT 1 FROM t, stores), * FROM customers", "retail.customers retail.stores");
    check("SELECT * FROM (WITH orders AS (SELECT 1) SELECT * FROM orders) a, orders b", "retail.orders");
    check("TABLE orders UNION ALL TABLE archive.orders", "archive.orders retail.orders");
    check("WITH t AS (SELECT 1) (SELECT * FROM t) UNION (WITH t AS (TABLE stores) TABLE t)", "retail.stores");
}

#[test]
fn unreadable() {
    refuses(
        Reason::Relation,
        &[
            "SELECT * FROM pg_class",
            "SELECT * FROM pg_catalog.pg_class",
            "SELECT * FROM pg_authid",
            "SELECT * FROM pg_stat_activity",
            "SELECT * FROM pg_settings",
            "SELECT * FROM pg_stat_statements",
            "SELECT * FROM retail.pg_stat_statements",
            "SELECT * FROM retail.pg_anything",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM rowhouse.keys",
            "SELECT * FROM postgres.retail.orders",
            "SELECT * FROM secrets",
            "SELECT * FROM retail.secrets",
            "SELECT * FROM \"Orders\"",
            "SELECT * FROM \"retail.orders\"",
            "SELECT * FROM orders_2024",
            "SELECT * FROM pg_temp.orders",
            "SELECT * FROM pg_toast.pg_toast_1",
            "SELECT 1 WHERE EXISTS (TABLE pg_roles)",
            "SELECT (SELECT count(*) FROM pg_locks)",
            "SELECT * FROM orders JOIN pg_user ON true",
            "SELECT * FROM U&\"pg\\005fclass\"",
            // A name defined where it cannot be seen.
            "SELECT * FROM (WITH secrets AS (SELECT 1) SELECT 1) a, secrets",
            "SELECT (WITH secrets AS (SELECT 1) SELECT 1), (SELECT count(*) FROM secrets)",
            "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
            "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
            "WITH a AS (WITH secrets AS (SELECT 1) TABLE secrets) SELECT * FROM secrets",
            "(WITH secrets AS (SELECT 1) TABLE secrets) UNION ALL TABLE secrets",
            "WITH secrets AS (SELECT 1) SELECT * FROM retail.secrets",
            // A name that would hide a catalog, or be taken for one.
            "WITH pg_class AS (SELECT 1) SELECT * FROM pg_class",
            "WITH \"pg_anything\" AS (SELECT 1) SELECT 1",
        ],
    );
    accepts(&["WITH RECURSIVE a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a"]);
}

/// A relation somebody may not read is refused in the very words of one that is not there, and is not listed.
#[test]
fn forbidden_looks_absent() {
    let gate = gate();
    let may_read = |schema: &str, name: &str| (schema, name) != ("retail", "customers");
    for form in ["SELECT * FROM {}", "WITH a AS (SELECT 1 FROM {}) SELECT 1", "SELECT (SELECT count(*) FROM {} x)"] {
        let said = |name: &str| {
            let refusal = gate.check_as(&form.replace("{}", name), &may_read).expect_err(form);
            assert_eq!(refusal.reason, Reason::Relation, "{form}");
            refusal.message.replace(name, "NAME")
        };
        assert_eq!(said("customers"), said("costumers"));
        assert_eq!(said("retail.customers"), said("retail.costumers"));
        assert!(!said("customers").contains("customers"), "{}", said("customers"));
    }
    let read = gate.check_as("WITH customers AS (SELECT * FROM stores) TABLE customers", &may_read);
    assert_eq!(read.expect("a name of its own").relations, BTreeSet::from(["retail.stores".to_owned()]));
}
