"""What is asked of the database. Pairs are counted there: a year of one store has more lines than a call may carry."""

NEWEST = "SELECT max(order_date) AS newest FROM retail.orders"
"""The last day that has an order of a store the caller may see."""

CATEGORIES = "SELECT category_name FROM retail.categories ORDER BY category_name"

PRODUCTS = """
SELECT product_name, lower(product_name) = lower($1) AS exact
FROM retail.products WHERE strpos(lower(product_name), lower($1)) > 0
ORDER BY exact DESC, product_name LIMIT 6"""
"""Products whose name has `$1` in it; one that is called so comes first."""

MOST_PAIRS = 1_000
"""Pairs that are ranked: what a call may carry of one statement, by the host's own default."""

ORDERS = "SELECT count(*) AS orders FROM retail.orders WHERE order_date BETWEEN $1 AND $2"

PAIRS = f"""
WITH bought AS (
  SELECT DISTINCT o.store_id, o.order_id, i.product_id
  FROM retail.orders AS o
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  WHERE o.order_date BETWEEN $1 AND $2),
alone AS (SELECT product_id, count(*) AS orders FROM bought GROUP BY product_id),
together AS (
  SELECT a.product_id AS one, b.product_id AS other, count(*) AS orders
  FROM bought AS a
  JOIN bought AS b ON b.store_id = a.store_id AND b.order_id = a.order_id AND b.product_id > a.product_id
  GROUP BY a.product_id, b.product_id HAVING count(*) >= $3)
SELECT p.product_name AS one, pc.category_name AS one_category, x.orders AS one_orders,
  q.product_name AS other, qc.category_name AS other_category, y.orders AS other_orders,
  t.orders, count(*) OVER () AS found
FROM together AS t
JOIN alone AS x ON x.product_id = t.one
JOIN alone AS y ON y.product_id = t.other
JOIN retail.products AS p ON p.product_id = t.one
JOIN retail.products AS q ON q.product_id = t.other
JOIN retail.categories AS pc ON pc.category_id = p.category_id
JOIN retail.categories AS qc ON qc.category_id = q.category_id
WHERE ($4::text IS NULL OR p.product_name = $4 OR q.product_name = $4)
  AND ($5::text IS NULL OR pc.category_name = $5 OR qc.category_name = $5)
ORDER BY t.orders DESC, p.product_name, q.product_name LIMIT {MOST_PAIRS}"""
"""`$1` to `$2` are the days, `$3` the fewest orders with both, `$4` a product or null, `$5` a category or null.

The join is by store and order: the tenant key leads every index, and an order is one store's.
"""
