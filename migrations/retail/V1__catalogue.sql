-- What is sold, the same in every store: tables that belong to no tenant and are shared by all.
ALTER DEFAULT PRIVILEGES FOR ROLE retail_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SET LOCAL ROLE retail_owner;

CREATE TABLE retail.categories (
  category_id uuid PRIMARY KEY,
  category_name text NOT NULL UNIQUE);
COMMENT ON TABLE retail.categories IS 'Departments of the catalogue, e.g. Power Tools. Each product is in exactly one.';
COMMENT ON COLUMN retail.categories.category_id IS 'Key of the category.';
COMMENT ON COLUMN retail.categories.category_name IS 'Name of the category, unique, e.g. Paint & Finishes.';

CREATE TABLE retail.product_types (
  type_id uuid PRIMARY KEY,
  category_id uuid NOT NULL REFERENCES retail.categories,
  type_name text NOT NULL,
  UNIQUE (category_id, type_name));
COMMENT ON TABLE retail.product_types IS 'Kinds of product within a category, e.g. Hammers within Hand Tools.';
COMMENT ON COLUMN retail.product_types.type_id IS 'Key of the product type.';
COMMENT ON COLUMN retail.product_types.category_id IS 'The category this type belongs to.';
COMMENT ON COLUMN retail.product_types.type_name IS 'Name of the type, unique within its category.';

CREATE TABLE retail.products (
  product_id uuid PRIMARY KEY,
  sku text NOT NULL UNIQUE,
  product_name text NOT NULL,
  category_id uuid NOT NULL REFERENCES retail.categories,
  type_id uuid NOT NULL REFERENCES retail.product_types,
  cost numeric(10,2) NOT NULL CHECK (cost >= 0),
  base_price numeric(10,2) NOT NULL CHECK (base_price > 0),
  gross_margin_percent numeric(5,2) NOT NULL,
  product_description text NOT NULL,
  -- A word of the name says more than one of the description. The configuration is named in full: a generated
  -- column must not depend on anybody's settings.
  search tsvector NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('pg_catalog.english', product_name), 'A') ||
    setweight(to_tsvector('pg_catalog.english', product_description), 'B')) STORED);
COMMENT ON TABLE retail.products IS 'The catalogue, the same in every store. What a store has on its shelves is in inventory, what it sold in order_items.';
COMMENT ON COLUMN retail.products.product_id IS 'Key of the product.';
COMMENT ON COLUMN retail.products.sku IS 'Stock keeping unit, unique, as printed on the shelf, e.g. HT-HAM-001.';
COMMENT ON COLUMN retail.products.product_name IS 'Name a customer would say.';
COMMENT ON COLUMN retail.products.category_id IS 'Category of the product (also reachable through its type).';
COMMENT ON COLUMN retail.products.type_id IS 'Type of the product within its category.';
COMMENT ON COLUMN retail.products.cost IS 'What one unit costs us today, US dollars.';
COMMENT ON COLUMN retail.products.base_price IS 'List price of one unit today, US dollars. What was really paid is order_items.unit_price.';
COMMENT ON COLUMN retail.products.gross_margin_percent IS '(base_price - cost) / base_price, in percent.';
COMMENT ON COLUMN retail.products.product_description IS 'One or two sentences: what it is and what it is good for.';
COMMENT ON COLUMN retail.products.search IS 'Words of name (weight A) and description (weight B), English: search @@ websearch_to_tsquery(''english'', ''leaking basement'').';

CREATE INDEX products_category ON retail.products (category_id);
CREATE INDEX products_type ON retail.products (type_id);
-- For owners and for a catalogue that grows: under row security a condition reaches an index only if its operator is
-- leakproof, and @@ and % are not, so an agent's search scans these few hundred rows (a fifth of a millisecond).
CREATE INDEX products_search ON retail.products USING gin (search);
CREATE INDEX products_name_trigrams ON retail.products USING gin (product_name gin_trgm_ops);

CREATE TABLE retail.product_description_embeddings (
  product_id uuid NOT NULL REFERENCES retail.products ON DELETE CASCADE,
  model text NOT NULL,
  -- Vectors of different models must not be compared, hence the model in the key; 384 is what MiniLM-sized models give.
  description_embedding vector(384) NOT NULL,
  PRIMARY KEY (product_id, model));
COMMENT ON TABLE retail.product_description_embeddings IS 'Meaning of each product''s name and description as a vector, for semantic search. Empty until vectors are computed.';
COMMENT ON COLUMN retail.product_description_embeddings.product_id IS 'The product described.';
COMMENT ON COLUMN retail.product_description_embeddings.model IS 'Name of the embedding model. Compare vectors of one model only.';
COMMENT ON COLUMN retail.product_description_embeddings.description_embedding IS 'Unit vector of 384 numbers; order by description_embedding <=> $1 (cosine distance, smaller is closer).';

RESET ROLE;
CALL rowhouse.share('retail.categories');
CALL rowhouse.share('retail.product_types');
CALL rowhouse.share('retail.products');
CALL rowhouse.share('retail.product_description_embeddings');
