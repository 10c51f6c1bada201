"""Prisma: ``<stamp>_<name>/migration.sql`` (https://www.prisma.io/docs/orm/prisma-migrate)."""

from __future__ import annotations

import re
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "prisma", "Prisma Migrate", MARKED
SIGNS = "folders with a migration.sql, migration_lock.toml"

_PROVIDER = re.compile(r'^\s*provider\s*=\s*"(?P<name>[^"]*)"', re.MULTILINE)
_LOCK = "migration_lock.toml"


def seen(listing: Listing) -> str:
    """The lock file, or the first folder with a migration and without Drizzle's snapshot beside it."""
    if listing.has(_LOCK):
        return _LOCK
    found = (file for file in listing.named("*/migration.sql") if not file.with_name("snapshot.json").is_file())
    return next((_name(file) for file in found), "")


def read(listing: Listing) -> Folder:
    """The folders by name. A down.sql beside a migration is its down part."""
    if listing.has(_LOCK):
        provider = _PROVIDER.search(listing.text(listing.path / _LOCK))
        if provider is not None and provider["name"] not in ("postgresql", "postgres", "cockroachdb"):
            raise MigrationError(f"{listing.path / _LOCK} says that these migrations are for {provider['name']}.")
    return Folder(
        listing.path, in_folders(listing), {file.name: "Prisma takes folders alone." for file in listing.sql}, NAME
    )


def in_folders(listing: Listing) -> tuple[Script, ...]:
    """A script for each folder with a ``migration.sql``, by name. Raises `MigrationError` where there is none."""
    found = []
    for file in sorted(listing.named("*/migration.sql"), key=lambda file: file.parent.name):
        version = file.parent.name.partition("_")[0]
        beside = file.with_name("down.sql")
        down = Script(beside, f"{file.parent.name}/down.sql", listing.text(beside)) if beside.is_file() else None
        found.append(Script(file, _name(file), listing.text(file), version, down=down))
    if not found:
        raise MigrationError(f"There is no folder with a migration.sql in {listing.path}.")
    return tuple(found)


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
