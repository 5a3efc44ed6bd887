"""Why there is no answer. The texts reach the caller: say what to do next, and nothing of the plugin's inside."""

from typing import Any


class ToolError(Exception):
    """One of the four below. Anything else that is raised is a fault of the plugin, and ends the call as one."""


class InvalidArguments(ToolError):
    """The arguments are of the right shape and still make no sense (``from`` after ``to``)."""


class NotFound(ToolError):
    """There is no such thing, among what this caller may see."""


class Failed(ToolError):
    """Anything else."""


class SqlFailed(ToolError):
    """A statement gave no rows. Let it pass: the host words it for the caller.

    ``code`` is one of ``rejected``, ``invalid``, ``timeout``, ``limit``, ``cancelled``, ``unavailable``.
    """

    def __init__(self, code: str, message: str, sqlstate: str | None = None, position: int | None = None, raw: Any = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.sqlstate = sqlstate
        self.position = position
        self.raw = raw
        """The contract's own error, handed back as it came."""
