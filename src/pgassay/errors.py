"""What stops a run: errors that are sentences for the person at the terminal."""

from __future__ import annotations


class PgassayError(Exception):
    """A run that could not be carried out. The command prints it without a traceback and exits with 2.

    ``message`` says what was wanted and what was found; ``hint`` says what to do next.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class ConfigError(PgassayError):
    """The configuration, the command line or the environment variables ask for something that makes no sense."""


class Unavailable(PgassayError):
    """A backend cannot give the server that is wanted, and its message says why. ``auto`` tries the next one."""


class MigrationError(PgassayError):
    """A migration that PostgreSQL refused, or a folder of migrations that cannot be applied as it is."""
