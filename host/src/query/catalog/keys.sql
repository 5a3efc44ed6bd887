-- One row for each primary or foreign key: table, its columns, and for a foreign key the other table and its columns.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum ORDER BY u.place),
       quote_ident(fn.nspname) || '.' || quote_ident(f.relname),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(attnum, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum = u.attnum ORDER BY u.place)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype IN ('p', 'f') AND k.conparentid = 0 AND n.nspname = ANY ($1::text[])
ORDER BY 1, k.conname
