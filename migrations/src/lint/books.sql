-- The host's own books: what their clerk reaches, and whether the audit trail can be changed.
WITH known AS (SELECT $1::text[] AS agents, $2::text[] AS unused),
clerk AS (SELECT oid, rolname FROM pg_roles WHERE rolname = 'rowhouse_clerk'),
relation AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name,
         n.nspname = 'rowhouse' AND c.relname IN ('revocations', 'api_keys', 'usage', 'audit', 'tenants_directory',
           'embedding_models', 'embedding_sources', 'embedding_queue', 'usage_by_plugin', 'usage_writers') AS of_the_books
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')),
-- What its clerk does with each book, and nothing else.
right_of AS (
  SELECT to_regclass('rowhouse.' || b.name) AS oid, p.privilege, p.privilege = ANY (b.needs) AS needed
  FROM (VALUES ('revocations', '{SELECT}'::text[]), ('api_keys', '{SELECT}'), ('tenants_directory', '{SELECT}'),
               ('embedding_models', '{SELECT}'), ('embedding_sources', '{SELECT}'), ('embedding_queue', '{SELECT}'),
               ('usage_by_plugin', '{SELECT,INSERT,UPDATE,DELETE}'), ('usage_writers', '{SELECT,INSERT,UPDATE,DELETE}'),
               ('usage', '{SELECT,INSERT,UPDATE,DELETE}'), ('audit', '{SELECT,INSERT}')) AS b(name, needs)
  CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p(privilege)),
held AS (
  SELECT r.oid::regclass::text AS name, k.rolname, r.privilege, r.needed, has_table_privilege(k.oid, r.oid, r.privilege) AS whole,
         has_table_privilege(k.oid, r.oid, r.privilege)
           OR CASE WHEN r.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege(k.oid, r.oid, r.privilege)
                   ELSE false END AS some
  FROM right_of r CROSS JOIN clerk k WHERE r.oid IS NOT NULL),
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
SELECT 'weak', 'the clerk may do more than keep its books', h.name || ': ' || string_agg(h.privilege, ', ' ORDER BY h.privilege),
       format('REVOKE %s ON TABLE %s FROM PUBLIC, rowhouse_clerk', string_agg(h.privilege, ', ' ORDER BY h.privilege), h.name)
  FROM held h WHERE h.some AND NOT h.needed AND NOT (h.name = 'rowhouse.audit' AND h.privilege IN ('UPDATE', 'DELETE', 'TRUNCATE'))
  GROUP BY h.name
UNION ALL
SELECT 'weak', 'the clerk cannot keep its books', h.name || ': ' || string_agg(h.privilege, ', ' ORDER BY h.privilege),
       format('GRANT %s ON TABLE %s TO rowhouse_clerk', string_agg(h.privilege, ', ' ORDER BY h.privilege), h.name)
  FROM held h WHERE h.needed AND NOT h.whole
  GROUP BY h.name
UNION ALL
SELECT 'weak', 'the audit trail is not guarded', t.oid::regclass::text,
       CASE WHEN g.tgname IS NULL THEN
         format('CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.refuse_change()', t.oid::regclass)
         ELSE format('ALTER TABLE %s ENABLE TRIGGER added_to_only', t.oid::regclass) END
  FROM trail t LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = 'added_to_only'
  WHERE t.oid IS NOT NULL AND coalesce(g.tgenabled, 'D') = 'D'
