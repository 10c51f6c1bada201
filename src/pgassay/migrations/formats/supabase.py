"""Supabase: ``<digits>_<name>.sql``, one transaction a file."""

from __future__ import annotations

import re
from dataclasses import replace

from pgassay.errors import MigrationError
from pgassay.migrations.formats import LAST
from pgassay.migrations.listing import Listing, listed, refuse_same_version
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "supabase", "Supabase CLI", LAST
SIGNS = "files named <digits>_<name>.sql"

# https://supabase.com/docs/guides/deployment/database-migrations: files with another name are passed over
_FILE_NAME = re.compile(r"([0-9]+)_(.*)\.sql")
_WHY = "The Supabase CLI takes only files named <version>_<name>.sql."


def seen(listing: Listing) -> str:
    """The first file with such a name."""
    return next((file.name for file in listing.sql if _FILE_NAME.fullmatch(file.name)), "")


def read(listing: Listing) -> Folder:
    """The files by version.

    Versions are compared as text: ``1`` comes before ``10``, and that before ``9`` (seen with version 3.1 of the CLI).
    """
    found: dict[str, Script] = {}
    skipped: dict[str, str] = {}
    for file in listing.sql:
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped[file.name] = _WHY
            continue
        version = match[1]
        if version in found:
            refuse_same_version(listing.path, version, found[version].name, file.name)
        found[version] = Script(file, file.name, "", version)
    if not found:
        raise MigrationError(
            f"There are no migrations in {listing.path}" + (f": it has {listed(skipped)}." if skipped else "."),
            hint="A migration is a file named <version>_<name>.sql, as 20251103000000_create_jobs.sql.",
        )
    ordered = (replace(script, sql=listing.text(script.path)) for _, script in sorted(found.items()))
    return Folder(listing.path, tuple(ordered), skipped, NAME)
