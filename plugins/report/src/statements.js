// @ts-check
// What is asked of the database. `$1` to `$2` is the week, `$3` to `$4` the one before, `$5` to `$6` the one a year ago.

/** The last day that has an order of a store the caller may see. */
export const NEWEST = "SELECT max(order_date) AS newest FROM retail.orders";

/** At most 21 rows. */
export const DAYS = `
SELECT order_date AS day, count(*) AS orders, round(sum(total_amount), 2) AS revenue
FROM retail.orders
WHERE order_date BETWEEN $1 AND $2 OR order_date BETWEEN $3 AND $4 OR order_date BETWEEN $5 AND $6
GROUP BY order_date ORDER BY order_date`;

const SOLD = `
WITH sold AS (
  SELECT i.product_id,
    coalesce(sum(i.total_amount) FILTER (WHERE o.order_date BETWEEN $1 AND $2), 0) AS revenue,
    coalesce(sum(i.total_amount) FILTER (WHERE o.order_date BETWEEN $3 AND $4), 0) AS previous
  FROM retail.orders AS o
  JOIN retail.order_items AS i ON i.store_id = o.store_id AND i.order_id = o.order_id
  WHERE o.order_date BETWEEN $1 AND $2 OR o.order_date BETWEEN $3 AND $4
  GROUP BY i.product_id)`;

const movers = (/** @type {string} */ sign, /** @type {string} */ order) => `${SOLD}
SELECT p.product_name AS product, c.category_name AS category,
  round(s.revenue, 2) AS revenue, round(s.previous, 2) AS previous
FROM sold AS s
JOIN retail.products AS p ON p.product_id = s.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
WHERE s.revenue ${sign} s.previous
ORDER BY s.revenue - s.previous ${order}, p.product_name LIMIT $5`;

/** Products that sold for more than the week before, the largest gain first; `$5` is how many. */
export const GAINERS = movers(">", "DESC");

/** Products that sold for less. */
export const LOSERS = movers("<", "ASC");

/** One row a category, whether or not it sold. */
export const CATEGORIES = `${SOLD}
SELECT c.category_name AS category, round(sum(s.revenue), 2) AS revenue, round(sum(s.previous), 2) AS previous
FROM retail.categories AS c
LEFT JOIN retail.products AS p ON p.category_id = c.category_id
LEFT JOIN sold AS s ON s.product_id = p.product_id
GROUP BY c.category_name ORDER BY c.category_name`;
