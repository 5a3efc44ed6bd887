-- One row for each column all three agent roles may read: table as written, schema, relation, comment, tenant key,
-- column, type, nullable, comment. Partitions are read through their table. What belongs to an extension is not the
-- operator's to serve: pg_stat_statements, made in a served schema, shows everybody's statements.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname::text, c.relname::text,
       obj_description(c.oid, 'pg_class'), t.tenant_column::text,
       a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, col_description(c.oid, a.attnum)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN rowhouse.tenant_tables t ON t.relation = c.oid
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e')
  AND NOT EXISTS (
    SELECT FROM unnest(ARRAY['rowhouse_one', 'rowhouse_some', 'rowhouse_all']) AS role
    WHERE NOT (has_schema_privilege(role, n.oid, 'USAGE') AND has_column_privilege(role, c.oid, a.attnum, 'SELECT')))
ORDER BY 1, a.attnum
