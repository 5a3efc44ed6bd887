-- Who a transaction speaks for. The host signs a ticket; `enter` checks it and leaves a context that only this
-- database can sign, bound to this backend and this transaction; every policy asks a verifier below. SQL text can
-- read, set or replay the setting `rowhouse.ctx` as it likes: without the key it cannot make a valid one.
GRANT USAGE, CREATE ON SCHEMA rowhouse TO rowhouse_keeper;
GRANT USAGE ON SCHEMA rowhouse TO rowhouse_one, rowhouse_some, rowhouse_all;
CREATE SCHEMA rowhouse_private AUTHORIZATION rowhouse_keeper;
REVOKE ALL ON SCHEMA rowhouse_private FROM PUBLIC;
GRANT SELECT ON rowhouse.core_history TO rowhouse_keeper;

-- The form without IN SCHEMA: only that one can take EXECUTE away from PUBLIC.
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_keeper REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

SET LOCAL ROLE rowhouse_keeper;

CREATE TABLE rowhouse_private.key (
  usage text NOT NULL CHECK (usage IN ('ticket', 'ctx')),
  -- No '|': it separates the fields of a ticket.
  kid text NOT NULL CHECK (kid ~ '^[A-Za-z0-9_.-]{1,64}$'),
  -- The key with HMAC's two pads already laid over it, so that a check is two hashes and no byte loop.
  ipad bytea NOT NULL CHECK (octet_length(ipad) = 64),
  opad bytea NOT NULL CHECK (octet_length(opad) = 64),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  not_after timestamptz NOT NULL DEFAULT 'infinity',
  PRIMARY KEY (usage, kid));
COMMENT ON TABLE rowhouse_private.key IS
  'HMAC-SHA-256 keys. ticket: shared with the host. ctx: made here, never leaves. Two of each may live at once, to rotate. Leave the rows out of dumps.';

-- The context key is made here and nobody ever holds it: four random UUIDs hashed are 244 bits and more of chance.
DO $$
DECLARE
  secret CONSTANT bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                               || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
  FOR i IN 0..31 LOOP
    inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(secret, i));
    outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(secret, i));
  END LOOP;
  INSERT INTO rowhouse_private.key (usage, kid, ipad, opad) VALUES ('ctx', 'c1', inner_pad, outer_pad);
END $$;

-- HMAC-SHA-256 in hexadecimal, from built-in functions: pgcrypto is no faster and not everywhere.
CREATE FUNCTION rowhouse_private.mac(ipad bytea, opad bytea, message text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT encode(sha256(opad || sha256(ipad || convert_to(message, 'UTF8'))), 'hex') $$;

-- Equal, without telling by its time how many characters agree.
CREATE FUNCTION rowhouse_private.same(a text, b text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT sha256(convert_to(a, 'UTF8')) IS NOT DISTINCT FROM sha256(convert_to(b, 'UTF8')) $$;

-- Ticket, always a bind parameter: v1|kid|scope|principal|expiry|backend or 0|nonce|mac
--   scope      one:UUID, some:UUID,UUID,... or all
--   principal  hexadecimal digest of who asks
--   expiry     whole seconds since 1970, at most five minutes ahead
--   backend    pid of the backend the ticket is for; 0 where a pooler stands between
--   mac        hexadecimal HMAC-SHA-256 of everything before the last '|'
CREATE FUNCTION rowhouse.enter(ticket text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part CONSTANT text[] := string_to_array(ticket, '|');
  key rowhouse_private.key;
  body text;
BEGIN
  IF cardinality(part) IS DISTINCT FROM 8 OR part[1] IS DISTINCT FROM 'v1' THEN
    RAISE EXCEPTION 'rowhouse: malformed ticket' USING ERRCODE = '28000';
  END IF;
  SELECT * INTO key FROM rowhouse_private.key k WHERE k.usage = 'ticket' AND k.kid = part[2] AND k.not_after > now();
  IF NOT FOUND OR NOT rowhouse_private.same(
       part[8], rowhouse_private.mac(key.ipad, key.opad, array_to_string(part[1:7], '|'))) THEN
    RAISE EXCEPTION 'rowhouse: bad ticket' USING ERRCODE = '28000';
  END IF;
  IF to_timestamp(part[5]::bigint) < clock_timestamp() THEN
    RAISE EXCEPTION 'rowhouse: expired ticket' USING ERRCODE = '28000';
  END IF;
  -- A ticket is for one statement; a long life is a mistake or a theft in preparation.
  IF to_timestamp(part[5]::bigint) > clock_timestamp() + interval '5 minutes' THEN
    RAISE EXCEPTION 'rowhouse: ticket lives too long' USING ERRCODE = '28000';
  END IF;
  IF part[6] <> '0' AND part[6]::int <> pg_backend_pid() THEN
    RAISE EXCEPTION 'rowhouse: ticket for another backend' USING ERRCODE = '28000';
  END IF;
  IF part[3] !~ '^(all|(one|some):[0-9a-f,-]+)$' THEN
    RAISE EXCEPTION 'rowhouse: malformed scope' USING ERRCODE = '28000';
  END IF;
  IF current_setting('transaction_read_only') <> 'on' THEN
    RAISE EXCEPTION 'rowhouse: a read-only transaction is required' USING ERRCODE = '25000';
  END IF;
  -- Once per transaction: a second ticket, however good, must not change whose rows a running statement sees.
  IF coalesce(current_setting('rowhouse.ctx', true), '') <> '' THEN
    RAISE EXCEPTION 'rowhouse: already entered' USING ERRCODE = '25001';
  END IF;
  SELECT * INTO STRICT key FROM rowhouse_private.key k WHERE k.usage = 'ctx' AND k.not_after > now()
    ORDER BY k.created_at DESC LIMIT 1;
  -- pid and transaction start (microseconds) tie it to here and now.
  body := concat_ws('|', key.kid, part[3], part[4], pg_backend_pid(), extract(epoch FROM now()));
  PERFORM set_config('rowhouse.ctx', body || '|' || rowhouse_private.mac(key.ipad, key.opad, body), true);
END $$;

-- The scope of a context that is present, ours, for this backend and this transaction. Else an error, never an
-- empty answer: the host counts these.
CREATE FUNCTION rowhouse_private.scope() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
AS $$
DECLARE
  context CONSTANT text := current_setting('rowhouse.ctx', true);
  part CONSTANT text[] := string_to_array(context, '|');  -- kid, scope, principal, pid, start, mac
  key rowhouse_private.key;
BEGIN
  IF cardinality(part) IS DISTINCT FROM 6 THEN
    RAISE EXCEPTION 'rowhouse: no tenant context' USING ERRCODE = '42501';
  END IF;
  SELECT * INTO key FROM rowhouse_private.key k WHERE k.usage = 'ctx' AND k.kid = part[1] AND k.not_after > now();
  IF NOT FOUND
     -- 65: the mac and the '|' before it.
     OR NOT rowhouse_private.same(part[6], rowhouse_private.mac(key.ipad, key.opad, left(context, -65)))
     OR part[4] IS DISTINCT FROM pg_backend_pid()::text
     OR part[5] IS DISTINCT FROM extract(epoch FROM now())::text THEN
    RAISE EXCEPTION 'rowhouse: invalid tenant context' USING ERRCODE = '42501';
  END IF;
  RETURN part[2];
END $$;

-- One verifier for each shape of scope. Each refuses the other shapes, so a statement that somehow ran as another
-- login role would gain nothing. RESTRICTED, because a parallel worker has another pid; inside (SELECT ...) the
-- leader asks once and plans stay parallel.
CREATE FUNCTION rowhouse.tenant() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  scope CONSTANT text := rowhouse_private.scope();
BEGIN
  IF left(scope, 4) <> 'one:' THEN
    RAISE EXCEPTION 'rowhouse: the context is not for one tenant' USING ERRCODE = '42501';
  END IF;
  RETURN substr(scope, 5)::uuid;
END $$;

CREATE FUNCTION rowhouse.tenants() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  scope CONSTANT text := rowhouse_private.scope();
BEGIN
  IF left(scope, 5) <> 'some:' THEN
    RAISE EXCEPTION 'rowhouse: the context is not for several tenants' USING ERRCODE = '42501';
  END IF;
  RETURN string_to_array(substr(scope, 6), ',')::uuid[];
END $$;

CREATE FUNCTION rowhouse.every_tenant() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF rowhouse_private.scope() <> 'all' THEN
    RAISE EXCEPTION 'rowhouse: the context is not for every tenant' USING ERRCODE = '42501';
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION rowhouse.entered() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM rowhouse_private.scope();
  RETURN true;
END $$;

CREATE FUNCTION rowhouse.hello(OUT backend_pid int, OUT schema_version int) RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT pg_backend_pid(), coalesce(max(h.version), 0)::int FROM rowhouse.core_history h;
END $$;

COMMENT ON FUNCTION rowhouse.enter(text) IS 'Checks a ticket and binds its scope to this transaction. 28000: not a good ticket. 25001: already entered.';
COMMENT ON FUNCTION rowhouse.tenant() IS 'The one tenant of this transaction, or 42501. For policies, as (SELECT rowhouse.tenant()).';
COMMENT ON FUNCTION rowhouse.tenants() IS 'The tenants of this transaction, or 42501. For policies.';
COMMENT ON FUNCTION rowhouse.every_tenant() IS 'True when this transaction may see every tenant, else 42501. For policies.';
COMMENT ON FUNCTION rowhouse.entered() IS 'True when this transaction has any valid context, else 42501. For policies of shared tables.';
COMMENT ON FUNCTION rowhouse.hello() IS 'The pid to put into tickets for this connection, and the version of this schema.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rowhouse, rowhouse_private FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rowhouse.enter(text), rowhouse.tenant(), rowhouse.tenants(), rowhouse.every_tenant(),
  rowhouse.entered(), rowhouse.hello() TO rowhouse_one, rowhouse_some, rowhouse_all;
RESET ROLE;
REVOKE CREATE ON SCHEMA rowhouse FROM rowhouse_keeper;
