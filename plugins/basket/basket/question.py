"""What was asked, settled: days, names as the catalogue has them, bounds."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from rowhouse_plugin import Host, InvalidArguments, NotFound
from rowhouse_plugin.host import Arguments

from .statement import CATEGORIES, NEWEST, PRODUCTS

USUAL_DAYS = 90
"""Days that are looked at where nobody names any: a season, long enough for pairs to repeat."""


@dataclass(frozen=True)
class Question:
    """A question, with nothing left open."""

    first: date
    last: date
    product: str | None
    category: str | None
    by: str
    min_orders: int
    min_support_percent: float
    limit: int

    def fewest(self, orders: int) -> int:
        """The fewest orders with both that satisfy both bounds, of so many orders."""
        # Rounded first: 0.07 of 100 is 7.000000000000001 in binary, and no eighth order was asked for.
        return max(self.min_orders, ceil(round(self.min_support_percent * orders / 100, 9)))


def understand(host: Host, arguments: Arguments) -> Question:
    """Settle a question. The database is asked only for what the answer depends on."""
    last = day(arguments, "to") or newest(host)
    first = day(arguments, "from") or last - timedelta(days=USUAL_DAYS - 1)
    if first > last:
        raise InvalidArguments(f"`from` ({first}) is after `to` ({last}): swap them")
    return Question(
        first=first,
        last=last,
        product=product(host, arguments.get("product")),
        category=category(host, arguments.get("category")),
        by=arguments.get("by", "lift"),
        min_orders=arguments.get("min_orders", 3),
        min_support_percent=arguments.get("min_support_percent", 0),
        limit=arguments.get("limit", 10),
    )


def day(arguments: Arguments, name: str) -> date | None:
    """The day a caller wrote under `name`."""
    text = arguments.get(name)
    try:
        return text and date.fromisoformat(text)
    except ValueError:
        raise InvalidArguments(f"`{name}` is not a day of the calendar: write it as 2026-01-31 (year-month-day)") from None


def newest(host: Host) -> date:
    """The last day with data."""
    row = host.query(NEWEST).one()
    if row is None or row["newest"] is None:
        raise NotFound("there are no orders in the stores you may see")
    return row["newest"]


def category(host: Host, asked: str | None) -> str | None:
    """A category by its name, whatever the case of its letters, as the catalogue writes it."""
    if asked is None:
        return None
    names = [row["category_name"] for row in host.query(CATEGORIES)]
    for name in names:
        if name.casefold() == asked.strip().casefold():
            return name
    raise NotFound(f"no such category; there are: {', '.join(names)}")


def product(host: Host, asked: str | None) -> str | None:
    """A product by its name, or by a part that no other product's name has."""
    if asked is None:
        return None
    rows = list(host.query(PRODUCTS, asked.strip()))
    if rows and (rows[0]["exact"] or len(rows) == 1):
        return rows[0]["product_name"]
    if not rows:
        raise NotFound("no such product; search_products finds products by what they are good for")
    names = [row["product_name"] for row in rows]
    raise NotFound(f"more than one product is called so: {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}")
