//! What analysts do with a database, one table for each family. None may be refused.

use super::accepts;

#[test]
fn windows() {
    accepts(&[
        "SELECT name, price, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w FROM products \
         WINDOW w AS (PARTITION BY category_id ORDER BY price DESC)",
        "SELECT placed_at, total - lag(total, 1, 0) OVER (ORDER BY placed_at) AS change FROM orders",
        "SELECT *, nth_value(total, 2) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM orders",
        "SELECT last_value(total) OVER (PARTITION BY store_id ORDER BY placed_at GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING \
         EXCLUDE TIES) FROM orders",
        "SELECT sum(total) OVER (ORDER BY placed_at RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW) FROM orders",
        "SELECT sum(total) FILTER (WHERE status = 'paid') OVER (PARTITION BY store_id) FROM orders",
        "SELECT 100.0 * sum(total) / sum(sum(total)) OVER () AS share FROM orders GROUP BY store_id",
        "SELECT avg(total) OVER v FROM orders WINDOW u AS (PARTITION BY store_id), v AS (u ORDER BY placed_at)",
        "SELECT * FROM (SELECT o.*, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at DESC) AS n FROM orders o) \
         t WHERE n <= 3",
        "SELECT ntile(10) OVER (ORDER BY sum(total) DESC), customer_id FROM orders GROUP BY customer_id",
    ]);
}

#[test]
fn common_tables() {
    accepts(&[
        "WITH m AS (SELECT date_trunc('month', placed_at) AS month, sum(total) AS revenue FROM orders GROUP BY 1), \
         p AS (SELECT *, lag(revenue) OVER (ORDER BY month) AS before FROM m) \
         SELECT month, revenue, round(100 * (revenue / nullif(before, 0) - 1), 1) AS growth FROM p ORDER BY month",
        "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t",
        "WITH RECURSIVE f(a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM f WHERE b < 1000) TABLE f LIMIT 20",
        "WITH RECURSIVE tree AS (SELECT id, parent_id, ARRAY[id] AS path, 1 AS depth FROM categories WHERE parent_id IS NULL \
         UNION ALL SELECT c.id, c.parent_id, t.path || c.id, t.depth + 1 FROM categories c JOIN tree t ON t.id = c.parent_id \
         WHERE t.depth < 10 AND NOT c.id = ANY (t.path)) SELECT * FROM tree",
        "WITH RECURSIVE days AS (SELECT DATE '2026-01-01' AS d UNION ALL SELECT d + 1 FROM days WHERE d < '2026-12-31') \
         SELECT d, count(o.id) FROM days LEFT JOIN orders o ON o.placed_at::date = d GROUP BY d",
        "WITH x AS NOT MATERIALIZED (SELECT * FROM orders) SELECT * FROM x a JOIN x b USING (id)",
        "WITH cohort AS (SELECT customer_id, min(date_trunc('month', placed_at)) AS first FROM orders GROUP BY 1) \
         SELECT c.first, extract(month FROM age(o.placed_at, c.first)) AS month, count(DISTINCT o.customer_id) \
         FROM orders o JOIN cohort c USING (customer_id) GROUP BY 1, 2 ORDER BY 1, 2",
    ]);
}

#[test]
fn groups_and_aggregates() {
    accepts(&[
        "SELECT store_id, status, sum(total) FROM orders GROUP BY ROLLUP (store_id, status) ORDER BY 1 NULLS LAST",
        "SELECT store_id, status, count(*), grouping(store_id, status) FROM orders GROUP BY CUBE (store_id, status)",
        "SELECT store_id, sum(total) FROM orders GROUP BY DISTINCT GROUPING SETS (ROLLUP (store_id), CUBE (store_id), ())",
        "SELECT count(*) FILTER (WHERE total > 100) * 100.0 / count(*) FROM orders HAVING count(*) > 0",
        "SELECT percentile_cont(ARRAY[0.05, 0.5, 0.95]) WITHIN GROUP (ORDER BY total) FROM orders",
        "SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY total DESC) FILTER (WHERE status = 'paid') FROM orders",
        "SELECT rank(100) WITHIN GROUP (ORDER BY total), cume_dist(50) WITHIN GROUP (ORDER BY total) FROM orders",
        "SELECT percent_rank(10) WITHIN GROUP (ORDER BY total), dense_rank(10) WITHIN GROUP (ORDER BY total) FROM orders",
        "SELECT mode() WITHIN GROUP (ORDER BY status), any_value(status) FROM orders",
        "SELECT corr(total, id), covar_pop(total, id), regr_r2(total, id), regr_intercept(total, id) FROM orders",
        "SELECT stddev(total), stddev_pop(total), variance(total), var_samp(total) FROM orders GROUP BY store_id",
        "SELECT bool_and(total > 0), every(total > 0), bit_or(id), bit_xor(id) FROM orders",
        "SELECT string_agg(name, ', ' ORDER BY name), array_agg(DISTINCT name ORDER BY name) FROM products",
        "SELECT width_bucket(total, 0, 1000, 20) AS bucket, count(*), repeat('#', least(count(*) / 10, 50)::int) FROM orders \
         GROUP BY 1 ORDER BY 1",
        "SELECT width_bucket(total, ARRAY[0, 10, 100, 1000]) AS band, count(*) FROM orders GROUP BY band",
        "SELECT count(DISTINCT (customer_id, status)), sum(DISTINCT total), max(total) - min(total) FROM orders",
        "SELECT range_agg(daterange(placed_at::date, placed_at::date, '[]')) FROM orders",
    ]);
}

#[test]
fn joins_and_sets() {
    accepts(&[
        "SELECT c.name, last.* FROM customers c LEFT JOIN LATERAL (SELECT id, total FROM orders o WHERE o.customer_id = c.id \
         ORDER BY placed_at DESC LIMIT 3) last ON true",
        "SELECT s.name, d.day, coalesce(sum(o.total), 0) FROM stores s CROSS JOIN generate_series(current_date - 30, \
         current_date, interval '1 day') AS d(day) LEFT JOIN orders o ON o.store_id = s.id AND o.placed_at::date = d.day \
         GROUP BY s.name, d.day",
        "SELECT * FROM orders a JOIN orders b ON a.customer_id = b.customer_id AND a.id < b.id",
        "SELECT o.id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_items i WHERE i.order_id = o.id)",
        "SELECT customer_id FROM orders WHERE status = 'paid' EXCEPT ALL SELECT customer_id FROM orders WHERE total < 5",
        "SELECT name FROM products WHERE price > (SELECT avg(p.price) FROM products p WHERE p.category_id = products.category_id)",
        "SELECT * FROM customers FULL OUTER JOIN stores ON stores.id = customers.store_id WHERE customers.id IS NULL",
        "SELECT x.* FROM (VALUES (1, 'low'), (2, 'high')) AS x(n, label) NATURAL LEFT JOIN (SELECT 1 AS n) y",
        "SELECT i, j FROM generate_series(1, 9) i, LATERAL generate_series(i, 9) j WHERE (i * j) % 7 = 0",
        "SELECT g, n FROM ROWS FROM (generate_series(1, 3), json_array_elements_text('[1,2]')) WITH ORDINALITY AS t(g, e, n)",
    ]);
}

#[test]
fn dates_and_numbers_as_text() {
    accepts(&[
        "SELECT to_char(total, 'FM999G999G990D00'), to_char(placed_at, 'Day, DD Month YYYY HH24:MI:SS TZ') FROM orders",
        "SELECT to_char(placed_at, 'IYYY-\"W\"IW'), to_char(interval '90 minutes', 'HH24:MI'), to_char(0.075, '0.0%') FROM orders",
        "SELECT placed_at + interval '1 year' * 2 - '3 days 04:05:06'::interval, placed_at::date - 7 FROM orders",
        "SELECT date_trunc('quarter', placed_at, 'UTC'), date_part('epoch', now() - placed_at) / 86400 FROM orders",
        "SELECT extract(isodow FROM d), extract(doy FROM d), extract(century FROM d) FROM generate_series(now(), now(), '1 day') d",
        "SELECT age(current_date, placed_at), justify_interval(interval '40 days 30 hours'), isfinite(placed_at) FROM orders",
        "SELECT make_timestamptz(2026, 1, 2, 3, 4, 5.5, 'UTC'), make_interval(weeks => 2, hours => 5), timezone('UTC', now())",
        "SELECT (date_trunc('month', now()) + interval '1 month - 1 day')::date AS month_end, to_timestamp(1767225600)",
        "SELECT date_bin('5 minutes', placed_at, TIMESTAMPTZ '2026-01-01'), count(*) FROM orders GROUP BY 1",
        "SELECT daterange('2026-01-01', '2026-02-01') * daterange('2026-01-15', '2026-03-01'), tstzrange(now(), NULL) @> now()",
        "SELECT round(total, 2), trunc(total, -2), ceil(total), floor(total), abs(total), sign(total), mod(id, 7) FROM orders",
        "SELECT ln(total), log(10, total), exp(1), power(total, 0.5), sqrt(total), cbrt(27), gcd(12, 18), lcm(4, 6) FROM orders",
        "SELECT greatest(0, total - 10), least(total, 100), coalesce(nullif(total, 0), 1), total::numeric(12, 4) FROM orders",
    ]);
}

#[test]
fn text_and_search() {
    accepts(&[
        "SELECT regexp_matches(name, '(\\d+)\\s*(cm|mm)', 'gi'), regexp_count(name, 'a'), regexp_substr(name, '\\w+') FROM products",
        "SELECT regexp_split_to_array(name, '\\s+'), regexp_like(name, '^[A-Z]'), regexp_instr(name, 'x') FROM products",
        "SELECT name FROM products WHERE name !~* 'old|used' AND name ~ '^\\w{3,}' AND name NOT SIMILAR TO '%(a|b)%'",
        "SELECT substring(name FROM '[0-9]+'), left(name, 3), right(name, 3), reverse(name), translate(name, 'ab', 'xy') FROM products",
        "SELECT string_to_table('a,b,c', ','), array_to_string(ARRAY['a', NULL], ',', '?'), strpos(name, 'a') FROM products",
        "SELECT ts_headline('english', name, q), ts_rank_cd(to_tsvector('english', name), q, 32) FROM products, \
         phraseto_tsquery('english', 'power drill') AS q WHERE to_tsvector('english', name) @@ q",
        "SELECT name FROM products WHERE to_tsvector('simple', name) @@ to_tsquery('simple', 'drill:* & !hammer | (a <-> b)')",
        "SELECT setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', sku), 'B') FROM products",
        "SELECT name FROM products WHERE name % 'hamer' ORDER BY similarity(name, 'hamer') DESC LIMIT 5",
        "SELECT name, word_similarity('drill', name) FROM products WHERE 'drill' <% name ORDER BY name <->> 'drill'",
        "SELECT unaccent(name), md5(name), encode(sha256(name::bytea), 'hex'), normalize(name, NFC) FROM products",
        "SELECT name COLLATE \"C\", upper(name), starts_with(name, 'A'), name ^@ 'A', quote_literal(name) FROM products",
    ]);
}

#[test]
fn json_and_arrays() {
    accepts(&[
        "SELECT attributes -> 'a' -> 0 ->> 'b', attributes #>> '{a,0,b}', attributes ['a'] FROM products",
        "SELECT jsonb_path_query_array(attributes, '$.items[*].price ? (@ > $min)', '{\"min\": 5}') FROM products",
        "SELECT id FROM products WHERE attributes @? '$.tags[*] ? (@ == \"new\")' AND attributes @@ '$.stock > 0'",
        "SELECT jsonb_path_exists(attributes, 'strict $.a.size() ? (@ > 1)'), jsonb_path_query_first(attributes, '$.a') FROM products",
        "SELECT json_agg(o ORDER BY o.id), jsonb_agg(DISTINCT status), jsonb_object_agg(id, total) FROM orders o",
        "SELECT json_build_object('store', s.name, 'top', (SELECT json_agg(t) FROM (SELECT id, total FROM orders o WHERE \
         o.store_id = s.id ORDER BY total DESC LIMIT 3) t)) FROM stores s",
        "SELECT k, v FROM products, jsonb_each(attributes) AS e(k, v) WHERE jsonb_typeof(v) = 'number'",
        "SELECT x.* FROM products p, jsonb_to_record(p.attributes) AS x(colour text, size int, tags text[])",
        "SELECT elem ->> 'id' FROM products, jsonb_array_elements(attributes -> 'parts') AS elem",
        "SELECT attributes || '{\"a\": 1}', attributes - 'a', attributes #- '{a,b}', jsonb_strip_nulls(attributes) FROM products",
        "SELECT jsonb_set(attributes, '{a}', '1'), jsonb_insert(attributes, '{a,0}', '1'), jsonb_pretty(attributes) FROM products",
        "SELECT JSON_OBJECTAGG(k: v WITH UNIQUE KEYS) FROM (VALUES ('a', 1)) AS t(k, v)",
        "SELECT jt.* FROM products, JSON_TABLE(attributes, '$.parts[*]' COLUMNS (id int PATH '$.id', name text PATH '$.n')) jt",
        "SELECT tags && ARRAY['new'], tags @> '{sale}', array_length(tags, 1), cardinality(tags), tags[1:2] FROM products",
        "SELECT unnest(tags) AS tag, count(*) FROM products GROUP BY tag ORDER BY 2 DESC",
        "SELECT array_position(tags, 'a'), array_remove(tags, 'b'), array_append(tags, 'c'), trim_array(tags, 1) FROM products",
        "SELECT ARRAY(SELECT DISTINCT unnest(array_cat(tags, '{x}')) ORDER BY 1), generate_subscripts(tags, 1) FROM products",
        "SELECT row_to_json(t) FROM (SELECT id, total FROM orders) t, LATERAL (SELECT to_jsonb(t)) j(doc)",
    ]);
}

#[test]
fn vectors_and_samples() {
    accepts(&[
        "SELECT id, 1 - (embedding <=> $1) AS likeness FROM embeddings ORDER BY embedding <=> $1 LIMIT 10",
        "SELECT id FROM embeddings ORDER BY embedding <-> '[1,2,3]' LIMIT 5",
        "SELECT id, (embedding <#> $1) * -1 AS product, embedding <+> $1 AS taxicab FROM embeddings WHERE embedding <-> $1 < 5",
        "SELECT l2_distance(embedding, $1), inner_product(embedding, $1), l1_distance(embedding, $1) FROM embeddings",
        "SELECT vector_dims(embedding), vector_norm(embedding), avg(embedding), subvector(embedding, 1, 3) FROM embeddings \
         GROUP BY embedding",
        "SELECT binary_quantize(embedding)::bit(384) <~> binary_quantize($1::vector), l2_normalize(embedding) FROM embeddings",
        "SELECT embedding::halfvec(384) <=> $1::halfvec(384) FROM embeddings",
        "SELECT avg(total) FROM orders TABLESAMPLE BERNOULLI (5) REPEATABLE (42) WHERE status = 'paid'",
        "SELECT status, count(*) * 100 FROM retail.orders AS o TABLESAMPLE SYSTEM (1) GROUP BY status",
        "SELECT n, random() FROM generate_series(1, 1000) AS n",
        "SELECT d::date FROM generate_series(timestamp '2026-01-01', timestamp '2026-12-31', interval '1 week') AS d",
        "SELECT x, y FROM generate_series(0, 1, 0.1) AS x, generate_series(10, 0, -2) AS y",
    ]);
}
