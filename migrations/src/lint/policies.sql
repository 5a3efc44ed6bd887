-- Policies and indexes of registered tables.
WITH known AS (SELECT $2::text[] AS unused),
agent AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])),
relation AS (
  SELECT c.oid, c.relowner, t.tenant_column, format('%I.%I', n.nspname, c.relname) AS name,
         CASE WHEN t.tenant_column IS NULL THEN format('CALL rowhouse.share(%L)', format('%I.%I', n.nspname, c.relname))
              ELSE format('CALL rowhouse.protect(%L, %L)', format('%I.%I', n.nspname, c.relname), t.tenant_column) END AS again
  FROM rowhouse.tenant_tables t JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace n ON n.oid = c.relnamespace),
-- A registered table and all below it: partitions of partitions too.
family AS (
  WITH RECURSIVE f AS (
    SELECT r.oid AS root, r.tenant_column, r.oid FROM relation r
    UNION SELECT f.root, f.tenant_column, i.inhrelid FROM f JOIN pg_inherits i ON i.inhparent = f.oid)
  SELECT f.root, f.tenant_column, f.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
         format('%I.%I', n.nspname, c.relname) AS name
  FROM f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')),
-- Indexes that begin with the tenant key; a partial one does not serve every row.
led AS (
  SELECT f.oid, f.tenant_column, i.indexrelid, i.indisvalid AND i.indisready AND i.indislive AS valid, i.indpred IS NULL AS whole
  FROM family f JOIN pg_index i ON i.indrelid = f.oid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
  JOIN pg_attribute t ON t.attrelid = f.oid AND t.attnum = i.indkey[0] AND t.attname = f.tenant_column),
-- What each agent role's one policy must say, letter for letter as PostgreSQL prints it.
expected AS (
  SELECT r.oid, a.oid AS role, a.rolname, r.name, r.again, CASE
    WHEN r.tenant_column IS NULL THEN '( SELECT rowhouse.entered() AS entered)'
    WHEN a.rolname = 'rowhouse_one' THEN format('(%I = ( SELECT rowhouse.tenant() AS tenant))', r.tenant_column)
    WHEN a.rolname = 'rowhouse_some' THEN format('(%I = ANY (( SELECT rowhouse.tenants() AS tenants)))', r.tenant_column)
    ELSE '( SELECT rowhouse.every_tenant() AS every_tenant)' END AS qual
  FROM relation r CROSS JOIN agent a),
-- The policies that open a table to an agent role; restrictive ones only narrow it.
actual AS (
  SELECT p.polrelid AS oid, a.oid AS role, p.polname, p.polcmd, regexp_replace(pg_get_expr(p.polqual, p.polrelid), '::uuid\[\]', '') AS qual
  FROM pg_policy p JOIN agent a ON p.polroles = '{0}' OR a.oid = ANY (p.polroles)
  WHERE p.polpermissive)
SELECT 'unsafe', 'policy does not ask the verifier', e.name || ': ' || p.polname || ' for ' || e.rolname,
       format('DROP POLICY IF EXISTS %I ON %s; %s', p.polname, e.name, e.again)
  FROM expected e JOIN actual p ON p.oid = e.oid AND p.role = e.role
  WHERE p.polcmd <> 'r' OR p.qual IS DISTINCT FROM e.qual
UNION ALL
SELECT 'unsafe', 'policy outside the registry', format('%I.%I: %I for %I', n.nspname, c.relname, p.polname, a.rolname),
       format('DROP POLICY %I ON %I.%I; -- and to serve the table: CALL rowhouse.protect(%L, ''its tenant column'')',
              p.polname, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname))
  FROM actual p JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN agent a ON a.oid = p.role
  WHERE NOT EXISTS (SELECT FROM relation r WHERE r.oid = p.oid)
UNION ALL
SELECT 'weak', 'no policy: an agent role sees nothing', e.name || ' for ' || e.rolname, e.again
  FROM expected e WHERE NOT EXISTS (SELECT FROM actual p WHERE p.oid = e.oid AND p.role = e.role)
UNION ALL
SELECT 'unsafe', 'partition without row security', f.name,
       format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', f.name)
  FROM family f WHERE f.oid <> f.root AND NOT (f.relrowsecurity AND f.relforcerowsecurity)
UNION ALL  -- Without one every call reads every tenant's rows, and takes as long as all of them have rows.
SELECT 'weak', 'no index led by the tenant key', f.name, coalesce(
    (SELECT format('REINDEX INDEX %s', i.indexrelid::regclass) FROM led i
     WHERE i.oid = f.oid AND i.tenant_column = f.tenant_column AND i.whole ORDER BY i.indexrelid LIMIT 1),
    format('CREATE INDEX ON %s (%I)', f.name, f.tenant_column))
  FROM family f
  -- A partitioned table has no rows of its own.
  WHERE f.relkind = 'r' AND f.tenant_column IS NOT NULL
    AND NOT EXISTS (SELECT FROM led i WHERE i.oid = f.oid AND i.tenant_column = f.tenant_column AND i.whole AND i.valid)
UNION ALL  -- Such an index answers faster or slower for a key another tenant has: existence can be timed.
SELECT CASE WHEN m.amname = 'btree' THEN 'weak' ELSE 'note' END, 'index not led by the tenant key', i.indexrelid::regclass::text, CASE
    WHEN k.contype IN ('p', 'u') THEN format('ALTER TABLE %s DROP CONSTRAINT %I, ADD %s', f.name, k.conname,
      regexp_replace(replace(pg_get_constraintdef(k.oid), format(', %I', f.tenant_column), ''), '\(', format('(%I, ', f.tenant_column)))
    WHEN m.amname = 'btree' THEN format('DROP INDEX %s; %s', i.indexrelid::regclass,
      regexp_replace(replace(replace(pg_get_indexdef(i.indexrelid), format(', %I', f.tenant_column), ''), ' ON ONLY ', ' ON '),
        'USING btree \(', format('USING btree (%I, ', f.tenant_column)))
    ELSE format('DROP INDEX %s; -- or keep it: %s indexes have no leading key; partition the table by tenant where it matters', i.indexrelid::regclass, m.amname) END
  FROM family f JOIN pg_index i ON i.indrelid = f.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
  LEFT JOIN pg_attribute t ON t.attrelid = f.oid AND t.attnum = i.indkey[0]
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = f.oid AND k.contype IN ('p', 'u')
  WHERE f.tenant_column IS NOT NULL AND t.attname IS DISTINCT FROM f.tenant_column
    -- Part of an index of the parent's, which is told there and goes with it.
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
