"""The state of a schema as text: object after object, an entry a line, and what was accepted with which reason."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pgassay.errors import PgassayError

FORMAT = 1
KINDS = (
    "role", "settings", "schema", "extension", "collation", "text search dictionary", "text search configuration",
    "enum", "domain", "composite type", "range type", "foreign data wrapper", "foreign server", "user mapping",
    "sequence", "table", "foreign table", "view", "materialized view", "statistics", "function", "aggregate",
    "operator", "cast", "event trigger", "publication", "security label", "rights on", "bucket", "cron job",
    "vault secret", "default privileges", "access",
)  # fmt: skip
"""The kinds of objects, in the order in which they stand."""
PLATFORM_RIGHTS = "rights on"
"""The kind of what others may do to an object that is the platform's own."""
GONE = "without "
"""Begins the key of an entry that the migrations took from what was there before them."""
DROPPED = "dropped"
"""The key of the only entry of an object that the migrations dropped."""

_HEADER = f"pgassay snapshot, format {FORMAT}"
_EXPLANATION = (
    "# The accepted state of the schema, written by `pgassay snapshot`; `pgassay snapshot --check` compares with it,",
    "# `pgassay snapshot --update` accepts what is there now.",
)
_PART = "part of "
_HISTORY = "history"
_KEY = re.compile(r'((?:[^":]|"(?:[^"]|"")*+"|:(?! |$))*)(?:: (.*)|(:))?', re.DOTALL)
_PART_OF_NAME = re.compile(r'"(?:[^"]|"")*+"|[^."(]+')
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


@dataclass(frozen=True)
class Object:
    """Something of the schema: its entries by key, as ``column id`` → ``uuid not null``, in the order of writing.

    With ``partial`` they are only those that differ from what was there before the migrations.
    """

    kind: str
    name: str
    entries: Mapping[str, str]
    partial: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What no two objects share."""
        return self.kind, self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def lines(self) -> list[str]:
        """The object as it is written."""
        lines = [f"{_PART if self.partial else ''}{self}"]
        for key, value in self.entries.items():
            lines += entry_lines(key, value)
        return lines


@dataclass(frozen=True)
class State:
    """Objects by kind and name; ``history`` holds a line for every loosening that was accepted.

    ``untold`` are kinds of which nothing is known there, since they could not be read.
    """

    objects: Mapping[tuple[str, str], Object]
    history: tuple[str, ...] = field(default=(), compare=False)
    untold: frozenset[str] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        parts = [[_HEADER, *_EXPLANATION]]
        parts += [thing.lines() for thing in self.objects.values()]
        if self.history:
            parts.append([_HISTORY, *(f"    {line}" for line in self.history)])
        return "\n\n".join("\n".join(lines) for lines in parts) + "\n"

    def without(self, kinds: Iterable[str]) -> State:
        """The same without the objects of those kinds."""
        left = tuple(kinds)
        return replace(self, objects={key: thing for key, thing in self.objects.items() if thing.kind not in left})


def state(objects: Iterable[Object], history: tuple[str, ...] = (), untold: frozenset[str] = frozenset()) -> State:
    """Objects in the order in which they are written, whatever the order they come in."""
    ordered = sorted(objects, key=lambda thing: (KINDS.index(thing.kind), thing.name))
    return State({thing.key: thing for thing in ordered}, history, untold)


def since(found: State, before: State) -> State:
    """What ``found`` has beyond ``before``, which was there first, and what it took from it.

    Of an object that was there, the entries that differ, and those that it had as `GONE`.
    """
    objects = []
    for key in {**found.objects, **before.objects}:
        new, old = found.objects.get(key), before.objects.get(key)
        if key[0] == PLATFORM_RIGHTS and (old is None or new is None):
            continue  # what came with an extension, and gives what that says
        if old is None and new is not None:
            objects.append(new)
        elif new is None and old is not None:
            objects.append(Object(*key, {DROPPED: ""}, partial=True))
        elif new is not None and old is not None and dict(new.entries) != dict(old.entries):
            entries = {entry: text for entry, text in new.entries.items() if old.entries.get(entry) != text}
            gone = {entry: text for entry, text in old.entries.items() if new.entries.get(entry) != text}
            entries |= {f"{GONE}{entry}": text for entry, text in gone.items()}
            objects.append(Object(*key, entries, partial=True))
    return state(objects, found.history, found.untold)


def name(*parts: str) -> str:
    """A name of one or more parts, quoted where it has to be, on one line."""
    return ".".join(part if _PLAIN_NAME.fullmatch(part) else _quoted(part) for part in parts)


def parts_of(qualified: str) -> list[str]:
    """The parts of a `name` as they are written, up to a parenthesis."""
    return _PART_OF_NAME.findall(qualified)


def entry_lines(key: str, value: str) -> list[str]:
    """An entry as it is written."""
    if "\n" in value:
        return [f"    {key}:", *(f"        {line}" if line else "" for line in value.split("\n"))]
    return [f"    {key}: {value}" if value else f"    {key}"]


def read(file: Path) -> State:
    """The state that ``file`` holds. Raises `PgassayError` where it is no snapshot, or of another format."""
    try:
        text = file.read_bytes().decode().replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise PgassayError(
            f"There is no snapshot {file}.", hint="Write the first one with: pgassay snapshot"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PgassayError(f"The snapshot {file} cannot be read: {error}") from error
    lines = text.split("\n")
    if lines[0] != _HEADER:
        found = re.fullmatch(r"pgassay snapshot, format (\d+)", lines[0])
        raise PgassayError(
            f"{file} is a snapshot of format {found[1]}, and this pgassay reads {FORMAT}."
            if found
            else f"{file} is no snapshot of pgassay: it does not begin with {_HEADER!r}.",
            hint="Write it anew with the pgassay that reads it." if found else None,
        )
    objects, history = [], []
    for title, entries in _blocks(file, lines):
        if title == _HISTORY:
            history = [line.removeprefix("    ") for _, line in entries]
        else:
            objects.append(_object(file, title, entries))
    return state(objects, tuple(history))


def write(file: Path, accepted: State) -> None:
    """Write it, in one step: who reads meanwhile has the old one or the new one."""
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(str(accepted).encode())
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o666 & ~mask)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PgassayError(f"The snapshot {file} cannot be written: {error.strerror}") from error


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace('"', '""')
    return f'"{escaped}"'


def _blocks(file: Path, lines: list[str]) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Titles with the lines below them, each with its number."""
    title, below = "", []  # type: str, list[tuple[int, str]]
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith("#") and not title:
            continue
        if line and not line.startswith(" "):
            if title:
                yield title, _without_end(below)
            title, below = line, []
        elif title:
            below.append((number, line))
        elif line:
            raise PgassayError(f"{file}:{number}: this belongs to no object: {line.strip()}")
    if title:
        yield title, _without_end(below)


def _without_end(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    while lines and not lines[-1][1]:
        lines = lines[:-1]
    return lines


def _object(file: Path, title: str, lines: list[tuple[int, str]]) -> Object:
    partial = title.startswith(_PART)
    title = title.removeprefix(_PART)
    kind = next((kind for kind in sorted(KINDS, key=len, reverse=True) if title.startswith(f"{kind} ")), None)
    if kind is None:
        number = lines[0][0] - 1 if lines else 0
        raise PgassayError(
            f"{file}:{number}: {title!r} is no object of a snapshot.",
            hint="A conflict of a merge is best solved by writing it anew: pgassay snapshot --update",
        )
    entries: dict[str, str] = {}
    block: list[str] | None = None
    key = ""
    for number, line in lines:
        if block is not None and (not line or line.startswith(" " * 8)):
            block.append(line[8:])
            entries[key] = "\n".join(block)
            continue
        found = _KEY.fullmatch(line.removeprefix("    "))
        if not line.startswith("    ") or found is None:
            raise PgassayError(f"{file}:{number}: this is no entry of {kind} {title}: {line.strip()}")
        key = found[1]
        block = [] if found[3] else None
        entries[key] = found[2] or ""
    return Object(kind, title.removeprefix(f"{kind} "), entries, partial)
