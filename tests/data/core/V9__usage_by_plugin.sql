-- What a database at core V9 holds: two days of two plugins as their clerk wrote them, and the number of its last batch.
SET ROLE rowhouse_clerk;
INSERT INTO rowhouse.usage_writers (host, batch) VALUES ('00000000-0000-4000-8000-0000000000aa', 7);
INSERT INTO rowhouse.usage_by_plugin (day, account, plugin, calls, errors, rows, bytes_out, database_us, cpu_us) VALUES
  ('2026-11-21', 'tenant:00000000-0000-4000-8000-000000000001', 'sales', 3, 1, 40, 9000, 1500, 700),
  ('2026-11-21', 'tenant:00000000-0000-4000-8000-000000000001', 'search', 1, 0, 5, 300, 200, 90),
  ('2026-11-22', 'principal:00112233445566778899aabbccddeeff', 'sales', 1, 0, 8, 400, 900, 100);
RESET ROLE;
-- holds: (SELECT batch = 7 FROM rowhouse.usage_writers WHERE host = '00000000-0000-4000-8000-0000000000aa')
-- holds: (SELECT sum(calls) = 4 AND sum(database_us) = 1700 AND sum(fuel) = 0 FROM rowhouse.usage_by_plugin WHERE day = '2026-11-21')
-- holds: (SELECT NOT has_table_privilege('rowhouse_one', 'rowhouse.usage_by_plugin', 'SELECT'))
