-- Functions an agent role may call, by grant to it or to PUBLIC.
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
  SELECT string_agg(c.oid::regprocedure::text, ', ' ORDER BY c.oid) AS names, count(*) AS n FROM callable c
  WHERE c.nspname = 'pg_catalog' AND NOT c.proname = ANY ($2::text[]) AND c.proname = ANY ('{current_setting,setseed,
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
UNION ALL  -- The first thing a statement would reach for, so never a note: who cannot revoke it has to say that he knows.
SELECT 'weak', 'set_config may be called', c.oid::regprocedure::text,
       CASE WHEN m.super THEN format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %s; -- as superuser; `rowhouse db migrate --harden` does this and more', c.oid::regprocedure, g.names)
            ELSE '-- cannot be revoked here: point agents at a server of their own, or accept that the gate alone keeps statements from it: doctor.accept = ["set_config may be called"]' END
  FROM callable c CROSS JOIN agents g CROSS JOIN me m WHERE c.nspname = 'pg_catalog' AND c.proname = 'set_config'
UNION ALL  -- By name: what hardening takes from PUBLIC it leaves to whoever has it besides.
SELECT 'weak', 'granted a function of its own', a.rolname || ': ' || p.oid::regprocedure,
       format('REVOKE EXECUTE ON ROUTINE %s FROM %I', p.oid::regprocedure, a.rolname)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN LATERAL aclexplode(p.proacl) e
  JOIN pg_roles a ON a.oid = e.grantee AND (a.rolname = ANY ($1) OR a.rolname = 'rowhouse_clerk')
  WHERE NOT (p.proname = ANY ($2::text[]) AND (n.nspname = 'pg_catalog'
      OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')))
    AND NOT (a.rolname = ANY ($1) AND n.nspname = 'rowhouse' AND p.oid::regprocedure::text IN (
      'rowhouse.enter(text)', 'rowhouse.tenant()', 'rowhouse.tenants()', 'rowhouse.every_tenant()', 'rowhouse.entered()', 'rowhouse.hello()'))
    -- One that statements may call by the operator's word; one that runs as its owner is another rule's.
    AND NOT (a.rolname = ANY ($1) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'rowhouse', 'rowhouse_private')
      AND n.nspname || '.' || p.proname = ANY ($2::text[]))
UNION ALL
SELECT m.level, 'functions that reach beyond a statement''s rows', n || ' functions of pg_catalog',
       CASE WHEN m.super THEN format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, %s; -- as superuser; `rowhouse db migrate --harden` does this and more', r.names, g.names)
            ELSE '-- cannot be revoked here; the gate keeps statements from them; point agents at a replica of their own' END
  FROM reaching r CROSS JOIN agents g CROSS JOIN me m WHERE n > 0
UNION ALL
SELECT m.level, 'catalogs readable', n || ' relations of pg_catalog',
       CASE WHEN m.super THEN format('REVOKE SELECT ON TABLE %s FROM PUBLIC, %s; -- as superuser; `rowhouse db migrate --harden` does this and more', c.names, g.names)
            ELSE '-- cannot be revoked here; the gate keeps statements from them; point agents at a replica of their own' END
  FROM catalogs c CROSS JOIN agents g CROSS JOIN me m WHERE n > 0
