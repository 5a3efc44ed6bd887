-- The server and its extensions.
WITH known AS (SELECT $1::text[] AS agents, $2::text[] AS unused),
server AS (SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version,
  current_setting('server_version_num')::int AS number)
SELECT 'weak', 'server version not supported', 'PostgreSQL ' || version, '-- use PostgreSQL 15 to 18: what a newer one adds is on no list of ours'
  FROM server WHERE major NOT BETWEEN 15 AND 18
UNION ALL  -- CVE-2025-8713: statistics tell of rows that row security hides.
SELECT 'weak', 'server tells of hidden rows', 'PostgreSQL ' || version, '-- update to 15.14, 16.10, 17.6, 18 or later: CVE-2025-8713, statistics tell of rows that row security hides'
  FROM server WHERE major BETWEEN 15 AND 17 AND number < CASE major WHEN 15 THEN 150014 WHEN 16 THEN 160010 ELSE 170006 END
UNION ALL
SELECT 'weak', 'extension older than the server has it', format('%s %s, there is %s', e.extname, e.extversion, a.default_version),
       format('ALTER EXTENSION %I UPDATE', e.extname)
  FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
  WHERE e.extname IN ('vector', 'pg_trgm', 'unaccent') AND a.default_version IS DISTINCT FROM e.extversion
    -- Not a server that has only an older one: then there is nothing to update to.
    AND EXISTS (SELECT FROM pg_extension_update_paths(e.extname) u
                WHERE u.source = e.extversion AND u.target = a.default_version AND u.path IS NOT NULL)
UNION ALL  -- Before 0.8.2 a parallel build of an HNSW index could write past its buffer.
SELECT 'weak', 'extension with a known hole', e.extname || ' ' || e.extversion,
       CASE WHEN a.default_version ~ '^[0-9]+([.][0-9]+)*$' AND string_to_array(a.default_version, '.')::int[] >= '{0,8,2}' THEN 'ALTER EXTENSION vector UPDATE'
            ELSE '-- install pgvector 0.8.2 or later on the server, and then run: ALTER EXTENSION vector UPDATE' END
  FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
  WHERE e.extname = 'vector' AND e.extversion ~ '^[0-9]+([.][0-9]+)*$' AND string_to_array(e.extversion, '.')::int[] < '{0,8,2}'
