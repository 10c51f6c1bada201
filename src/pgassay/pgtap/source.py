"""Where pgTAP comes from: the server, else its SQL on this machine, else pgassay's own stand-in for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgassay.errors import ConfigError
from pgassay.identity import Clone
from pgassay.servers import Server

NAME = "pgtap"
_HOME = "extensions"
"""The schema that Supabase's CLI makes it in."""
_PLACES = (
    "usr/share/postgresql/*/extension",  # Debian, Ubuntu
    "usr/pgsql-*/share/extension",  # PostgreSQL's own RPMs
    "opt/homebrew/share/postgresql*/extension",
    "usr/local/share/postgresql*/extension",
    "Applications/Postgres.app/Contents/Versions/*/share/postgresql/extension",
)
_THERE = """
select e.extversion, n.nspname::text
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on e.extnamespace = n.oid
where e.extname = 'pgtap'
"""


@dataclass(frozen=True)
class Source:
    """What `provide` is to take: the file ``sql``; without one the server's own or, unless ``ours``, the stand-in."""

    sql: Path | None = None
    ours: bool = False

    def __str__(self) -> str:
        if self.ours:
            return "pgassay's stand-in for pgTAP"
        return "pgTAP of the server" if self.sql is None else f"pgTAP of {self.sql}"


def choose(server: Server, named: Path | None) -> Source:
    """The best source there is; ``named`` is the file that the configuration names. Raises `ConfigError` without it."""
    if named is not None and not named.is_file():
        raise ConfigError(f"pgtap_sql names {named}, which is no file.")
    if NAME in server.extensions():
        return Source()
    found = named or installed()
    return Source(sql=found, ours=found is None)


def installed(root: Path = Path("/")) -> Path | None:
    """The newest script of pgTAP that lies where an installation of PostgreSQL keeps its extensions."""
    found = [
        (_version(file.stem.removeprefix("pgtap--")), file)
        for place in _PLACES
        for file in root.glob(f"{place}/pgtap--*.sql")
        if "--" not in file.stem.removeprefix("pgtap--")
    ]
    return max(found)[1] if found else None


def provide(clone: Clone, source: Source) -> Source:
    """Have pgTAP in ``clone``, in the schema `extensions` unless it is somewhere already; gives what it is in the end.

    A stand-in that the migrations have made gives way to a better source, unless something depends on it.
    """
    with clone.connect_as_admin() as admin, clone.connect() as owner:
        there = admin.execute(_THERE).fetchone()
        home = _HOME if there is None else there[1]
        if there is not None and (source.ours or there[0] != "stand-in"):
            return source
        if source.sql is not None:
            text = source.sql.read_text(encoding="utf-8")
            admin.execute("update pgassay.stand_ins set script = %s where name = %s", [text, NAME])
        if there is not None:
            try:
                owner.execute("select pgassay.drop_extension(%s, true, false)", [NAME])
            except psycopg.errors.DependentObjectsStillExist:
                return Source(ours=True)
        owner.execute("select pgassay.create_extension(%s, %s, null, null, false, true)", [NAME, home])
        return source


def _version(text: str) -> list[int]:
    return list(_numbers(text))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split("."):
        yield int(part) if part.isdecimal() else -1
