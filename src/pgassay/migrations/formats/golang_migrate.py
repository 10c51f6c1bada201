"""golang-migrate, and others with pairs: ``1_x.up.sql`` and ``1_x.down.sql`` (https://github.com/golang-migrate/migrate)."""

from __future__ import annotations

import re

from pgassay.errors import MigrationError
from pgassay.migrations.formats import NAMED
from pgassay.migrations.listing import Listing, first, in_order
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "golang-migrate", "golang-migrate", NAMED
SIGNS = "pairs of files named <version>_<name>.up.sql and .down.sql"

_FILE_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<name>.*)\.(?P<what>up|down)\.sql")


def seen(listing: Listing) -> str:
    """The first up file."""
    return first(file for file in listing.named("*.up.sql") if _FILE_NAME.fullmatch(file.name))


def read(listing: Listing) -> Folder:
    """The up files by version, as numbers."""
    found: dict[tuple[int, ...], list[Script]] = {}
    skipped = {}
    downs = {}
    for file in listing.sql:
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped[file.name] = "golang-migrate takes only files named <version>_<name>.up.sql or .down.sql."
        elif match["what"] == "down":
            downs[int(match["version"])] = Script(file, file.name, listing.text(file), match["version"])
    for file in listing.sql:
        match = _FILE_NAME.fullmatch(file.name)
        if match is not None and match["what"] == "up":
            version = int(match["version"])
            script = Script(file, file.name, listing.text(file), match["version"], down=downs.get(version))
            found.setdefault((version,), []).append(script)
    if not found:
        raise MigrationError(f"There is no file named <version>_<name>.up.sql in {listing.path}.")
    lost = [down.name for version, down in sorted(downs.items()) if (version,) not in found]
    skipped |= dict.fromkeys(lost, "It has no up file.")
    return Folder(listing.path, in_order(listing.path, found), skipped, NAME)
