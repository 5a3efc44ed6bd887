-- The host's own books: which proofs were taken back, which keys were given out, who used how much, who did what.
-- Agent roles can read none of it. The host keeps them as rowhouse_clerk, which reaches nothing else.
GRANT USAGE ON SCHEMA rowhouse TO rowhouse_clerk;
SET LOCAL ROLE rowhouse_owner;

CREATE TABLE rowhouse.revocations (
  issuer text NOT NULL,
  jti text NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz NOT NULL DEFAULT now(),
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (issuer, jti));
COMMENT ON TABLE rowhouse.revocations IS 'Tokens that are no longer believed. A row may go once its token has expired.';
COMMENT ON COLUMN rowhouse.revocations.expires_at IS 'When the token ends by itself.';

CREATE TABLE rowhouse.api_keys (
  -- No '_': it separates the parts of a key.
  id text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9]{6,32}$'),
  name text NOT NULL,
  hash text NOT NULL,
  display_name text NOT NULL,
  roles text[] NOT NULL DEFAULT '{}',
  tenants uuid[] NOT NULL DEFAULT '{}',
  regions text[] NOT NULL DEFAULT '{}',
  scopes text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz);
COMMENT ON TABLE rowhouse.api_keys IS 'Keys of callers without an identity provider. The key itself was shown once and is kept nowhere.';
COMMENT ON COLUMN rowhouse.api_keys.hash IS 'Argon2id of the secret part, in PHC form.';

CREATE TABLE rowhouse.usage (
  day date NOT NULL,
  account text NOT NULL,
  calls bigint NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  database_ms bigint NOT NULL DEFAULT 0,
  embedding_tokens bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (day, account));
COMMENT ON TABLE rowhouse.usage IS 'What each account used on a day (UTC): quotas are held against it.';
COMMENT ON COLUMN rowhouse.usage.account IS 'tenant:<id>, or principal:<digest> for calls over several tenants.';

CREATE TABLE rowhouse.audit (
  node uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  at timestamptz NOT NULL,
  event text NOT NULL,
  -- As written, letter for letter: the chain is over these bytes, which jsonb would not keep.
  record text NOT NULL,
  mac bytea NOT NULL CHECK (octet_length(mac) = 32),
  PRIMARY KEY (node, seq));
CREATE INDEX audit_by_time ON rowhouse.audit (at);
COMMENT ON TABLE rowhouse.audit IS 'Who did what. Rows are added and never changed; each node chains its own with HMAC-SHA-256.';

CREATE FUNCTION rowhouse.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rowhouse: the audit trail is only added to'
    USING ERRCODE = '55000', HINT = 'To keep it short, detach it as a whole after an export: see SECURITY.md.';
END $$;
CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rowhouse.audit
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.refuse_change();

-- NOTIFY as a statement: hardening takes pg_notify from PUBLIC, and a statement needs no function.
CREATE FUNCTION rowhouse.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'revocations' THEN NOTIFY rowhouse_revocations;
    WHEN 'api_keys' THEN NOTIFY rowhouse_api_keys;
    WHEN 'tenants_directory' THEN NOTIFY rowhouse_tenants;
  END CASE;
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.revocations
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rowhouse.tenants_directory
  FOR EACH STATEMENT EXECUTE FUNCTION rowhouse.tell();

GRANT SELECT ON rowhouse.revocations, rowhouse.api_keys, rowhouse.tenants_directory TO rowhouse_clerk;
GRANT SELECT, INSERT, UPDATE ON rowhouse.usage TO rowhouse_clerk;
GRANT SELECT, INSERT ON rowhouse.audit TO rowhouse_clerk;
RESET ROLE;
