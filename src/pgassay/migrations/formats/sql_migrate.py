"""sql-migrate: ``-- +migrate Up`` and ``-- +migrate Down`` (https://github.com/rubenv/sql-migrate)."""

from __future__ import annotations

import re

from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, first
from pgassay.migrations.parts import Markers
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "sql-migrate", "sql-migrate", MARKED
SIGNS = "lines -- +migrate Up and -- +migrate Down"

_UP = re.compile(r"^--\s*\+migrate\s+up\b", re.MULTILINE | re.IGNORECASE)
_MARKERS = Markers(
    TOOL,
    "-- +migrate Up",
    re.compile(r"--\s*\+migrate\s+(?P<what>up|down)\b(?P<options>.*)", re.IGNORECASE),
    re.compile(r"^--\s*\+migrate\s+up\b.*\bnotransaction\b", re.MULTILINE | re.IGNORECASE),
)
_NUMBER = re.compile(r"\d+")


def seen(listing: Listing) -> str:
    """The first file with its marker."""
    return first(listing.with_line(_UP), "-- +migrate Up in {}")


def read(listing: Listing) -> Folder:
    """The files by the number that their names begin with, and by name; those without a number among the others."""
    scripts = [_MARKERS.script(file, listing.text(file), file.name) for file in listing.sql]
    if all(_NUMBER.match(script.name) for script in scripts):
        scripts.sort(key=_by_number)
    return Folder(listing.path, tuple(scripts), {}, NAME)


def _by_number(script: Script) -> tuple[int, str]:
    match = _NUMBER.match(script.name)
    return (int(match[0]) if match else 0), script.name
