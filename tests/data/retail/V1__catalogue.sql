-- What a database at retail V1 holds: a product in its category, with its meaning as a vector.
INSERT INTO retail.categories (category_id, category_name) VALUES
  ('00000000-0000-4000-8000-0000000000c1', 'Old Tools');
INSERT INTO retail.product_types (type_id, category_id, type_name) VALUES
  ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000c1', 'Old Hammers');
INSERT INTO retail.products (product_id, sku, product_name, category_id, type_id, cost, base_price,
                             gross_margin_percent, product_description)
VALUES ('00000000-0000-4000-8000-0000000000a1', 'OLD-HAM-001', 'Old Hammer', '00000000-0000-4000-8000-0000000000c1',
        '00000000-0000-4000-8000-0000000000d1', 5.05, 10.10, 50.00, 'It has driven many nails.');
INSERT INTO retail.product_description_embeddings (product_id, model, description_embedding)
VALUES ('00000000-0000-4000-8000-0000000000a1', 'old-model', array_fill(0.05, ARRAY[384])::vector);
-- holds: (SELECT base_price = 10.10 AND search @@ to_tsquery('pg_catalog.english', 'nails') FROM retail.products WHERE sku = 'OLD-HAM-001')
-- holds: (SELECT count(*) = 1 FROM retail.product_types t JOIN retail.categories c USING (category_id) WHERE c.category_name = 'Old Tools')
-- holds: (SELECT count(*) = 1 FROM retail.product_description_embeddings WHERE model = 'old-model')
