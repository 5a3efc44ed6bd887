//! Every place of the grammar an expression can stand in, each with the same hostile expressions. That a slot lets a
//! harmless expression pass shows that the hostile one is refused for what it is, not for where it stands.

mod grammar;
mod spy;

use super::gate;
use grammar::{HOLES, sentences};

/// `?` is the slot.
const SLOTS: &[&str] = &[
    "SELECT ?",
    "SELECT DISTINCT ON (?) 1 FROM orders",
    "SELECT 1 FROM orders WHERE ? IS NULL",
    "SELECT 1 FROM orders WHERE total = ? AND NOT (id = ?)",
    "SELECT 1 FROM orders GROUP BY ?",
    "SELECT 1 FROM orders GROUP BY GROUPING SETS ((?), ())",
    "SELECT 1 FROM orders GROUP BY ROLLUP (?), CUBE (?)",
    "SELECT grouping(?) FROM orders GROUP BY 1",
    "SELECT count(*) FROM orders HAVING ? IS NULL",
    "SELECT 1 FROM orders ORDER BY ? DESC",
    "SELECT 1 FROM orders ORDER BY ? USING <",
    "SELECT 1 FROM orders LIMIT ?",
    "SELECT 1 FROM orders OFFSET ?",
    "SELECT 1 FROM orders FETCH FIRST (?) ROWS ONLY",
    "SELECT 1 FROM orders ORDER BY 1 FETCH FIRST (?) ROWS WITH TIES",
    "SELECT 1 FROM orders JOIN stores ON ? IS NULL",
    "SELECT 1 FROM orders, LATERAL (SELECT ?) x",
    "SELECT 1 FROM (VALUES (1, ?)) AS v",
    "VALUES (?)",
    "SELECT 1 FROM generate_series(1, ?) AS g",
    "SELECT 1 FROM ROWS FROM (unnest(ARRAY[?]), generate_series(1, 2)) AS r",
    "SELECT 1 FROM coalesce(?, 1) AS c",
    "SELECT 1 FROM orders TABLESAMPLE BERNOULLI (?)",
    "SELECT 1 FROM orders TABLESAMPLE SYSTEM (1) REPEATABLE (?)",
    "SELECT sum(?) FROM orders",
    "SELECT count(DISTINCT ?) FROM orders",
    "SELECT array_agg(id ORDER BY ?) FROM orders",
    "SELECT count(*) FILTER (WHERE ? IS NULL) FROM orders",
    "SELECT percentile_cont(?) WITHIN GROUP (ORDER BY total) FROM orders",
    "SELECT mode() WITHIN GROUP (ORDER BY ?) FROM orders",
    "SELECT rank() OVER (PARTITION BY ?) FROM orders",
    "SELECT rank() OVER (ORDER BY ?) FROM orders",
    "SELECT sum(1) OVER (ORDER BY id ROWS ? PRECEDING) FROM orders",
    "SELECT sum(1) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND ? FOLLOWING) FROM orders",
    "SELECT sum(1) OVER w FROM orders WINDOW w AS (PARTITION BY id ORDER BY ?)",
    "SELECT lag(1, ?) OVER () FROM orders",
    "SELECT concat(VARIADIC ARRAY[?])",
    "SELECT make_interval(days => ?)",
    "SELECT CASE ? WHEN 1 THEN 1 END",
    "SELECT CASE WHEN ? IS NULL THEN 1 END",
    "SELECT CASE WHEN true THEN ? ELSE ? END",
    "SELECT CASE WHEN false THEN 1 ELSE ? END",
    "SELECT coalesce(?, 1)",
    "SELECT nullif(?, 1), greatest(?, 1), least(1, ?)",
    "SELECT ROW(?, 1), (?, 2)",
    "SELECT ARRAY[?]",
    "SELECT ARRAY[[1], [?]]",
    "SELECT ARRAY(SELECT ?)",
    "SELECT (ARRAY[1, 2])[?]",
    "SELECT (ARRAY[1, 2])[?:?]",
    "SELECT (?)::text",
    "SELECT CAST(? AS text)",
    "SELECT 'a'::varchar(10) || ?",
    "SELECT ? COLLATE \"C\"",
    "SELECT ? AT TIME ZONE 'UTC'",
    "SELECT now() AT TIME ZONE ?",
    "SELECT 1 + ?, - ?, ? || 'a'",
    "SELECT 1 BETWEEN ? AND 2, 1 NOT BETWEEN SYMMETRIC 0 AND ?",
    "SELECT 1 IN (1, ?), ? NOT IN (2, 3)",
    "SELECT 1 = ANY (ARRAY[?]), ? = ALL (SELECT 1)",
    "SELECT (SELECT ?), EXISTS (SELECT ?)",
    "SELECT ? IN (SELECT 1)",
    "SELECT (1, ?) = (1, 2)",
    "SELECT 'a' LIKE ?, 'a' ILIKE 'b' ESCAPE ?",
    "SELECT 'a' SIMILAR TO ? ESCAPE '!'",
    "SELECT ? IS DISTINCT FROM 1, (? = 1) IS TRUE",
    "SELECT extract(year FROM ?), position('a' IN ?), substring(? FROM 1), trim(? FROM 'a')",
    "SELECT overlay('a' PLACING ? FROM 1)",
    "SELECT (now(), ?) OVERLAPS (now(), now())",
    "SELECT normalize(?, NFC)",
    "WITH t AS (SELECT ?) TABLE t",
    "WITH t AS NOT MATERIALIZED (VALUES (?)) TABLE t",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + ? FROM t) TABLE t",
    "SELECT 1 UNION ALL SELECT ?",
    "SELECT 1 EXCEPT (SELECT 2 INTERSECT SELECT ?)",
    "SELECT JSON_OBJECT('a': ?)",
    "SELECT JSON_OBJECT(?: 1)",
    "SELECT JSON_ARRAY(?)",
    "SELECT JSON_ARRAY(SELECT ?)",
    "SELECT JSON_ARRAYAGG(? ORDER BY id) FROM orders",
    "SELECT JSON_OBJECTAGG(id: ?) FROM orders",
    "SELECT JSON_VALUE(?, '$')",
    "SELECT JSON_VALUE('1', '$' PASSING ? AS x)",
    "SELECT JSON_VALUE('1', '$' DEFAULT ? ON EMPTY DEFAULT ? ON ERROR)",
    "SELECT JSON_QUERY('1', ?), JSON_EXISTS(?, '$')",
    "SELECT JSON(?), JSON_SCALAR(?), JSON_SERIALIZE(?)",
    "SELECT ? IS JSON",
    "SELECT JSON_QUERY('1', '$' PASSING ? AS x), JSON_EXISTS('1', '$' PASSING ? AS x)",
    "SELECT JSON_QUERY('1', '$' DEFAULT ? ON EMPTY DEFAULT ? ON ERROR)",
    "SELECT JSON_ARRAYAGG(id) FILTER (WHERE ?), JSON_ARRAYAGG(id) OVER (ORDER BY ?) FROM orders",
    "SELECT sum(1) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS ? PRECEDING)",
    "SELECT 'a' LIKE ANY (ARRAY[?])",
    "SELECT (?).f1, (ARRAY[?])[1]",
    "SELECT 1::numeric(?)",
    "SELECT 1 FROM JSON_TABLE(?, '$' COLUMNS (a int PATH '$')) AS j",
    "SELECT 1 FROM JSON_TABLE('1', '$' PASSING ? AS x COLUMNS (a int PATH '$')) AS j",
    "SELECT 1 FROM JSON_TABLE('1', '$' COLUMNS (a int PATH '$' DEFAULT ? ON EMPTY)) AS j",
    "SELECT 1 FROM JSON_TABLE('1', '$' COLUMNS (NESTED '$' COLUMNS (a int PATH '$' DEFAULT ? ON ERROR))) AS j",
];

/// Each in brackets, so that it fits every slot.
const HOSTILE: &[&str] = &[
    "(set_config('a', 'b', true))",
    "(pg_catalog.set_config('a', 'b', true))",
    "(U&\"set\\005fconfig\"('a', 'b', true))",
    "(SELECT pg_sleep(1))",
    "((SELECT x FROM set_config('a', 'b', true) AS x))",
    "(('work_mem'::text).current_setting)",
    "(SELECT s.current_setting FROM unnest(ARRAY['a']) AS s)",
    "(CURRENT_USER)",
    "(xmlelement(name a))",
    "('pg_class'::regclass)",
    "(SELECT count(*) FROM pg_class)",
    "(ctid)",
    "(1 OPERATOR(retail.+) 1)",
    "(WITH x AS (DELETE FROM orders RETURNING 1) TABLE x)",
    "(repeat('a', 1000000000))",
    "('a'::char(10000000))",
];

#[test]
fn nothing_hides_in_any_slot() {
    let gate = gate();
    for slot in SLOTS {
        let harmless = slot.replace('?', "(abs(1))");
        if let Err(refusal) = gate.check(&harmless) {
            panic!("the slot itself is refused: {harmless}: {refusal:?}");
        }
        for hostile in HOSTILE {
            let sql = slot.replace('?', hostile);
            let refusal = gate.check(&sql).expect_err(&sql);
            assert!(!refusal.syntax, "{sql}: {refusal}");
        }
    }
}

/// A slot within a slot within a slot: depth changes nothing.
#[test]
fn nothing_hides_deeper() {
    let gate = gate();
    let within: Vec<&str> = SLOTS.iter().copied().filter(|slot| !slot.starts_with("SELECT DISTINCT")).collect();
    for (index, slot) in within.iter().enumerate() {
        let inner = within[(index * 7 + 3) % within.len()];
        for (expression, passes) in [("(abs(1))", true), ("(set_config('a', 'b', true))", false)] {
            let inner = format!("({})", inner.replace('?', expression));
            let sql = slot.replace('?', &inner);
            assert_eq!(gate.check(&sql).is_ok(), passes, "{sql}: {:?}", gate.check(&sql));
        }
    }
}

/// Two levels of the grammar, each sentence with some of the hostile expressions, all of them in turn.
#[test]
fn nothing_hides_in_any_sentence() {
    let gate = gate();
    let sentences = sentences(2);
    assert!(sentences.len() > 5_000, "{}", sentences.len());
    for (index, sentence) in sentences.iter().enumerate() {
        let fill =
            |expression: &str, constant: &str| sentence.replace(HOLES[0], expression).replace(HOLES[1], constant);
        let harmless = fill("(abs(1))", "text 'a'");
        if let Err(refusal) = gate.check(&harmless) {
            panic!("the sentence itself is refused: {harmless}: {refusal:?}");
        }
        for step in [0, 5] {
            let sql = fill(HOSTILE[(index + step) % HOSTILE.len()], "regclass 'pg_class'");
            let refusal = gate.check(&sql).expect_err(&sql);
            assert!(!refusal.syntax, "{sql}: {refusal}");
        }
    }
}
