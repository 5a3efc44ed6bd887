-- Texts that are searched by what they mean: whose texts these are, which model makes their vectors, which changed
-- since. Vectors of two models must never be compared, so each pair of table and model has a table of its own, and a
-- view shows the vectors of the one model that is active. Nothing here needs pgvector before the first call of `embed`.
CREATE SCHEMA rowhouse_vectors AUTHORIZATION rowhouse_owner;
SET LOCAL ROLE rowhouse_owner;
REVOKE ALL ON SCHEMA rowhouse_vectors FROM PUBLIC;
COMMENT ON SCHEMA rowhouse_vectors IS
  'A table of vectors for each embedded table and model. Agents read them through views and cannot name them.';

CREATE TABLE rowhouse.embedding_models (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name <> ''),
  fingerprint text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  revision text NOT NULL,
  -- 4000: an index over half-precision vectors takes no longer ones.
  dimensions int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
  distance text NOT NULL DEFAULT 'cosine' CHECK (distance = 'cosine'),
  normalised boolean NOT NULL,
  floor real NOT NULL CHECK (floor BETWEEN -1 AND 1),
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  active boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX embedding_models_active ON rowhouse.embedding_models (active) WHERE active;
COMMENT ON TABLE rowhouse.embedding_models IS 'Models that make vectors of texts. One at most is active: the views show its vectors.';
COMMENT ON COLUMN rowhouse.embedding_models.name IS 'What the operator calls it.';
COMMENT ON COLUMN rowhouse.embedding_models.fingerprint IS 'Everything that makes two vectors comparable, as one text: equal here, comparable there.';
COMMENT ON COLUMN rowhouse.embedding_models.model IS 'What its provider calls it.';
COMMENT ON COLUMN rowhouse.embedding_models.dimensions IS 'Numbers in a vector.';
COMMENT ON COLUMN rowhouse.embedding_models.normalised IS 'Whether every vector has length 1.';
COMMENT ON COLUMN rowhouse.embedding_models.floor IS 'The cosine similarity under which nothing is relevant. Each model has its own.';
COMMENT ON COLUMN rowhouse.embedding_models.activated_at IS 'When it last became active. Null: never.';

CREATE TABLE rowhouse.embedding_sources (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source regclass NOT NULL UNIQUE,
  key_column name NOT NULL,
  key_type text NOT NULL,
  -- A name, not a regproc: pg_upgrade refuses a database with columns of that type.
  text_function text NOT NULL,
  view regclass NOT NULL UNIQUE);
COMMENT ON TABLE rowhouse.embedding_sources IS 'Tables whose texts are searched by meaning, as rowhouse.embed registered them.';
COMMENT ON COLUMN rowhouse.embedding_sources.key_column IS 'Its primary key.';
COMMENT ON COLUMN rowhouse.embedding_sources.text_function IS 'Gives the text of a row.';
COMMENT ON COLUMN rowhouse.embedding_sources.view IS 'Shows the vectors of the active model; empty without one.';

CREATE TABLE rowhouse.embedding_queue (
  source int NOT NULL,
  key text NOT NULL,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (source, key));
COMMENT ON TABLE rowhouse.embedding_queue IS 'Rows whose text may have changed since their vector was made.';
COMMENT ON COLUMN rowhouse.embedding_queue.source IS 'The id of rowhouse.embedding_sources.';
COMMENT ON COLUMN rowhouse.embedding_queue.asked_at IS 'When the row last changed. A row is taken off only as it was when its text was read.';

CREATE FUNCTION rowhouse.tell_embeddings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY rowhouse_embeddings;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.embedding_models
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_embeddings();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.embedding_sources
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell_embeddings();

-- Runs as its owner, because whoever may write a table need not reach the host's books. A key is still the number, the
-- text or the uuid that was registered: writing it as text must not call somebody's own cast with the owner's rights.
CREATE FUNCTION rowhouse.queue_embeddings() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known record;
  asked bigint;
BEGIN
  SELECT s.id, s.key_column INTO known
    FROM rowhouse.embedding_sources s JOIN pg_attribute a ON a.attrelid = s.source AND a.attname = s.key_column
    WHERE s.source = TG_RELID AND format_type(a.atttypid, NULL) = s.key_type;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  -- UPDATE, not NOTHING: a change that commits while its key is being taken off must keep the key.
  EXECUTE format('INSERT INTO rowhouse.embedding_queue (source, key)
      SELECT $1, c.key FROM (SELECT DISTINCT n.%I::text AS key FROM changed n) c ORDER BY c.key
      ON CONFLICT (source, key) DO UPDATE SET asked_at = excluded.asked_at', known.key_column) USING known.id;
  GET DIAGNOSTICS asked = ROW_COUNT;
  IF asked > 0 THEN
    NOTIFY rowhouse_embeddings;
  END IF;
  RETURN NULL;
END $$;

-- Where pgvector is, and that it is.
CREATE FUNCTION rowhouse.halfvec() RETURNS text
LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found CONSTANT text := to_regtype((SELECT format('%I.halfvec', n.nspname) FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'))::text;
BEGIN
  IF found IS NULL THEN
    RAISE EXCEPTION 'rowhouse: the extension vector is missing, or older than 0.7'
      USING ERRCODE = '58P01', HINT = 'CREATE EXTENSION vector SCHEMA ext';
  END IF;
  RETURN found;
END $$;
COMMENT ON FUNCTION rowhouse.halfvec() IS 'The type of the vectors, with its schema. 58P01: there is none.';

CREATE PROCEDURE rowhouse.drop_vectors(of_source int, of_model int)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  vectors regclass;
BEGIN
  FOR vectors IN
    SELECT c.oid FROM pg_class c
    WHERE c.relnamespace = 'rowhouse_vectors'::regnamespace AND c.relkind = 'r'
      AND c.relname ~ format('^s%s_m%s$', coalesce(of_source::text, '[0-9]+'), coalesce(of_model::text, '[0-9]+'))
  LOOP
    DELETE FROM rowhouse.tenant_tables t WHERE t.relation = vectors;
    EXECUTE format('DROP TABLE %s', vectors);
  END LOOP;
END $$;
COMMENT ON PROCEDURE rowhouse.drop_vectors(int, int) IS 'Drops the vectors of a table by a model; null stands for every one.';

-- Replaced, not dropped and made again: the columns keep their types (a halfvec of any length), so views and grants
-- of an operator's own that rest on it stay, and so do statements that are prepared.
CREATE PROCEDURE rowhouse.show_embeddings(of_source int)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  known rowhouse.embedding_sources;
  model rowhouse.embedding_models;
  vectors regclass;
BEGIN
  SELECT s.* INTO STRICT known FROM rowhouse.embedding_sources s WHERE s.id = of_source;
  IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = known.view) THEN
    RAISE EXCEPTION 'rowhouse: the view of the vectors of % is gone', known.source
      USING ERRCODE = '42P01', HINT = format('CALL rowhouse.unembed(%L), and then embed it again.', known.source);
  END IF;
  SELECT m.* INTO model FROM rowhouse.embedding_models m WHERE m.active;
  vectors := to_regclass(format('rowhouse_vectors.s%s_m%s', of_source, model.id));
  IF vectors IS NULL THEN
    EXECUTE format('CREATE OR REPLACE VIEW %s (%I, embedding) WITH (security_invoker = true) AS
        SELECT t.%2$I::%s, NULL::%s FROM %s t WHERE false',
      known.view, known.key_column, known.key_type, rowhouse.halfvec(), known.source);
  ELSE
    EXECUTE format('CREATE OR REPLACE VIEW %s (%I, embedding) WITH (security_invoker = true) AS
        SELECT e.key::%s, e.embedding::%s FROM %s e',
      known.view, known.key_column, known.key_type, rowhouse.halfvec(), vectors);
  END IF;
  EXECUTE format('COMMENT ON VIEW %s IS %L', known.view, format(
    'What each row of %s means, as a vector%s. Join it on %s.', known.source,
    CASE WHEN vectors IS NULL THEN ': empty until there are some' ELSE format(' made by the model %s', model.name) END,
    known.key_column));
  EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', known.view, known.key_column, format('Key of the row of %s.', known.source));
  EXECUTE format('COMMENT ON COLUMN %s.embedding IS %L', known.view, CASE WHEN vectors IS NULL THEN 'A vector.' ELSE
    format('%s of %s numbers; order by embedding <=> $1 (cosine distance, smaller is closer).',
           CASE WHEN model.normalised THEN 'Unit vector' ELSE 'Vector' END, model.dimensions) END);
END $$;
COMMENT ON PROCEDURE rowhouse.show_embeddings(int) IS 'Points the view of a table''s vectors at those of the active model.';

-- The caller's own rights do the work: it must own the table, and its schema.
CREATE PROCEDURE rowhouse.embed(source regclass, key_column name, text_function regproc, view_name text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  -- Written the same way under any settings of a session, and compared by nobody's own operators.
  key_types CONSTANT regtype[] := '{uuid,smallint,integer,bigint,text,character varying}';
  part CONSTANT text[] := parse_ident(view_name);
  halfvec CONSTANT text := rowhouse.halfvec();
  relation record;
  key_type text;
  known rowhouse.embedding_sources;
  shows regclass;
BEGIN
  -- Shared by the owner of today: row security binds one it does not name.
  SELECT n.nspname, c.reltype, pg_get_userbyid(c.relowner) AS owner, t.tenant_column, t.relation IS NOT NULL
      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'rowhouse_upkeep' AND c.relowner = ANY (p.polroles)) AS shared
    INTO STRICT relation
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN rowhouse.tenant_tables t ON t.relation = c.oid
    WHERE c.oid = source;
  -- One index holds the vectors of all rows: by its time it would tell a tenant what the others have.
  IF relation.tenant_column IS NOT NULL THEN
    RAISE EXCEPTION 'rowhouse: the rows of % are kept apart by tenant', source
      USING ERRCODE = '0A000', HINT = 'Keep their vectors in a protected table of your own, and search a tenant''s rows exactly.';
  ELSIF NOT relation.shared THEN
    RAISE EXCEPTION 'rowhouse: % is not shared by all tenants', source
      USING ERRCODE = '55000', HINT = format('CALL rowhouse.share(%L)', source);
  END IF;
  SELECT format_type(a.atttypid, NULL) INTO key_type
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = source AND i.indisprimary AND i.indnkeyatts = 1
      AND a.attname = embed.key_column AND a.atttypid = ANY (key_types);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'rowhouse: % is not the primary key of %', key_column, source
      USING ERRCODE = '42P10', HINT = 'A primary key of one column is needed: uuid, a whole number or text.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = text_function AND p.prokind = 'f' AND NOT p.proretset
                 AND p.pronargs = 1 AND p.proargtypes[0] = relation.reltype AND p.prorettype = 'text'::regtype
                 AND p.provolatile <> 'v') THEN
    RAISE EXCEPTION 'rowhouse: % does not make a text of a row of %', text_function, source
      USING ERRCODE = '42883', HINT = format('CREATE FUNCTION ...(%s) RETURNS text STABLE ...', source);
  END IF;
  IF part[1] IS DISTINCT FROM relation.nspname OR cardinality(part) <> 2 THEN
    RAISE EXCEPTION 'rowhouse: the view % is not in the schema of %', view_name, source
      USING ERRCODE = '42602', HINT = format('Agents may look into that one already: %I.%I', relation.nspname, part[cardinality(part)]);
  END IF;

  shows := to_regclass(format('%I.%I', part[1], part[2]));
  SELECT s.* INTO known FROM rowhouse.embedding_sources s WHERE s.source = embed.source;
  -- Another key: other vectors. Another name: another view.
  IF FOUND AND (known.key_column, known.key_type, known.view) IS DISTINCT FROM (key_column, key_type, shows) THEN
    CALL rowhouse.unembed(source);
    known := NULL;
    shows := to_regclass(format('%I.%I', part[1], part[2]));
  END IF;
  IF shows IS NOT NULL AND known.id IS NULL THEN
    RAISE EXCEPTION 'rowhouse: there is something called % already', shows
      USING ERRCODE = '42P07', HINT = 'Give the view a name of its own.';
  END IF;
  IF known.id IS NULL THEN
    -- Only to be replaced below, once it is registered.
    EXECUTE format('CREATE VIEW %I.%I (%I, embedding) WITH (security_invoker = true) AS SELECT t.%3$I::%s, NULL::%s FROM %s t WHERE false',
      part[1], part[2], key_column, key_type, halfvec, source);
    shows := format('%I.%I', part[1], part[2]);
  END IF;
  INSERT INTO rowhouse.embedding_sources AS s (source, key_column, key_type, text_function, view)
    VALUES (source, key_column, key_type, text_function, shows)
    ON CONFLICT ON CONSTRAINT embedding_sources_source_key DO UPDATE SET text_function = excluded.text_function
    RETURNING s.* INTO known;
  EXECUTE format('ALTER VIEW %s OWNER TO %I', shows, relation.owner);
  EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC', shows);
  EXECUTE format('GRANT SELECT ON TABLE %s TO rowhouse_one, rowhouse_some, rowhouse_all', shows);
  CALL rowhouse.show_embeddings(known.id);
  -- Rows that go need no trigger: a vector without its row is swept.
  EXECUTE format('CREATE OR REPLACE TRIGGER rowhouse_embed_insert AFTER INSERT ON %s
      REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.queue_embeddings()', source);
  EXECUTE format('CREATE OR REPLACE TRIGGER rowhouse_embed_update AFTER UPDATE ON %s
      REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.queue_embeddings()', source);
END $$;
COMMENT ON PROCEDURE rowhouse.embed(regclass, name, regproc, text) IS
  'Makes a shared table''s texts searchable by meaning: a view for the vectors, and triggers that say which texts changed. Run it again when the function or the owner changed.';

CREATE PROCEDURE rowhouse.unembed(source regclass)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  known rowhouse.embedding_sources;
BEGIN
  SELECT s.* INTO known FROM rowhouse.embedding_sources s WHERE s.source = unembed.source;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'rowhouse: the texts of % are not searched by meaning', source USING ERRCODE = '42704';
  END IF;
  IF EXISTS (SELECT FROM pg_class c WHERE c.oid = source) THEN
    EXECUTE format('DROP TRIGGER IF EXISTS rowhouse_embed_insert ON %s', source);
    EXECUTE format('DROP TRIGGER IF EXISTS rowhouse_embed_update ON %s', source);
  END IF;
  IF EXISTS (SELECT FROM pg_class c WHERE c.oid = known.view) THEN
    EXECUTE format('DROP VIEW %s', known.view);
  END IF;
  CALL rowhouse.drop_vectors(known.id, NULL);
  DELETE FROM rowhouse.embedding_queue q WHERE q.source = known.id;
  DELETE FROM rowhouse.embedding_sources s WHERE s.id = known.id;
END $$;
COMMENT ON PROCEDURE rowhouse.unembed(regclass) IS 'Takes back what rowhouse.embed made: triggers, view, vectors.';

CREATE PROCEDURE rowhouse.prepare_embeddings(of_source int, of_model int)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  known rowhouse.embedding_sources;
  model rowhouse.embedding_models;
  name CONSTANT text := format('rowhouse_vectors.s%s_m%s', of_source, of_model);
  made boolean := false;
  owner name;
BEGIN
  -- One at a time; readers do not wait.
  LOCK TABLE rowhouse.embedding_sources IN SHARE ROW EXCLUSIVE MODE;
  SELECT s.* INTO STRICT known FROM rowhouse.embedding_sources s WHERE s.id = of_source;
  SELECT m.* INTO STRICT model FROM rowhouse.embedding_models m WHERE m.id = of_model;
  SELECT pg_get_userbyid(c.relowner) INTO STRICT owner FROM pg_class c WHERE c.oid = known.source;
  IF to_regclass(name) IS NULL THEN
    -- From the table itself, for the key's type and collation.
    EXECUTE format('CREATE TABLE %s AS SELECT t.%I AS key, NULL::bytea AS content_hash, NULL::%s(%s) AS embedding FROM %s t WITH NO DATA',
      name, known.key_column, rowhouse.halfvec(), model.dimensions, known.source);
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (key), ALTER COLUMN content_hash SET NOT NULL, ALTER COLUMN embedding SET NOT NULL', name);
    EXECUTE format('COMMENT ON TABLE %s IS %L', name, format('Vectors of %s by the model %s.', known.source, model.name));
    EXECUTE format('COMMENT ON COLUMN %s.key IS %L', name, format('%s of the row.', known.key_column));
    EXECUTE format('COMMENT ON COLUMN %s.content_hash IS ''SHA-256 of the text, in UTF-8, that the vector is of.''', name);
    EXECUTE format('COMMENT ON COLUMN %s.embedding IS ''What the text means.''', name);
    made := true;
  END IF;
  IF made OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(name) AND pg_get_userbyid(c.relowner) = owner) THEN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA rowhouse_vectors TO %I', owner);
    EXECUTE format('ALTER TABLE %s OWNER TO %I', name, owner);
    CALL rowhouse.share(to_regclass(name));
    -- A view's reader needs no right to the schema, so that nobody can name what is in it.
    REVOKE USAGE ON SCHEMA rowhouse_vectors FROM rowhouse_one, rowhouse_some, rowhouse_all;
  END IF;
  IF made AND model.active THEN
    CALL rowhouse.show_embeddings(of_source);
  END IF;
END $$;
COMMENT ON PROCEDURE rowhouse.prepare_embeddings(int, int) IS 'Makes the table for the vectors of a table by a model, where it is missing.';

CREATE PROCEDURE rowhouse.activate_embeddings(of_model int)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  known record;
BEGIN
  LOCK TABLE rowhouse.embedding_sources, rowhouse.embedding_models IN SHARE ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM rowhouse.embedding_models m WHERE m.id = of_model) THEN
    RAISE EXCEPTION 'rowhouse: there is no model %', of_model USING ERRCODE = '42704';
  END IF;
  UPDATE rowhouse.embedding_models m SET active = false WHERE m.active AND m.id <> of_model;
  UPDATE rowhouse.embedding_models m SET active = true, activated_at = now() WHERE m.id = of_model;
  FOR known IN
    SELECT s.id, s.source FROM rowhouse.embedding_sources s JOIN pg_class c ON c.oid = s.source ORDER BY s.id
  LOOP
    IF to_regclass(format('rowhouse_vectors.s%s_m%s', known.id, of_model)) IS NULL THEN
      RAISE EXCEPTION 'rowhouse: there is no table for the vectors of %', known.source
        USING ERRCODE = '55000', HINT = format('CALL rowhouse.prepare_embeddings(%s, %s)', known.id, of_model);
    END IF;
    CALL rowhouse.show_embeddings(known.id);
  END LOOP;
END $$;
COMMENT ON PROCEDURE rowhouse.activate_embeddings(int) IS 'Makes a model the active one: every view shows its vectors, all from one moment on.';

REVOKE EXECUTE ON PROCEDURE rowhouse.drop_vectors(int, int), rowhouse.show_embeddings(int), rowhouse.embed(regclass, name, regproc, text),
  rowhouse.unembed(regclass), rowhouse.prepare_embeddings(int, int), rowhouse.activate_embeddings(int) FROM PUBLIC;
GRANT SELECT ON rowhouse.embedding_models, rowhouse.embedding_sources, rowhouse.embedding_queue TO rowhouse_clerk;
RESET ROLE;
