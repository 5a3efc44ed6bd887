-- What a database at core V1 holds: a host's key, one that is on its way out, and the key made in the migration.
-- Each line `-- holds:` is a condition that must be true once every later migration is in.
INSERT INTO rowhouse_private.key (usage, kid, ipad, opad) VALUES
  ('ticket', 'first', decode(repeat('36', 64), 'hex'), decode(repeat('5c', 64), 'hex'));
INSERT INTO rowhouse_private.key (usage, kid, ipad, opad, not_after) VALUES
  ('ticket', 'retired', decode(repeat('37', 64), 'hex'), decode(repeat('5d', 64), 'hex'), '2026-01-01');
-- holds: (SELECT count(*) = 1 FROM rowhouse_private.key WHERE usage = 'ctx' AND not_after = 'infinity')
-- holds: (SELECT ipad = decode(repeat('36', 64), 'hex') AND not_after = 'infinity' FROM rowhouse_private.key WHERE kid = 'first')
-- holds: (SELECT not_after < now() FROM rowhouse_private.key WHERE kid = 'retired')
