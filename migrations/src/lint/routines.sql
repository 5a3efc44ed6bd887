-- Functions of the operator's own that an agent role may call: no allow-list of ours speaks for them. Those that run as
-- their owner are another rule's; of extensions' hardening takes care.
WITH agent AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])),
agents AS (SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) AS names FROM agent)
SELECT 'weak', 'function of your own that agents may call', p.oid::regprocedure::text,
       format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %s; -- or let statements call it: database.functions = [%s]',
              p.oid::regprocedure, g.names, to_json(n.nspname || '.' || p.proname))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN agents g
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'rowhouse', 'rowhouse_private') AND NOT p.prosecdef
    -- Nobody calls a trigger's.
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND n.nspname || '.' || p.proname <> ALL ($2::text[])
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    AND EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'USAGE') AND has_function_privilege(a.oid, p.oid, 'EXECUTE'))
