//! Analytic statements of the kind people and models write. None may be refused.

use super::accepts;

#[test]
fn plain_questions() {
    accepts(&[
        "SELECT 1",
        "select 1;",
        "SELECT * FROM orders",
        "TABLE orders",
        "TABLE retail.orders ORDER BY 1 LIMIT 5",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT o.* FROM retail.orders o WHERE o.total > 10 AND NOT o.cancelled",
        "SELECT DISTINCT ON (customer_id) customer_id, placed_at FROM orders ORDER BY customer_id, placed_at DESC",
        "SELECT count(*), sum(total), avg(total)::numeric(10,2) FROM orders",
        "SELECT category_id, count(*) n FROM products GROUP BY 1 HAVING count(*) > 3 ORDER BY n DESC NULLS LAST",
        "SELECT * FROM products WHERE name ILIKE '%lamp%' OR sku SIMILAR TO 'A[0-9]+' ESCAPE '\\'",
        "SELECT * FROM orders ORDER BY total FETCH FIRST 3 ROWS WITH TIES",
        "SELECT * FROM ONLY orders OFFSET 10 ROWS FETCH NEXT 5 ROWS ONLY",
        "SELECT name FROM products WHERE price BETWEEN SYMMETRIC 20 AND 10",
        "SELECT coalesce(note, 'none'), nullif(total, 0), greatest(1, 2), least(3, 4) FROM orders",
        "SELECT CASE WHEN total > 100 THEN 'big' WHEN total > 10 THEN 'mid' ELSE 'small' END FROM orders",
        "SELECT * FROM orders WHERE (customer_id, store_id) IN (SELECT id, store_id FROM customers)",
        "SELECT * FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)",
        "SELECT * FROM orders WHERE total > ALL (SELECT price FROM products)",
        "SELECT * FROM orders WHERE id = $1 AND placed_at >= $2::timestamptz AND status = ANY ($3::text[])",
        "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2 EXCEPT SELECT 3 ORDER BY 1",
        "(SELECT 1 LIMIT 1) UNION (SELECT 2 LIMIT 1)",
        "SELECT x IS DISTINCT FROM y, x IS NOT NULL, (x > y) IS UNKNOWN FROM (VALUES (1, 2)) AS t (x, y)",
        "SELECT o::text, row_to_json(o) FROM orders o",
        "SELECT p.name COLLATE \"C\" FROM products p ORDER BY p.name COLLATE \"C\"",
    ]);
}

#[test]
fn joins_and_scopes() {
    accepts(&[
        "SELECT s.name, sum(o.total) FROM stores s JOIN orders o ON o.store_id = s.id GROUP BY s.name",
        "SELECT j.store_id FROM orders JOIN customers USING (customer_id, store_id) AS j",
        "SELECT * FROM orders NATURAL FULL JOIN customers CROSS JOIN stores",
        "SELECT * FROM customers c, LATERAL (SELECT max(total) m FROM orders o WHERE o.customer_id = c.id) last",
        "WITH t AS (SELECT 1 AS n) SELECT n FROM t",
        "WITH a AS (SELECT 1 x), b AS MATERIALIZED (SELECT x FROM a) SELECT * FROM b, a",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r",
        "WITH RECURSIVE t(id, up) AS (SELECT id, parent_id FROM categories UNION ALL SELECT c.id, c.parent_id \
         FROM categories c JOIN t ON c.parent_id = t.id) SEARCH DEPTH FIRST BY id SET ord \
         CYCLE id SET looped USING path SELECT * FROM t ORDER BY ord",
        "WITH orders AS (SELECT * FROM retail.orders WHERE total > 5) SELECT * FROM orders",
        "SELECT (WITH t AS (SELECT 2 x) SELECT x FROM t)",
    ]);
}

#[test]
fn windows_and_groups() {
    accepts(&[
        "SELECT id, rank() OVER (PARTITION BY store_id ORDER BY total DESC) FROM orders",
        "SELECT sum(total) OVER w, lag(total, 1) OVER w FROM orders WINDOW w AS (PARTITION BY store_id ORDER BY id)",
        "SELECT avg(total) OVER (ORDER BY placed_at ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM orders",
        "SELECT sum(total) OVER (ORDER BY placed_at RANGE BETWEEN '7 days'::interval PRECEDING AND CURRENT ROW \
         EXCLUDE CURRENT ROW) FROM orders",
        "SELECT store_id, status, sum(total), grouping(store_id) FROM orders GROUP BY GROUPING SETS ((store_id, status), ())",
        "SELECT store_id, status, sum(total) FROM orders GROUP BY CUBE (store_id), ROLLUP (status)",
        "SELECT count(*) FILTER (WHERE status = 'paid'), string_agg(DISTINCT status, ', ' ORDER BY status) FROM orders",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY status) FROM orders",
        "SELECT percentile_disc(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY total) FROM orders",
        "SELECT corr(price, cost), stddev_samp(price), regr_slope(price, cost) FROM products",
        "SELECT ntile(4) OVER (ORDER BY total), first_value(id) OVER (ORDER BY total) FROM orders",
    ]);
}

#[test]
fn dates_and_text() {
    accepts(&[
        "SELECT date_trunc('month', placed_at), to_char(placed_at, 'YYYY-MM') FROM orders GROUP BY 1, 2",
        "SELECT extract(year FROM placed_at), date_part('dow', placed_at) FROM orders",
        "SELECT CURRENT_DATE - 7, now() - interval '1 month', age(now(), placed_at) FROM orders",
        "SELECT placed_at AT TIME ZONE 'America/Los_Angeles', localtimestamp(3), CURRENT_TIME FROM orders",
        "SELECT (DATE '2026-01-01', DATE '2026-02-01') OVERLAPS (DATE '2026-01-15', INTERVAL '3 days')",
        "SELECT d::date, count(o.id) FROM generate_series('2026-01-01'::date, '2026-12-31', '1 day') AS d \
         LEFT JOIN orders o ON o.placed_at::date = d GROUP BY 1",
        "SELECT make_date(2026, 1, 31), to_date('2026', 'YYYY'), date_bin('15 minutes', now(), now())",
        "SELECT trim(BOTH 'x' FROM name), substring(name FROM 2 FOR 3), position('a' IN name), overlay(name PLACING 'b' FROM 1) FROM products",
        "SELECT regexp_replace(name, '[^a-z]+', '', 'gi'), name ~* '^a', split_part(name, ' ', 1) FROM products",
        "SELECT lpad(sku, 12, '0'), repeat('=', 40), format('%s: %10s|%-5s|%1$s %I', 'a', 'b', 'c') FROM products",
        "SELECT repeat('#', least((total / 10)::int, 50)) FROM orders",
        "SELECT upper(name) || ' ' || lower(sku), concat_ws(', ', name, sku), initcap(name) FROM products",
        "SELECT E'it\\'s', $$dollar$$, U&'d\\0061t\\+000061', B'101', X'1F', 1e3, 0x1F, 1_000",
        "SELECT name FROM products WHERE similarity(name, 'lmap') > 0.3 ORDER BY name <-> 'lmap'",
        "SELECT ts_rank(to_tsvector('english', name), q) FROM products, websearch_to_tsquery('english', 'red lamp') q \
         WHERE to_tsvector('english', name) @@ q",
    ]);
}

#[test]
fn arrays_json_and_vectors() {
    accepts(&[
        "SELECT (ARRAY[1, 2, 3])[2], (ARRAY[1, 2, 3])[1:2], array_agg(id ORDER BY id) FROM orders",
        "SELECT ARRAY(SELECT id FROM orders), 3 = ANY ('{1,2,3}'::int[])",
        "SELECT tag, n FROM products, unnest(tags) WITH ORDINALITY AS t (tag, n)",
        "SELECT t.tag FROM products p CROSS JOIN LATERAL unnest(p.tags) AS t (tag) WHERE p.id = 1",
        "SELECT g.g FROM generate_series(1, 3) AS g",
        "SELECT tag.tag, bpchar(tag.tag) FROM products, unnest(tags) AS tag",
        "SELECT upper(w.word) FROM regexp_split_to_table('a b', ' ') AS w (word)",
        "SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) AS r (n, t)",
        "SELECT attributes ->> 'colour', attributes #> '{a,b}', attributes @> '{\"a\": 1}' FROM products",
        "SELECT e.key, e.value FROM products p, jsonb_each_text(p.attributes) AS e WHERE p.attributes ? 'x'",
        "SELECT (jsonb_each(attributes)).key, (jsonb_each(attributes)).* FROM products",
        "SELECT x.a FROM jsonb_to_recordset('[{\"a\": 1}]') AS x (a int, b text)",
        "SELECT r.a FROM ROWS FROM (jsonb_to_recordset('[{\"a\": 1}]') AS (a int)) AS r",
        "SELECT jsonb_path_query(attributes, '$.a[*] ? (@ > 1)'), jsonb_build_object('id', id) FROM products",
        "SELECT JSON_OBJECT('id': id ABSENT ON NULL), JSON_ARRAY(1, 2), JSON_ARRAYAGG(id) FROM orders GROUP BY id",
        "SELECT j.* FROM products, JSON_TABLE(attributes, '$[*]' AS root COLUMNS (n FOR ORDINALITY, a int PATH '$.a' \
         DEFAULT 0 ON EMPTY, NESTED PATH '$.b[*]' COLUMNS (b text PATH '$'))) AS j",
        "SELECT JSON_VALUE(attributes, '$.a' PASSING 1 AS x RETURNING int), JSON_EXISTS(attributes, '$.b') FROM products",
        "SELECT attributes IS JSON OBJECT, JSON_QUERY(attributes, '$.a' WITH WRAPPER) FROM products",
        "SELECT id, embedding <=> $1::vector AS distance FROM embeddings ORDER BY embedding <=> $1::vector LIMIT 10",
        "SELECT id FROM embeddings ORDER BY embedding OPERATOR(ext.<=>) '[1,2,3]'::ext.vector(3) LIMIT 5",
        "SELECT cosine_distance(embedding, $1), 1 OPERATOR(pg_catalog.+) 1 FROM embeddings",
        "SELECT * FROM orders TABLESAMPLE BERNOULLI (10) REPEATABLE (7)",
        "SELECT * FROM orders TABLESAMPLE system (1.5)",
        "SELECT int4range(1, 10) @> 5, numrange(1, 2) && numrange(1.5, 3), ROW(1, 'a'), (ROW(1, 2)).f1",
        "SELECT * FROM orders ORDER BY total USING >",
        "SELECT random(), gen_random_uuid(), width_bucket(5, 0, 10, 4), sqrt(2)::float8, 7 % 3, 2 ^ 3, |/ 4",
        "SELECT make_interval(days => 3), unnest(string_to_array('a,b', ','))",
        "SELECT concat(VARIADIC ARRAY['a', 'b'])",
        "SELECT hamming_distance(B'101', B'111'), l2_norm('[1,2]'::halfvec), jaccard_distance(B'1', B'0')",
        // A function of that name takes a row, and is one to call anyway.
        "SELECT x.count FROM (SELECT count(*) FROM orders) AS x",
    ]);
}

/// Forbidden words where they are only text.
#[test]
fn words_that_mean_nothing() {
    accepts(&[
        "SELECT 'select set_config(''app.tenant'', ''x'', true)' AS note",
        "SELECT * FROM products WHERE name = 'DROP TABLE orders; COMMIT'",
        "SELECT $body$ pg_sleep(10); DELETE FROM orders $body$",
        "SELECT 1 /* pg_sleep(10) /* nested */ */ -- DROP TABLE orders",
        "SELECT 1 AS \"delete\", 2 AS \"update\", 3 AS \"pg_sleep\", 4 AS truncate",
        "SELECT total AS current_user_total, 'information_schema.tables' FROM orders",
        "SELECT \"grant\".total FROM orders AS \"grant\"",
        "WITH \"insert\" AS (SELECT 1) SELECT * FROM \"insert\"",
    ]);
}

/// A field of a row, where no function has its name or the function is one to call anyway.
#[test]
fn fields_of_values() {
    accepts(&[
        "SELECT (s).store_name FROM stores s",
        "SELECT (o).total, (o).* FROM orders o ORDER BY (o).total",
        "SELECT ((array_agg(o ORDER BY total DESC))[1]).total FROM orders o",
        "SELECT (SELECT s FROM stores s LIMIT 1).store_name",
        "SELECT (s).name, (s.name).length FROM stores s",
    ]);
}
