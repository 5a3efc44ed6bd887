-- What a database at retail V2 holds: a store with a customer, an order, its line and stock.
INSERT INTO retail.stores (store_id, store_name, region, is_online, opened) VALUES
  ('00000000-0000-4000-8000-0000000000e1', 'Old Store', 'Old Region', false, '1999-12-31');
INSERT INTO retail.customers (customer_id, store_id, first_name, last_name, email, phone, joined) VALUES
  ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000e1', 'Ann', 'Old', 'ann@old.example', NULL,
   '2000-01-01');
INSERT INTO retail.orders (order_id, store_id, customer_id, order_date, total_amount) VALUES
  ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000e1',
   '00000000-0000-4000-8000-0000000000f1', '2000-01-02', 18.18);
INSERT INTO retail.order_items (order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent,
                                discount_amount, total_amount)
VALUES ('00000000-0000-4000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000b1',
        '00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000a1', 2, 10.10, 10.00, 2.02, 18.18);
INSERT INTO retail.inventory (store_id, product_id, stock_level) VALUES
  ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000a1', 0);
-- holds: (SELECT sum(total_amount) = 18.18 FROM retail.order_items JOIN retail.orders o USING (store_id, order_id, total_amount))
-- holds: (SELECT email = 'ann@old.example' AND phone IS NULL FROM retail.customers)
-- holds: (SELECT stock_level = 0 FROM retail.inventory)
-- holds: (SELECT relforcerowsecurity FROM pg_class WHERE oid = 'retail.orders'::regclass)
