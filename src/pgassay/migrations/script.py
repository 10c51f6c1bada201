"""The waist of all formats: a script is a file, or a part of one, whose SQL is applied as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgassay.errors import MigrationError


@dataclass(frozen=True)
class Script:
    """A migration: ``name`` is how messages call it, ``sql`` what is applied, on the lines that it has in ``path``.

    ``down`` takes it back, None where nothing is written for that. ``in_transaction`` says whether its tool applies it
    in one transaction. ``verify`` is run afterwards, and what it does is undone: if it fails, so has the migration.
    """

    path: Path
    name: str
    sql: str
    version: str | None = None
    down: Script | None = None
    in_transaction: bool = True
    verify: Script | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """What a database that is built with it depends on."""
        own = (self.name, self.sql, str(self.in_transaction))
        return own if self.verify is None else (*own, self.verify.sql)


@dataclass(frozen=True)
class Folder:
    """What a folder of migrations holds: the migrations in order; ``skipped`` files by name, each with the reason.

    ``format`` is the name of the format that it was read in.
    """

    path: Path
    migrations: tuple[Script, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    format: str = "supabase"


def decoded(file: Path, content: bytes) -> str:
    """The text of ``file``, which has ``content``. Raises `MigrationError` for what is no UTF-8 text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MigrationError(f"{file} is not UTF-8: {error.reason} at byte {error.start}.") from error
    if "\0" in text:
        raise MigrationError(f"{file} has a NUL byte in it: it is no SQL, or is not in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read(file: Path) -> Script:
    """The script that ``file`` is, as a whole. Raises `MigrationError`."""
    return Script(file, file.name, decoded(file, file.read_bytes()))
