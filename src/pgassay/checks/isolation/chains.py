"""Chains: two moves of one's own, where the first makes what the second needs, as an invitation or a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql

from pgassay.catalog import Function
from pgassay.checks.isolation.gains import anew_after
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.owncalls import OwnCalls
from pgassay.checks.isolation.ownwrites import OwnMove, OwnWrites
from pgassay.identity import Session

_FIRST = 4
"""So many rows of a table are the first move, for one actor."""
_SECOND = 96
"""So many moves are tried as the second one."""


class Chains:
    """Second moves: changes of the same table, rows of other tables that decide something, and calls."""

    def __init__(self, writes: OwnWrites, calls: OwnCalls, functions: Iterable[Function]) -> None:
        self._writes = writes
        self._calls = calls
        self._functions = [function for function in functions if calls.is_move(function)]
        self.probes = 0

    def of(self, session: Session, moves: Sequence[OwnMove]) -> list[OwnMove]:
        """The chains that begin with an insertion among the moves, which are those of one actor that went through."""
        firsts = [move for move in moves if move.door == "insert" and move.names_others]
        return [chain for first in firsts[:_FIRST] for chain in self._after(session, first)]

    def _after(self, session: Session, first: OwnMove) -> Iterator[OwnMove]:
        tried = [*self._seconds(session, first.actor, first.object)][:_SECOND]
        try:
            with anew_after(session, first.actor, first.statements):
                results, stopped = session.attempts([(sql.SQL(move.text), ()) for move in tried])
        except psycopg.Error:
            if session.closed:
                raise
            return
        self.probes += len(results)
        if stopped is not None:
            raise stopped
        for second, result in zip(tried, results, strict=True):
            if not isinstance(result, psycopg.Error) and result.count > 0:
                yield replace(
                    second,
                    statements=(*first.statements, *second.statements),
                    sent=first.sent | second.sent,
                    what=f"{first.what}, then {second.what}",
                    gives=False,
                )

    def _seconds(self, session: Session, actor: Actor, table: str) -> Iterator[OwnMove]:
        yield from self._writes.updates(actor, table)
        for other in self._writes.tables:
            if other != table:
                yield from (move for move in self._writes.inserts(actor, other) if move.names_others)
        for function in self._functions:
            yield from self._calls.calls(session, actor, function, "B")
