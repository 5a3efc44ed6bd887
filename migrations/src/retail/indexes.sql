-- For each thing to take away from the demo's tables: the statement that drops it, the one that brings it back.
-- In the order to bring back: keys, indexes, foreign keys; FORCE last, or the proof of a foreign key would see no rows.
WITH relation AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name,
         c.relname IN ('customers', 'orders', 'order_items') AS large
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN rowhouse.tenant_tables t ON t.relation = c.oid
  WHERE n.nspname = 'retail')
SELECT s.down, s.up FROM (
  SELECT 4 AS step, r.name AS object, format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', r.name) AS down,
         format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', r.name) AS up
    FROM relation r
  UNION ALL
  SELECT CASE k.contype WHEN 'f' THEN 3 ELSE 1 END, k.conname, format('ALTER TABLE %s DROP CONSTRAINT %I', r.name, k.conname),
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.name, k.conname, pg_get_constraintdef(k.oid))
    FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
    WHERE r.large AND k.contype IN ('p', 'u', 'f')
  UNION ALL
  SELECT 2, i.indexrelid::regclass::text, format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    WHERE r.large AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
) s ORDER BY s.step, s.object
