"""Atlas: the files that ``atlas.sum`` names (https://atlasgo.io/concepts/migration-directory-integrity)."""

from __future__ import annotations

import re
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, listed
from pgassay.migrations.parts import only, parts
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "atlas", "Atlas", MARKED
SIGNS = "atlas.sum"

_SUM = "atlas.sum"
_NONE = re.compile(r"^--\s*atlas:txmode\s+none\s*$", re.MULTILINE)
_CHECKPOINT = re.compile(r"^--\s*atlas:checkpoint\b", re.MULTILINE)
_ARCHIVE = re.compile(r"^--\s*atlas:txtar\b", re.MULTILINE)
_DELIMITER = re.compile(r"^--\s*atlas:delimiter\s+(?!--)", re.MULTILINE)
_MEMBER = re.compile(r"--\s+(?P<what>[\w./-]+\.sql)\s+--\s*$")


def seen(listing: Listing) -> str:
    """The file of sums."""
    return _SUM if listing.has(_SUM) else ""


def read(listing: Listing) -> Folder:
    """The files by name, from the last checkpoint on. Files and sums have to name each other."""
    summed = [line.rpartition(" ")[0] for line in listing.text(listing.path / _SUM).splitlines()[1:] if line.strip()]
    names = [file.name for file in listing.sql]
    for there, those, what in (
        (names, summed, f"{_SUM} does not name"),
        (summed, names, f"{_SUM} names, without a file,"),
    ):
        lost = [name for name in there if name not in those]
        if lost:
            raise MigrationError(
                f"In {listing.path}, {what} {listed(lost)}.", hint="Atlas refuses that: atlas migrate hash"
            )
    scripts = [_script(file, listing.text(file)) for file in listing.sql]
    begins = [number for number, file in enumerate(listing.sql) if _CHECKPOINT.search(listing.text(file))]
    start = begins[-1] if begins else 0
    if not scripts:
        raise MigrationError(f"There are no migrations in {listing.path}.")
    skipped = {script.name: f"The checkpoint {scripts[start].name} has it." for script in scripts[:start]}
    return Folder(listing.path, tuple(scripts[start:]), skipped, NAME)


def _script(file: Path, text: str) -> Script:
    if _DELIMITER.search(text):
        raise MigrationError(f"{file} ends its statements by a delimiter of its own, which is not read here.")
    version = file.stem.partition("_")[0]
    alone = _NONE.search(text) is not None
    if not _ARCHIVE.search(text):
        return Script(file, file.name, text, version, in_transaction=not alone)
    members = {part.marker["what"]: part for part in parts(text, _MEMBER) if part.marker is not None}
    if "migration.sql" not in members:
        raise MigrationError(f"{file} is an archive (atlas:txtar) without a migration.sql.")
    down = only(text, [members["down.sql"]]) if "down.sql" in members else ""
    back = Script(file, file.name, down, version) if down else None
    return Script(file, file.name, only(text, [members["migration.sql"]]), version, down=back, in_transaction=not alone)
