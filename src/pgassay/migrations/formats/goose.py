"""goose: ``-- +goose Up`` and ``-- +goose Down`` in one file (https://pressly.github.io/goose/documentation/annotations)."""

from __future__ import annotations

import re

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, first, in_order, refuse_programs
from pgassay.migrations.parts import Markers
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "goose", "goose", MARKED
SIGNS = "lines -- +goose Up and -- +goose Down"

_UP = re.compile(r"^\s*--\s*\+goose\s+up\b", re.MULTILINE | re.IGNORECASE)
_MARKERS = Markers(
    TOOL,
    "-- +goose Up",
    re.compile(r"\s*--\s*\+goose\s+(?P<what>up|down)\b(?P<options>.*)", re.IGNORECASE),
    re.compile(r"^\s*--\s*\+goose\s+no\s+transaction\b", re.MULTILINE | re.IGNORECASE),
)
_ENVIRONMENT = re.compile(r"^\s*--\s*\+goose\s+envsub\s+on\b", re.MULTILINE | re.IGNORECASE)
_FILE_NAME = re.compile(r"([0-9]+)_.*\.sql")


def seen(listing: Listing) -> str:
    """The first file with its marker."""
    return first(listing.with_line(_UP), "-- +goose Up in {}")


def read(listing: Listing) -> Folder:
    """The files by version, as numbers."""
    programs = (file for file in listing.named("[0-9]*_*.go") if not file.name.endswith("_test.go"))
    refuse_programs(listing, TOOL, programs, "goose up")
    found: dict[tuple[int, ...], list[Script]] = {}
    skipped = {}
    for file in listing.sql:
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped[file.name] = "goose takes only files named <version>_<name>.sql."
            continue
        text = listing.text(file)
        if _ENVIRONMENT.search(text):
            raise MigrationError(
                f"{file} takes values from the environment (ENVSUB ON), which are not known here.",
                hint='Let goose apply it: [tool.pgassay] migrate = "goose up".',
            )
        found.setdefault((int(match[1]),), []).append(_MARKERS.script(file, text, match[1]))
    return Folder(listing.path, in_order(listing.path, found), skipped, NAME)
