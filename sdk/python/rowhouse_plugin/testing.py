"""A host for tests: it answers what a test says, and remembers what it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .errors import SqlFailed
from .host import Caller, Column, Rows
from .values import Parameter, kind_of

Given = Sequence[Mapping[str, Any]] | SqlFailed
"""What a statement comes to: rows, each a mapping by column name, or an error."""


@dataclass
class FakeHost:
    """Answers each statement by the first entry whose key is part of its text."""

    answers: Mapping[str, Given]
    truncated: bool = False
    clock: datetime = datetime(2026, 10, 31, tzinfo=UTC)
    asked: list[tuple[str, tuple[Parameter, ...]]] = field(default_factory=list)
    """The statements that were run, with their parameters."""
    logged: list[tuple[str, str]] = field(default_factory=list)

    def query(self, statement: str, *parameters: Parameter) -> Rows:
        for parameter in parameters:
            kind_of(parameter)  # Refuses what the real host could not be given.
        self.asked.append((statement, parameters))
        for part, given in self.answers.items():
            if part in statement:
                if isinstance(given, SqlFailed):
                    raise given
                names = list(given[0]) if given else []
                page = [tuple(row[name] for name in names) for row in given]
                return Rows([Column(name, "text") for name in names], self.truncated, iter([page]), len(page))
        raise AssertionError(f"no answer for: {statement}")

    def submit(self, statement: str, *parameters: Parameter) -> "FakePending":
        return FakePending(self.query(statement, *parameters))

    def now(self) -> datetime:
        return self.clock

    def caller(self) -> Caller:
        return Caller("A test", ["store_manager"], "single")

    def request_id(self) -> str:
        return "test"

    def milliseconds_left(self) -> int:
        return 30_000

    def log(self, level: str, message: str) -> None:
        self.logged.append((level, message))

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        pass


@dataclass
class FakePending:
    """A statement that is done already."""

    rows: Rows

    def wait(self) -> Rows:
        return self.rows
