"""One file: ``schema.sql``, or what pg_dump has written."""

from __future__ import annotations

import re
from dataclasses import replace

from pgassay.errors import MigrationError
from pgassay.migrations import dumps
from pgassay.migrations.formats import ALONE
from pgassay.migrations.listing import Listing, first
from pgassay.migrations.script import Folder
from pgassay.migrations.script import read as whole

NAME, TOOL, RANK = "file", "psql", ALONE
SIGNS = "one file alone: schema.sql, structure.sql, what pg_dump wrote, or any file that is named"

_DUMP = re.compile(r"\A(?:--|\s|\\restrict.*)*-- PostgreSQL database dump\b")
_USUAL = ("schema.sql", "structure.sql")


def seen(listing: Listing) -> str:
    """The file that was named, or the one that is alone in the folder and is called so or is a dump."""
    if listing.path.is_file():
        return listing.path.name
    alone = listing.sql if len(listing.sql) == 1 else ()
    usual = first(file for file in alone if file.name in _USUAL)
    return usual or first(listing.with_line(_DUMP, alone), "a dump, {}")


def read(listing: Listing) -> Folder:
    """The file, with what psql alone understands put into SQL."""
    files = [listing.path] if listing.path.is_file() else list(listing.sql)
    if len(files) > 1:
        files = [file for file in files if file.name in _USUAL]
    if len(files) != 1:
        raise MigrationError(f"{listing.path} is not one file of SQL.", hint="Name the file: pgassay check schema.sql")
    script = whole(files[0])
    skipped = {file.name: f"{script.name} is taken alone." for file in listing.sql if file != script.path}
    return Folder(listing.path, (replace(script, sql=dumps.as_sql(script.path, script.sql)),), skipped, NAME)
