"""A guest in Python: well-behaved, forgetful as every guest, and misbehaving where it is told to."""

import time
from typing import Any

from rowhouse_plugin import Answer, Host, InvalidArguments, Json, Plugin, Structured, Tool
from rowhouse_plugin.component import exports

ANYTHING = {"type": "object"}

calls = 0
"""What must not outlive a call."""


def echo(host: Host, arguments: Any) -> Answer:
    return Structured({"text": arguments["text"]})


def count(host: Host, arguments: Any) -> Answer:
    global calls
    calls += 1
    return Structured({"calls": calls})


def rows(host: Host, arguments: Any) -> Answer:
    return host.query(arguments["statement"])


def read(host: Host, arguments: Any) -> Answer:
    return Structured({"rows": list(host.query(arguments["statement"]))})


def values(host: Host, arguments: Any) -> Answer:
    statement = "SELECT $1::bool AS b, $2::bigint AS i, $3::float8 AS f, $4::text AS t, $5::jsonb AS j, $6::text[] AS a, $7::text AS n"
    pending = host.submit(statement, True, -(2**53), 0.5, "zoë €😀", Json({"a": [1, None]}), ["x", "y"], None)
    return Structured(pending.wait().one())


def context(host: Host, arguments: Any) -> Answer:
    caller = host.caller()
    host.progress(1, 2, "half")
    return Structured(
        {
            "caller": caller.display_name,
            "scope": caller.scope,
            "year": host.now().year,
            "request": host.request_id(),
            "left": host.milliseconds_left(),
        }
    )


def refuse(host: Host, arguments: Any) -> Answer:
    raise InvalidArguments("no such luck")


def fault(host: Host, arguments: Any) -> Answer:
    return {}[arguments.get("text")]


def memory(host: Host, arguments: Any) -> Answer:
    return Structured({"bytes": len(bytearray(arguments["mebibytes"] << 20))})


def spin(host: Host, arguments: Any) -> Answer:
    while True:
        pass


def clock(host: Host, arguments: Any) -> Answer:
    return Structured({"now": time.time()})


WORKS = [echo, count, rows, read, values, context, refuse, fault, memory, spin, clock]
Tools = exports(
    Plugin("in-python", "0.1.0", [Tool(f"py_{it.__name__}", it.__name__, it.__name__, ANYTHING, None, it) for it in WORKS])
)
