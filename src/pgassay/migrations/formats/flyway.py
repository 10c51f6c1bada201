"""Flyway: ``V1_2__x.sql``, ``R__x.sql``, ``U1_2__x.sql`` and ``B1__x.sql``, in folders as well.

https://documentation.red-gate.com/flyway: migrations, script configuration files and placeholders.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pgassay.errors import MigrationError
from pgassay.migrations.formats import NAMED
from pgassay.migrations.listing import Listing, first, in_order, refuse_programs
from pgassay.migrations.script import Folder, Script

NAME, TOOL, RANK = "flyway", "Flyway", NAMED
SIGNS = "files named V1_2__<name>.sql, R__<name>.sql"

_FILE_NAME = re.compile(r"(?P<kind>[VUB])(?P<version>[0-9]+([._][0-9]+)*)__(?P<name>.*)\.sql|R__(?P<again>.*)\.sql")
_PROGRAM = re.compile(r"([VUB][0-9._]+|R)__.*")
_PLACEHOLDER = re.compile(r"\$\{([^{}\s]+)\}")
_CONF = re.compile(r"(?:flyway\.)?placeholders\.(?P<name>[^=\s]+)\s*=\s*(?P<value>.*)")
_OUTSIDE = re.compile(r"^\s*executeInTransaction\s*=\s*false\s*$", re.MULTILINE | re.IGNORECASE)


def seen(listing: Listing) -> str:
    """The first versioned or repeatable file."""
    return first(file for file in listing.named("**/*.sql") if _is_up(file))


def read(listing: Listing) -> Folder:
    """The versioned files by the numbers of their versions, from the last baseline on; then the repeatable ones.

    Placeholders have the values of the nearest flyway.toml or flyway.conf at or above the folder.
    """
    programs = (file for file in listing.named("**/*") if file.suffix != ".sql" and _is_program(file))
    refuse_programs(listing, TOOL, programs, "flyway migrate")
    values = _placeholders(listing.path.resolve())
    skipped = {}
    kinds: dict[str, dict[tuple[int, ...], list[Script]]] = {"V": {}, "U": {}, "B": {}}
    again = []
    for file in listing.named("**/*.sql"):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            skipped[_within(listing, file)] = "Flyway takes only files named V<version>__<name>.sql or R__<name>.sql."
        elif match["kind"] is None:
            again.append(_script(listing, file, None, values))
        else:
            script = _script(listing, file, match["version"], values)
            kinds[match["kind"]].setdefault(_numbers(match["version"]), []).append(script)
    versions = kinds["V"]
    if kinds["B"]:
        last = max(kinds["B"])
        for version in [version for version in versions if version <= last]:
            reason = f"The baseline {kinds['B'][last][0].name} has it."
            skipped |= {script.name: reason for script in versions.pop(version)}
        versions[last] = kinds["B"][last]
    ordered = tuple(_with_undo(script, kinds["U"]) for script in in_order(listing.path, versions))
    again.sort(key=lambda script: script.path.name)
    if not (ordered or again):
        raise MigrationError(f"There is no file named V<version>__<name>.sql in {listing.path}.")
    return Folder(listing.path, (*ordered, *again), skipped, NAME)


def _is_up(file: Path) -> bool:
    match = _FILE_NAME.fullmatch(file.name)
    return match is not None and match["kind"] != "U"


def _is_program(file: Path) -> bool:
    return file.suffix in (".java", ".class", ".kt", ".py", ".sh", ".ps1") and bool(_PROGRAM.fullmatch(file.stem))


def _within(listing: Listing, file: Path) -> str:
    return file.relative_to(listing.path).as_posix()


def _numbers(version: str) -> tuple[int, ...]:
    """The parts of a version; zeros at its end say nothing."""
    numbers = [int(part) for part in re.split(r"[._]", version)]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _script(listing: Listing, file: Path, version: str | None, values: Mapping[str, str]) -> Script:
    own = {**values, "flyway:filename": file.name}

    def value(match: re.Match[str]) -> str:
        if match[1] not in own:
            raise MigrationError(
                f"{file} asks for the placeholder {match[0]}, which has no value.",
                hint="Flyway's own configuration gives it one: [flyway.placeholders] in flyway.toml.",
            )
        return own[match[1]]

    beside = file.with_name(f"{file.name}.conf")
    alone = beside.is_file() and _OUTSIDE.search(listing.text(beside)) is not None
    text = _PLACEHOLDER.sub(value, listing.text(file))
    return Script(file, _within(listing, file), text, version, in_transaction=not alone)


def _with_undo(script: Script, undo: Mapping[tuple[int, ...], list[Script]]) -> Script:
    return replace(script, down=undo.get(_numbers(script.version or "0"), [None])[0])


def _placeholders(folder: Path) -> dict[str, str]:
    """Those of the nearest configuration at or above ``folder``, and Flyway's own that are known here."""
    values = {"flyway:defaultSchema": "public", "flyway:user": "postgres", "flyway:database": "postgres"}
    for above in (folder, *folder.parents):
        for name in ("flyway.toml", "flyway.conf", "conf/flyway.toml", "conf/flyway.conf"):
            if (above / name).is_file():
                return values | _configured(above / name)
    return values


def _configured(file: Path) -> dict[str, str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".conf":
        found = (_CONF.fullmatch(line.strip()) for line in text.splitlines())
        return {match["name"]: match["value"].strip() for match in found if match}
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MigrationError(f"{file} is not valid TOML: {error}") from error
    flyway = content.get("flyway", {})
    table = flyway.get("placeholders", {}) if isinstance(flyway, dict) else {}
    return {name: str(value) for name, value in table.items()} if isinstance(table, dict) else {}
