-- Tables, views, schemas, the database: what an agent role may read or write, by grant to it or to PUBLIC.
WITH known AS (SELECT $2::text[] AS unused),
agent AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])),
agents AS (SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) AS names FROM agent),
-- What is below a registered table is looked at with its policies.
family AS (
  WITH RECURSIVE f AS (
    SELECT i.inhrelid AS oid FROM pg_inherits i JOIN rowhouse.tenant_tables t ON t.relation = i.inhparent
    UNION SELECT i.inhrelid FROM f JOIN pg_inherits i ON i.inhparent = f.oid)
  SELECT f.oid FROM f),
relation AS (
  SELECT c.oid, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relnamespace,
         format('%I.%I', n.nspname, c.relname) AS name,
         EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS of_extension,
         (SELECT t.tenant_column FROM rowhouse.tenant_tables t WHERE t.relation = c.oid) AS tenant_column,
         EXISTS (SELECT FROM rowhouse.tenant_tables t WHERE t.relation = c.oid) AS registered,
         EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'USAGE')
                   AND has_any_column_privilege(a.oid, c.oid, 'SELECT')) AS readable,
         c.oid IN (SELECT f.oid FROM family f) AS below
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
SELECT 'unsafe', 'row security not forced', r.name, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', r.name)
  FROM relation r WHERE r.relkind IN ('r', 'p') AND r.registered AND NOT (r.relrowsecurity AND r.relforcerowsecurity)
UNION ALL
SELECT 'unsafe', 'readable and not protected', r.name,
       format('REVOKE ALL ON TABLE %s FROM PUBLIC, %s; -- or keep it: CALL rowhouse.protect(%L, ''its tenant column'')', r.name, g.names, r.name)
  FROM relation r CROSS JOIN agents g WHERE r.relkind IN ('r', 'p') AND r.readable AND NOT r.registered
   AND NOT (r.relrowsecurity AND r.relforcerowsecurity)
UNION ALL  -- Row security knows neither materialised views nor foreign tables.
SELECT 'unsafe', 'readable and cannot be protected', r.name, format('REVOKE ALL ON TABLE %s FROM PUBLIC, %s', r.name, g.names)
  FROM relation r CROSS JOIN agents g WHERE r.relkind IN ('m', 'f') AND r.readable
UNION ALL
SELECT 'unsafe', 'view reads as its owner', r.name, format('ALTER VIEW %s SET (security_invoker = true)', r.name)
  FROM relation r WHERE r.relkind = 'v' AND r.readable AND NOT r.of_extension
   AND NOT EXISTS (SELECT FROM unnest(r.reloptions) o WHERE o ~* '^security_invoker=(true|on|yes|1)$')
UNION ALL  -- Made in a schema that is served; in any other the host does not list it, and wall 3 closes it.
SELECT 'unsafe', 'extension''s relation readable in a served schema', r.name,
       format('REVOKE ALL ON TABLE %s FROM PUBLIC, %s; -- or make the extension in a schema of its own', r.name, g.names)
  FROM relation r CROSS JOIN agents g WHERE r.of_extension AND r.readable AND r.relkind IN ('r', 'p', 'v')
   AND EXISTS (SELECT FROM rowhouse.tenant_tables t JOIN pg_class c ON c.oid = t.relation WHERE c.relnamespace = r.relnamespace)
UNION ALL
SELECT 'unsafe', 'agent role may write', r.name,
       format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON TABLE %s FROM PUBLIC, %s', r.name, g.names)
  FROM relation r CROSS JOIN agents g WHERE EXISTS (
    SELECT FROM agent a WHERE has_table_privilege(a.oid, r.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege(a.oid, r.oid, 'INSERT, UPDATE, REFERENCES'))
UNION ALL  -- A sequence counts every tenant's rows.
SELECT 'unsafe', 'agent role may use a sequence', format('%I.%I', n.nspname, c.relname),
       format('REVOKE ALL ON SEQUENCE %I.%I FROM PUBLIC, %s', n.nspname, c.relname, g.names)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN agents g
  WHERE c.relkind = 'S' AND EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'USAGE')
    AND has_sequence_privilege(a.oid, c.oid, 'SELECT, USAGE, UPDATE'))
UNION ALL
SELECT 'unsafe', 'agent role may create in a schema', n.nspname::text, format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %s', n.nspname, g.names)
  FROM pg_namespace n CROSS JOIN agents g WHERE EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'CREATE'))
UNION ALL
SELECT 'unsafe', 'agent role may create in the database', d.datname::text,
       format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC, %s', d.datname, g.names)
  FROM pg_database d CROSS JOIN agents g WHERE d.datname = current_database()
   AND EXISTS (SELECT FROM agent a WHERE has_database_privilege(a.oid, d.oid, 'CREATE, TEMPORARY'))
UNION ALL
SELECT 'unsafe', 'agent role reaches the keys', 'rowhouse_private', format('REVOKE ALL ON SCHEMA rowhouse_private FROM PUBLIC, %s', g.names)
  FROM agents g WHERE EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, 'rowhouse_private', 'USAGE'))
UNION ALL  -- A table that looks like a tenant's: one careless GRANT away from being everybody's.
SELECT 'weak', 'tenant key and no protection', r.name, CASE WHEN k.fits THEN '' ELSE
         format('ALTER TABLE %s ALTER COLUMN %I TYPE uuid USING %2$I::text::uuid, ALTER COLUMN %2$I SET NOT NULL; ', r.name, k.attname) END
       || format('CALL rowhouse.protect(%L, %L)', r.name, k.attname)
       || CASE WHEN k.led THEN '' ELSE format('; CREATE INDEX ON %s (%I)', r.name, k.attname) END
  FROM relation r JOIN pg_namespace n ON n.oid = r.relnamespace JOIN LATERAL (
    SELECT a.attname, a.atttypid = 'uuid'::regtype AND a.attnotnull AS fits,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL) AS led
    FROM pg_attribute a
    WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND EXISTS (SELECT FROM rowhouse.tenant_tables t WHERE t.tenant_column = a.attname)
    LIMIT 1) k ON true
  WHERE r.relkind IN ('r', 'p') AND NOT r.registered AND NOT r.of_extension AND NOT (r.relrowsecurity AND r.relforcerowsecurity)
    -- Wherever agents may look, but for what is the host's own.
    AND n.nspname !~ '^rowhouse' AND EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'USAGE'))
    -- Said already, and louder.
    AND NOT r.readable AND NOT r.below
