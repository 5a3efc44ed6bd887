-- What a database at core V4 holds: a context key that was replaced, and the one in its place.
SELECT rowhouse_private.rotate_context();
-- holds: (SELECT count(*) = 2 FROM rowhouse_private.key WHERE usage = 'ctx')
-- holds: (SELECT kid <> 'c1' AND octet_length(ipad) = 64 FROM rowhouse_private.key WHERE usage = 'ctx' AND not_after = 'infinity')
-- holds: (SELECT not_after BETWEEN now() AND now() + interval '10 minutes' FROM rowhouse_private.key WHERE usage = 'ctx' AND kid = 'c1')
