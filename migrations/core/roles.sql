-- What a database's own history cannot hold: roles belong to the cluster. Run before every migration, and safe to
-- run again; a database restored into another cluster gets its roles back this way. Needs CREATEROLE, no more.
DO $$
DECLARE
  r record;
  needed CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
  FOR r IN SELECT * FROM (VALUES
    ('rowhouse_owner',   'NOLOGIN'),   -- owns the schema rowhouse and its tables
    ('rowhouse_keeper',  'NOLOGIN'),   -- owns the keys and the functions that check them
    ('rowhouse_trusted', 'NOLOGIN'),   -- gets back what hardening takes from PUBLIC
    -- One login role for each shape of scope, so that each table has exactly one policy per role and the planner
    -- sees a plain comparison. Members of nothing, owners of nothing.
    ('rowhouse_one',  'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8'),
    ('rowhouse_some', 'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8'),
    ('rowhouse_all',  'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8'),
    -- Keeps the host's own books (revocations, keys, usage, audit) and reaches no tenant's table.
    ('rowhouse_clerk', 'LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT 8')) AS v(name, attributes)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r.name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I %s', r.name, r.attributes);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- a migration in another database of this cluster was quicker
      END;
    END IF;
  END LOOP;

  FOR r IN SELECT * FROM (VALUES
    ('rowhouse_trusted', 'rowhouse_owner'), ('rowhouse_trusted', 'rowhouse_keeper')) AS v(role, member)
  LOOP
    IF NOT pg_has_role(r.member, r.role, 'USAGE') THEN
      BEGIN
        EXECUTE format('GRANT %I TO %I', r.role, r.member);
      EXCEPTION WHEN unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;

  -- An administrator who is not superuser must be able to act as the owners it creates.
  FOR r IN SELECT unnest(ARRAY['rowhouse_owner', 'rowhouse_keeper', 'rowhouse_trusted']) AS role LOOP
    IF current_setting('is_superuser') = 'off' AND NOT pg_has_role(r.role, needed) THEN
      EXECUTE format('GRANT %I TO %I', r.role, current_user);
    END IF;
  END LOOP;
END $$;

DO $$
BEGIN
  IF to_regnamespace('rowhouse') IS NULL THEN
    CREATE SCHEMA rowhouse AUTHORIZATION rowhouse_owner;
  END IF;
  IF to_regnamespace('ext') IS NULL THEN
    CREATE SCHEMA ext;  -- extensions: apart from tables, so that nobody else's objects share their search path
    GRANT USAGE ON SCHEMA ext TO rowhouse_owner, rowhouse_keeper, rowhouse_one, rowhouse_some, rowhouse_all;
  END IF;
  -- Agent roles connect and nothing else: no temporary tables, no schemas of their own.
  EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowhouse_one, rowhouse_some, rowhouse_all, rowhouse_clerk', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
