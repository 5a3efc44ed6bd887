// @ts-check
// One tool, to begin with: the products of which few are left.

// No filter by tenant: rows of others do not exist for this statement.
const STATEMENT = `
SELECT store_name, product_name, stock_level FROM retail.inventory
JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id)
WHERE stock_level <= $1 ORDER BY stock_level, product_name LIMIT 10`;

/**
 * The rows are the answer: they never enter the plugin.
 *
 * @param {import("./rowhouse-plugin/index.js").Host} host
 * @param {{ at_most?: number }} args
 */
export function lowStock(host, { at_most = 5 }) {
  return host.query(STATEMENT, at_most);
}

/** @type {import("./rowhouse-plugin/index.js").Plugin} */
export const plugin = {
  name: "{{name}}",
  version: "0.1.0",
  tools: [
    {
      name: "{{snake}}_low_stock",
      title: "Low stock",
      description: "Products of which few are left, fewest first.",
      inputSchema: {
        $schema: "https://json-schema.org/draft/2020-12/schema",
        type: "object",
        properties: {
          at_most: { type: "integer", minimum: 0, maximum: 1000, description: "At most so many left (default 5)." },
        },
        additionalProperties: false,
      },
      work: lowStock,
    },
  ],
};
