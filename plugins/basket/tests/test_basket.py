"""Baskets, over a host that answers what a test says."""

import json
import unittest
from datetime import date
from typing import Any

from basket.call import call
from basket.plugin import PLUGIN
from rowhouse_plugin import InvalidArguments, NotFound, SqlFailed, encode
from rowhouse_plugin.testing import FakeHost, Given

ROWS = [
    {"one": "Hammer", "one_category": "Hand Tools", "one_orders": 40, "other": "Nails", "other_category": "Hardware",
     "other_orders": 50, "orders": 20, "found": 3},
    {"one": "Paint", "one_category": "Paint", "one_orders": 50, "other": "Brush", "other_category": "Paint",
     "other_orders": 25, "orders": 20, "found": 3},
    {"one": "Saw", "one_category": "Hand Tools", "one_orders": 10, "other": "Glue", "other_category": "Hardware",
     "other_orders": 10, "orders": 4, "found": 3},
]  # fmt: skip
"""Of 200 orders: lifts 2.0, 3.2 and 8.0."""


def host(pairs: Given = ROWS, orders: int = 200, **answers: Given) -> FakeHost:
    return FakeHost(
        {
            "AS newest": [{"newest": date(2026, 10, 31)}],
            "SELECT category_name FROM": [{"category_name": "Hand Tools"}, {"category_name": "Paint"}],
            "WITH bought": pairs,
            "count(*) AS orders FROM retail.orders": [{"orders": orders}],
        }
        | answers
    )


def ask(over: FakeHost | None = None, **arguments: Any) -> dict[str, Any]:
    """The answer, which must be of the schema's properties."""
    answer = json.loads(encode(call(over or host(), arguments).value))
    schema = PLUGIN.tools[0].output_schema
    assert schema is not None and list(answer) == schema["required"]
    for pair in answer["pairs"]:
        assert list(pair) == schema["properties"]["pairs"]["items"]["required"]
    return answer


class Basket(unittest.TestCase):
    def test_pairs_are_ranked_by_what_was_asked(self) -> None:
        for by, expect in [
            ("lift", ["Glue", "Brush", "Hammer"]),
            ("confidence", ["Brush", "Hammer", "Glue"]),
            ("support", ["Brush", "Hammer", "Glue"]),
        ]:
            with self.subTest(by=by):
                self.assertEqual([pair["product"] for pair in ask(by=by)["pairs"]], expect)
        self.assertEqual([pair["product"] for pair in ask(limit=1)["pairs"]], ["Glue"])

    def test_the_measures_are_those_of_the_books(self) -> None:
        pair = ask()["pairs"][1]
        # 20 of 200 orders have both; Brush is in 25, Paint in 50: by chance 6.25 had both.
        self.assertEqual(
            pair,
            {"rank": 2, "product": "Brush", "category": "Paint", "with": "Paint", "with_category": "Paint", "orders": 20,
             "support_percent": 10.0, "confidence_percent": 80.0, "reverse_confidence_percent": 40.0, "lift": 3.2},
        )  # fmt: skip

    def test_the_product_asked_about_comes_first(self) -> None:
        over = host(ROWS[1:2], **{"strpos(": [{"product_name": "Paint", "exact": True}, {"product_name": "Paint Tray", "exact": False}]})
        answer = ask(over, product="paint ")
        self.assertEqual((answer["product"], answer["pairs"][0]["product"], answer["pairs"][0]["with"]), ("Paint", "Paint", "Brush"))
        self.assertEqual(over.asked[-1][1][3:], ("Paint", None))

    def test_names_there_are_not_are_said(self) -> None:
        two = [{"product_name": "Claw Hammer", "exact": False}, {"product_name": "Mallet Hammer", "exact": False}]
        for asked, answers, expect in [
            ({"product": "x"}, {"strpos(": []}, "no such product"),
            ({"product": "hammer"}, {"strpos(": two}, "Claw Hammer, Mallet Hammer"),
            ({"category": "x"}, {}, "there are: Hand Tools, Paint"),
        ]:
            with self.subTest(asked=asked), self.assertRaisesRegex(NotFound, expect):
                ask(host(**answers), **asked)
        self.assertEqual(ask(category="hand tools")["category"], "Hand Tools")
        self.assertEqual(ask(host(**{"strpos(": two[:1]}), product="hammer")["product"], "Claw Hammer")

    def test_days(self) -> None:
        for asked, first, last in [
            ({}, "2026-08-03", "2026-10-31"),
            ({"to": "2026-03-31"}, "2026-01-01", "2026-03-31"),
            ({"from": "2026-10-01"}, "2026-10-01", "2026-10-31"),
            ({"from": "2024-02-29", "to": "2024-02-29"}, "2024-02-29", "2024-02-29"),
        ]:
            with self.subTest(asked=asked):
                answer = ask(**asked)
                self.assertEqual((answer["from"], answer["to"]), (first, last))
        for asked, expect in [({"from": "2026-11-01"}, "swap them"), ({"to": "2026-02-30"}, "`to` is not a day")]:
            with self.subTest(asked=asked), self.assertRaisesRegex(InvalidArguments, expect):
                ask(**asked)
        with self.assertRaisesRegex(NotFound, "no orders"):
            ask(host(**{"AS newest": [{"newest": None}]}))

    def test_both_bounds_hold(self) -> None:
        for asked, orders, expect in [
            ({}, 200, 3),
            ({"min_orders": 1}, 200, 1),
            ({"min_support_percent": 2.5}, 200, 5),
            ({"min_support_percent": 2.6}, 200, 6),
            ({"min_support_percent": 7, "min_orders": 1}, 100, 7),
            ({"min_support_percent": 1, "min_orders": 9}, 200, 9),
        ]:
            with self.subTest(asked=asked):
                over = host(orders=orders)
                self.assertEqual((ask(over, **asked)["min_orders"], over.asked[-1][1][2]), (expect, expect))

    def test_what_follows_is_said(self) -> None:
        self.assertEqual(
            ask()["insights"],
            [
                "Glue and Saw come first: together in 4 of 200 orders, 8.0 times as often as by chance.",
                "Of the orders with Brush, 80.0% had Paint, too (20 of 25).",
                "2 of these 3 pairs cross categories.",
            ],
        )
        self.assertEqual(ask(host([], 0))["insights"], ["No orders in this period."])
        self.assertIn("in 3 orders or more", ask(host([]))["insights"][0])
        rare = [ROWS[0] | {"one_orders": 100, "other_orders": 100, "found": 1}]
        self.assertEqual(ask(host(rare))["insights"][-1], "None of these pairs is bought together more often than by chance.")

    def test_a_part_is_not_taken_for_all(self) -> None:
        self.assertTrue(ask()["complete"])
        cut = host()
        cut.truncated = True
        for over in [cut, host([row | {"found": 5_000} for row in ROWS])]:
            answer = ask(over)
            self.assertFalse(answer["complete"])
            self.assertIn("raise min_orders", answer["insights"][-1])

    def test_what_the_database_says_passes(self) -> None:
        with self.assertRaises(SqlFailed):
            ask(host(SqlFailed("timeout", "too slow")))

    def test_callers_words_are_parameters(self) -> None:
        over = host(**{"strpos(": [{"product_name": "it's", "exact": True}]})
        ask(over, product="it's")
        self.assertTrue(all("it's" not in statement for statement, _ in over.asked))

    def test_schemas_are_closed(self) -> None:
        def objects(schema: Any) -> Any:
            if isinstance(schema, dict):
                if schema.get("type") == "object":
                    yield schema
                for part in schema.values():
                    yield from objects(part)

        for schema in [PLUGIN.tools[0].input_schema, PLUGIN.tools[0].output_schema]:
            self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
            self.assertTrue(all(it["additionalProperties"] is False for it in objects(schema)))
