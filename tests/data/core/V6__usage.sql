-- What a database at core V6 holds: days the clerk may delete, and the ones it kept.
INSERT INTO rowhouse.usage (day, account, calls) VALUES
  ('2020-01-01', 'principal:00112233445566778899aabbccddeeff', 1), ('2026-11-22', 'tenant:00000000-0000-4000-8000-000000000001', 2);
SET ROLE rowhouse_clerk;
DELETE FROM rowhouse.usage WHERE day < '2021-01-01';
RESET ROLE;
-- holds: (SELECT count(*) = 0 FROM rowhouse.usage WHERE day = '2020-01-01')
-- holds: (SELECT calls = 2 FROM rowhouse.usage WHERE day = '2026-11-22')
