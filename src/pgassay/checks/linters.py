"""Linters that others made: sqlfluff for style, squawk for the safety of migrations, plpgsql_check for functions.

What they find are findings like others; the rule is theirs, with their name before it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from pgassay.catalog import PLATFORM
from pgassay.checks import places
from pgassay.checks.finding import Finding
from pgassay.errors import PgassayError
from pgassay.identity import Databases, Session
from pgassay.migrations import Script
from pgassay.templates import Template

SQLFLUFF, SQUAWK, PLPGSQL_CHECK = "sqlfluff", "squawk", "plpgsql_check"
UNREADABLE = frozenset({f"{SQLFLUFF}-PRS", f"{SQLFLUFF}-LXR", f"{SQUAWK}-syntax-error"})
"""Rules that say of a file that the linter cannot read it: of one that PostgreSQL has taken, that is no finding."""
_HOW_TO_GET = "pip install 'pgassay[lint]'"

# https://www.postgresql.org/docs/current/catalog-pg-trigger.html; a function without a trigger cannot be judged
_FUNCTIONS = """
select p.oid::regprocedure::text as signature, n.nspname || '.' || p.proname as name, p.prosrc as source, c.*
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
join pg_language as l on p.prolang = l.oid and l.lanname = 'plpgsql'
left join (
    -- one function may serve triggers for INSERT and DELETE: it is checked with the transition tables of both
    select tgfoid, tgrelid, max(tgoldtable::text) as old_table, max(tgnewtable::text) as new_table
    from pg_trigger
    where not tgisinternal
    group by tgfoid, tgrelid
) as t on t.tgfoid = p.oid
cross join lateral pgassay.plpgsql_check_function_tb(
    p.oid, coalesce(t.tgrelid, 0), fatal_errors => false, security_warnings => true,
    oldtable => t.old_table::name, newtable => t.new_table::name
) as c
where
    n.nspname <> all(%(platform)s)
    and not starts_with(n.nspname, 'pg_')
    and (p.prorettype <> 'trigger'::regtype or t.tgfoid is not null)
    and p.prorettype <> 'event_trigger'::regtype
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", p.proname collate "C", p.oid, c.lineno
"""


class NotInstalled(Exception):
    """A linter that is not here; the message says how to get it."""


def sqlfluff(scripts: Sequence[Script], root: Path) -> list[Finding]:
    """Style, by the project's own configuration, else by sqlfluff's core rules. Raises `NotInstalled`."""
    if importlib.util.find_spec("sqlfluff") is None:
        raise NotInstalled(_HOW_TO_GET)
    command = [sys.executable, "-m", "sqlfluff", "lint", "--format", "json", "--nofail", "--disable-progress-bar"]
    if not _has_sqlfluff_configuration(root):
        command += ["--dialect", "postgres", "--templater", "raw", "--rules", "core"]
    findings: list[Finding] = []
    if not scripts:
        return findings
    for file in _json(SQLFLUFF, [*command, *_files(scripts)], root):
        for violation in file["violations"]:
            line = violation.get("start_line_no", 1)
            findings.append(
                Finding(
                    f"{SQLFLUFF}-{violation['code']}",
                    Path(file["filepath"]).name,
                    violation["description"],
                    "sqlfluff fix puts most of it in shape.",
                    severity="warning",
                    location=f"{file['filepath']}:{line}",
                )
            )
    return findings


def squawk(scripts: Sequence[Script], root: Path, major: int) -> list[Finding]:
    """What is not safe to do to a database that others use. Raises `NotInstalled`."""
    beside = Path(sys.executable).with_name(SQUAWK)
    program = str(beside) if beside.exists() else shutil.which(SQUAWK)
    if program is None:
        raise NotInstalled(_HOW_TO_GET)
    if not scripts:
        return []
    command = [program, "--reporter", "json", "--assume-in-transaction", "--pg-version", f"{major}.0"]
    return [
        Finding(
            f"{SQUAWK}-{found['rule_name']}",
            Path(found["file"]).name,
            found["message"],
            found["help"] or f"https://squawkhq.com/docs/{found['rule_name']}",
            severity="error" if found["level"] == "Error" else "warning",
            location=f"{found['file']}:{found['line'] + 1}",  # it counts from 0
        )
        for found in _json(SQUAWK, [*command, *_files(scripts)], root)
    ]


def plpgsql_check(databases: Databases, template: Template, scripts: Iterable[Script]) -> list[Finding]:
    """What in functions is wrong although CREATE FUNCTION took it. Raises `NotInstalled`."""
    server = databases.server
    if PLPGSQL_CHECK not in server.extensions():
        raise NotInstalled(f"Debian has it as postgresql-{server.major}-plpgsql-check")
    made = places.where_made(scripts)
    try:
        with databases.copy(template) as clone:
            with clone.connect_as_admin() as admin:
                admin.execute("create extension plpgsql_check schema pgassay")
                admin.execute("grant usage on schema pgassay to public")
            # Planning a function can run others of the schema: not as a superuser.
            with server.connect(clone.name, user=server.owner, kind=Session) as owner:
                owner.execute("set search_path = pg_catalog")
                with owner.cursor(row_factory=namedtuple_row) as cursor:
                    rows = cursor.execute(_FUNCTIONS, {"platform": list(PLATFORM)}).fetchall()
        return list(dict.fromkeys(_of_function(row, made) for row in rows))
    except psycopg.Error as error:
        raise PgassayError(f"plpgsql_check could not go on, since PostgreSQL said: {str(error).strip()}") from error


def _of_function(row: Any, made: dict[str, places.Place]) -> Finding:
    place = places.place_of(row.signature, made) or places.place_of(row.name, made)
    location = ""
    if place is not None:
        body = place.script.sql.find(row.source)
        line = place.line if body < 0 else place.script.sql.count("\n", 0, body) + (row.lineno or 1)
        location = f"{place.script.path}:{line}"
    said = "; ".join(filter(None, (row.message, row.detail)))
    return Finding(
        f"plpgsql-check-{row.sqlstate}",
        row.signature,
        f"{said} (in {row.statement})" if row.statement else said,
        row.hint or "Mend the function: it fails, or does not do what it seems to, when it comes here.",
        severity="error" if row.level == "error" else "warning",
        location=location,
    )


def _has_sqlfluff_configuration(root: Path) -> bool:
    if (root / ".sqlfluff").exists():
        return True
    files = [root / name for name in ("setup.cfg", "tox.ini", "pyproject.toml")]
    pattern = re.compile(r"^\[(tool\.)?sqlfluff", re.MULTILINE)
    return any(file.exists() and pattern.search(file.read_text(encoding="utf-8")) for file in files)


def _files(scripts: Sequence[Script]) -> list[str]:
    """Their files, each once: one may hold several migrations."""
    return list(dict.fromkeys(str(script.path) for script in scripts))


def _json(name: str, command: list[str], root: Path) -> Any:
    """What a linter prints, which is nothing, whatever its exit code, where it could not do its work."""
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as error:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PgassayError(
            f"{name} could not be run: {said[-1] if said else f'exit code {done.returncode}'}"
        ) from error
