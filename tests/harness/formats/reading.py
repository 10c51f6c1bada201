"""What the tests of all formats share: the examples, each a folder beside its test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay import MigrationError, migrations
from pgassay.identity import Databases
from pgassay.migrations import Folder
from pgassay.migrations.formats import chosen, known
from pgassay.migrations.listing import Listing

HERE = Path(__file__).parent


def example(name: str) -> Folder:
    """The example of a tool's documentation, in the format that it is recognised as."""
    folder = HERE / name.replace("-", "_")
    assert name == chosen(Listing(folder), None).NAME
    assert known()[name].seen(Listing(folder))
    return migrations.discover(folder)


def applied(databases: Databases, name: str) -> Folder:
    """The same; it goes into a database, and nothing is left in a session."""
    found = example(name)
    databases.template((), found.migrations)
    return found


def names(folder: Folder) -> list[str]:
    return [script.name for script in folder.migrations]


def write(folder: Path, files: dict[str, str]) -> Path:
    """The folder with ``files``, texts by their paths in it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def refusal(folder: Path, format_: str | None = None) -> str:
    with pytest.raises(MigrationError) as caught:
        migrations.discover(folder, format_)
    return str(caught.value)
