"""The paths that lead from a table to its tenant: which of them its policies go by."""

from __future__ import annotations

from collections.abc import Iterable

from pgassay.hints import Column, Facts, Way
from pgassay.tenancy.model import Found
from pgassay.tenancy.observed import Observed
from pgassay.tenancy.routes import routes


class Paths:
    """The paths that lead from each table to its tenant."""

    def __init__(self, schema: Observed, candidate: Found) -> None:
        self._schema = schema
        self._candidate = candidate
        self._routes = routes(schema, candidate)

    def likeliest(self, table: str, column: str) -> list[tuple[str, ...]]:
        """Of the paths that lead from a table to its tenant those that its policies, or those further on, go by."""
        routes = list(dict.fromkeys(self._routes.get(table, [])))
        routes = [
            route for route in routes if len(route) < 2 or route[1:] in self.likeliest(self._next(table, route), column)
        ]
        asked = [route for route in routes if Column(table, route[0]) in self.used(table)]
        return self._read_by(table, asked) or asked or ([(column,)] if (column,) in routes else routes)

    def _read_by(self, table: str, routes: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """The path by which rows are read; none where that is not the same for all who read them.

        Where each of several has to lead to a tenant of the reader's, as both columns of a table that joins two, they
        lead to the same one.
        """
        asked = self.asked_of_all(table, {route[0] for route in routes})
        first = next((column.name for column in self._schema.tables[table].columns if column.name in asked), "")
        return [route for route in routes if first and route[0] == first]

    def asked_of_all(self, table: str, columns: set[str]) -> frozenset[str]:
        """Those of some columns for which each condition by which rows are read asks, one by one.

        None where rows are written by others of them: what one sends and another reads may be either's.
        """

        def asked(ways: Iterable[Way]) -> set[frozenset[str]]:
            return {
                frozenset(name for named in way if len(named & columns) == 1 for name in named & columns)
                for way in ways
                if any(named & columns for named in way)
            }

        hints = self._schema.hints
        read = asked(hints.ways.get(table, ()))
        found = read.pop() if len(read) == 1 else frozenset()
        return found if all(found & each for each in asked(hints.entries.get(table, ())) if each) else frozenset()

    def _next(self, table: str, route: tuple[str, ...]) -> str:
        """The table that the first step of a path leads to, which has that path's rest among its own."""
        return next(
            key.target
            for key in self._schema.tables[table].foreign_keys
            if route[1:] in self._routes.get(key.target, [])
            and (key.columns[0][0] if len(key.columns) == 1 else "") == route[0]
        )

    def is_users_own(self, table: str) -> bool:
        """Whether the policies of a table ask for its user alone, and for no member of a tenant."""
        member = self._candidate.member
        return (
            member is not None
            and bool(self._schema.direct(table))
            and table not in self._candidate.support
            and not any(Column(table, route[0]) in self.used(table) for route in self._routes.get(table, []))
        )

    def used(self, table: str) -> set[Column]:
        """The columns that the policies of a table name."""
        return self._schema.hints.policies.get(table, Facts()).columns
