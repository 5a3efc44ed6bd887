"""One tool, to begin with: the products of which few are left."""

from rowhouse_plugin import Answer, Host, Plugin, Tool
from rowhouse_plugin.host import Arguments

# No filter by tenant: rows of others do not exist for this statement.
STATEMENT = """
SELECT store_name, product_name, stock_level FROM retail.inventory
JOIN retail.stores USING (store_id) JOIN retail.products USING (product_id)
WHERE stock_level <= $1 ORDER BY stock_level, product_name LIMIT 10"""


def low_stock(host: Host, arguments: Arguments) -> Answer:
    """The rows are the answer: they never enter the plugin."""
    return host.query(STATEMENT, arguments.get("at_most", 5))


PLUGIN = Plugin(
    name="{{name}}",
    version="0.1.0",
    tools=[
        Tool(
            name="{{snake}}_low_stock",
            title="Low stock",
            description="Products of which few are left, fewest first.",
            input_schema={
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "at_most": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": 1000,
                        "description": "At most so many left (default 5).",
                    }
                },
                "additionalProperties": False,
            },
            output_schema=None,
            work=low_stock,
        )
    ],
)
