//! One tool, to begin with: the products of which few are left.

use rowhouse_plugin::prelude::*;

plugin! { name: "{{name}}", tools: [{{snake}}_low_stock] }

#[derive(Deserialize, JsonSchema)]
struct LowStock {
    /// At most so many left (default 5).
    #[serde(default = "few")]
    #[schemars(range(min = 0, max = 1000))]
    at_most: i64,
}

fn few() -> i64 {
    5
}

/// Products of which few are left, fewest first.
#[tool(title = "Low stock")]
fn {{snake}}_low_stock(LowStock { at_most }: LowStock) -> Result<Rows> {
    // No filter by tenant: rows of others do not exist for this statement. `{at_most}` goes beside it, as `$1`.
    sql!(
        "SELECT store_name, product_name, stock_level FROM retail.inventory
         JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id)
         WHERE stock_level <= {at_most} ORDER BY stock_level, product_name LIMIT 10"
    )
    .rows() // the rows are the answer: they never enter the plugin
}

#[cfg(test)]
mod tests {
    use super::*;
    use rowhouse_plugin::{rows, testing};

    #[test]
    fn the_bound_is_a_parameter() {
        for (arguments, expect) in [(json!({}), 5), (json!({ "at_most": 0 }), 0)] {
            let host = testing::host::<Plugin>().on("FROM retail.inventory", rows![["product_name"]; ["Saw"]]);
            host.check();
            host.call("{{snake}}_low_stock", arguments).expect("rows");
            assert_eq!(host.asked()[0].parameters, [Value::Int(expect)]);
        }
    }
}
