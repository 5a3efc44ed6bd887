"""Write tools for Rowhouse in Python.

A tool is a function of a :class:`Host` and its arguments; :class:`Plugin` gathers them. Nothing here names the
bindings of the contract, so tools run in any Python 3.11 under a test's own host; only ``rowhouse_plugin.component``
does, and only the component imports that.
"""

from .errors import Failed, InvalidArguments, NotFound, SqlFailed, ToolError
from .host import Caller, Column, Host, Pending, Rows
from .jsontext import encode
from .plugin import Answer, Plugin, Structured, Tool, table
from .values import Json, Null, Parameter

__all__ = [
    "Answer",
    "Caller",
    "Column",
    "Failed",
    "Host",
    "InvalidArguments",
    "Json",
    "NotFound",
    "Null",
    "Parameter",
    "Pending",
    "Plugin",
    "Rows",
    "SqlFailed",
    "Structured",
    "Tool",
    "ToolError",
    "encode",
    "table",
]
