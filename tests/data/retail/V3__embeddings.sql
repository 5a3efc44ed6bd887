-- What a database at retail V3 holds: a product whose description changed, and so is asked for.
UPDATE retail.products SET product_description = 'It drives nails, and pulls them.' WHERE sku = 'OLD-HAM-001';
-- holds: (SELECT count(*) = 1 FROM rowhouse.embedding_sources WHERE source = 'retail.products'::regclass AND view = 'retail.product_embeddings'::regclass)
-- holds: (SELECT count(*) = 1 FROM rowhouse.embedding_queue q JOIN rowhouse.embedding_sources s ON s.id = q.source WHERE s.source = 'retail.products'::regclass AND q.key = '00000000-0000-4000-8000-0000000000a1')
-- holds: (SELECT retail.product_text(p) = 'Old Hammer. Old Hammers, Old Tools. It drives nails, and pulls them.' FROM retail.products p WHERE sku = 'OLD-HAM-001')
-- holds: (SELECT count(*) = 0 FROM retail.product_embeddings WHERE product_id = '00000000-0000-4000-8000-0000000000a1')
