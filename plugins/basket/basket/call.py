"""`get_basket_analysis`: products bought together."""

from rowhouse_plugin import Host, Structured
from rowhouse_plugin.host import Arguments

from . import wording
from .analysis import pair, rank
from .question import understand
from .statement import ORDERS, PAIRS


def call(host: Host, arguments: Arguments) -> Structured:
    """Answer a call. Raises a `ToolError` for days that make no sense, names there are not, or what the database says."""
    question = understand(host, arguments)
    counted = host.query(ORDERS, question.first, question.last).one()
    orders = counted["orders"] if counted else 0
    rows = host.query(
        PAIRS, question.first, question.last, question.fewest(orders), question.product, question.category
    )
    found = first["found"] if (first := rows.one()) else 0
    # The host may keep fewer rows than the statement gives, or the statement stops at its own bound.
    complete = not rows.truncated and found == len(rows)
    ranked = rank((pair(row, orders, question.product) for row in rows), question.by, question.limit)
    return wording.answer(ranked, question, orders, found, complete)
