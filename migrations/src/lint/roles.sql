-- Roles: what they are, whom they belong to, what they own.
WITH known AS (SELECT $2::text[] AS unused),  -- every query of the lint takes the same parameters
wanted AS (SELECT unnest($1::text[]) AS name),
agent AS (SELECT r.* FROM pg_roles r JOIN wanted w ON w.name = r.rolname)
SELECT true, 'agent role missing', w.name, '-- run `rowhouse db migrate`'
  FROM wanted w WHERE NOT EXISTS (SELECT FROM agent a WHERE a.rolname = w.name)
UNION ALL
SELECT true, 'agent role has powers', a.rolname::text,
       format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', a.rolname)
  FROM agent a WHERE a.rolsuper OR a.rolcreatedb OR a.rolcreaterole OR a.rolreplication OR a.rolbypassrls
UNION ALL
SELECT true, 'agent role is a member of a role', a.rolname || ' in ' || g.rolname, format('REVOKE %I FROM %I', g.rolname, a.rolname)
  FROM agent a JOIN pg_auth_members m ON m.member = a.oid JOIN pg_roles g ON g.oid = m.roleid
UNION ALL
SELECT true, 'agent role owns something', a.rolname || ': ' || coalesce(pg_describe_object(d.classid, d.objid, 0), 'an object'),
       format('REASSIGN OWNED BY %I TO rowhouse_owner', a.rolname)
  FROM agent a JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = a.oid AND d.deptype = 'o'
  WHERE d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL
SELECT true, 'owner role has powers', r.rolname::text,
       format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', r.rolname)
  FROM pg_roles r WHERE r.rolname IN ('rowhouse_owner', 'rowhouse_keeper', 'rowhouse_trusted')
   AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls)
UNION ALL
SELECT false, 'agent role may write by default', a.rolname::text,
       format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on', a.rolname, current_database())
  FROM agent a WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s WHERE s.setrole = a.oid AND 'default_transaction_read_only=on' = ANY (s.setconfig)
      AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))
UNION ALL
SELECT false, 'agent role has no connection limit', a.rolname::text, format('ALTER ROLE %I CONNECTION LIMIT 8', a.rolname)
  FROM agent a WHERE a.rolconnlimit < 0
