//! Which statements' answers may be given again.

use super::*;

#[track_caller]
fn check(settled: bool, statements: &[&str]) {
    let gate = gate();
    for sql in statements {
        match gate.check_settled(sql, &|_, _| true) {
            Ok(checked) => assert_eq!(checked.settled, settled, "{sql}"),
            Err(refusal) => panic!("refused: {sql}: {refusal:?}"),
        }
    }
}

#[test]
fn what_follows_from_rows_alone_may_be_given_again() {
    check(
        true,
        &[
            "SELECT 1",
            "SELECT order_id, total FROM orders WHERE store_name = $1 ORDER BY 2 DESC LIMIT 5",
            "SELECT o.store_name, count(*), round(sum(o.total), 2) FROM retail.orders o GROUP BY 1",
            "SELECT date_trunc('month', o.order_date::timestamp)::date AS start FROM orders o GROUP BY 1",
            "SELECT to_char(order_date, 'YYYY-MM'), extract(year FROM order_date) FROM orders",
            "SELECT * FROM orders WHERE order_date >= date '2026-07-01' AND order_date < $1::date",
            "SELECT order_date + interval '1 day', order_date AT TIME ZONE 'Europe/Oslo' FROM orders",
            "SELECT string_agg(store_name, ', '), lower(max(store_name)), coalesce(sum(total), 0) FROM orders",
            "SELECT row_number() OVER w, lag(total) OVER w FROM orders WINDOW w AS (PARTITION BY store_name ORDER BY order_date)",
            "WITH t AS (SELECT total FROM orders) SELECT total::text FROM t WHERE total > 10 AND total BETWEEN 1 AND 2",
            "SELECT embedding <=> $1::vector FROM embeddings ORDER BY 1 LIMIT 3",
            "SELECT 'open'::retail.status, x.a FROM jsonb_to_recordset('[{\"a\":1}]') AS x(a int)",
            "SELECT similarity(store_name, 'knowhow'), store_name % 'nowhere' FROM stores",
            "SELECT to_tsvector('english', store_name) @@ plainto_tsquery('english', $1) FROM stores",
            "SELECT json_agg(o ORDER BY order_id) FROM orders o",
        ],
    );
}

#[test]
fn what_passes_with_time_or_falls_by_chance_may_not() {
    check(
        false,
        &[
            // The clock and chance, called by name and as keywords.
            "SELECT now()",
            "SELECT pg_catalog.now()",
            "SELECT CURRENT_DATE",
            "SELECT localtimestamp(3)",
            "SELECT clock_timestamp(), random()",
            "SELECT gen_random_uuid()",
            "SELECT age(order_date) FROM orders",
            "SELECT count(*) FROM orders WHERE order_date > now() - interval '7 days'",
            "SELECT (SELECT max(total) FROM orders WHERE order_date = CURRENT_DATE)",
            "WITH d AS (SELECT CURRENT_TIMESTAMP AS t) SELECT t FROM d",
            "SELECT total FROM orders ORDER BY random()",
            "SELECT array_shuffle(ARRAY[1,2,3])",
            "SELECT * FROM orders TABLESAMPLE bernoulli (10)",
            // The same behind a dot.
            "SELECT (d).age FROM orders d",
            "SELECT d.age FROM orders d",
            "SELECT d.now FROM generate_series(1, 2) AS d(now)",
            // Words that are read as a time, with a cast and without one, whole and in part.
            "SELECT 'now'::timestamp",
            "SELECT date 'TODAY'",
            "SELECT count(*) FROM orders WHERE order_date = 'today'",
            "SELECT count(*) FROM orders WHERE order_date > 'yesterday 10:00'",
            "SELECT '{2026-01-01,tomorrow}'::date[]",
            "SELECT '[today,)'::daterange",
            "SELECT E'n\\x6fw'::timestamptz",
            "SELECT date_trunc('day', 'now')",
            "VALUES ('now'::time)",
            "SELECT '10:00 Europe/Oslo'::timetz",
            "SELECT '10:00'::time with time zone",
            // Texts of rows, which may hold such a word.
            "SELECT store_name::date FROM stores",
            "SELECT CAST(store_name AS timestamptz) FROM stores",
            "SELECT lower(store_name)::date FROM stores",
            "SELECT ('to' || 'day')::date",
            "SELECT date(store_name) FROM stores",
            "SELECT x.d FROM jsonb_to_recordset('[{}]') AS x(d date)",
            "SELECT d FROM JSON_TABLE('[]', '$[*]' COLUMNS (d date PATH '$'))",
            "SELECT JSON_VALUE(store_name, '$' RETURNING date) FROM stores",
            "SELECT jsonb_populate_record(o, '{}') FROM orders o",
            // A name the statement gives is no column's.
            "SELECT order_date::date FROM (SELECT store_name AS order_date FROM stores) s",
            "SELECT order_date::date FROM stores s(order_date)",
            "SELECT order_date::date FROM unnest(ARRAY['x']) AS order_date",
            "SELECT value::date FROM jsonb_each_text('{}')",
            "WITH t(order_date) AS (SELECT store_name FROM stores) SELECT order_date::timestamp FROM t",
            // What the operator allows at their own risk nobody has looked at.
            "SELECT retail.digest(1)",
        ],
    );
}

#[test]
fn parameters_may_tell_the_time() {
    for (text, tells) in [
        ("now", true),
        ("Today", true),
        ("tomorrow+1", true),
        ("[yesterday,", true),
        ("10:00now", true),
        ("knowhow", false),
        ("nowhere today's", true),
        ("2026-01-31 10:00", false),
        ("epoch", false),
        ("", false),
    ] {
        assert_eq!(tells_the_time(text), tells, "{text}");
    }
}

#[test]
fn views_are_held_to_the_same() {
    for (sql, settled) in [
        (" SELECT o.order_id, o.total FROM shop.orders o WHERE (o.total > (10)::numeric);", true),
        (" SELECT key, embedding FROM rowhouse_vectors.s1_m1 e;", true),
        (" SELECT (e.key)::uuid AS id, (e.embedding)::ext.halfvec AS embedding FROM rowhouse_vectors.s1_m2 e;", true),
        (" SELECT count(*) AS count FROM shop.orders WHERE (orders.at > (now() - '7 days'::interval));", false),
        (" SELECT current_setting('rowhouse.ctx'::text) AS ctx;", false),
        (" SELECT CURRENT_USER AS me;", false),
        (" SELECT shop.own(1) AS own;", false),
        (" SELECT (a OPERATOR(shop.===) b) FROM shop.t;", false),
        // Columns of other tables are not known by their names.
        (" SELECT (order_date)::date AS order_date FROM elsewhere.t;", false),
        (" SELECT nextval('shop.counter'::regclass) AS n;", false),
        ("no SQL at all", false),
    ] {
        assert_eq!(gate().settles_view(sql), settled, "{sql}");
    }
}
