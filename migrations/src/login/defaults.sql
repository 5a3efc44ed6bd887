-- Statements still needed for the agent roles ($1) to have the defaults ($2 names, $3 values) in this database. A
-- setting of an extension that is not installed, or too old to know it, is left out.
WITH agent AS (SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1::text[])),
has AS (
  SELECT s.setrole, split_part(c.setting, '=', 1) AS name, substr(c.setting, strpos(c.setting, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c(setting)
  WHERE s.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())),
-- pg_catalog is searched first without being named. `rowhouse` is not in the path: nothing there is for statements.
-- Neither are the tables of vectors: views show them.
path AS (
  SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.last, s.name) AS value
  FROM (SELECT DISTINCT n.nspname::text AS name, false AS last
        FROM rowhouse.tenant_tables t JOIN pg_catalog.pg_class c ON c.oid = t.relation
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'rowhouse_vectors'
        UNION
        SELECT n.nspname, true FROM pg_catalog.pg_namespace n WHERE n.nspname = 'ext' OR n.oid IN (
          SELECT e.extnamespace FROM pg_catalog.pg_extension e WHERE e.extname IN ('vector', 'pg_trgm', 'unaccent'))) s)
SELECT format('ALTER ROLE %I IN DATABASE %I SET %I = %L', a.rolname, current_database(), d.name, d.value)
FROM agent a CROSS JOIN unnest($2::text[], $3::text[]) AS d(name, value)
WHERE NOT EXISTS (SELECT FROM has h WHERE h.setrole = a.oid AND h.name = d.name)
  AND (strpos(d.name, '.') = 0 OR EXISTS (SELECT FROM pg_catalog.pg_settings g WHERE g.name = d.name))
UNION ALL
SELECT format('ALTER ROLE %I IN DATABASE %I SET search_path = %s', a.rolname, current_database(), p.value)
FROM agent a CROSS JOIN path p
WHERE NOT EXISTS (SELECT FROM has h WHERE h.setrole = a.oid AND h.name = 'search_path' AND h.value = p.value)
