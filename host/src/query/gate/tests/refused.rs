//! Statements that must not pass, by what they try.

use super::{Reason, accepts, refuses};

#[test]
fn forged_context() {
    refuses(
        Reason::Function,
        &[
            "SELECT set_config('rowhouse.context', 'x', true)",
            "SELECT * FROM set_config('rowhouse.context', 'x', true)",
            "SELECT * FROM set_config('rowhouse.context', 'x', true) AS f (x), orders",
            "WITH f AS MATERIALIZED (SELECT set_config('a', 'b', true) x) SELECT * FROM f, orders",
            "SELECT pg_catalog.set_config('a', 'b', true)",
            "SELECT \"pg_catalog\".\"set_config\"('a', 'b', true)",
            "SELECT SET_CONFIG ('a', 'b', true)",
            "SELECT set_config/**/('a', 'b', true)",
            "SELECT set_config -- comment\n ('a', 'b', true)",
            "SELECT U&\"set\\005fconfig\"('a', 'b', true)",
            "SELECT U&\"set!005fconfig\" UESCAPE '!' ('a', 'b', true)",
            "SELECT set_config($$a$$, $q$b$q$, true)",
            "SELECT set_config(setting_name => 'a', new_value => 'b', is_local => true)",
            "SELECT set_config(VARIADIC ARRAY['a', 'b'])",
            "SELECT current_setting('rowhouse.context')",
            "SELECT rowhouse.enter('x')",
            "SELECT ext.set_config('a', 'b', true)",
            "SELECT postgres.pg_catalog.set_config('a', 'b', true)",
            "SELECT \"SET_CONFIG\"('a', 'b', true)",
            "SELECT pg_show_all_settings()",
            "SELECT setseed(0.5), random()",
        ],
    );
}

/// A function called without a call in the tree: `(value).f` and `alias.f`.
#[test]
fn calls_in_disguise() {
    refuses(
        Reason::Column,
        &[
            "SELECT ('work_mem'::text).current_setting",
            "SELECT (0.1::float8).pg_sleep",
            "SELECT (note).current_setting FROM orders",
            "SELECT (o.note).\"current_setting\" FROM orders o",
            "SELECT (SELECT 'work_mem'::text).current_setting",
            "SELECT (ARRAY['work_mem'])[1].current_setting",
            "SELECT (jsonb_each_text('{}')).value.current_setting",
            "SELECT (ROW('a')).f1.current_setting",
            "SELECT ($1::text).current_setting",
            "SELECT (s).current_setting FROM stores s",
            "SELECT (s).current_setting FROM (SELECT 'work_mem'::text AS s) s",
            "SELECT (s).unheard_of FROM stores s",
            "SELECT (s.store_name).current_setting FROM stores s",
            "SELECT ((s).store_name).repeat FROM stores s",
            "SELECT ('%1000000000s'::text).format",
            "SELECT s.current_setting FROM unnest(ARRAY['work_mem']) AS s",
            "SELECT s.hashfloat8 FROM unnest(ARRAY[0.1::float8]) AS s",
            "SELECT unnest.current_setting FROM unnest(ARRAY['work_mem'])",
            "SELECT s.current_setting FROM ROWS FROM (unnest(ARRAY['work_mem'])) AS s",
            "SELECT (SELECT s.current_setting) FROM unnest(ARRAY['work_mem']) AS s",
            "SELECT s.current_setting FROM orders, LATERAL unnest(ARRAY['work_mem']) AS s",
            "SELECT s.current_setting FROM coalesce('work_mem'::text) AS s",
            "SELECT s.current_setting FROM CAST('work_mem' AS text) AS s",
            // The name of the item is its column's only if the function leaves the column unnamed.
            "SELECT current_setting.current_setting FROM unnest(ARRAY['work_mem']) AS current_setting (c)",
            "SELECT current_setting.current_setting FROM jsonb_array_elements_text('[\"work_mem\"]') AS current_setting",
            // Two items of one name: the name given in one scope is no help in the other.
            "SELECT (SELECT s.current_setting FROM unnest(ARRAY['work_mem']) AS s), s.current_setting \
         FROM unnest(ARRAY['x']) AS s (current_setting)",
            "SELECT s.pg_sleep FROM unnest(ARRAY[0.1::float8]) AS s",
            "SELECT o.pg_column_size FROM orders o",
            // Functions of the operator's own that take a row.
            "SELECT o.steal FROM orders o",
            "SELECT retail.orders.steal FROM retail.orders",
            "SELECT 1 FROM orders AS o ORDER BY o.steal",
            "SELECT (o).steal FROM orders o",
            "SELECT ('a & b'::text).to_tsquery",
            "SELECT s.plainto_tsquery FROM unnest(ARRAY['a']) AS s",
        ],
    );
    refuses(
        Reason::Construct,
        &["SELECT text.current_setting FROM CAST('work_mem' AS text)", "SELECT * FROM current_date"],
    );
}

#[test]
fn functions_that_do_harm() {
    refuses(
        Reason::Function,
        &[
            "SELECT pg_sleep(10)",
            "SELECT pg_sleep_for('1 hour')",
            "SELECT 1 FROM orders WHERE pg_sleep(1) IS NULL",
            "SELECT query_to_xml('select * from retail.orders', true, true, '')",
            "SELECT table_to_xml('retail.orders', true, true, '')",
            "SELECT schema_to_xml('retail', true, true, ''), database_to_xml(true, true, '')",
            "SELECT cursor_to_xml('c', 1, true, true, '')",
            "SELECT * FROM ts_stat('select 1')",
            "SELECT ts_rewrite('a'::tsquery, 'select 1')",
            "SELECT * FROM dblink('host=x', 'select 1') AS t (a int)",
            "SELECT * FROM crosstab('select 1') AS t (a int)",
            "SELECT * FROM connectby('orders', 'a', 'b', 'c', 0)",
            "SELECT lo_import('/etc/passwd')",
            "SELECT lo_create(0), lo_unlink(1), loread(1, 2), lowrite(1, 'x')",
            "SELECT lo_export(1, '/tmp/x')",
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_xact_lock(1, 2)",
            "SELECT pg_advisory_lock(i) FROM generate_series(1, 3000000) AS i",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_cancel_backend(pid) FROM unnest(ARRAY[1, 2]) AS t (pid)",
            "SELECT pg_notify('a', 'b')",
            "SELECT pg_export_snapshot()",
            "SELECT pg_logical_emit_message(false, 'a', 'b')",
            "SELECT pg_current_xact_id(), txid_current()",
            "SELECT nextval('orders_id_seq')",
            "SELECT setval('orders_id_seq', 1), currval('orders_id_seq'), lastval()",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT * FROM pg_ls_dir('/')",
            "SELECT pg_stat_file('x')",
            "SELECT version()",
            "SELECT inet_server_addr(), pg_postmaster_start_time()",
            "SELECT pg_relation_size('retail.orders')",
            "SELECT pg_database_size('postgres')",
            "SELECT has_table_privilege('retail.orders', 'select')",
            "SELECT to_regclass('retail.orders')",
            "SELECT pg_get_viewdef('x')",
            "SELECT * FROM pg_lock_status()",
            "SELECT * FROM pg_stat_get_activity(NULL)",
            "SELECT pg_stat_reset()",
            "SELECT pg_backend_pid()",
            "SELECT current_query()",
            "SELECT current_schemas(true)",
            "SELECT pg_reload_conf()",
            "SELECT currtid2('orders', '(0,1)')",
            "SELECT xpath('/a', '<a/>')",
            "SELECT xmlexists('/a' PASSING '<a/>')",
            "SELECT xmlconcat2('<a/>', '<b/>')",
            "SELECT COLLATION FOR ('a')",
            "SELECT SYSTEM_USER",
            "SELECT retail.steal(1)",
            "SELECT information_schema._pg_truetypid(1)",
            "SELECT plpgsql_call_handler()",
            "SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM orders",
        ],
    );
}

#[test]
fn statements_that_are_no_select() {
    refuses(
        Reason::Statement,
        &[
            "",
            ";",
            "-- nothing",
            "SELECT 1; SELECT 2",
            "SELECT 1; COMMIT; DELETE FROM retail.orders",
            "COMMIT; SELECT 1",
            "INSERT INTO orders VALUES (1)",
            "UPDATE orders SET total = 0",
            "DELETE FROM orders",
            "MERGE INTO orders USING stores ON true WHEN MATCHED THEN DELETE",
            "TRUNCATE orders",
            "DO $$ BEGIN PERFORM pg_sleep(1); END $$",
            "COPY orders TO STDOUT",
            "COPY (SELECT 1) TO PROGRAM 'id'",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT * FROM orders",
            "SHOW ALL",
            "SET ROLE postgres",
            "SET LOCAL rowhouse.context = 'x'",
            "RESET ALL",
            "DISCARD ALL",
            "LISTEN a",
            "NOTIFY a, 'b'",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "DECLARE c CURSOR FOR SELECT 1",
            "FETCH ALL FROM c",
            "CALL p()",
            "LOCK TABLE orders",
            "CREATE TABLE t (a int)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
            "ALTER ROLE postgres SUPERUSER",
            "GRANT ALL ON orders TO PUBLIC",
            "DROP TABLE orders",
            "VACUUM",
            "ANALYZE orders",
            "CHECKPOINT",
            "LOAD 'x'",
            "BEGIN",
            "SAVEPOINT a",
            "SECURITY LABEL ON TABLE orders IS 'x'",
            "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
            "CREATE EXTENSION dblink",
        ],
    );
}

#[test]
fn constructs() {
    refuses(
        Reason::Construct,
        &[
            "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
            "WITH i AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM i",
            "WITH u AS (UPDATE orders SET total = 0 RETURNING *) SELECT * FROM u",
            "WITH m AS (MERGE INTO orders USING stores ON true WHEN MATCHED THEN DELETE RETURNING 1) SELECT * FROM m",
            "SELECT * INTO copy FROM orders",
            "SELECT * INTO TEMP copy FROM orders",
            "SELECT * FROM orders FOR UPDATE",
            "SELECT * FROM orders FOR KEY SHARE SKIP LOCKED",
            "SELECT * FROM (SELECT * FROM orders FOR SHARE) o",
            "SELECT xmlelement(name a, 1)",
            "SELECT xmlforest(total) FROM orders",
            "SELECT xmlparse(DOCUMENT '<a/>')",
            "SELECT xmlpi(name a)",
            "SELECT xmlroot('<a/>', version '1.0')",
            "SELECT xmlserialize(CONTENT '<a/>' AS text)",
            "SELECT '<a/>' IS DOCUMENT",
            "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text)",
            "SELECT CURRENT_USER",
            "SELECT SESSION_USER, 1",
            "SELECT USER",
            "SELECT CURRENT_ROLE",
            "SELECT CURRENT_SCHEMA",
            "SELECT CURRENT_CATALOG",
            "SELECT * FROM CURRENT_USER AS u",
            "SELECT 1 WHERE CURRENT_USER = 'x'",
            "SELECT * FROM orders TABLESAMPLE system_rows (10)",
            "SELECT * FROM orders TABLESAMPLE ext.bernoulli (10)",
            "SELECT * FROM orders TABLESAMPLE retail.mine (10)",
            "VALUES (DEFAULT)",
        ],
    );
}

#[test]
fn columns_types_and_operators() {
    refuses(
        Reason::Column,
        &[
            "SELECT ctid FROM orders",
            "SELECT o.xmin FROM orders o",
            "SELECT retail.orders.tableoid FROM orders",
            "SELECT * FROM orders WHERE \"xmax\" = 0",
            "SELECT cmin, cmax FROM orders",
            "SELECT * FROM orders ORDER BY ctid",
            "SELECT (o).ctid FROM orders o",
            "SELECT (o.*).tableoid FROM orders o",
            "SELECT U&\"cti\\0064\" FROM orders",
        ],
    );
    refuses(
        Reason::Type,
        &[
            "SELECT 'pg_class'::regclass",
            "SELECT regclass 'pg_class'",
            "SELECT CAST(1259 AS regclass)",
            "SELECT 'now'::regproc, 1",
            "SELECT 'now()'::regprocedure",
            "SELECT 'postgres'::regrole",
            "SELECT 'retail'::regnamespace",
            "SELECT '<a/>'::xml",
            "SELECT '1'::oid",
            "SELECT ARRAY['pg_class']::regclass[]",
            "SELECT '(0,1)'::tid",
            "SELECT '0/0'::pg_lsn",
            "SELECT '1'::xid8",
            "SELECT NULL::retail.orders",
            "SELECT 'x'::pg_catalog.regtype",
            "SELECT 'x'::information_schema.sql_identifier",
            "SELECT JSON_VALUE('1', '$' RETURNING regclass)",
            "SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a regclass PATH '$'))",
            "SELECT * FROM jsonb_to_record('{}') AS t (a regclass)",
            "SELECT JSON_SERIALIZE('1' RETURNING xml)",
            "SELECT 'x'::U&\"reg\\0063lass\"",
            "SELECT NULL::\"any\"",
            // Types whose operators take their square in time and listen to nobody.
            "SELECT '[(0,0),(1,1)]'::path",
            "SELECT NULL::polygon",
            "SELECT '{}'::polygon[]",
            "SELECT * FROM jsonb_to_record('{}') AS t (a path)",
            // A name, looked up; only where it is written out.
            "SELECT name::regconfig FROM products",
            "SELECT ('eng' || 'lish')::regconfig",
            "SELECT $1::regconfig",
            "SELECT 3748::regconfig",
            "SELECT lower('english')::regconfig",
            "SELECT ARRAY['english']::regconfig[]",
            "SELECT '{english}'::regconfig[]",
            "SELECT '{a}'::tsquery[]",
            "SELECT * FROM jsonb_to_record('{}') AS t (a regconfig)",
            // Enums of schemas nobody reads, and what is no enum.
            "SELECT 'a'::archive.status",
            "SELECT 'a'::retail.amount",
            "SELECT 'a'::status",
        ],
    );
    refuses(
        Reason::Operator,
        &[
            "SELECT 1 OPERATOR(retail.+) 1",
            "SELECT OPERATOR(public.-) 1",
            "SELECT 1 OPERATOR(postgres.pg_catalog.+) 1",
            "SELECT * FROM orders ORDER BY total USING OPERATOR(retail.<)",
            "SELECT 1 OPERATOR(retail.=) ANY (SELECT 1)",
            "SELECT 1 OPERATOR(retail.=) ALL (ARRAY[1])",
            // Names that are nobody's but the operator's.
            "SELECT 1 === 2",
            "SELECT === 1",
            "SELECT 1 OPERATOR(pg_catalog.===) 2",
            "SELECT 1 OPERATOR(ext.<+++>) 2",
            "SELECT 1 === ANY (ARRAY[1])",
            "SELECT 1 === ALL (SELECT 1)",
            "SELECT ROW(1, 2) === ROW(1, 2)",
            "SELECT * FROM orders ORDER BY total USING <<<",
        ],
    );
}

/// An operator's own functions: by their whole name, and no others of the schema.
#[test]
fn functions_of_ones_own() {
    accepts(&["SELECT retail.digest(total) FROM orders", "SELECT abs(retail.digest(DISTINCT 1))"]);
    refuses(
        Reason::Function,
        &[
            "SELECT digest(total) FROM orders",
            "SELECT ext.digest(1)",
            "SELECT archive.digest(1)",
            "SELECT retail.steal(o) FROM orders o",
            "SELECT postgres.retail.digest(1)",
            "SELECT \"retail.digest\"(1)",
        ],
    );
}
