-- What the relations of these schemas ($1) read, themselves included: a row for each relation and each relation behind it,
-- through views, partitions and children. With it: whether it is a table that tells of every change; why what is read of
-- it may change without one; a view's definition; its columns.
WITH RECURSIVE served AS (
  SELECT c.oid, n.nspname, c.relname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition),
reads AS (
  SELECT s.oid AS served, s.oid AS relation FROM served s
  UNION
  SELECT r.served, behind.oid
  FROM reads r CROSS JOIN LATERAL (
    SELECT d.refobjid AS oid
      FROM pg_catalog.pg_rewrite w
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
       AND d.refclassid = 'pg_catalog.pg_class'::regclass
      WHERE w.ev_class = r.relation
    UNION ALL
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.relation
    UNION ALL  -- Who writes through a parent calls its triggers and none of the child's.
    SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.relation) AS behind)
SELECT s.nspname || '.' || s.relname, s.oid, c.oid, c.relkind::text,
       c.relkind IN ('r', 'p') AND EXISTS (
         SELECT FROM pg_catalog.pg_trigger t
         WHERE t.tgrelid = c.oid AND t.tgfoid = to_regprocedure('rowhouse.tell_change()') AND t.tgenabled IN ('O', 'A')
           -- For each statement, on INSERT (4), DELETE (8), UPDATE (16) and TRUNCATE (32), whatever it changes.
           AND t.tgtype & 1 = 0 AND t.tgtype & 60 = 60 AND t.tgqual IS NULL AND t.tgattr::text = ''),
       CASE
         -- What is applied of another server's changes calls no trigger of a statement.
         WHEN EXISTS (SELECT FROM pg_catalog.pg_subscription_rel p WHERE p.srrelid = c.oid)
           THEN 'a subscription writes it'
         -- Those that open a table are the host's own; one that narrows it may ask anything.
         WHEN EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive)
           THEN 'a policy of your own narrows it'
         -- A type of one's own compares by functions of one's own; a time of day in a zone depends on the day.
         WHEN EXISTS (
           SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
           JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN y.typelem <> 0 AND y.typlen = -1 THEN y.typelem ELSE y.oid END
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND (e.oid = 'pg_catalog.timetz'::regtype
                  OR e.typnamespace <> 'pg_catalog'::regnamespace AND e.typtype <> 'e'
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                                     WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = e.oid AND d.deptype = 'e')))
           THEN 'a column has a type of your own, or is a time of day in a zone'
       END,
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END,
       (SELECT string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM reads r JOIN served s ON s.oid = r.served JOIN pg_catalog.pg_class c ON c.oid = r.relation
ORDER BY s.oid, c.oid
