"""Liquibase, formatted SQL: ``--liquibase formatted sql`` and a ``--changeset`` for each change.

https://docs.liquibase.com/concepts/changelogs/sql-format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pgassay.errors import MigrationError
from pgassay.migrations.formats import MARKED
from pgassay.migrations.listing import Listing, first, refuse_programs
from pgassay.migrations.parts import Part, only, parts
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "liquibase", "Liquibase", MARKED
SIGNS = "a first line --liquibase formatted sql, with --changeset lines"

_FORMATTED = re.compile(r"\A\s*--\s*liquibase\s+formatted\s+sql\b", re.IGNORECASE)
_CHANGESET = re.compile(r"\s*--\s*changeset\s+(?P<author>[^\s:]+|\"[^\"]+\"):(?P<id>\S+)(?P<options>.*)", re.IGNORECASE)
_ROLLBACK = re.compile(r"\s*--\s*rollback\b\s?(?P<sql>.*)", re.IGNORECASE)
_OPTION = re.compile(r"(?P<name>\w+):\s*(?P<value>\"[^\"]*\"|\S+)")
_IGNORED = re.compile(r"\s*--\s*ignoreLines:\s*(?P<what>\w+)", re.IGNORECASE)
_OTHERS = ("changelog*.xml", "changelog*.y*ml", "changelog*.json", "*changelog-master.*", "*changelog-root.*")
_NO_SQL = re.compile(r"empty|not required", re.IGNORECASE)
_REFERS = re.compile(r"changeset(id)?\b", re.IGNORECASE)


def seen(listing: Listing) -> str:
    """The first file with its first line."""
    return first(listing.with_line(_FORMATTED, listing.named("**/*.sql")), "--liquibase formatted sql in {}")


def read(listing: Listing) -> Folder:
    """The changesets of each file in order, the files by name, as ``includeAll`` has them.

    Preconditions are not asked. Raises `MigrationError` where a changelog of another format says the order.
    """
    masters = (file for pattern in _OTHERS for file in listing.named(pattern) if file.suffix != ".sql")
    refuse_programs(listing, TOOL, masters, "liquibase update")
    found, skipped = [], {}
    for file in listing.named("**/*.sql"):
        text, name = listing.text(file), file.relative_to(listing.path).as_posix()
        if _FORMATTED.match(text) is None:
            skipped[name] = "It does not begin with --liquibase formatted sql."
            continue
        for part in parts(text, _CHANGESET):
            if part.marker is None:
                continue
            options = _options(part.marker["options"])
            databases = options.get("dbms", "postgresql").replace(" ", "").split(",")
            if not _is_for_postgresql(databases):
                skipped[f"{name}: {_key(part.marker)}"] = f"It is for {', '.join(databases)} alone."
                continue
            found.append(_changeset(file, name, text, part, options))
    if not found:
        raise MigrationError(f"There is no --changeset in {listing.path}.")
    return Folder(listing.path, tuple(found), skipped, NAME)


def _options(text: str) -> dict[str, str]:
    return {each["name"].lower(): each["value"].strip('"') for each in _OPTION.finditer(text)}


def _key(marker: re.Match[str]) -> str:
    return f"{marker['author']}:{marker['id']}"


def _is_for_postgresql(databases: list[str]) -> bool:
    if "none" in databases or "!postgresql" in databases:
        return False
    named = {"postgresql", "all"} & set(databases)
    return bool(named) or all(database.startswith("!") for database in databases)


def _changeset(file: Path, name: str, text: str, part: Part, options: dict[str, str]) -> Script:
    assert part.marker is not None
    key = _key(part.marker)
    if options.get("enddelimiter", ";") != ";":
        raise MigrationError(
            f"{file}:{part.first + 1}: the changeset {key} ends its statements by {options['enddelimiter']}, which is "
            "not read here.",
            hint="splitStatements:false does without a delimiter.",
        )
    lines = text.split("\n")
    kept = [Part(None, number, number + 1) for number in _heeded(lines, part) if not _ROLLBACK.match(lines[number])]
    alone = options.get("runintransaction", "true").lower() == "false"
    backs = {number: match for number in range(part.first, part.last) if (match := _ROLLBACK.match(lines[number]))}
    told = [match["sql"].strip() for match in backs.values()]
    down = None
    if told and not any(_NO_SQL.fullmatch(sql) or _REFERS.match(sql) for sql in told):
        last = max(backs) + 1
        undo = "\n".join(backs[number]["sql"] if number in backs else "" for number in range(last))
        down = Script(file, f"{name}: {key}", f"{undo}\n", key, in_transaction=not alone)
    return Script(file, f"{name}: {key}", only(text, kept), key, down=down, in_transaction=not alone)


def _heeded(lines: list[str], part: Part) -> Iterator[int]:
    """The lines of a changeset without those that ``--ignoreLines`` takes out."""
    ignored: float = 0
    for number in range(part.first, part.last):
        match = _IGNORED.match(lines[number])
        if match is not None:
            what = match["what"].lower()
            ignored = float("inf") if what == "start" else int(what) if what.isdigit() else 0
        elif ignored:
            ignored -= 1
        else:
            yield number
