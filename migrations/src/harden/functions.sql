-- Functions of PostgreSQL and its extensions whose rights differ from the allow-list ($1, and $2 with a schema): the
-- name, and whether PUBLIC should have it. Only what an earlier run took away is ever given back.
WITH support AS (  -- What stands behind operators, casts and indexes: refusing these would refuse `+` and `=`.
  SELECT oprcode::oid AS oid FROM pg_catalog.pg_operator
  UNION SELECT castfunc FROM pg_catalog.pg_cast
  UNION SELECT amproc::oid FROM pg_catalog.pg_amproc
  -- And behind `1::text`: the planner calls these under the caller's rights when it folds a cast of a constant.
  UNION SELECT f.oid FROM pg_catalog.pg_type t CROSS JOIN LATERAL (VALUES (t.typinput::oid), (t.typoutput::oid)) AS f(oid)
        WHERE t.typname !~ '^_?(reg|xml|pg_|aclitem|[ct]id$|xid|txid)'),
routine AS (
  SELECT p.oid, has_function_privilege('public', p.oid, 'EXECUTE') AS has,
         p.proname = ANY ($1::text[]) OR n.nspname || '.' || p.proname = ANY ($2::text[]) OR p.oid IN (SELECT oid FROM support)
           -- Behind an operator or not, these families look at the server, its catalog, the session or other people's rows.
           AND p.proname !~ '^(txid_|pg_|lo_|loread|lowrite|xml|query_to|cursor_to|table_to|schema_to|database_to|ts_stat|ts_rewrite|set_|setseed|current_|has_|row_security|reg(class|proc|oper|type|role|namespace|config|dictionary|collation|database))'
           AS should,
         EXISTS (SELECT FROM aclexplode(p.proacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
                 WHERE r.rolname = 'rowhouse_trusted') AS taken_before
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname IN ('pg_catalog', 'information_schema')
     OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
SELECT r.oid::regprocedure::text, r.should FROM routine r
WHERE r.has AND NOT r.should OR r.should AND NOT r.has AND r.taken_before
ORDER BY r.oid
