-- Roles: what they are, whom they belong to, what they own.
WITH known AS (SELECT $2::text[] AS unused),  -- every query of the lint takes the same parameters
wanted AS (SELECT unnest($1::text[]) AS name),
agent AS (SELECT r.* FROM pg_roles r JOIN wanted w ON w.name = r.rolname),
-- The agent roles, and the clerk, who keeps the host's books.
login AS (SELECT r.*, CASE WHEN r.rolname = 'rowhouse_clerk' THEN 'the clerk' ELSE 'agent role' END AS kind
          FROM pg_roles r WHERE r.rolname = ANY ($1) OR r.rolname = 'rowhouse_clerk'),
here AS (SELECT oid, datname FROM pg_database WHERE datname = current_database())
SELECT 'unsafe', 'agent role missing', w.name, '-- run `rowhouse db migrate`'
  FROM wanted w WHERE NOT EXISTS (SELECT FROM agent a WHERE a.rolname = w.name)
UNION ALL
SELECT 'unsafe', a.kind || ' has powers', a.rolname::text,
       format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', a.rolname)
  FROM login a WHERE a.rolsuper OR a.rolcreatedb OR a.rolcreaterole OR a.rolreplication OR a.rolbypassrls
UNION ALL
SELECT 'unsafe', a.kind || ' is a member of a role', a.rolname || ' in ' || g.rolname, format('REVOKE %I FROM %I', g.rolname, a.rolname)
  FROM login a JOIN pg_auth_members m ON m.member = a.oid JOIN pg_roles g ON g.oid = m.roleid
UNION ALL
SELECT 'unsafe', a.kind || ' owns something', a.rolname || ': ' || coalesce(pg_describe_object(d.classid, d.objid, 0), 'an object'),
       format('REASSIGN OWNED BY %I TO rowhouse_owner', a.rolname)
  FROM login a JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = a.oid AND d.deptype = 'o'
  WHERE d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL
SELECT 'unsafe', 'owner role has powers', r.rolname::text,
       format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', r.rolname)
  FROM pg_roles r WHERE r.rolname IN ('rowhouse_owner', 'rowhouse_keeper', 'rowhouse_trusted')
   AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls)
UNION ALL
SELECT 'weak', 'clerk role missing', 'rowhouse_clerk', '-- run `rowhouse db migrate`'
  WHERE NOT EXISTS (SELECT FROM login WHERE rolname = 'rowhouse_clerk')
UNION ALL
SELECT 'weak', 'agent role may write by default', a.rolname::text,
       format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on', a.rolname, h.datname)
  FROM agent a CROSS JOIN here h WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s WHERE s.setrole = a.oid AND s.setdatabase IN (0, h.oid)
      AND s.setconfig && '{default_transaction_read_only=on,default_transaction_read_only=true,default_transaction_read_only=1}')
UNION ALL  -- For when the host, whose own deadlines come first, is gone. Zero is for ever.
SELECT 'weak', 'agent role may wait or run for ever', a.rolname || ': ' || d.name,
       format('ALTER ROLE %I IN DATABASE %I SET %I = %L', a.rolname, h.datname, d.name, d.value)
  FROM agent a CROSS JOIN here h CROSS JOIN (VALUES
    ('statement_timeout', '30s'), ('lock_timeout', '250ms'), ('idle_in_transaction_session_timeout', '5s')) AS d(name, value)
  WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c(setting)
    WHERE s.setrole = a.oid AND s.setdatabase IN (0, h.oid) AND c.setting ~ ('^' || d.name || '=0*[1-9]'))
UNION ALL
SELECT 'weak', a.kind || ' has no connection limit', a.rolname::text, format('ALTER ROLE %I CONNECTION LIMIT 8', a.rolname)
  FROM login a WHERE a.rolconnlimit < 0
