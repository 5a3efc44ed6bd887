"""Between a :class:`Plugin` and the contract. The only module that names its bindings, made by componentize-py."""

import json
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from componentize_py_types import Err
from wit_world.exports import tools as wit
from wit_world.imports import call_context, log, progress, sql, types

from .errors import Failed, InvalidArguments, NotFound, SqlFailed, ToolError
from .host import Caller, Column, Pending, Rows
from .jsontext import encode
from .plugin import Answer, Plugin, Structured
from .values import READ, Parameter, kind_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PAGE = 500
"""Rows asked of the host at a time: a page of wide rows stays well below a mebibyte."""

PACKED = {"boolean", "int", "float", "numeric", "text", "timestamp", "date", "uuid", "json"}
"""Kinds whose cells come whole in a batch; the others would come as PostgreSQL's text."""


def word(name: str) -> str:
    """``BOOLEAN_ARRAY`` as the contract has it: ``boolean-array``."""
    return name.lower().replace("_", "-")


def case(name: str) -> str:
    """The class of a value's case: ``boolean-array`` is ``Value_BooleanArray``."""
    return "Value_" + "".join(part.capitalize() for part in name.split("-"))


VALUES = {word(kind.name): getattr(types, case(word(kind.name))) for kind in types.Kind}
"""The contract's classes, by kind."""


def parameter(value: Parameter) -> types.Value:
    """A parameter as the contract's."""
    kind, content = kind_of(value)
    return types.Value_Null() if kind == "null" else VALUES[kind](content)


def cells(kind: str, packed: sql.Packed, rows: int) -> list[Any]:
    """One column of a batch, as Python's."""
    data = packed.data
    if isinstance(data, sql.PackedData_Texts):
        # Offsets count bytes; Python's text counts characters.
        whole, ends = data.value.data.encode(), data.value.offsets
        raw: list[Any] = [whole[ends[row] : ends[row + 1]].decode() for row in range(rows)]
    else:
        raw = data.value
    read, valid = READ.get(kind), packed.validity
    return [
        None if valid is not None and not valid[row >> 3] >> (row & 7) & 1 else raw[row] if read is None else read(raw[row])
        for row in range(rows)
    ]


def cell(value: types.Value) -> Any:
    """One cell of a row, as Python's."""
    if isinstance(value, types.Value_Null):
        return None
    read = next((READ[kind] for kind in READ if isinstance(value, VALUES[kind])), None)
    return value.value if read is None else read(value.value)


def pages(handle: sql.Rows, columns: list[Column]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows, a page at a time: packed where they can be, which costs a tenth."""
    kinds = [column.kind for column in columns]
    if PACKED.issuperset(kinds):
        while (batch := handle.next_batch(PAGE)) is not None:
            yield list(zip(*(cells(kind, packed, batch.rows) for kind, packed in zip(kinds, batch.columns))))
    else:
        while page := handle.next(PAGE):
            yield [tuple(cell(value) for value in row) for row in page]


def rows(handle: sql.Rows) -> Rows:
    """Rows of the contract as the library's."""
    columns = [Column(column.name, word(column.kind.name)) for column in handle.columns()]
    return Rows(columns, handle.truncated(), pages(handle, columns), handle.count(), handle)


def sql_failed(error: types.SqlError) -> SqlFailed:
    """An error of the contract as the library's."""
    return SqlFailed(word(error.code.name), error.message, error.sqlstate, error.position, error)


class Started(Pending):
    """A statement under way."""

    def __init__(self, pending: sql.Pending):
        self._pending = pending

    def wait(self) -> Rows:
        try:
            return rows(self._pending.wait())
        except Err as error:
            raise sql_failed(error.value) from None


class TheHost:
    """The host of a component."""

    def query(self, statement: str, *parameters: Parameter) -> Rows:
        try:
            return rows(sql.query(statement, [parameter(value) for value in parameters]))
        except Err as error:
            raise sql_failed(error.value) from None

    def submit(self, statement: str, *parameters: Parameter) -> Pending:
        try:
            return Started(sql.submit(statement, [parameter(value) for value in parameters]))
        except Err as error:
            raise sql_failed(error.value) from None

    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=call_context.now())

    def caller(self) -> Caller:
        caller = call_context.caller()
        return Caller(caller.display_name, caller.roles, word(caller.scope.name))

    def request_id(self) -> str:
        return call_context.request_id()

    def milliseconds_left(self) -> int:
        return call_context.deadline_left()

    def log(self, level: str, message: str) -> None:
        log.write(log.Level[level.upper()], message)

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        progress.report(done, total, message)


def answer(given: Answer) -> wit.Answer:
    """An answer as the contract's."""
    match given:
        case str():
            return wit.Answer_Text(given)
        case Rows():
            return wit.Answer_Rows(given.handle)
        case Structured():
            return wit.Answer_Structured(wit.Structured(encode(given.value), given.text))
    raise TypeError(f"a tool answers with Rows, Structured or a text, not with a {type(given).__name__}")


def refusal(error: ToolError) -> wit.ToolError:
    """Why there is no answer, as the contract has it."""
    match error:
        case SqlFailed(raw=types.SqlError() as raw):
            return wit.ToolError_Sql(raw)
        case InvalidArguments():
            return wit.ToolError_InvalidArguments(str(error))
        case NotFound():
            return wit.ToolError_NotFound(str(error))
    return wit.ToolError_Failed(str(error))


def confess(error: Exception) -> None:
    """Say where a fault is, before it ends the call: without WASI there is no other place for a traceback.

    Places and the kind of fault, not its words: those may quote a row, and the log is read by others.
    """
    # Not extract_tb: it looks for the sources' files, and there are none to look for.
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    places = " < ".join(f"{code.co_filename}:{line} {code.co_name}" for code, line in reversed(frames))
    log.write(log.Level.ERROR, f"{type(error).__name__} at {places}")


def exports(plugin: Plugin) -> type:
    """The class a component exports. Bind it to the name ``Tools`` in the module that is componentized."""

    class Tools:
        def describe(self) -> wit.PluginInfo:
            return wit.PluginInfo(
                plugin.name,
                plugin.version,
                [
                    wit.Tool(
                        tool.name,
                        tool.title,
                        tool.description,
                        encode(tool.input_schema),
                        None if tool.output_schema is None else encode(tool.output_schema),
                        wit.Annotations(read_only=True, destructive=False, idempotent=tool.idempotent, open_world=False),
                    )
                    for tool in plugin.tools
                ],
            )

        def call(self, name: str, arguments: str) -> wit.Answer:
            try:
                return answer(plugin.tool(name).work(TheHost(), json.loads(arguments)))
            except ToolError as error:
                raise Err(refusal(error)) from None
            except Exception as error:
                confess(error)
                raise

    return Tools
