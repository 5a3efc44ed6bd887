-- The host's own books: what their clerk reaches, and whether the audit trail can be changed.
WITH known AS (SELECT $1::text[] AS agents, $2::text[] AS unused),
clerk AS (SELECT oid, rolname FROM pg_roles WHERE rolname = 'rowhouse_clerk'),
relation AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name,
         n.nspname = 'rowhouse' AND c.relname IN ('revocations', 'api_keys', 'usage', 'audit', 'tenants_directory') AS of_the_books
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')),
trail AS (SELECT to_regclass('rowhouse.audit') AS oid)
SELECT 'unsafe', 'the clerk reaches beyond its books', r.name, format('REVOKE ALL ON TABLE %s FROM PUBLIC, rowhouse_clerk', r.name)
  FROM relation r CROSS JOIN clerk k
  WHERE NOT r.of_the_books AND has_schema_privilege(k.oid, (SELECT c.relnamespace FROM pg_class c WHERE c.oid = r.oid), 'USAGE')
    AND (has_table_privilege(k.oid, r.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(k.oid, r.oid, 'SELECT, INSERT, UPDATE'))
    -- An extension's own views show nobody's rows.
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype = 'e')
UNION ALL
SELECT 'unsafe', 'the clerk reaches the keys', 'rowhouse_private', 'REVOKE ALL ON SCHEMA rowhouse_private FROM PUBLIC, rowhouse_clerk'
  FROM clerk k WHERE has_schema_privilege(k.oid, 'rowhouse_private', 'USAGE')
UNION ALL
SELECT 'weak', 'the audit trail may be changed by its clerk', t.oid::regclass::text,
       format('REVOKE UPDATE, DELETE, TRUNCATE ON TABLE %s FROM PUBLIC, rowhouse_clerk', t.oid::regclass)
  FROM trail t CROSS JOIN clerk k
  WHERE has_table_privilege(k.oid, t.oid, 'UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(k.oid, t.oid, 'UPDATE')
UNION ALL
SELECT 'weak', 'the audit trail is not guarded', t.oid::regclass::text,
       CASE WHEN g.tgname IS NULL THEN
         format('CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.refuse_change()', t.oid::regclass)
         ELSE format('ALTER TABLE %s ENABLE TRIGGER added_to_only', t.oid::regclass) END
  FROM trail t LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = 'added_to_only'
  WHERE t.oid IS NOT NULL AND coalesce(g.tgenabled, 'D') = 'D'
