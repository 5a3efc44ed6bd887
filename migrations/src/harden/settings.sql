-- Statements still needed for the agent roles ($1) to have the settings ($2 names, $3 values) in this database.
-- An operator's own value stays. A setting of an extension that is not loaded is left out.
SELECT format('ALTER ROLE %I IN DATABASE %I SET %s = %L', r.rolname, current_database(), w.name, w.value)
FROM pg_catalog.pg_roles r
CROSS JOIN unnest($2::text[], $3::text[]) AS w(name, value)
JOIN pg_catalog.pg_settings g ON g.name = w.name
WHERE r.rolname = ANY ($1::text[])
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c(setting)
    WHERE s.setrole = r.oid AND split_part(c.setting, '=', 1) = w.name
      AND s.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
ORDER BY r.rolname, w.name
