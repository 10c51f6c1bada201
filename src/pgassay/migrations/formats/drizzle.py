"""Drizzle: ``meta/_journal.json`` and the files that it names, or folders with ``snapshot.json``.

Seen with drizzle-kit 0.31.
"""

from __future__ import annotations

import json
from typing import Any

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.formats.prisma import in_folders
from pgassay.migrations.listing import Listing
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "drizzle", "Drizzle", MARKED
SIGNS = "meta/_journal.json"

_JOURNAL = "meta/_journal.json"


def seen(listing: Listing) -> str:
    """The journal; the first folder with a migration and a snapshot."""
    if listing.has(_JOURNAL):
        return _JOURNAL
    found = (file for file in listing.named("*/snapshot.json") if file.with_name("migration.sql").is_file())
    return next((f"{file.parent.name}/snapshot.json" for file in found), "")


def read(listing: Listing) -> Folder:
    """The files that the journal names, in its order."""
    if not listing.has(_JOURNAL):
        return Folder(listing.path, in_folders(listing), {}, NAME)
    found = []
    for entry in _entries(listing):
        tag = str(entry["tag"])
        file = listing.path / f"{tag}.sql"
        if not file.is_file():
            raise MigrationError(f"{listing.path / _JOURNAL} names {file.name}, which is not there.")
        found.append(Script(file, file.name, listing.text(file), tag.partition("_")[0]))
    names = {script.name for script in found}
    skipped = {file.name: f"{_JOURNAL} does not name it." for file in listing.sql if file.name not in names}
    return Folder(listing.path, tuple(found), skipped, NAME)


def _entries(listing: Listing) -> list[dict[str, Any]]:
    file = listing.path / _JOURNAL
    try:
        journal = json.loads(listing.text(file))
        dialect, entries = str(journal.get("dialect", "postgresql")), list(journal["entries"])
        ordered = sorted(entries, key=lambda entry: (int(entry["idx"]), str(entry["tag"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MigrationError(f"{file} is no journal of Drizzle: {error}.") from error
    if dialect not in ("postgresql", "pg"):
        raise MigrationError(f"{file} says that these migrations are for {dialect}.")
    if not ordered:
        raise MigrationError(f"{file} names no migrations.")
    return ordered
