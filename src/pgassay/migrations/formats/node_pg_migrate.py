"""node-pg-migrate with files of SQL: ``-- Up Migration`` and ``-- Down Migration``. Seen with version 8.0."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, first, refuse_programs
from pgassay.migrations.parts import only, parts
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "node-pg-migrate", "node-pg-migrate", MARKED
SIGNS = "lines -- Up Migration and -- Down Migration"

_LINE = re.compile(r"\s*--[\s-]*(?P<what>up|down)\s+migration", re.IGNORECASE)
_UP = re.compile(rf"^{_LINE.pattern}", re.MULTILINE | re.IGNORECASE)
_PROGRAMS = ("*.js", "*.cjs", "*.mjs", "*.ts", "*.cts", "*.mts")
_STAMP = 17
"""So many digits are a time written out, to the millisecond; others are a number."""
_NUMBERS = re.compile(r"(\d+)")


def seen(listing: Listing) -> str:
    """The first file with one of its markers."""
    return first(listing.with_line(_UP), "-- Up Migration in {}")


def read(listing: Listing) -> Folder:
    """The files by the time that their names begin with; those that have no marker are up parts as a whole."""
    programs = (file for pattern in _PROGRAMS for file in listing.named(pattern) if not file.name.startswith("."))
    refuse_programs(listing, TOOL, programs, "npx node-pg-migrate up")
    files = sorted((file for file in listing.sql if not file.name.startswith(".")), key=_place)
    return Folder(listing.path, tuple(_script(file, listing.text(file)) for file in files), {}, NAME)


def _script(file: Path, text: str) -> Script:
    found = parts(text, _LINE)
    marked = [part.marker["what"].lower() for part in found if part.marker is not None]
    if len(marked) != len(set(marked)):
        raise MigrationError(
            f"{file} has more than one part of a kind, of which node-pg-migrate reads none but the first."
        )
    of = {"" if part.marker is None else part.marker["what"].lower(): part for part in found}
    if marked == ["down"]:
        raise MigrationError(
            f"{file} has no line -- Up Migration, so that node-pg-migrate would run its down part with the rest."
        )
    up = only(text, [of.get("up", of[""])])
    down = only(text, [of["down"]]) if "down" in of else ""
    version = file.stem
    return Script(file, file.name, up, version, down=Script(file, file.name, down, version) if down else None)


def _place(file: Path) -> tuple[int, list[tuple[int, str]]]:
    prefix = file.name.partition("_")[0]
    numbered = [(int(part), "") if part.isdigit() else (0, part) for part in _NUMBERS.split(file.name)]
    return _moment(prefix), numbered


def _moment(prefix: str) -> int:
    """Milliseconds since 1970, as the tool reads them; 0 where it reads none."""
    if not prefix.isdigit():
        return 0
    if len(prefix) == _STAMP:
        try:
            when = datetime.strptime(prefix[:-3], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return int(prefix)
        return int(when.timestamp()) * 1000 + int(prefix[-3:])
    return int(prefix)
