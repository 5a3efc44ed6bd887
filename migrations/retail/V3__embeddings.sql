-- The catalogue, searched by what its descriptions mean.
SET LOCAL ROLE retail_owner;

-- Most specific first: a model reads a few hundred words and forgets the rest. No price and no stock: they change and
-- mean nothing. Where the name of a category changes, a pass over all texts finds it; no trigger of products tells.
CREATE FUNCTION retail.product_text(product retail.products) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT concat_ws('. ', product.product_name, concat_ws(', ', t.type_name, c.category_name), product.product_description)
  FROM retail.product_types t, retail.categories c
  WHERE t.type_id = product.type_id AND c.category_id = product.category_id
$$;
COMMENT ON FUNCTION retail.product_text(retail.products) IS 'What a model reads of a product: name. type, category. description.';

COMMENT ON TABLE retail.product_description_embeddings IS
  'Vectors of one''s own, by model; empty as it comes. The search by meaning keeps its vectors in product_embeddings.';
RESET ROLE;

CALL rowhouse.embed('retail.products', 'product_id', 'retail.product_text', 'retail.product_embeddings');

SET LOCAL ROLE retail_owner;
-- A text, not a parsed body: it must not hold on to the view. Written so that the planner puts it into the statement
-- that calls it: there the index finds the nearest, about in order, and what is outside orders them exactly. A
-- threshold inside would keep a scan of the index looking on where few are near.
CREATE FUNCTION retail.search_products_by_description(
  query_embedding vector, similarity_threshold double precision DEFAULT 0.3, max_results integer DEFAULT 20)
RETURNS TABLE (product_id uuid, product_name text, product_description text, base_price numeric, similarity double precision)
LANGUAGE sql STABLE ROWS 20
AS $$
  SELECT p.product_id, p.product_name, p.product_description, p.base_price, n.similarity
  FROM (SELECT e.product_id, 1 - (e.embedding <=> query_embedding) AS similarity
        FROM retail.product_embeddings e ORDER BY e.embedding <=> query_embedding LIMIT max_results) n
  JOIN retail.products p ON p.product_id = n.product_id
  WHERE n.similarity >= similarity_threshold
  ORDER BY n.similarity DESC, p.product_id
$$;
COMMENT ON FUNCTION retail.search_products_by_description(vector, double precision, integer) IS
  'Products whose description means about the same as a text, given as its vector: the nearest max_results, without those under the threshold.';
GRANT EXECUTE ON FUNCTION retail.search_products_by_description(vector, double precision, integer)
  TO rowhouse_one, rowhouse_some, rowhouse_all;
RESET ROLE;
