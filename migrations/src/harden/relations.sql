-- Tables and views of PostgreSQL and its extensions that PUBLIC may read. None is left: the host resolves no types.
SELECT c.oid::regclass::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND (n.nspname IN ('pg_catalog', 'information_schema')
       OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
  AND has_any_column_privilege('public', c.oid, 'SELECT')
ORDER BY c.oid
