-- Of a table of vectors ($1): whether an index finds the nearest; whether ours ($2) is there and broken; how many rows it
-- has, by the last ANALYZE; what memory the session has for building one, in kB.
SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
               JOIN pg_catalog.pg_am a ON a.oid = x.relam
               WHERE i.indrelid = to_regclass($1::text) AND a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL),
       EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = to_regclass($2::text) AND NOT i.indisvalid),
       (SELECT c.reltuples::bigint FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1::text)),
       (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'maintenance_work_mem')
