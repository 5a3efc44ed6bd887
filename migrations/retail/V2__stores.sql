-- What belongs to a store: the tenant key `store_id` is in every table, first in every key and every index. That is
-- faster under row security, lets a distributed PostgreSQL shard by it, and closes a timing channel: an index led by
-- anything else would answer sooner or later for a key another tenant has.
SET LOCAL ROLE retail_owner;

CREATE TABLE retail.stores (
  store_id uuid PRIMARY KEY,
  store_name text NOT NULL,
  region text NOT NULL,
  is_online boolean NOT NULL,
  opened date NOT NULL);
COMMENT ON TABLE retail.stores IS 'The stores you may see: one for a store manager, several for a region, eight for head office.';
COMMENT ON COLUMN retail.stores.store_id IS 'Key of the store.';
COMMENT ON COLUMN retail.stores.store_name IS 'City of the store (Seattle, Bellevue, Tacoma, Spokane, Everett, Redmond, Kirkland) or Online.';
COMMENT ON COLUMN retail.stores.region IS 'Puget Sound, Eastside, Eastern Washington or Online.';
COMMENT ON COLUMN retail.stores.is_online IS 'True for the one store without a shop floor.';
COMMENT ON COLUMN retail.stores.opened IS 'Day the store opened.';

CREATE TABLE retail.customers (
  customer_id uuid NOT NULL,
  store_id uuid NOT NULL REFERENCES retail.stores,
  first_name text NOT NULL,
  last_name text NOT NULL,
  email text NOT NULL,
  phone text,
  joined date NOT NULL,
  PRIMARY KEY (store_id, customer_id),
  UNIQUE (store_id, email));
COMMENT ON TABLE retail.customers IS 'Registered customers. Each belongs to one store and buys only there.';
COMMENT ON COLUMN retail.customers.customer_id IS 'Key of the customer (with store_id).';
COMMENT ON COLUMN retail.customers.store_id IS 'The customer''s store. Rows of other stores are not visible; no filter is needed.';
COMMENT ON COLUMN retail.customers.first_name IS 'Given name.';
COMMENT ON COLUMN retail.customers.last_name IS 'Family name.';
COMMENT ON COLUMN retail.customers.email IS 'Address, unique within a store.';
COMMENT ON COLUMN retail.customers.phone IS 'Telephone number, where given.';
COMMENT ON COLUMN retail.customers.joined IS 'Day of registration; never after the first order.';

CREATE TABLE retail.orders (
  order_id uuid NOT NULL,
  store_id uuid NOT NULL REFERENCES retail.stores,
  customer_id uuid NOT NULL,
  order_date date NOT NULL,
  total_amount numeric(12,2) NOT NULL CHECK (total_amount >= 0),
  PRIMARY KEY (store_id, order_id),
  FOREIGN KEY (store_id, customer_id) REFERENCES retail.customers);
COMMENT ON TABLE retail.orders IS 'Orders, five years to 2026-10-31. Join order_items on (store_id, order_id) for what was bought.';
COMMENT ON COLUMN retail.orders.order_id IS 'Key of the order (with store_id).';
COMMENT ON COLUMN retail.orders.store_id IS 'The store that sold. Rows of other stores are not visible; no filter is needed.';
COMMENT ON COLUMN retail.orders.customer_id IS 'Who bought; join customers on (store_id, customer_id).';
COMMENT ON COLUMN retail.orders.order_date IS 'Day of the order. The last day with data is 2026-10-31: count "last quarter" back from max(order_date).';
COMMENT ON COLUMN retail.orders.total_amount IS 'Revenue of the order, US dollars: the sum of its items'' total_amount, to the cent.';
CREATE INDEX orders_by_date ON retail.orders (store_id, order_date) INCLUDE (order_id, total_amount);
CREATE INDEX orders_by_customer ON retail.orders (store_id, customer_id, order_date);

CREATE TABLE retail.order_items (
  order_item_id uuid NOT NULL,
  order_id uuid NOT NULL,
  store_id uuid NOT NULL,
  product_id uuid NOT NULL REFERENCES retail.products,
  quantity int NOT NULL CHECK (quantity > 0),
  unit_price numeric(10,2) NOT NULL CHECK (unit_price > 0),
  discount_percent numeric(5,2) NOT NULL CHECK (discount_percent BETWEEN 0 AND 100),
  discount_amount numeric(12,2) NOT NULL CHECK (discount_amount >= 0),
  total_amount numeric(12,2) NOT NULL,
  PRIMARY KEY (store_id, order_item_id),
  FOREIGN KEY (store_id, order_id) REFERENCES retail.orders ON DELETE CASCADE,
  CHECK (total_amount = quantity * unit_price - discount_amount));
COMMENT ON TABLE retail.order_items IS 'Lines of orders: one product each. Revenue by product is sum(total_amount), units sold sum(quantity).';
COMMENT ON COLUMN retail.order_items.order_item_id IS 'Key of the line (with store_id).';
COMMENT ON COLUMN retail.order_items.order_id IS 'The order; join orders on (store_id, order_id).';
COMMENT ON COLUMN retail.order_items.store_id IS 'The store that sold. Rows of other stores are not visible; no filter is needed.';
COMMENT ON COLUMN retail.order_items.product_id IS 'What was bought; join products on product_id.';
COMMENT ON COLUMN retail.order_items.quantity IS 'Units bought.';
COMMENT ON COLUMN retail.order_items.unit_price IS 'Price of one unit on that day, US dollars, before discount.';
COMMENT ON COLUMN retail.order_items.discount_percent IS 'Discount on the line in percent; mostly 0.';
COMMENT ON COLUMN retail.order_items.discount_amount IS 'Discount on the line, US dollars.';
COMMENT ON COLUMN retail.order_items.total_amount IS 'Revenue of the line, US dollars: quantity * unit_price - discount_amount.';
CREATE INDEX order_items_by_order ON retail.order_items (store_id, order_id) INCLUDE (product_id, quantity, total_amount);
CREATE INDEX order_items_by_product ON retail.order_items (store_id, product_id) INCLUDE (order_id, quantity, total_amount);

CREATE TABLE retail.inventory (
  store_id uuid NOT NULL REFERENCES retail.stores,
  product_id uuid NOT NULL REFERENCES retail.products,
  stock_level int NOT NULL CHECK (stock_level >= 0),
  PRIMARY KEY (store_id, product_id));
COMMENT ON TABLE retail.inventory IS 'What each store has in stock today: one row for every product and store.';
COMMENT ON COLUMN retail.inventory.store_id IS 'The store. Rows of other stores are not visible; no filter is needed.';
COMMENT ON COLUMN retail.inventory.product_id IS 'The product; join products on product_id.';
COMMENT ON COLUMN retail.inventory.stock_level IS 'Units on the shelf and in the back room; 0 is sold out.';
CREATE INDEX inventory_by_stock ON retail.inventory (store_id, stock_level);

RESET ROLE;
CALL rowhouse.protect('retail.stores', 'store_id');
CALL rowhouse.protect('retail.customers', 'store_id');
CALL rowhouse.protect('retail.orders', 'store_id');
CALL rowhouse.protect('retail.order_items', 'store_id');
CALL rowhouse.protect('retail.inventory', 'store_id');
