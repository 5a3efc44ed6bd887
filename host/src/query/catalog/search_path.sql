-- A setting for the role in this database outranks one for the role alone.
SELECT substr(setting, length('search_path=') + 1)
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
CROSS JOIN unnest(s.setconfig) AS setting
WHERE r.rolname = 'rowhouse_one' AND setting LIKE 'search\_path=%'
  AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
ORDER BY s.setdatabase DESC
LIMIT 1
