"""What pg_dump writes for psql, as SQL that any client sends: COPY with its data, psql's lines, the schema public."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgassay.errors import MigrationError
from pgassay.sqltree import trees, words

_COPY = re.compile(r"COPY\s.*\bFROM\s+stdin\b.*;\s*", re.IGNORECASE)
_PSQL = re.compile(r"\\(un)?restrict\b.*")
_END = r"\."
_NULL = r"\N"
_ESCAPED = re.compile(r"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def as_sql(file: Path, text: str) -> str:
    r"""``text`` without what only psql understands, line by line, so that each line keeps its number.

    A row of COPY becomes an INSERT, and CREATE SCHEMA public is left to what is there. Lines by which psql guards
    itself (``\restrict``) go; other lines of psql stay, and PostgreSQL refuses them. Raises `MigrationError` for data
    that are not in COPY's text format, or have no end.
    """
    lines = text.split("\n")
    written: list[str] = []
    since = number = 0
    while number < len(lines):
        line = lines[number]
        if _PSQL.fullmatch(line) and _is_between_statements("\n".join(written[since:])):
            written.append("")
        elif _COPY.fullmatch(line) and _is_between_statements("\n".join(written[since:])):
            rows = list(_rows(lines, file, number + 1))
            written += ["", *(_insert(file, number + 1, line, row) for row in rows), ""]
            since, number = len(written), number + len(rows) + 1
        else:
            written.append(line)
        number += 1
    return _without_public("\n".join(written))


def _is_between_statements(before: str) -> bool:
    """Whether a statement may begin after ``before``: no quote is open, and no statement has begun."""
    found = words.scanned(before)
    if found is None:
        return False
    said = [word for word in found if not word.is_comment]
    return not said or said[-1].text == ";"


def _rows(lines: list[str], file: Path, first: int) -> Iterator[str]:
    for number in range(first, len(lines)):
        if lines[number] == _END:
            return
        yield lines[number]
    raise MigrationError(f"{file}:{first}: the data of this COPY have no end, which is a line \\.")


def _insert(file: Path, line: int, copy: str, row: str) -> str:
    into = _into(file, line, copy)
    if not row and "()" in into:
        return f"{into.removesuffix('()')} default values;"
    values = ", ".join("null" if value == _NULL else _quoted(value) for value in row.split("\t"))
    return f"{into} overriding system value values ({values});"


def _into(file: Path, line: int, copy: str) -> str:
    """The beginning of an INSERT into the columns that ``copy`` names."""
    parsed = trees.parsed(copy) or []
    node: Any = parsed[0].copy_stmt if len(parsed) == 1 and parsed[0].WhichOneof("node") == "copy_stmt" else None
    if node is None or node.options:
        raise MigrationError(
            f"{file}:{line}: the data of this COPY are not in its text format, the one that pg_dump writes.",
            hint="pg_dump --inserts writes statements.",
        )
    start = copy[: copy.upper().rindex("FROM")].strip()
    return "insert into" + start[len("copy") :]


def _quoted(value: str) -> str:
    """A value of COPY's text format as a constant."""
    plain = _ESCAPED.sub(_unescaped, value)
    escaped = plain.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"e'{escaped}'" if "\\" in escaped else f"'{escaped}'"


def _unescaped(match: re.Match[str]) -> str:
    said = match[1]
    if said[0] in "01234567":
        return chr(int(said, 8))
    if said[0] == "x" and len(said) > 1:
        return chr(int(said[1:], 16))
    return _LETTERS.get(said, said)


def _without_public(text: str) -> str:
    """The same; where it makes the schema public, which each database has, it does so only if that is not there."""
    found = words.scanned(text)
    if found is None:
        return text
    said = [word for word in found if not word.is_comment]
    encoded = text.encode()
    places = [
        said[n + 1].end
        for n in range(len(said) - 3)
        if [said[n + k].text.lower() for k in range(4)] == ["create", "schema", "public", ";"]
        and (n == 0 or said[n - 1].text == ";")
    ]
    for place in reversed(places):
        encoded = encoded[:place] + b" if not exists" + encoded[place:]
    return encoded.decode()
