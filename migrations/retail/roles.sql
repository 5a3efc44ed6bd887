-- The demo's own role, before every migration of the demo and safe to run again (see core/roles.sql).
DO $$
DECLARE
  needed CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'retail_owner') THEN
    BEGIN
      CREATE ROLE retail_owner NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;  -- a migration in another database of this cluster was quicker
    END;
  END IF;
  IF NOT pg_has_role('retail_owner', 'rowhouse_trusted', 'USAGE') THEN
    BEGIN
      GRANT rowhouse_trusted TO retail_owner;
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
  END IF;
  IF current_setting('is_superuser') = 'off' AND NOT pg_has_role('retail_owner', needed) THEN
    EXECUTE format('GRANT retail_owner TO %I', current_user);
  END IF;
  IF to_regnamespace('retail') IS NULL THEN
    CREATE SCHEMA retail AUTHORIZATION retail_owner;
    COMMENT ON SCHEMA retail IS 'Zava DIY, a home-improvement retailer in Washington State: eight stores, one of them online.';
  END IF;
END $$;
GRANT USAGE ON SCHEMA ext TO retail_owner;
