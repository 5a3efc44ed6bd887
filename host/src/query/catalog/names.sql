-- Names that decide what a text means: of what kind, in which schema, the name itself. $1: readable columns, $2: schemas.
WITH composite AS (
  SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typtype = 'c'),
-- What a row passes for: a type of rows, whatever takes any value, and what the database casts rows to.
row_like AS (
  SELECT oid FROM composite
  UNION SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typbasetype IN (SELECT oid FROM composite)
  UNION SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace
          AND t.typname IN ('record', 'any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray')
  UNION SELECT c.casttarget FROM pg_catalog.pg_cast c WHERE c.castsource IN (SELECT oid FROM composite))
SELECT 'field', NULL::text, name FROM unnest($1::text[]) AS name
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = name)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typname = name)
UNION
SELECT 'callable', NULL, p.proname::text FROM pg_catalog.pg_proc p
WHERE p.pronargs - p.pronargdefaults <= 1 AND p.proname::text <> ALL ($1::text[])
  AND CASE WHEN p.pronargs = 1 AND p.provariadic <> 0 THEN p.provariadic ELSE p.proargtypes[0] END
      IN (SELECT oid FROM row_like)
UNION  -- `row.type` is a cast to it.
SELECT 'callable', NULL, t.typname::text FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget
WHERE c.castsource IN (SELECT oid FROM composite) AND t.typname::text <> ALL ($1::text[])
UNION
SELECT 'enum', n.nspname::text, t.typname::text
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname = ANY ($2::text[])
