-- Of a table of vectors ($1): whether it is there, whether it has an index for the nearest, its bytes. And how many rows
-- of the table it is of ($2) are queued.
SELECT c.oid IS NOT NULL,
       EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
               JOIN pg_catalog.pg_am a ON a.oid = x.relam
               WHERE i.indrelid = c.oid AND a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL),
       coalesce(pg_total_relation_size(c.oid), 0)::bigint,
       (SELECT count(*) FROM rowhouse.embedding_queue q WHERE q.source = $2)
FROM (SELECT to_regclass($1::text) AS oid) c
