"""Placeholders: statements with parameters, in which a percent sign in a name is no placeholder."""

from __future__ import annotations

from typing import Any

from psycopg import sql


def escaped(query: Any) -> Any:
    """``query`` with the percent signs doubled in its names and literals: psycopg leaves that to whoever writes it."""
    if isinstance(query, sql.Composed):
        return sql.Composed([escaped(part) for part in query])
    if isinstance(query, sql.Identifier | sql.Literal):
        return sql.SQL(query.as_string(None).replace("%", "%%"))
    return query
