"""A plugin: its name, its tools, and what they answer with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .host import Arguments, Host, Rows
from .jsontext import encode


@dataclass(frozen=True)
class Structured:
    """A structured answer: ``value`` for programs (see ``encode``), ``text`` for models that read only text.

    With an output schema, the host holds ``value`` to it. Without ``text``, a model reads the JSON.
    """

    value: Any
    text: str | None = None


Answer = Rows | Structured | str
"""What a tool gives back."""

Work = Callable[[Host, Arguments], Answer]
"""What a tool does. Raises a ``ToolError`` where there is no answer."""


@dataclass(frozen=True)
class Tool:
    """One tool, as callers will see it. The schemas are JSON Schema, 2020-12."""

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    work: Work
    idempotent: bool = True
    """The same call gives the same answer, as long as the data is the same."""


@dataclass(frozen=True)
class Plugin:
    """A plugin. ``name`` is also the component's file name."""

    name: str
    version: str
    tools: Sequence[Tool]

    def tool(self, name: str) -> Tool:
        """The tool of this name. The host calls no other than ``describe`` gave."""
        return next(tool for tool in self.tools if tool.name == name)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as models read them cheapest: the names once, then cells, as a statement's own answer looks."""
    cells = [list(row) for row in rows]
    shown: dict[str, Any] = {"c": list(columns), "r": cells, "n": len(cells)}
    if not cells:
        shown["msg"] = "No rows"
    return encode(shown)
