-- A new context key, made as the first one was: in the database, where nobody ever holds it. The old one is good for
-- ten minutes more: a context lives one transaction, and those are bounded far below that. Only who may act as the
-- keeper can call it, which is the administrator; agent roles cannot even name the schema.
SET LOCAL ROLE rowhouse_keeper;

CREATE FUNCTION rowhouse_private.rotate_context() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  secret CONSTANT bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                               || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  -- Nothing of the key: a name of its own, so that a context of a key long deleted meets no other key.
  fresh CONSTANT text := 'c' || replace(gen_random_uuid()::text, '-', '');
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
  FOR i IN 0..31 LOOP
    inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(secret, i));
    outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(secret, i));
  END LOOP;
  -- One at a time; readers do not wait.
  LOCK TABLE rowhouse_private.key IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM rowhouse_private.key k WHERE k.usage = 'ctx' AND k.not_after <= clock_timestamp();
  UPDATE rowhouse_private.key k SET not_after = least(k.not_after, clock_timestamp() + interval '10 minutes')
    WHERE k.usage = 'ctx';
  INSERT INTO rowhouse_private.key (usage, kid, ipad, opad) VALUES ('ctx', fresh, inner_pad, outer_pad);
  RETURN fresh;
END $$;
COMMENT ON FUNCTION rowhouse_private.rotate_context() IS
  'Makes a new context key and gives the old one ten minutes. Returns the name of the new one.';
REVOKE EXECUTE ON FUNCTION rowhouse_private.rotate_context() FROM PUBLIC;
RESET ROLE;
