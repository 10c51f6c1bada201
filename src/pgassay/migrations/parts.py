"""A file in parts, each below a marker: what is to be applied, and what takes it back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.script import Script


@dataclass(frozen=True)
class Part:
    """The lines ``first`` to ``last`` of a text, counted from 0, without the last; ``marker`` is None before the first.

    The line of the marker itself is the first one.
    """

    marker: re.Match[str] | None
    first: int
    last: int


def parts(text: str, marker: re.Pattern[str]) -> list[Part]:
    """``text`` in parts, each of which begins with a line that ``marker`` matches, and what stands before the first."""
    lines = text.split("\n")
    found = [(number, match) for number, line in enumerate(lines) if (match := marker.match(line))]
    starts = [number for number, _ in found]
    ends = [*starts[1:], len(lines)] if starts else []
    whole = [Part(match, number, end) for (number, match), end in zip(found, ends, strict=True)]
    return [Part(None, 0, starts[0] if starts else len(lines)), *whole]


def only(text: str, wanted: Iterable[Part]) -> str:
    """The lines of ``wanted`` alone; the others are empty, so that each line keeps its number."""
    kept = {number for part in wanted for number in range(part.first, part.last)}
    lines = text.split("\n")
    last = max((number for number in kept if lines[number].strip()), default=-1)
    return "".join(f"{line if number in kept else ''}\n" for number, line in enumerate(lines[: last + 1]))


@dataclass(frozen=True)
class Markers:
    """How a tool marks the up and the down part of a file.

    ``line`` matches the marker's line: its group ``what`` is ``up`` or ``down`` in any case, ``options`` what follows.
    ``alone`` finds in the options, or in the whole text, that the file is not applied in one transaction.
    """

    tool: str
    shown: str
    line: re.Pattern[str]
    alone: re.Pattern[str]

    def script(self, file: Path, text: str, version: str | None) -> Script:
        """The script that ``file`` is, with its down part. Raises `MigrationError` where it has no up part."""
        found = parts(text, self.line)
        ups, downs = ([part for part in found if _what(part) == what] for what in ("up", "down"))
        if not ups:
            raise MigrationError(
                f"{file} has no line {self.shown}, which {self.tool} wants in each migration.",
                hint="If it is no migration of that tool, say of which one: "
                '[tool.pgassay] format = "…". pgassay formats lists them.',
            )
        alone = self.alone.search(text) is not None
        down = only(text, downs)
        back = Script(file, file.name, down, version, in_transaction=not alone) if down.strip() else None
        return Script(file, file.name, only(text, ups), version, down=back, in_transaction=not alone)


def _what(part: Part) -> str:
    return "" if part.marker is None else part.marker["what"].lower()


def before_the_first(text: str, marker: re.Pattern[str]) -> Iterator[str]:
    """The lines before the first marker that are neither empty nor comments of one line."""
    start = parts(text, marker)[0]
    for line in text.split("\n")[: start.last]:
        if line.strip() and not line.lstrip().startswith("--"):
            yield line
