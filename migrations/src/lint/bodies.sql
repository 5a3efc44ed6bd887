-- Every function of the host's own schemas, and a digest of all that makes it what it is.
SELECT p.oid::regprocedure::text, encode(sha256(convert_to(concat_ws(chr(31),
    p.prosrc, p.proconfig::text, p.provolatile, p.proparallel, p.prosecdef, p.proisstrict, p.prokind, l.lanname,
    p.prosqlbody IS NULL, pg_get_function_result(p.oid), r.rolname), 'UTF8')), 'hex')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname IN ('rowhouse', 'rowhouse_private')
ORDER BY 1
