"""The measures of a pair, and their order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Item:
    """A product of a pair, and the orders of the period it is in."""

    product: str
    category: str
    orders: int


@dataclass(frozen=True)
class Pair:
    """Two products, the orders with both, and all orders of the period."""

    first: Item
    second: Item
    orders: int
    of: int

    @property
    def support(self) -> float:
        """The share of all orders with both."""
        return self.orders / self.of

    @property
    def confidence(self) -> float:
        """Of the orders with the first, the share with the second, too."""
        return self.orders / self.first.orders

    @property
    def reverse_confidence(self) -> float:
        """Of the orders with the second, the share with the first, too."""
        return self.orders / self.second.orders

    @property
    def lift(self) -> float:
        """How many times as often together as if the two had nothing to do with each other."""
        return self.orders * self.of / (self.first.orders * self.second.orders)


MEASURES = {"lift": lambda pair: pair.lift, "confidence": lambda pair: pair.confidence, "support": lambda pair: pair.support}
"""What pairs can be ranked by."""


def pair(row: Mapping[str, Any], of: int, first: str | None) -> Pair:
    """A row of the statement. The product that was asked about comes first; without one, the rarer, which says more."""
    one = Item(row["one"], row["one_category"], row["one_orders"])
    other = Item(row["other"], row["other_category"], row["other_orders"])
    if other.product == first or (first is None and (other.orders, other.product) < (one.orders, one.product)):
        one, other = other, one
    return Pair(one, other, row["orders"], of)


def rank(pairs: Iterable[Pair], by: str, limit: int) -> list[Pair]:
    """The first `limit` pairs. Of equals, the more frequent first, then by name, so that the order is always the same."""
    measure = MEASURES[by]
    return sorted(pairs, key=lambda it: (-measure(it), -it.orders, it.first.product, it.second.product))[:limit]
