"""From pairs to an answer: numbers for programs, sentences for people."""

from typing import Any

from rowhouse_plugin import Structured, table

from .analysis import Pair
from .question import Question

COLUMNS = ["product", "with", "orders", "support_percent", "confidence_percent", "lift"]


def percent(share: float) -> float:
    """A share in percent. Two decimals: a pair's support is mostly below one percent."""
    return round(100 * share, 2)


def line(rank: int, pair: Pair) -> dict[str, Any]:
    """A pair as the output schema has it."""
    return {
        "rank": rank,
        "product": pair.first.product,
        "category": pair.first.category,
        "with": pair.second.product,
        "with_category": pair.second.category,
        "orders": pair.orders,
        "support_percent": percent(pair.support),
        "confidence_percent": percent(pair.confidence),
        "reverse_confidence_percent": percent(pair.reverse_confidence),
        "lift": round(pair.lift, 2),
    }


def insights(pairs: list[Pair], question: Question, orders: int, found: int, complete: bool) -> list[str]:
    """Sentences that follow from the numbers, the broadest first."""
    if orders == 0:
        return ["No orders in this period."]
    if not pairs:
        return [f"No pair is in {question.fewest(orders)} orders or more: ask for a longer period or a lower min_orders."]
    first = pairs[0]
    said = [
        f"{first.first.product} and {first.second.product} come first: together in {first.orders:,} of {orders:,} orders, "
        f"{first.lift:.1f} times as often as by chance."
    ]
    surest = max(pairs, key=lambda pair: (pair.confidence, pair.orders))
    said.append(
        f"Of the orders with {surest.first.product}, {percent(surest.confidence):.1f}% had {surest.second.product}, too "
        f"({surest.orders:,} of {surest.first.orders:,})."
    )
    across = sum(pair.first.category != pair.second.category for pair in pairs)
    if across and len(pairs) > 1:
        said.append(f"{across} of these {len(pairs)} pairs cross categories.")
    if all(pair.lift < 1 for pair in pairs):
        said.append("None of these pairs is bought together more often than by chance.")
    if not complete:
        said.append(f"Only the most frequent of {found:,} pairs were ranked: raise min_orders or shorten the period.")
    return said


def answer(pairs: list[Pair], question: Question, orders: int, found: int, complete: bool) -> Structured:
    """The whole answer."""
    lines = [line(rank, pair) for rank, pair in enumerate(pairs, 1)]
    said = insights(pairs, question, orders, found, complete)
    value = {
        "from": question.first,
        "to": question.last,
        "by": question.by,
        "product": question.product,
        "category": question.category,
        "min_orders": question.fewest(orders),
        "orders": orders,
        "pairs_found": found,
        "complete": complete,
        "pairs": lines,
        "insights": said,
    }
    shown = table(COLUMNS, ([one[name] for name in COLUMNS] for one in lines))
    return Structured(value, "\n".join([f"{question.first} to {question.last}, {orders:,} orders", shown, *said]))
