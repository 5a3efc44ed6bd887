"""The tool's schemas: JSON Schema 2020-12, closed."""

from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
NAME = {"type": "string", "minLength": 1, "maxLength": 100}
PERCENT = {"type": "number", "minimum": 0, "maximum": 100}


def closed(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object of these properties and no other."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def whole(properties: dict[str, Any]) -> dict[str, Any]:
    """The same, none left out."""
    return closed(properties, required=list(properties))


INPUT = {
    "$schema": DIALECT,
    **closed(
        {
            "from": DAY | {"description": "First day. Default: 90 days up to `to`."},
            "to": DAY | {"description": "Last day, included. Default: the last day with data."},
            "product": NAME | {"description": "Only pairs with this product, by its name or an unmistakable part of it."},
            "category": NAME | {"description": "Only pairs with a product of this category, e.g. Power Tools."},
            "by": {"enum": ["lift", "confidence", "support"], "description": "What to rank by (default lift)."},
            "min_orders": {
                "type": "integer",
                "minimum": 1,
                "description": "Fewest orders with both (default 3: lift of rarer pairs is mostly chance).",
            },
            "min_support_percent": PERCENT | {"description": "Smallest share of all orders with both (default 0)."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many pairs (default 10)."},
        }
    ),
}

OUTPUT = {
    "$schema": DIALECT,
    **whole(
        {
            "from": DAY | {"description": "First day."},
            "to": DAY | {"description": "Last day, included."},
            "by": {"enum": ["lift", "confidence", "support"]},
            "product": {"type": ["string", "null"]},
            "category": {"type": ["string", "null"]},
            "min_orders": {"type": "integer", "description": "Fewest orders with both that counted, of both bounds."},
            "orders": {"type": "integer", "description": "Orders of the period, of one product or many."},
            "pairs_found": {"type": "integer", "description": "Pairs that reached the bounds."},
            "complete": {
                "type": "boolean",
                "description": "False where only the most frequent of the pairs found could be ranked.",
            },
            "pairs": {
                "type": "array",
                "items": whole(
                    {
                        "rank": {"type": "integer"},
                        "product": {"type": "string"},
                        "category": {"type": "string"},
                        "with": {"type": "string", "description": "The product bought with it."},
                        "with_category": {"type": "string"},
                        "orders": {"type": "integer", "description": "Orders with both."},
                        "support_percent": PERCENT | {"description": "Share of all orders with both."},
                        "confidence_percent": PERCENT
                        | {"description": "Of the orders with `product`, the share with `with`, too."},
                        "reverse_confidence_percent": PERCENT
                        | {"description": "Of the orders with `with`, the share with `product`, too."},
                        "lift": {"type": "number", "description": "Times as often together as by chance."},
                    }
                ),
            },
            "insights": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Sentences that follow from the numbers.",
            },
        }
    ),
}
