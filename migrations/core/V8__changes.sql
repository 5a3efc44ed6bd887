-- Tables that tell of their changes, so that hosts know when an answer they kept is out of date. Nothing tells unless
-- `announce` was called for it: a transaction that tells waits, when it commits, for others that do.
SET LOCAL ROLE rowhouse_owner;

-- Only the table's number, whoever's rows they were: what a tenant does is nobody's to hear. Runs as who writes.
CREATE FUNCTION rowhouse.tell_change() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('NOTIFY rowhouse_changes, %L', TG_RELID);
  RETURN NULL;
END $$;

-- What reads what changed: a view shows another table. A word that is no number puts everything out of date.
CREATE FUNCTION rowhouse.tell_shape() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NOTIFY rowhouse_changes, 'shape';
  RETURN NULL;
END $$;
CREATE TRIGGER tell_shape AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.embedding_models
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_shape();
CREATE TRIGGER tell_shape AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.embedding_sources
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_shape();
CREATE TRIGGER tell_shape AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.tenant_tables
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_shape();

-- The caller's own rights do the work: it must own the table.
CREATE PROCEDURE rowhouse.announce(relation regclass)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  member regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM rowhouse.tenant_tables t WHERE t.relation = announce.relation) THEN
    RAISE EXCEPTION 'rowhouse: % is not a table agents read', relation
      USING ERRCODE = '55000', HINT = format('CALL rowhouse.protect(%L, ''its tenant column''), or CALL rowhouse.share(%1$L)', relation);
  END IF;
  -- Partitions and children too: who writes one by its own name calls no trigger of the parent.
  FOR member IN
    WITH RECURSIVE family AS (
      SELECT relation AS oid UNION SELECT i.inhrelid::regclass FROM pg_inherits i JOIN family f ON i.inhparent = f.oid)
    SELECT f.oid FROM family f
  LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER rowhouse_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_change()', member);
    -- Also in a session that loads data with triggers off (session_replication_role).
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER rowhouse_tell', member);
  END LOOP;
  NOTIFY rowhouse_changes, 'shape';
END $$;
COMMENT ON PROCEDURE rowhouse.announce(regclass) IS
  'Lets a table tell hosts of its changes, so that they may keep answers that read it. Run it again after adding a partition.';

CREATE PROCEDURE rowhouse.hush(relation regclass)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  member regclass;
BEGIN
  FOR member IN
    WITH RECURSIVE family AS (
      SELECT relation AS oid UNION SELECT i.inhrelid::regclass FROM pg_inherits i JOIN family f ON i.inhparent = f.oid)
    SELECT f.oid FROM family f
  LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS rowhouse_tell ON %s', member);
  END LOOP;
  NOTIFY rowhouse_changes, 'shape';
END $$;
COMMENT ON PROCEDURE rowhouse.hush(regclass) IS 'Takes back rowhouse.announce: the table tells of nothing, and answers that read it are not kept.';

CREATE PROCEDURE rowhouse.announce_all()
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  known record;
BEGIN
  FOR known IN SELECT t.relation FROM rowhouse.tenant_tables t JOIN pg_class c ON c.oid = t.relation ORDER BY t.relation LOOP
    CALL rowhouse.announce(known.relation);
  END LOOP;
END $$;
COMMENT ON PROCEDURE rowhouse.announce_all() IS 'Calls rowhouse.announce for every table agents read.';

REVOKE EXECUTE ON PROCEDURE rowhouse.announce(regclass), rowhouse.hush(regclass), rowhouse.announce_all() FROM PUBLIC;
RESET ROLE;
