-- What of one's own a statement may call without naming it, and nobody has looked at: functions called like settled ones
-- ($2) and operators in the schemas of the search path ($1), and casts. One is enough.
SELECT format('the function %s', p.oid::regprocedure)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY ($1::text[]) AND n.nspname <> 'pg_catalog' AND p.proname = ANY ($2::text[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT format('the operator %s', o.oid::regoperator)
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE n.nspname = ANY ($1::text[]) AND n.nspname <> 'pg_catalog'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e')
UNION ALL
SELECT format('the cast from %s to %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL))
FROM pg_catalog.pg_cast c
-- Those that come with PostgreSQL have lower numbers (FirstNormalObjectId).
WHERE c.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'e')
LIMIT 1
