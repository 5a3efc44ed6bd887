"""JSON that keeps the digits of a ``Decimal``, which the standard library's would not write at all."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID


def encode(value: Any) -> str:
    """``value`` as JSON: ``Decimal("12.50")`` as ``12.50``, days, moments and UUIDs as text, dataclasses by their fields.

    Raises ``TypeError`` for what is no JSON, and ``ValueError`` for a number that is not finite.
    """
    return "".join(parts(value))


def parts(value: Any) -> Iterator[str]:
    """The pieces of the text, in order."""
    match value:
        case None | bool() | int() | str():
            yield json.dumps(value, ensure_ascii=False)
        case float() | Decimal():
            if not isfinite(value):
                raise ValueError(f"{value} is no number of JSON")
            yield format(value, "f") if isinstance(value, Decimal) else repr(value)
        case date() | UUID():  # A moment is a date, too.
            yield json.dumps(value.isoformat() if isinstance(value, date) else str(value))
        case Mapping():
            yield from between("{", "}", ([json.dumps(name, ensure_ascii=False), ":", *parts(it)] for name, it in value.items()))
        case list() | tuple():
            yield from between("[", "]", map(parts, value))
        case _ if hasattr(value, "__dataclass_fields__"):
            yield from parts({name: getattr(value, name) for name in value.__dataclass_fields__})
        case _:
            raise TypeError(f"a {type(value).__name__} is no JSON")


def between(first: str, last: str, items: Iterator[Any]) -> Iterator[str]:
    """Items with commas between them, and a bracket at each end."""
    yield first
    for index, item in enumerate(items):
        if index:
            yield ","
        yield from item
    yield last
