"""A folder as the formats look at it: which files are there, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from pgassay.errors import MigrationError
from pgassay.migrations.script import Script, decoded

_NAMED = 5


class Listing:
    """The folder ``path``, or the one file that it is. A file is read once, whoever asks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._contents: dict[Path, bytes] = {}

    @cached_property
    def sql(self) -> tuple[Path, ...]:
        """The files of SQL in the folder itself, by name; none where ``path`` is a file."""
        return self.named("*.sql")

    def named(self, pattern: str) -> tuple[Path, ...]:
        """The files that a pattern of pathlib's finds in the folder, sorted by their paths."""
        return tuple(sorted(entry for entry in self.path.glob(pattern) if entry.is_file()))

    def has(self, name: str) -> bool:
        """Whether a file of that name, or at that path, is in the folder."""
        return (self.path / name).is_file()

    def text(self, file: Path) -> str:
        """What ``file`` says. Raises `MigrationError` for what is no UTF-8 text."""
        return decoded(file, self._content(file))

    def with_line(self, pattern: re.Pattern[str], files: Iterable[Path] | None = None) -> Iterator[Path]:
        """Those of ``files``, by default of the folder's SQL, in which ``pattern`` is found. Never an error."""
        for file in self.sql if files is None else files:
            if pattern.search(self._content(file).decode("utf-8", "replace").replace("\r\n", "\n")):
                yield file

    def _content(self, file: Path) -> bytes:
        if file not in self._contents:
            self._contents[file] = file.read_bytes()
        return self._contents[file]


def first(files: Iterable[Path], say: str = "{}") -> str:
    """``say`` with the name of the first of ``files``; nothing where there is none."""
    return next((say.format(file.name) for file in files), "")


def listed(names: Iterable[str]) -> str:
    """The first few of ``names``, and how many more there are."""
    all_of_them = list(names)
    more = len(all_of_them) - _NAMED
    return ", ".join(all_of_them[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def in_order(path: Path, scripts: Mapping[tuple[int, ...], Iterable[Script]]) -> tuple[Script, ...]:
    """The scripts by their versions as numbers. Raises `MigrationError` where two have the same one."""
    for found in scripts.values():
        names = [script.name for script in found]
        if len(names) > 1:
            refuse_same_version(path, next(iter(found)).version or "", *names[:2])
    return tuple(script for _, found in sorted(scripts.items()) for script in found)


def refuse_same_version(path: Path, version: str, one: str, other: str) -> NoReturn:
    """Raise: two files have the same version."""
    raise MigrationError(
        f"Two migrations in {path} have the version {version}: {one} and {other}.",
        hint="Give one of them a version of its own: a ledger holds each version once.",
    )


def refuse_programs(listing: Listing, tool: str, programs: Iterable[Path], command: str) -> None:
    """Raise where migrations of ``tool`` are ``programs``, which pgassay cannot read: the schema would lack theirs."""
    found = [file.name for file in programs]
    if found:
        raise MigrationError(
            f"{listing.path} has migrations of {tool} that are programs and no SQL: {listed(found)}.",
            hint=f'Let the tool apply them: [tool.pgassay] migrate = "{command}".',
        )
