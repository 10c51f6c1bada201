"""dbmate: ``-- migrate:up`` and ``-- migrate:down`` in one file. Seen with dbmate 2.36."""

from __future__ import annotations

import re

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, first, refuse_same_version
from pgassay.migrations.parts import Markers, before_the_first
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "dbmate", "dbmate", MARKED
SIGNS = "lines -- migrate:up and -- migrate:down"

_UP = re.compile(r"^--\s*migrate:up(\s|$)", re.MULTILINE)
_MARKERS = Markers(
    TOOL,
    "-- migrate:up",
    re.compile(r"--\s*migrate:(?P<what>up|down)(?P<options>\s.*|$)"),
    re.compile(r"^--\s*migrate:up\s.*\btransaction:false\b", re.MULTILINE),
)
_FILE_NAME = re.compile(r"([0-9]+).*\.sql")


def seen(listing: Listing) -> str:
    """The first file with its marker."""
    return first(listing.with_line(_UP), "-- migrate:up in {}")


def read(listing: Listing) -> Folder:
    """The files by name."""
    found: dict[str, Script] = {}
    skipped = {}
    for file in listing.sql:
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped[file.name] = "dbmate takes only files whose name begins with a number."
            continue
        if match[1] in found:
            refuse_same_version(listing.path, match[1], found[match[1]].name, file.name)
        text = listing.text(file)
        found[match[1]] = _MARKERS.script(file, text, match[1])
        if next(before_the_first(text, _MARKERS.line), ""):
            raise MigrationError(f"{file} has statements before -- migrate:up, which dbmate refuses.")
    return Folder(listing.path, tuple(found.values()), skipped, NAME)
