"""What a tool may ask of the host. In a component it is the real one; in a test, whatever answers alike."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .values import Parameter


@dataclass(frozen=True)
class Column:
    """A column of a result: its name, and the kind its cells come in (``int``, ``numeric``, ``text-array``, ...)."""

    name: str
    kind: str


@dataclass
class Rows:
    """The rows of one statement, each a dict by column name. Of columns with one name, the last counts.

    Given back as the answer before it was read, it goes to the caller without ever entering the plugin.
    """

    columns: list[Column]
    truncated: bool
    """Whether there were more rows than the host kept: what is here may not be taken for all."""
    pages: Iterator[list[tuple[Any, ...]]]
    """The rows, some at a time, read as they are asked for."""
    count: int
    handle: Any = None
    """The contract's own resource, where there is one."""
    _read: list[dict[str, Any]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._read is None:
            names = [column.name for column in self.columns]
            self._read = [dict(zip(names, row)) for page in self.pages for row in page]
        return iter(self._read)

    def one(self) -> dict[str, Any] | None:
        """The first row, if there is any."""
        return next(iter(self), None)


class Pending(Protocol):
    """A statement under way."""

    def wait(self) -> Rows:
        """Its rows. Raises ``SqlFailed``."""
        ...


@dataclass(frozen=True)
class Caller:
    """Who is calling, as far as a plugin may know."""

    display_name: str
    roles: list[str]
    scope: str
    """``single``, ``several`` or ``all`` tenants."""


class Host(Protocol):
    """The host's side of a call. Whose rows a statement sees is decided there, from who is calling."""

    def query(self, statement: str, *parameters: Parameter) -> Rows:
        """Run one SELECT; parameters stand for ``$1``, ``$2``, ... Raises ``SqlFailed``."""
        ...

    def submit(self, statement: str, *parameters: Parameter) -> Pending:
        """Start one SELECT and go on; several run at once. Raises ``SqlFailed``."""
        ...

    def now(self) -> datetime:
        """The host's clock, in UTC. The same for the whole call. Python's own clock is not there."""
        ...

    def caller(self) -> Caller:
        """Who is calling."""
        ...

    def request_id(self) -> str:
        """Names this call in the operator's log."""
        ...

    def milliseconds_left(self) -> int:
        """Until the host ends this call."""
        ...

    def log(self, level: str, message: str) -> None:
        """One line into the operator's log (``debug``, ``info``, ``warn``, ``error``). Never a row's value."""
        ...

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Word to a caller who waits."""
        ...


Arguments = Mapping[str, Any]
"""A call's arguments: JSON that the tool's input schema accepts. Numbers with a point are floats."""
