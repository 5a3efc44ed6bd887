//! Holes for the doctor to find.

use rowhouse_migrations::Level;

/// What is done to a hardened database of ours, and what the doctor says of it. Nothing here is a role's: those are
/// the whole server's, and other tests are on it.
pub const HOLES: &[(&str, Level, &str)] = &[
    ("GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO PUBLIC", Level::Weak, "set_config may be called"),
    ("GRANT EXECUTE ON FUNCTION pg_notify(text, text) TO PUBLIC", Level::Weak, "functions that reach beyond"),
    ("GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO rowhouse_some", Level::Weak, "granted a function of its own"),
    (
        "GRANT EXECUTE ON PROCEDURE rowhouse.share(regclass) TO rowhouse_one",
        Level::Weak,
        "granted a function of its own",
    ),
    ("GRANT INSERT ON rowhouse.api_keys TO rowhouse_clerk", Level::Weak, "the clerk may do more"),
    ("GRANT UPDATE (hash) ON rowhouse.api_keys TO rowhouse_clerk", Level::Weak, "the clerk may do more"),
    ("REVOKE INSERT ON rowhouse.audit FROM rowhouse_clerk", Level::Weak, "the clerk cannot keep its books"),
    (
        "CREATE TABLE retail.logs (store_id uuid NOT NULL, x int); CALL rowhouse.protect('retail.logs', 'store_id')",
        Level::Weak,
        "no index led by the tenant key",
    ),
    (
        "CREATE TABLE retail.parts (store_id uuid NOT NULL, x int) PARTITION BY LIST (x);
         CREATE TABLE retail.parts_1 PARTITION OF retail.parts FOR VALUES IN (1) PARTITION BY LIST (x);
         CREATE TABLE retail.parts_1_1 PARTITION OF retail.parts_1 FOR VALUES IN (1);
         CALL rowhouse.protect('retail.parts', 'store_id');
         CREATE INDEX some_of_them ON retail.parts_1_1 (store_id) WHERE x > 1",
        Level::Weak,
        "no index led by the tenant key",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'retail.logs'::regclass",
        Level::Weak,
        "no index led by the tenant key",
    ),
    ("ALTER TABLE retail.parts_1_1 NO FORCE ROW LEVEL SECURITY", Level::Unsafe, "partition without row security"),
    (
        "UPDATE pg_extension SET extversion = '0.8.1' WHERE extname = 'vector'",
        Level::Weak,
        "extension with a known hole",
    ),
    ("CREATE TABLE public.other (store_id text)", Level::Weak, "tenant key and no protection"),
    ("GRANT SELECT ON pg_stat_activity TO rowhouse_one", Level::Weak, "catalogs readable"),
    (
        "CREATE EXTENSION pg_stat_statements SCHEMA retail;
         REVOKE EXECUTE ON FUNCTION retail.pg_stat_statements, retail.pg_stat_statements_info FROM PUBLIC",
        Level::Unsafe,
        "extension's relation readable",
    ),
    ("ALTER TABLE retail.orders NO FORCE ROW LEVEL SECURITY", Level::Unsafe, "row security not forced"),
    ("ALTER TABLE retail.inventory OWNER TO rowhouse_one", Level::Unsafe, "agent role owns something"),
    (
        "CREATE TABLE retail.mine (x int); ALTER TABLE retail.mine OWNER TO rowhouse_clerk",
        Level::Unsafe,
        "the clerk owns something",
    ),
    (
        "GRANT USAGE ON SCHEMA retail TO rowhouse_clerk; GRANT SELECT ON retail.orders TO rowhouse_clerk",
        Level::Unsafe,
        "the clerk reaches beyond",
    ),
    ("GRANT USAGE ON SCHEMA rowhouse_private TO rowhouse_clerk", Level::Unsafe, "the clerk reaches the keys"),
    ("GRANT DELETE ON rowhouse.audit TO rowhouse_clerk", Level::Weak, "the audit trail may be changed"),
    ("ALTER TABLE rowhouse.audit DISABLE TRIGGER added_to_only", Level::Weak, "the audit trail is not guarded"),
    ("DROP TRIGGER added_to_only ON rowhouse.audit", Level::Weak, "the audit trail is not guarded"),
    ("CREATE TABLE retail.notes (store_id uuid NOT NULL, note text)", Level::Weak, "tenant key and no protection"),
    ("CREATE INDEX by_customer ON retail.orders (customer_id)", Level::Weak, "index not led by the tenant key"),
    ("DROP POLICY rowhouse_one ON retail.orders", Level::Weak, "no policy"),
    ("ALTER ROLE rowhouse_one IN DATABASE {} RESET lock_timeout", Level::Weak, "may wait or run for ever"),
    ("ALTER ROLE rowhouse_one IN DATABASE {} SET statement_timeout = 0", Level::Weak, "may wait or run for ever"),
    ("ALTER ROLE rowhouse_all IN DATABASE {} RESET default_transaction_read_only", Level::Weak, "may write by default"),
    (
        "CREATE FUNCTION rowhouse.more() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        Level::Unsafe,
        "function that nobody here made",
    ),
];
