"""What a model is told of the tool before it calls it."""

from rowhouse_plugin import Plugin, Tool

from .call import call
from .schemas import INPUT, OUTPUT

PLUGIN = Plugin(
    name="basket",
    version="0.1.0",
    tools=[
        Tool(
            name="get_basket_analysis",
            title="Basket analysis",
            description=(
                "Pairs of products bought in the same order, in the stores the caller may see: in how many orders "
                "(support), how often the second comes with the first (confidence), and how much more often than if it "
                "were chance (lift; above 1 they belong together). Optionally of one product or category. Without "
                "dates, the last 90 days of data. Use it for bundles, shelf neighbours and recommendations; for what "
                "sells best alone, use get_top_products."
            ),
            input_schema=INPUT,
            output_schema=OUTPUT,
            work=call,
        )
    ],
)
