"""Hints: with what policies, views and functions compare the caller. What a schema says of whose its rows are.

Nothing is proved by them: a policy may be wrong. They are read for `tenancy`, which asks a person to confirm it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from pgassay import platforms
from pgassay.catalog import Relation
from pgassay.hints import queries
from pgassay.hints.costing import costing
from pgassay.hints.facts import OBJECTS, Column, Facts, Hints, Way
from pgassay.hints.reader import Reader

__all__ = ["OBJECTS", "Column", "Facts", "Hints", "Way", "read"]


def read(connection: psycopg.Connection[Any], relations: Iterable[Relation]) -> Hints:
    """Read them from the database that ``relations`` were read from."""
    platform = platforms.of(connection)
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute("set local search_path = pg_catalog")

        wanted = {
            "platform": [*platform.schemas, "information_schema"],
            "callers": [*platform.roles.callers],
            "anonymous": platform.roles.anonymous,
        }

        def rows(query: str) -> list[Any]:
            return cursor.execute(query.encode(), wanted).fetchall()

        unread: dict[str, str] = {}
        reader = Reader(relations, rows(queries.FUNCTIONS), platform.words, unread)
        policies: dict[str, Facts] = {}
        ways: dict[str, tuple[Way, ...]] = {}
        entries: dict[str, tuple[Way, ...]] = {}
        opened: dict[str, str] = {}
        held: set[str] = set()
        for relation, name, command, permissive, for_api, using, check in rows(queries.POLICIES):
            facts = policies.setdefault(relation, Facts())
            with costing(relation, unread):
                for text in filter(None, (using, check)):
                    facts.add(reader.expression(text, relation))
                if permissive and command in ("r", "*") and using:
                    ways[relation] = (*ways.get(relation, ()), *reader.ways(using, relation))
                if permissive and check:
                    entries[relation] = (*entries.get(relation, ()), *reader.ways(check, relation))
            if not permissive:
                held.add(relation)
            elif for_api and command in ("r", "*") and using == "true":
                opened.setdefault(relation, name)
        elsewhere = Facts()
        for view, text in rows(queries.VIEWS):
            with costing(view, unread):
                elsewhere.add(reader.statements(text))
        elsewhere.add(reader.functions())
        reached = rows(queries.REACHED)
        return Hints(
            policies=policies,
            ways=ways,
            entries=entries,
            elsewhere=elsewhere,
            defaults=frozenset(
                Column(relation, name) for relation, name, text in rows(queries.DEFAULTS) if reader.is_caller(text)
            ),
            unique=_grouped(rows(queries.UNIQUE)),
            open={name: policy for name, policy in opened.items() if name not in held},
            shown=frozenset(name for name, _, shown in reached if shown),
            reached=frozenset(name for name, reaches, _ in reached if reaches),
            unread=unread,
            written=frozenset(name for (name,) in rows(queries.WRITTEN)) | reader.written,
        )


def _grouped(rows: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[frozenset[str], ...]]:
    found: dict[str, tuple[frozenset[str], ...]] = {}
    for relation, columns in rows:
        found[relation] = (*found.get(relation, ()), frozenset(columns))
    return found
