"""Changes of what no function is: a trigger or the metrics, made anew from an edited text of their migration."""

from __future__ import annotations

import re
from pathlib import Path

from pgassay.errors import PgassayError

MIGRATIONS = [path.read_text() for path in sorted((Path(__file__).parents[3] / "sql" / "migrations").glob("*.sql"))]

_UNDO_METRICS = """
drop function public.refresh_job_metrics();
drop view public.job_metrics;
drop materialized view private.job_metrics_snapshot;
drop table private.job_metrics_refresh;
"""


def trigger(name: str, *edits: tuple[str, str]) -> str:
    """SQL that makes a trigger anew, with texts of it replaced. Raises `PgassayError` if one of these is not there."""
    statements = re.findall(rf"^create trigger {name}\n.*?;$", "\n".join(MIGRATIONS), re.MULTILINE | re.DOTALL)
    if len(statements) != 1:
        raise PgassayError(f"There is no trigger {name}, or more than one: {len(statements)}.")
    (table,) = re.findall(r" on (public\.\w+)\n", statements[0])
    return f"drop trigger {name} on {table}; {_edited(statements[0], edits)}"


def metrics(*edits: tuple[str, str]) -> str:
    """SQL that makes all of the migration of metrics anew, with texts of it replaced."""
    return _UNDO_METRICS + _edited(MIGRATIONS[2], edits)


def _edited(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    for old, new in edits:
        if old not in text:
            raise PgassayError(f"The fault cannot be planted: there is no {old!r}.")
        text = text.replace(old, new)
    return text
