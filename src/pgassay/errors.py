"""What stops a run: errors that are sentences for the person at the terminal."""

from __future__ import annotations

import re

_HIDDEN = "…"
# Up to the last @ of the line: where a password is not escaped, it may hold any character. Path makes // a /.
_WITH_HOST = re.compile(r"([A-Za-z][\w+.-]*:/+[^\s:/@]*):(?!PASSWORD@)[^\n]*@")
# Without a host, what follows the colon is the port, or a password.
_WITHOUT_HOST = re.compile(r"([A-Za-z][\w+.-]*:/+[^\s:/@]*):(?!PASSWORD@|…|\d+\b)[^\s:/@'\"]+")
_NAMED = re.compile(r"\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'\"]+)", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """``text`` with an ellipsis for the password of each URL, of whatever scheme, and of each ``password=…``."""
    for pattern in (_WITH_HOST, _WITHOUT_HOST):
        text = pattern.sub(rf"\1:{_HIDDEN}" + ("@" if pattern is _WITH_HOST else ""), text)
    return _NAMED.sub(rf"\1{_HIDDEN}", text)


class PgassayError(Exception):
    """A run that could not be carried out. The command prints it without a traceback and exits with 2.

    ``message`` says what was wanted and what was found; ``hint`` says what to do next. Neither shows a password.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = without_passwords(message)
        self.hint = None if hint is None else without_passwords(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class ConfigError(PgassayError):
    """The configuration, the command line or the environment variables ask for something that makes no sense."""


class Unavailable(PgassayError):
    """A backend cannot give the server that is wanted, and its message says why. ``auto`` tries the next one."""


class MigrationError(PgassayError):
    """A migration that PostgreSQL refused, or a folder of migrations that cannot be applied as it is."""
