//! One tool: the products of which few are left.

use rowhouse_plugin::prelude::*;

plugin! { name: "stock", tools: [low_stock] } // the file must have this name, too: stock.wasm

#[derive(Deserialize, JsonSchema)]
struct LowStock {
    /// At most so many left.
    #[serde(default = "few")]
    #[schemars(range(min = 0))]
    at_most: i64,
}

fn few() -> i64 {
    5
}

/// Products of which few are left, fewest first.
#[tool]
fn low_stock(LowStock { at_most }: LowStock) -> Result<Rows> {
    // No filter by tenant: rows of others do not exist for this statement. `{at_most}` goes beside it, as `$1`.
    sql!(
        "SELECT store_name, product_name, stock_level FROM retail.inventory
         JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id)
         WHERE stock_level <= {at_most} ORDER BY stock_level, product_name LIMIT 10"
    )
    .rows() // the handle is the answer: the rows never enter the plugin
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowhouse_plugin::{rows, testing};

    #[test]
    fn few_are_five() {
        let host = testing::host::<Plugin>().on("FROM retail.inventory", rows![["product_name"]; ["Mallet"]]);
        host.check();
        host.call("low_stock", json!({})).expect("rows");
        assert_eq!(host.asked()[0].parameters, [Value::Int(5)]);
    }
}
