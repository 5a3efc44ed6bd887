-- Who there is, and which tables are kept apart. Agent roles can read neither.
SET LOCAL ROLE rowhouse_owner;

CREATE TABLE rowhouse.tenants_directory (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  region text NOT NULL,
  attributes jsonb NOT NULL DEFAULT '{}');
COMMENT ON TABLE rowhouse.tenants_directory IS 'Every tenant. The host resolves a region, or a name, to ids here before it signs a ticket.';
COMMENT ON COLUMN rowhouse.tenants_directory.id IS 'The value of the tenant column in every protected table.';
COMMENT ON COLUMN rowhouse.tenants_directory.region IS 'Policies may grant by region.';
COMMENT ON COLUMN rowhouse.tenants_directory.attributes IS 'Whatever else policies want to know of a tenant.';

CREATE TABLE rowhouse.tenant_tables (
  relation regclass PRIMARY KEY,
  tenant_column name);
COMMENT ON TABLE rowhouse.tenant_tables IS 'Tables agents may read, as rowhouse.protect and rowhouse.share registered them; what the lint holds them to.';
COMMENT ON COLUMN rowhouse.tenant_tables.tenant_column IS 'Says whose row it is. Null: the table is shared by all tenants.';

-- The caller's own rights do the work: it must own the table.
CREATE PROCEDURE rowhouse.protect(relation regclass, tenant_column name)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  schema_name name;
  member regclass;
BEGIN
  SELECT n.nspname INTO schema_name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation AND c.relkind IN ('r', 'p');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'rowhouse: % is not a table', relation
      USING ERRCODE = '42809', HINT = 'A view needs no protection of its own: give it WITH (security_invoker = true).';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = tenant_column
                 AND a.atttypid = 'uuid'::regtype AND a.attnotnull AND NOT a.attisdropped) THEN
    RAISE EXCEPTION 'rowhouse: % has no column % of type uuid that is NOT NULL', relation, tenant_column
      USING ERRCODE = '42703', HINT = 'Add it: every row must say whose it is.';
  END IF;
  -- Partitions and children too: row security of a parent does not bind whoever reads a child by its own name.
  FOR member IN
    WITH RECURSIVE family AS (
      SELECT relation AS oid UNION SELECT i.inhrelid::regclass FROM pg_inherits i JOIN family f ON i.inhparent = f.oid)
    SELECT f.oid FROM family f
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', member);
    EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC', member);
  END LOOP;
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_shared ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_upkeep ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_one ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_some ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_all ON %s', relation);
  -- In a scalar sub-select: asked once for the query. Bare, it would be asked for every row, 200 times slower.
  EXECUTE format('CREATE POLICY rowhouse_one ON %s FOR SELECT TO rowhouse_one USING (%I = (SELECT rowhouse.tenant()))',
    relation, tenant_column);
  EXECUTE format('CREATE POLICY rowhouse_some ON %s FOR SELECT TO rowhouse_some USING (%I = ANY ((SELECT rowhouse.tenants())::uuid[]))',
    relation, tenant_column);
  EXECUTE format('CREATE POLICY rowhouse_all ON %s FOR SELECT TO rowhouse_all USING ((SELECT rowhouse.every_tenant()))',
    relation);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO rowhouse_one, rowhouse_some, rowhouse_all', schema_name);
  EXECUTE format('GRANT SELECT ON TABLE %s TO rowhouse_one, rowhouse_some, rowhouse_all', relation);
  INSERT INTO rowhouse.tenant_tables AS t VALUES (relation, tenant_column)
    ON CONFLICT ON CONSTRAINT tenant_tables_pkey DO UPDATE SET tenant_column = excluded.tenant_column;
END $$;
COMMENT ON PROCEDURE rowhouse.protect(regclass, name) IS
  'Keeps a table''s rows apart by tenant: row security on and forced, one policy per agent role, SELECT granted. Run it again after adding a partition.';

CREATE PROCEDURE rowhouse.share(relation regclass)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  schema_name name;
  owner name;
BEGIN
  SELECT n.nspname, pg_get_userbyid(c.relowner) INTO schema_name, owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND c.relkind IN ('r', 'p');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'rowhouse: % is not a table', relation USING ERRCODE = '42809';
  END IF;
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation);
  EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_one ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_some ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_all ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_shared ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS rowhouse_upkeep ON %s', relation);
  EXECUTE format('CREATE POLICY rowhouse_shared ON %s FOR SELECT TO rowhouse_one, rowhouse_some, rowhouse_all USING ((SELECT rowhouse.entered()))', relation);
  -- Nothing here is anybody's own, so the owner may maintain it in spite of FORCE.
  EXECUTE format('CREATE POLICY rowhouse_upkeep ON %s TO %I USING (true) WITH CHECK (true)', relation, owner);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO rowhouse_one, rowhouse_some, rowhouse_all', schema_name);
  EXECUTE format('GRANT SELECT ON TABLE %s TO rowhouse_one, rowhouse_some, rowhouse_all', relation);
  INSERT INTO rowhouse.tenant_tables AS t VALUES (relation, NULL)
    ON CONFLICT ON CONSTRAINT tenant_tables_pkey DO UPDATE SET tenant_column = NULL;
END $$;
COMMENT ON PROCEDURE rowhouse.share(regclass) IS
  'Lets every tenant read a table that belongs to none of them, from inside a valid context only.';

REVOKE EXECUTE ON PROCEDURE rowhouse.protect(regclass, name), rowhouse.share(regclass) FROM PUBLIC;
RESET ROLE;
