"""Answers of calls: what each tells of other tenants, and what the call changes of theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from pgassay.catalog import Function
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.arguments import Answer, Call, Words, key_of
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, shortened
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import RAISED
from pgassay.identity import Session

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d(?::\d\d)?|Z)?")
_BAD_VALUES = ("22P02", "22007", "22008", "22003")
"""A text that is no value of its type, or one that is out of its range."""
Sessions = tuple[Session, Session | None]
"""One where the rows of all tenants are, and one where there is nothing of any tenant but A."""


class Answered:
    """Judges answers; ``offered`` are the schemas of the API."""

    def __init__(self, world: World, offered: set[str]) -> None:
        self._world = world
        self._offered = offered
        ((began,),) = world.ask("select pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())")
        self._began = datetime.fromtimestamp(began, UTC)
        self.probes = 0

    def of(
        self, sessions: Sessions, function: Function, actor: Actor, call: Call, answer: Answer, other: Answer | None
    ) -> Found | None:
        """The finding of one call, if there is one: what it gave back, told or changed.

        ``other`` is the answer where there is nothing of B. The sessions are the actor's.
        """
        api, alone = sessions
        self.probes += 1
        severity = "error"
        if seen := [part for part in self._foreign(actor, call, answer) if not _says(other, part)]:
            verdict, what = Verdict.LEAKS, f"is given values of another tenant{_how(seen[0])}"
        elif isinstance(answer, list) and function.volatile and (changed := self._changed(api, actor, call)):
            verdict, what = Verdict.WRITES_ACROSS, changed
        elif other is not None and self._is_told_by(sessions, call, answer, other) and not self._makes(alone, call):
            verdict = Verdict.REVEALS_EXISTENCE
            what = f"is answered {_told(answer)}, but {_told(other)} where the other tenants' rows are not there"
            severity = "error" if isinstance(answer, list) else "warning"
        else:
            return None
        if function.schema not in self._offered:
            severity, what = "warning", f"{what}; by SQL alone, if the API does not offer the schema {function.schema}"

        def holds(session: Session) -> bool:
            if verdict is Verdict.WRITES_ACROSS:
                return self._changed(session, actor, call) is not None
            now = call.answer(session)
            return bool(self._foreign(actor, call, now)) if verdict is Verdict.LEAKS else repr(now) == repr(answer)

        finding = Finding(
            verdict.rule,
            function.signature,
            f"{actor.name} {what}",
            f"Check in {function.schema}.{function.name} that the caller belongs to the tenant, with one answer for "
            "what is foreign and what is not there, and revoke execute from roles that do not need it.",
            severity,
            actor.name,
            api.bound(call.statement, call.values),
            door="call",
            expected="the answer that a row gets that is not there",
        )
        return finding, Probe(actor, holds)

    def _foreign(self, actor: Actor, call: Call, answer: Answer) -> list[Any]:
        """The rows, errors and notices with values of tenants that the actor is no member of, and has not named."""
        known = call.known | actor.identity.texts
        told: list[Any] = [answer] if isinstance(answer, Words) else [*answer]
        told += [_Notice(text) for text in getattr(answer, "notices", ())]
        return [
            part
            for part in told
            if self._world.labels(part.told if isinstance(part, Words) else _row(part), known) - actor.own
        ]

    def _is_told_by(self, sessions: Sessions, call: Call, answer: Answer, other: Answer) -> bool:
        """Whether the other answer is another one indeed, and always the same here and there."""
        api, alone = sessions
        assert alone is not None
        if _is_unread(call, answer) or _is_unread(call, other):
            return False  # what is read first hangs on the plan
        here, there = self._timeless(answer), self._timeless(other)
        if here == there:
            return False
        self.probes += 2
        return here == self._timeless(call.answer(api)) and there == self._timeless(call.answer(alone))

    def _timeless(self, answer: Answer) -> str:
        """The answer without times since the probes began: they are those of its transaction, in either world."""

        def shown(found: re.Match[str]) -> str:
            try:
                moment = datetime.fromisoformat(found[0])
            except ValueError:
                return found[0]
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return "now" if moment >= self._began else found[0]

        return _MOMENT.sub(shown, str(answer) if isinstance(answer, str) else repr(_plain_values(answer)))

    def _makes(self, alone: Session | None, call: Call) -> bool:
        """Whether the call makes a row under a key of B's, where there is none of B's: the caller has chosen it."""
        assert alone is not None
        if call.reading:
            return False
        try:
            touched = self._world.touched_by(alone, call.statement, call.values)
        except psycopg.errors.UniqueViolation:
            return True  # it would make one, if it were not for another row of its own
        except psycopg.Error:
            if alone.closed:
                raise
            return False
        return any(
            there and self._world.labels(key_of(self._world, name, row)) - {"A"} for name, row, _, there in touched
        )

    def _changed(self, session: Session, actor: Actor, call: Call) -> str | None:
        """What the call does to rows of tenants that are not the actor's own, or with their values."""
        self.probes += 1
        known = call.known | actor.identity.texts
        try:
            touched = self._world.touched_by(session, call.statement, call.values, known)
        except psycopg.Error:
            if session.closed:
                raise
            return None
        for name, row, whose, there in touched:
            if whose and not whose & actor.own:
                return f"changes rows of another tenant in {name}"
            if there and whose and whose <= actor.own and self._world.labels([*row.values()], known) - actor.own:
                return f"gets values of another tenant into rows of its own in {name}"
        return None


def _is_unread(call: Call, answer: Answer) -> bool:
    """Whether a value that was sent is none of the type that it is read as."""
    if not isinstance(answer, Words) or answer.error.diag.source_function == RAISED:
        return False
    words = answer.error.diag.message_primary or ""
    return answer.error.sqlstate in _BAD_VALUES and any(f'"{value}"' in words for value in call.known)


class _Notice(str):
    """The words of a notice or warning."""

    __slots__ = ()


def _says(other: Answer | None, part: Any) -> bool:
    """Whether an error or notice has the same words in the other answer, so that they tell of nobody."""
    if isinstance(part, Words):
        return isinstance(other, Words) and other.told == part.told
    return isinstance(part, _Notice) and part in getattr(other, "notices", ())


def _row(part: Any) -> Sequence[Any]:
    return [part] if isinstance(part, str) else part


def _how(part: Any) -> str:
    """How values of others are told: in a row, an error or a notice."""
    if isinstance(part, Words):
        return f" with the error {shortened(' '.join([part.error.sqlstate or '', *part.told]))}"
    return f" in a notice: {shortened(part)}" if isinstance(part, _Notice) else f": {_told([part])}"


def with_error(answer: Answer) -> str:
    """With which error values of others are told, if it is one."""
    return f" with the error {shortened(' '.join(answer.told))}" if isinstance(answer, Words) else ""


def _told(answer: Answer) -> str:
    """An answer as a person reads it: the first row, or the words of an error."""
    if isinstance(answer, str):
        return f"with the error {shortened(answer)}"
    if not answer:
        return "nothing"
    first = ", ".join("null" if value is None else str(value) for value in answer[0])
    more = f" and {len(answer) - 1} more" if len(answer) > 1 else ""
    return f"({shortened(first)}){more}"


def _plain_values(value: Any) -> Any:
    """The same with times as they are written in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return [_plain_values(part) for part in value] if isinstance(value, list | tuple) else value
