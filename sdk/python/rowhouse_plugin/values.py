"""Cells and parameters as Python has them.

=================  ==========================================
PostgreSQL         Python
=================  ==========================================
NULL               ``None``
boolean            ``bool``
bigint             ``int``
double precision   ``float``
numeric            ``decimal.Decimal``, every digit kept
text, others       ``str``
timestamptz        ``datetime.datetime``
date               ``datetime.date``
uuid               ``uuid.UUID``
jsonb              what it holds; as a parameter ``Json(...)``
bytea              ``bytes``
arrays, vector     ``list``
=================  ==========================================

Days and moments that Python cannot hold (``infinity``, years before 1 or after 9999) arrive as their text.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .jsontext import encode


@dataclass(frozen=True)
class Json:
    """A parameter of type ``jsonb``."""

    value: Any


Null = None
"""SQL NULL. Its type follows from where it stands; write ``$1::text`` where it stands alone."""

Parameter = None | bool | int | float | Decimal | str | datetime | date | UUID | Json | bytes | Sequence[Any]
"""What can stand for ``$1``. A list holds values of one kind: bool, int, float, str or UUID."""

BIGINT = range(-(2**63), 2**63)


def kind_of(value: Parameter) -> tuple[str, Any]:
    """The case of the contract's ``value`` a parameter is sent as, and what it carries.

    Raises ``TypeError`` for anything not in the table above, and for a list of mixed or no kinds.
    """
    match value:
        case None:
            return "null", None
        case bool():  # Before int, which a bool is, too.
            return "boolean", value
        case int():
            # PostgreSQL compares bigint with numeric; a number too large for the one is sent as the other.
            return ("int", value) if value in BIGINT else ("numeric", str(value))
        case float():
            return "float", value
        case Decimal():
            # `f`: no exponent, which the contract's notation does not have. NaN and Infinity are written as they are.
            return "numeric", format(value, "f")
        case str():
            return "text", value
        case datetime():  # Before date, which a datetime is, too.
            return "timestamp", value.isoformat(" ")
        case date():
            return "date", value.isoformat()
        case UUID():
            return "uuid", str(value)
        case Json():
            return "json", encode(value.value)
        case bytes():
            return "bytes", value
        case list() | tuple():
            return array(list(value))
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be a parameter of a statement")


def array(values: list[Any]) -> tuple[str, Any]:
    """A list as one of the contract's arrays."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        return "float-array", [float(value) for value in values]
    if len(kinds) > 1:
        raise TypeError(f"a list of {', '.join(sorted(kind.__name__ for kind in kinds))}: an array has one kind")
    match values:
        case []:
            return "text-array", []
        case [bool(), *_]:
            return "boolean-array", values
        case [int(), *_]:
            return "int-array", values
        case [float(), *_]:
            return "float-array", values
        case [str(), *_]:
            return "text-array", values
        case [UUID(), *_]:
            return "uuid-array", [str(value) for value in values]
        case _:
            raise TypeError(f"there is no array of {type(values[0]).__name__}")


def moment(text: str) -> datetime | str:
    """A moment, or the text of one that Python cannot hold."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def day(text: str) -> date | str:
    """A day, or the text of one that Python cannot hold."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


READ: dict[str, Callable[[Any], Any]] = {
    "numeric": Decimal,
    "timestamp": moment,
    "date": day,
    "uuid": UUID,
    "json": json.loads,
    "uuid-array": lambda texts: [UUID(text) for text in texts],
}
"""How a cell's content becomes Python's, by kind; the kinds that are not here already are."""
