"""Formats: how each migration tool lays out its files. A module here is a format; lists and help follow from it."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from pgassay.errors import ConfigError, MigrationError
from pgassay.migrations.listing import Listing, listed
from pgassay.migrations.script import Folder

MARKED, NAMED, LAST, ALONE = range(4)
"""How surely a format is recognised: by markers, a journal or a plan; by names; by names that others have as well; or
since a file is alone and fits none."""
PROGRAM = 'migrate = "alembic upgrade head"'


class Format(Protocol):
    """A module of this package.

    ``NAME`` is its name in the configuration, ``TOOL`` that of the tool, ``SIGNS`` what it is recognised by, in a line,
    and ``RANK`` how surely.
    """

    NAME: str
    TOOL: str
    SIGNS: str
    RANK: int

    def seen(self, listing: Listing) -> str:
        """What in the folder speaks for the format, in words; nothing where nothing does. It raises no error."""

    def read(self, listing: Listing) -> Folder:
        """The migrations in the tool's order, the up part alone, and what is skipped. Raises `MigrationError`."""


def known() -> Mapping[str, Format]:
    """All formats by name, those that are recognised most surely first."""
    modules = (cast(Format, import_module(f"{__name__}.{found.name}")) for found in pkgutil.iter_modules(__path__))
    return {module.NAME: module for module in sorted(modules, key=lambda module: (module.RANK, module.NAME))}


def chosen(listing: Listing, name: str | None) -> Format:
    """The format ``name``, else the one that the folder has.

    Raises `ConfigError` for a name that no format has, and `MigrationError` where none or several fit.
    """
    formats = known()
    if name is not None:
        if name not in formats:
            raise ConfigError(f"{name!r} is no format of migrations.", hint=f"Formats are {', '.join(formats)}.")
        return formats[name]
    seen = {each: said for each, format_ in formats.items() if (said := format_.seen(listing))}
    best = min((formats[each].RANK for each in seen), default=ALONE)
    fitting = [each for each in seen if best == formats[each].RANK]
    if not fitting:
        raise _none(listing)
    if len(fitting) > 1:
        told = "; ".join(f"{each} ({seen[each]})" for each in fitting)
        raise MigrationError(
            f"{listing.path} looks like migrations of several tools: {told}.",
            hint=f'Say which it is: [tool.pgassay] format = "{fitting[0]}".',
        )
    return formats[fitting[0]]


def _none(listing: Listing) -> MigrationError:
    there = [entry.name + "/" * entry.is_dir() for entry in sorted(listing.path.iterdir())]
    seen = f"it has {listed(there)}" if there else "it is empty"
    return MigrationError(
        f"There are no migrations in {listing.path} of a format that pgassay knows: {seen}.",
        hint="Migrations of Supabase are files named <version>_<name>.sql, as 20251103000000_create_jobs.sql. pgassay "
        'formats lists the other formats, of which [tool.pgassay] format = "…" chooses one. A tool whose migrations '
        f"are programs can apply them itself: {PROGRAM}.",
    )
