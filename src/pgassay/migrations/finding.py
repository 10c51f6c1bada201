"""Where scripts come from: a folder in some tool's format, files of SQL in any, or a command that applies them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pgassay.config import Config
from pgassay.errors import ConfigError
from pgassay.migrations import command, formats, script
from pgassay.migrations.listing import Listing
from pgassay.migrations.script import Folder, Script


def of(settings: Config) -> Folder:
    """The migrations of a project. Raises `ConfigError` where none are known, and what `discover` raises."""
    if settings.migrate is not None:
        return Folder(settings.root, (command.of(settings),), {}, command.FORMAT)
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {settings.root}.",
            hint='Name their folder as DIR, or in pyproject.toml or pgassay.toml: [tool.pgassay] migrations = "…".',
        )
    return discover(settings.migrations, settings.format)


def discover(path: Path, format_: str | None = None) -> Folder:
    """Read the migrations in ``path`` as the tool does that they are of: the one that is named, else the one seen.

    Raises `MigrationError` where there are none, where they fit no format or several, or one cannot be read; and
    `ConfigError` for a format that is not known.
    """
    listing = Listing(path)
    return formats.chosen(listing, format_).read(listing)


def scripts(paths: Iterable[Path]) -> tuple[Script, ...]:
    """Read files of SQL, and those in folders in the order of their names, whatever their names are."""
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(path.glob("*.sql")) if path.is_dir() else [path])
    return tuple(script.read(file) for file in files)
