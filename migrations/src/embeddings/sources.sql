-- Tables whose texts are searched by meaning: all names as they are written in a statement; last, whether row security
-- lets the owner see the rows.
SELECT s.id, format('%I.%I', n.nspname, c.relname), coalesce(format('%I.%I', vn.nspname, v.relname), s.view::text),
       quote_ident(s.key_column), s.key_type, s.text_function, quote_ident(pg_get_userbyid(c.relowner)),
       coalesce((SELECT quote_ident(en.nspname) FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace en ON en.oid = e.extnamespace
                 WHERE e.extname = 'vector'), 'ext'),
       NOT (c.relrowsecurity AND c.relforcerowsecurity)
         OR (SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.oid = c.relowner)
         OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'rowhouse_upkeep' AND c.relowner = ANY (p.polroles))
FROM rowhouse.embedding_sources s
JOIN pg_catalog.pg_class c ON c.oid = s.source
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class v ON v.oid = s.view
LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
ORDER BY 2
