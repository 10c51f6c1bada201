"""Sqitch: ``sqitch.plan`` with ``deploy/``, ``revert/`` and ``verify/`` (https://sqitch.org/docs/manual/sqitchtutorial/)."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "sqitch", "Sqitch", MARKED
SIGNS = "sqitch.plan with deploy/, revert/ and verify/"

_PLAN = "sqitch.plan"
_TAG = re.compile(r"@(?P<tag>[^\s]+)")
_CHANGE = re.compile(r"(?P<name>[^\s@%#\[][^\s\[]*)(\s|$)")
_ENGINE = re.compile(r"^\s*engine\s*=\s*(?P<name>\w+)", re.MULTILINE)


def seen(listing: Listing) -> str:
    """The plan."""
    return _PLAN if listing.has(_PLAN) else ""


def read(listing: Listing) -> Folder:
    """The changes in the order of the plan, each with its revert script, and with its verify script as a check of it.

    A change that was reworked has the scripts of its first version under the name of a tag: ``deploy/x@v1.sql``.
    """
    engine = _ENGINE.search(listing.text(listing.path / "sqitch.conf")) if listing.has("sqitch.conf") else None
    if engine is not None and engine["name"] != "pg":
        raise MigrationError(f"{listing.path / 'sqitch.conf'} says that these changes are for {engine['name']}.")
    top = listing.path / _top(listing)
    scripts = []
    for name, tags in _changes(listing.text(listing.path / _PLAN)):
        file = next((file for file in (top / "deploy" / f"{name}@{tag}.sql" for tag in tags) if file.is_file()), None)
        file = file or top / "deploy" / f"{name}.sql"
        if not file.is_file():
            raise MigrationError(f"{listing.path / _PLAN} names the change {name}, and {file} is not there.")
        inside = file.relative_to(top / "deploy")
        down, verify = (_beside(listing, top, kind, inside) for kind in ("revert", "verify"))
        label = inside.as_posix()
        scripts.append(
            Script(file, f"deploy/{label}", listing.text(file), name, down=down, in_transaction=False, verify=verify)
        )
    if not scripts:
        raise MigrationError(f"{listing.path / _PLAN} names no changes.")
    taken = {script.path for script in scripts}
    skipped = {
        file.relative_to(top).as_posix(): f"{_PLAN} does not name it."
        for file in sorted((top / "deploy").rglob("*.sql"))
        if file not in taken
    }
    return Folder(listing.path, tuple(scripts), skipped, NAME)


def _top(listing: Listing) -> str:
    """The folder with the scripts, as sqitch.conf names it."""
    if not listing.has("sqitch.conf"):
        return "."
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#", ";"))
    lines = [line.strip() for line in listing.text(listing.path / "sqitch.conf").splitlines()]
    try:
        parser.read_string("\n".join(line for line in lines if line))
    except configparser.Error as error:
        raise MigrationError(f"{listing.path / 'sqitch.conf'} cannot be read: {error.message}.") from error
    return parser.get("core", "top_dir", fallback=".").strip('"')


def _changes(plan: str) -> list[tuple[str, list[str]]]:
    """The changes of the plan in order, each with the tags that follow it before it is reworked; else without any."""
    found: list[tuple[str, list[str]]] = []
    at: list[tuple[int, str]] = []
    for line in plan.splitlines():
        text = line.strip()
        if tag := _TAG.match(text):
            at.append((len(found), tag["tag"]))
        elif change := _CHANGE.match(text):
            found.append((change["name"], []))
    names = [name for name, _ in found]
    for number, (name, tags) in enumerate(found):
        again = next((later for later in range(number + 1, len(names)) if names[later] == name), None)
        if again is not None:
            tags += [tag for place, tag in at if number < place <= again]
    return found


def _beside(listing: Listing, top: Path, kind: str, inside: Path) -> Script | None:
    file = top / kind / inside
    name = f"{kind}/{inside.as_posix()}"
    return Script(file, name, listing.text(file), in_transaction=False) if file.is_file() else None
