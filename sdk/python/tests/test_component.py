"""The seam to the contract, over the bindings that componentize-py makes of `wit/`: their types, without their host."""

import json
import unittest
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from unittest import mock

from componentize_py_types import Err
from rowhouse_plugin import (
    Failed,
    Host,
    InvalidArguments,
    Json,
    NotFound,
    Plugin,
    SqlFailed,
    Structured,
    Tool,
    component,
)
from wit_world.exports import tools as wit
from wit_world.imports import sql, types


class Handle:
    """Rows of the contract, of two pages."""

    def __init__(self, columns: list[types.Column], batches: list[sql.Batch], plain: list[Any] = ()):
        self._columns, self._batches, self._plain = columns, batches, list(plain)

    def columns(self) -> list[types.Column]:
        return self._columns

    def truncated(self) -> bool:
        return False

    def count(self) -> int:
        return sum(batch.rows for batch in self._batches) + len(self._plain)

    def next_batch(self, most: int) -> sql.Batch | None:
        return self._batches.pop(0) if self._batches else None

    def next(self, most: int) -> list[Any]:
        page, self._plain = self._plain[:1], self._plain[1:]
        return page


def texts(*cells: str) -> sql.PackedData_Texts:
    ends = [0]
    for cell in cells:
        ends.append(ends[-1] + len(cell.encode()))
    return sql.PackedData_Texts(sql.PackedTexts(ends, "".join(cells)))


def tools(work: Any) -> Any:
    tool = Tool("t", "T", "D", {"type": "object"}, None, work)
    return component.exports(Plugin("p", "0.1.0", [tool]))()


class Component(unittest.TestCase):
    def test_every_kind_of_the_contract_has_its_class(self) -> None:
        self.assertEqual(len(component.VALUES), len(types.Kind))
        self.assertEqual(component.parameter(Json([1])), types.Value_Json("[1]"))
        self.assertEqual(component.parameter(None), types.Value_Null())
        self.assertEqual(component.parameter([1]), types.Value_IntArray([1]))

    def test_batches_are_unpacked_by_bytes_and_validity(self) -> None:
        columns = [types.Column("name", types.Kind.TEXT), types.Column("n", types.Kind.INT), types.Column("x", types.Kind.NUMERIC)]
        first = [
            sql.Packed(None, texts("zoë", "", "€😀")),
            sql.Packed(b"\x05", sql.PackedData_Ints([1, 0, 3])),
            sql.Packed(b"\x06", texts("", "12.50", "-1")),
        ]
        second = [sql.Packed(None, texts("last")), sql.Packed(None, sql.PackedData_Ints([4])), sql.Packed(b"\x00", texts(""))]
        rows = component.rows(Handle(columns, [sql.Batch(3, first), sql.Batch(1, second)]))
        self.assertEqual(
            list(rows),
            [
                {"name": "zoë", "n": 1, "x": None},
                {"name": "", "n": None, "x": Decimal("12.50")},
                {"name": "€😀", "n": 3, "x": Decimal(-1)},
                {"name": "last", "n": 4, "x": None},
            ],
        )
        self.assertEqual(list(rows)[3], rows._read[3], "read once, there for a second look")
        self.assertEqual(len(rows), 4)

    def test_arrays_come_as_variants(self) -> None:
        columns = [types.Column("tags", types.Kind.TEXT_ARRAY), types.Column("day", types.Kind.DATE)]
        plain = [[types.Value_TextArray(["a"]), types.Value_Date("2026-01-31")], [types.Value_Null(), types.Value_Null()]]
        rows = component.rows(Handle(columns, [], plain))
        self.assertEqual(list(rows), [{"tags": ["a"], "day": date(2026, 1, 31)}, {"tags": None, "day": None}])

    def test_answers_and_refusals(self) -> None:
        error = types.SqlError(types.SqlErrorCode.REJECTED, "no", None, 3)

        def fails(with_what: Exception) -> Any:
            def work(host: Host, arguments: Any) -> Any:
                raise with_what

            return work

        self.assertEqual(tools(lambda host, arguments: "hi").call("t", "{}"), wit.Answer_Text("hi"))
        answer = tools(lambda host, arguments: Structured(arguments, "said")).call("t", '{"a": 1}')
        self.assertEqual(answer, wit.Answer_Structured(wit.Structured('{"a":1}', "said")))
        for raised, expect in [
            (InvalidArguments("a"), wit.ToolError_InvalidArguments("a")),
            (NotFound("b"), wit.ToolError_NotFound("b")),
            (Failed("c"), wit.ToolError_Failed("c")),
            (SqlFailed("rejected", "no", raw=error), wit.ToolError_Sql(error)),
        ]:
            with self.subTest(raised=raised), self.assertRaises(Err) as caught:
                tools(fails(raised)).call("t", "{}")
            self.assertEqual(caught.exception.value, expect)

    def test_statements_that_fail_are_the_librarys_error(self) -> None:
        error = types.SqlError(types.SqlErrorCode.TIMEOUT, "too slow", "57014", None)
        with mock.patch.object(sql, "query", side_effect=Err(error)), self.assertRaises(SqlFailed) as caught:
            component.TheHost().query("SELECT 1")
        self.assertEqual((caught.exception.code, caught.exception.raw), ("timeout", error))

    def test_a_fault_says_where_and_not_what(self) -> None:
        def work(host: Host, arguments: Any) -> Any:
            return {}["a row's value"]

        with mock.patch("rowhouse_plugin.component.log.write") as write, self.assertRaises(KeyError):
            tools(work).call("t", "{}")
        said = write.call_args.args[1]
        self.assertIn("KeyError at ", said)
        self.assertIn("test_component.py:", said)
        self.assertNotIn("a row's value", said)

    def test_the_clock_is_the_hosts(self) -> None:
        with mock.patch.object(component.call_context, "now", return_value=1_793_491_199_999_999):
            self.assertEqual(component.TheHost().now(), datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC))

    def test_describe_is_json(self) -> None:
        info = tools(lambda host, arguments: "").describe()
        self.assertEqual((info.name, info.tools[0].name), ("p", "t"))
        self.assertEqual(json.loads(info.tools[0].input_schema), {"type": "object"})
