-- What a database at core V3 holds: a token taken back, a key given out, a day's use, and the start of a trail.
INSERT INTO rowhouse.revocations (issuer, jti, expires_at) VALUES ('https://issuer.example', 'a-token', 'infinity');
INSERT INTO rowhouse.api_keys (id, name, hash, display_name, roles, tenants) VALUES
  ('abcdef123456', 'nightly', '$argon2id$', 'Nightly report', '{store_manager}', '{00000000-0000-4000-8000-000000000001}');
INSERT INTO rowhouse.usage (day, account, calls, rows) VALUES
  ('2026-11-21', 'tenant:00000000-0000-4000-8000-000000000001', 3, 30);
INSERT INTO rowhouse.audit (node, seq, at, event, record, mac) VALUES
  ('00000000-0000-4000-8000-00000000000a', 1, '2026-11-21', 'host_started', '{"v":1}', sha256(''));
-- holds: (SELECT count(*) = 1 FROM rowhouse.revocations WHERE jti = 'a-token')
-- holds: (SELECT roles = '{store_manager}' AND revoked_at IS NULL FROM rowhouse.api_keys WHERE id = 'abcdef123456')
-- holds: (SELECT calls = 3 AND embedding_tokens = 0 FROM rowhouse.usage WHERE day = '2026-11-21' AND account LIKE 'tenant:%1')
-- holds: (SELECT record = '{"v":1}' FROM rowhouse.audit WHERE seq = 1 AND event = 'host_started')
