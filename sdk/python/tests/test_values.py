"""Values and JSON, without any host."""

import unittest
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from rowhouse_plugin import Json, encode, table
from rowhouse_plugin.values import READ, kind_of

KEY = "0b5c1d0e-5a41-4d7e-9d5c-0a0b8a4f1c11"


@dataclass
class Point:
    x: int
    y: Decimal


class Values(unittest.TestCase):
    def test_parameters_have_the_kind_of_their_type(self) -> None:
        for value, expect in [
            (None, ("null", None)),
            (True, ("boolean", True)),
            (7, ("int", 7)),
            (-(2**63), ("int", -(2**63))),
            (2**63, ("numeric", "9223372036854775808")),
            (1.5, ("float", 1.5)),
            (Decimal("1E+3"), ("numeric", "1000")),
            (Decimal("0.10"), ("numeric", "0.10")),
            ("it's", ("text", "it's")),
            (date(2026, 1, 31), ("date", "2026-01-31")),
            (datetime(2026, 1, 31, 13, 45, tzinfo=UTC), ("timestamp", "2026-01-31 13:45:00+00:00")),
            (UUID(KEY), ("uuid", KEY)),
            (Json({"a": [1, None]}), ("json", '{"a":[1,null]}')),
            (b"\x00", ("bytes", b"\x00")),
            ([], ("text-array", [])),
            ([True], ("boolean-array", [True])),
            ([1, 2], ("int-array", [1, 2])),
            ([1, 2.5], ("float-array", [1.0, 2.5])),
            (("a",), ("text-array", ["a"])),
            ([UUID(KEY)], ("uuid-array", [KEY])),
        ]:
            with self.subTest(value=value):
                self.assertEqual(kind_of(value), expect)

    def test_what_has_no_kind_is_refused(self) -> None:
        for value in [object(), {"a": 1}, [1, "a"], [None], [True, 1], {1}]:
            with self.subTest(value=value), self.assertRaises(TypeError):
                kind_of(value)

    def test_cells_become_pythons(self) -> None:
        for kind, content, expect in [
            ("numeric", "12.50", Decimal("12.50")),
            ("date", "2026-01-31", date(2026, 1, 31)),
            ("date", "infinity", "infinity"),
            ("timestamp", "2026-01-31 13:45:00.25+00", datetime(2026, 1, 31, 13, 45, 0, 250_000, tzinfo=UTC)),
            ("timestamp", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
            ("uuid", KEY, UUID(KEY)),
            ("json", '{"a":1}', {"a": 1}),
            ("uuid-array", [KEY], [UUID(KEY)]),
        ]:
            with self.subTest(kind=kind):
                self.assertEqual(READ[kind](content), expect)

    def test_json_keeps_digits(self) -> None:
        for value, expect in [
            (Decimal("12.50"), "12.50"),
            (Decimal("1234567890123456789.01"), "1234567890123456789.01"),
            (0.1, "0.1"),
            (date(2026, 1, 31), '"2026-01-31"'),
            ({"é": [1, True, None, "\n"]}, '{"é":[1,true,null,"\\n"]}'),
            (Point(1, Decimal("0.0")), '{"x":1,"y":0.0}'),
            ([], "[]"),
        ]:
            with self.subTest(value=value):
                self.assertEqual(encode(value), expect)

    def test_what_is_no_json_is_refused(self) -> None:
        for value, error in [(float("nan"), ValueError), (Decimal("Infinity"), ValueError), ({1}, TypeError), (b"", TypeError)]:
            with self.subTest(value=value), self.assertRaises(error):
                encode(value)

    def test_tables_are_short(self) -> None:
        self.assertEqual(table(["a", "b"], [(1, "x")]), '{"c":["a","b"],"r":[[1,"x"]],"n":1}')
        self.assertEqual(table(["a"], []), '{"c":["a"],"r":[],"n":0,"msg":"No rows"}')
