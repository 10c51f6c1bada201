"""What stops a run: errors that are sentences for the person at the terminal."""

from __future__ import annotations

import re
from pathlib import Path

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


class PartlyApplied(MigrationError):
    """A migration that runs statement by statement and failed; its lines up to ``until`` stay, none where that is 0."""

    def __init__(self, message: str, until: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.until = until


class NoTenants(PgassayError):
    """No rows of several tenants could be made, so that nothing can be said of who reaches whose."""


def internal_error(error: Exception) -> str:
    """An exception that nobody expected, as one sentence that a bug report can be made of.

    It says what was raised, where, and in which version, and leaves out the rest of the way there: a report has room
    for a line an object.
    """
    import platform  # here, as the others: what pgassay --version loads needs none of them
    import traceback
    from importlib.metadata import version

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    where = " < ".join(f"{_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(ours[-_FRAMES:]))
    said = " ".join(str(error).split())
    said = said if len(said) <= _SAID else said[:_SAID] + "…"
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return (
        f"internal error of pgassay {version('pgassay')}, Python {platform.python_version()}: {what} ({where}). "
        "This is a defect of pgassay; please report it with this text."
    )


_FRAMES, _SAID = 4, 300
_PACKAGE = Path(__file__).parent


def _place(file: str) -> str:
    """The file from the package on, with slashes; of another one its name."""
    path = Path(file)
    return path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name
