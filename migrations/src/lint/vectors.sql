-- Tables that are searched by meaning, and the tables of their vectors.
WITH agent AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])),
agents AS (SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) AS names FROM agent),
source AS (
  SELECT s.*, format('%I.%I', n.nspname, c.relname) AS name, t.relation IS NOT NULL AND t.tenant_column IS NULL AS shared
  FROM rowhouse.embedding_sources s JOIN pg_class c ON c.oid = s.source JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN rowhouse.tenant_tables t ON t.relation = s.source)
-- A vector tells what its text says, and its index, by its time, who else has something like it.
SELECT 'unsafe', 'vectors of rows that are not shared', s.name, format('CALL rowhouse.unembed(%L); -- or CALL rowhouse.share(%1$L)', s.name)
  FROM source s WHERE NOT s.shared
UNION ALL
SELECT 'unsafe', 'vectors outside the registry', format('%I.%I', n.nspname, c.relname),
       format('REVOKE ALL ON TABLE %I.%I FROM PUBLIC, %s', n.nspname, c.relname, g.names)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN agents g
  WHERE n.nspname = 'rowhouse_vectors' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND EXISTS (SELECT FROM agent a WHERE has_any_column_privilege(a.oid, c.oid, 'SELECT'))
    AND NOT EXISTS (SELECT FROM rowhouse.tenant_tables t WHERE t.relation = c.oid)
UNION ALL
SELECT 'weak', 'searched table is gone', s.view::text, format('CALL rowhouse.unembed(%s)', s.source::oid)
  FROM rowhouse.embedding_sources s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.source)
UNION ALL  -- The views need no such right; without it no statement can name what is behind them.
SELECT 'weak', 'agents may look behind the views of vectors', 'rowhouse_vectors',
       format('REVOKE USAGE ON SCHEMA rowhouse_vectors FROM PUBLIC, %s', g.names)
  FROM agents g WHERE EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, 'rowhouse_vectors', 'USAGE'))
UNION ALL
SELECT 'weak', 'changed texts are not told of', s.name, CASE WHEN v.oid IS NULL THEN format('CALL rowhouse.unembed(%L); -- and embed it again: its view is gone', s.name)
       ELSE format('CALL rowhouse.embed(%L, %L, %L, %L)', s.name, s.key_column, s.text_function, format('%I.%I', vn.nspname, v.relname)) END
  FROM source s LEFT JOIN pg_class v ON v.oid = s.view LEFT JOIN pg_namespace vn ON vn.oid = v.relnamespace
  WHERE v.oid IS NULL
    OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = s.source AND a.attname = s.key_column AND format_type(a.atttypid, NULL) = s.key_type)
    OR 2 > (
    SELECT count(*) FROM pg_trigger g WHERE g.tgrelid = s.source AND g.tgname IN ('rowhouse_embed_insert', 'rowhouse_embed_update')
      AND g.tgfoid = to_regproc('rowhouse.queue_embeddings') AND g.tgenabled <> 'D')
