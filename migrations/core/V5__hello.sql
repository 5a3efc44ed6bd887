-- The greeting says, too, whether the login role is as it should be: one that was made a superuser, may pass over row
-- security or belongs to another role sees more than any policy lets it. The host refuses such a connection. Only this
-- function can tell: an agent role itself may not read the catalogs.
GRANT CREATE ON SCHEMA rowhouse TO rowhouse_keeper;
SET LOCAL ROLE rowhouse_keeper;

-- A column more is another type: no CREATE OR REPLACE.
DROP FUNCTION rowhouse.hello();
CREATE FUNCTION rowhouse.hello(OUT backend_pid int, OUT schema_version int, OUT powerless boolean) RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT pg_backend_pid(), coalesce((SELECT max(h.version) FROM rowhouse.core_history h), 0)::int,
    -- No such role (dropped under its session) is no yes, either.
    EXISTS (SELECT FROM pg_roles r WHERE r.rolname = session_user
      AND NOT (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
      AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid));
END $$;
COMMENT ON FUNCTION rowhouse.hello() IS
  'The pid to put into tickets for this connection, the version of this schema, and whether the login role has no powers and no memberships.';

REVOKE EXECUTE ON FUNCTION rowhouse.hello() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rowhouse.hello() TO rowhouse_one, rowhouse_some, rowhouse_all;
RESET ROLE;
REVOKE CREATE ON SCHEMA rowhouse FROM rowhouse_keeper;
