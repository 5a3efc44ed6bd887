-- What a database at core V7 holds: texts of an operator's own with vectors of two models, the second one active, and a
-- text that changed since.
CREATE EXTENSION IF NOT EXISTS vector SCHEMA ext;
CREATE TABLE shop.articles (number int PRIMARY KEY, title text NOT NULL);
CREATE FUNCTION shop.title_of(article shop.articles) RETURNS text LANGUAGE sql STABLE AS 'SELECT article.title';
CALL rowhouse.share('shop.articles');
INSERT INTO shop.articles VALUES (1, 'Old hammer'), (2, 'Old saw');
CALL rowhouse.embed('shop.articles', 'number', 'shop.title_of', 'shop.article_embeddings');
INSERT INTO rowhouse.embedding_models (name, fingerprint, provider, model, revision, dimensions, normalised, floor) VALUES
  ('old', 'local old 1', 'local', 'old', '1', 2, true, 0.25), ('new', 'local new 1', 'local', 'new', '1', 3, true, 0.3);
CALL rowhouse.prepare_embeddings(1, 1);
CALL rowhouse.prepare_embeddings(1, 2);
INSERT INTO rowhouse_vectors.s1_m1 SELECT number, sha256(convert_to(title, 'UTF8')), '[1,0]' FROM shop.articles;
INSERT INTO rowhouse_vectors.s1_m2 SELECT number, sha256(convert_to(title, 'UTF8')), '[0,1,0]' FROM shop.articles;
CALL rowhouse.activate_embeddings(1);
CALL rowhouse.activate_embeddings(2);
UPDATE shop.articles SET title = 'Old saw, sharpened' WHERE number = 2;
-- holds: (SELECT array_agg(name ORDER BY id) = '{old,new}' AND array_agg(active ORDER BY id) = '{f,t}' FROM rowhouse.embedding_models WHERE id <= 2)
-- holds: (SELECT count(*) = 1 FROM rowhouse.embedding_sources WHERE source = 'shop.articles'::regclass AND view = 'shop.article_embeddings'::regclass)
-- holds: (SELECT count(*) = 2 AND min(ext.vector_dims(embedding)) = 3 FROM shop.article_embeddings)
-- holds: (SELECT count(*) = 2 FROM rowhouse.tenant_tables WHERE relation::text LIKE 'rowhouse\_vectors.s1\_m_' AND tenant_column IS NULL)
-- holds: (SELECT array_agg(key) = '{2}' FROM rowhouse.embedding_queue WHERE source = 1)
-- holds: (SELECT relforcerowsecurity FROM pg_class WHERE oid = 'rowhouse_vectors.s1_m2'::regclass)
