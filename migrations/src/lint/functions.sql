-- Functions an agent role may call, by grant to it or to PUBLIC, and the verifier itself.
WITH agent AS (SELECT r.oid, r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[])),
agents AS (SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) AS names FROM agent),
-- A wall this administrator could raise is down; one nobody can raise is left to the others.
me AS (SELECT rolsuper AS super, CASE WHEN rolsuper THEN 'weak' ELSE 'note' END AS level FROM pg_roles WHERE rolname = current_user),
callable AS (
  SELECT p.oid, p.proname, p.prosecdef, p.proowner, n.nspname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE EXISTS (SELECT FROM agent a WHERE has_schema_privilege(a.oid, n.oid, 'USAGE') AND has_function_privilege(a.oid, p.oid, 'EXECUTE'))),
-- Those that reach beyond the rows of a statement; on a managed server they cannot be revoked.
reaching AS (
  SELECT string_agg(c.oid::regprocedure::text, ', ' ORDER BY c.oid) AS names, count(*) AS n,
         coalesce(bool_or(c.proname = 'set_config'), false) AS setter FROM callable c
  WHERE c.nspname = 'pg_catalog' AND NOT c.proname = ANY ($2::text[]) AND c.proname = ANY ('{set_config,current_setting,setseed,
    pg_sleep,pg_sleep_for,pg_sleep_until,pg_terminate_backend,pg_cancel_backend,pg_notify,pg_logical_emit_message,pg_advisory_lock,
    pg_advisory_lock_shared,pg_advisory_xact_lock,pg_advisory_xact_lock_shared,pg_try_advisory_lock,pg_try_advisory_lock_shared,
    pg_try_advisory_xact_lock,pg_try_advisory_xact_lock_shared,pg_advisory_unlock_all,query_to_xml,table_to_xml,schema_to_xml,
    database_to_xml,cursor_to_xml,ts_stat,lo_from_bytea,lo_creat,lo_get,lo_put,pg_stat_get_activity,pg_lock_status,pg_current_xact_id,
    txid_current,pg_export_snapshot,pg_relation_size,pg_database_size,pg_get_functiondef,pg_get_viewdef,currtid2,version}')),
catalogs AS (
  SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) AS names, count(*) AS n
  FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
    AND EXISTS (SELECT FROM agent a WHERE has_any_column_privilege(a.oid, c.oid, 'SELECT')))
SELECT 'unsafe', 'function runs as its owner', c.oid::regprocedure::text,
       format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %s', c.oid::regprocedure, g.names)
  FROM callable c CROSS JOIN agents g WHERE c.prosecdef AND NOT (c.nspname = 'rowhouse' AND c.oid::regprocedure::text IN (
    'rowhouse.enter(text)', 'rowhouse.tenant()', 'rowhouse.tenants()', 'rowhouse.every_tenant()', 'rowhouse.entered()', 'rowhouse.hello()'))
UNION ALL
SELECT 'unsafe', 'verifier not owned by its keeper', p.oid::regprocedure::text,
       format('ALTER ROUTINE %s OWNER TO rowhouse_keeper', p.oid::regprocedure)
  FROM pg_proc p WHERE p.pronamespace IN ('rowhouse'::regnamespace, 'rowhouse_private'::regnamespace)
   AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND p.proowner <> 'rowhouse_keeper'::regrole
UNION ALL
SELECT 'unsafe', 'verifier runs as its caller', p.oid::regprocedure::text, format('ALTER ROUTINE %s SECURITY DEFINER', p.oid::regprocedure)
  FROM pg_proc p WHERE p.pronamespace = 'rowhouse'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND NOT p.prosecdef
UNION ALL
SELECT m.level, 'functions that reach beyond a statement''s rows', n || ' functions of pg_catalog' || CASE WHEN setter THEN ', set_config among them' ELSE '' END,
       CASE WHEN m.super THEN format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %s; -- as superuser; `rowhouse db migrate --harden` does this and more', r.names, g.names)
            ELSE '-- cannot be revoked here; the gate keeps statements from them; point agents at a replica of their own' END
  FROM reaching r CROSS JOIN agents g CROSS JOIN me m WHERE n > 0
UNION ALL
SELECT m.level, 'catalogs readable', n || ' relations of pg_catalog',
       CASE WHEN m.super THEN format('REVOKE SELECT ON TABLE %s FROM PUBLIC, %s; -- as superuser; `rowhouse db migrate --harden` does this and more', c.names, g.names)
            ELSE '-- cannot be revoked here; the gate keeps statements from them; point agents at a replica of their own' END
  FROM catalogs c CROSS JOIN agents g CROSS JOIN me m WHERE n > 0
