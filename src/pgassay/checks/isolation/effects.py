"""What a member of A sees and causes: nothing of another tenant, and the same whether B exists or not.

The same statement is run in two worlds: one with all tenants, and one from which every row of others than A is gone.
Sequences stand where they stood, so that numbers that only count up are no difference.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pgassay.checks.finding import ERROR, WARNING, Finding
from pgassay.checks.isolation.hearing import heard, said
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.relations import Found, Target, shortened
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled, insert_statement

_COLLISIONS = ("23505", "23P01")
_STATES = 6
"""With so many of the values to which a column is held a row is inserted where there are triggers."""
_PER_TENANT = re.compile(r"(^|_)(no|nr|num|number|position|rank|sort|order|sequence)$")
"""Names of columns that number the things of one tenant, so that a key on them should be a tenant's own."""
_COLUMNS = """
select pg_catalog.array_agg(distinct a.attname::pg_catalog.text)
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on i.indexrelid = c.oid
join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid
where
    i.indrelid = pg_catalog.to_regclass(%(relation)s)
    and c.relname = %(name)s
    and a.attnum > 0
    and (
        a.attnum = any(i.indkey)
        or exists (
            select from pg_catalog.pg_depend as d
            where d.objid = c.oid and d.refobjid = i.indrelid and d.refobjsubid = a.attnum
        )
    )
"""


@dataclass
class _Outcome:
    """What a statement did: the tables in which it changed rows of others, or of nobody; its own rows; or the error."""

    error: str = ""
    constraint: str = ""
    told: str = ""
    """What an error or notice told that has values of others."""
    across: list[str] = field(default_factory=list)
    nobodys: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """The words of errors and notices."""
    own: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """The values of the rows that it left, by table and column."""


@dataclass(frozen=True)
class Attempt:
    """A statement that ``actor`` tries at a target."""

    target: Target
    actor: Actor
    operation: str
    statement: sql.Composed
    values: Sequence[Any]


class Effects:
    """Statements of a member of A on ``api``, and on ``alone``, where there is nothing of any tenant but A."""

    def __init__(self, world: World, api: Session, alone: Session | None) -> None:
        self._world = world
        self._api = api
        self._alone = alone
        self.probes = 0

    def try_all(self, target: Target, actor: Actor, reached: dict[str, set[str]]) -> Iterator[Found]:
        """What ``actor`` causes through a table, where it reaches no rows but its own."""
        if not target.is_table:
            return
        if reached["insert"] and reached["insert"] <= actor.own:
            yield from self._inserts(target, actor)
        for operation in ("update", "delete"):
            if reached[operation] and reached[operation] <= actor.own:
                for statement, values in target.sweeping(actor, operation):
                    attempt = Attempt(target, actor, operation, statement, values)
                    outcome = self._run(self._api, attempt)
                    yield from self._judged(attempt, outcome)
                    if not outcome.error:
                        break

    # what is seen

    def judge(self, attempt: Attempt) -> Iterator[Found]:
        """A finding where what is another tenant's, or for all, is changed or told by a statement."""
        yield from self._judged(attempt, self._run(self._api, attempt))

    def _judged(self, attempt: Attempt, outcome: _Outcome) -> Iterator[Found]:
        if outcome.across or outcome.nobodys:
            yield self._across(attempt, outcome)
        elif self._is_told(attempt, outcome):
            yield self._tells(attempt, outcome)

    def depends(self, target: Target, actor: Actor) -> bool:
        """Whether what ``actor`` sees, who may see all, is something else where there are no other tenants."""
        statement = self._world.reading(target.relation, actor.identity.role)
        if self._alone is None or statement is None:
            return False
        return self._rows(self._api, actor, statement) != self._rows(self._alone, actor, statement)

    def compare(self, target: Target, actor: Actor, reached: dict[str, set[str]]) -> Iterator[Found]:
        """What ``actor`` sees in a relation in both worlds, where it sees no rows but its own."""
        relation = target.relation
        statement = self._world.reading(target.relation, actor.identity.role)
        if self._alone is None or statement is None or relation.full_name in self._world.tenancy.public:
            return
        if not reached["select"] <= actor.own or not target.is_whole:
            return
        here, there = self._rows(self._api, actor, statement), self._rows(self._alone, actor, statement)
        if here == there or here != self._rows(self._api, actor, statement):
            return
        if there != self._rows(self._alone, actor, statement):
            return
        differing = next(iter((here or Counter()) - (there or Counter())), "no row")

        def holds(session: Session) -> bool:
            return self._rows(session, actor, statement) == here

        words = (
            f"sees something else where other tenants have rows: {differing}",
            f"Hold what {relation.full_name} counts to the rows of the caller's tenants, with security_invoker or a "
            "condition on the caller; or declare it public.",
            "the same as if the other tenants were not there",
        )
        yield self._found(Attempt(target, actor, "select", statement, []), Verdict.REVEALS_EXISTENCE, words, holds)

    def _rows(self, session: Session, actor: Actor, statement: sql.Composed) -> Counter[str] | None:
        self.probes += 1
        try:
            with actor.enter(session):
                return Counter(map(repr, session.attempt(statement, reading=True)[0].rows))
        except psycopg.Error:
            if session.closed:
                raise
            return None

    # what is caused

    def _inserts(self, target: Target, actor: Actor) -> Iterator[Found]:
        """Insert a row of one's own that has the natural keys of B, and one that leaves its numbers to triggers."""
        for values in self._like_those_of_b(target, actor):
            statement, sent = insert_statement(target.relation, values), list(values.values())
            attempt = Attempt(target, actor, "insert", statement, sent)
            here = self._run(self._api, attempt)
            if here.across:
                yield self._across(attempt, here)
                return
            if self._is_told(attempt, here):
                yield self._tells(attempt, here)
                return
            if self._alone is None:
                continue
            there = self._run(self._alone, attempt)
            if there.error or (here.error not in ("", *_COLLISIONS)):
                continue
            if here.error:
                yield self._collides(attempt, here)
                return
            differing = {key: counted for key, counted in here.own.items() if there.own.get(key) != counted}
            steady = self._run(self._api, attempt).own if differing else {}
            for key, counted in differing.items():
                if steady.get(key) == counted:
                    yield self._differs(attempt, key, counted)
                    return

    def _like_those_of_b(self, target: Target, actor: Actor) -> Iterator[Row]:
        relation = target.relation
        linked = relation.referring
        granted = set(self._world.granted(relation, actor.identity.role, "insert"))
        try:
            own = list(target.insertions("A", actor))
        except Unfilled:
            return
        tenants = self._world.tenants
        own = [values for number, values in enumerate(own) if values not in own[:number]]
        theirs = [
            made[relation.full_name]["B"] for made in (tenants.others, tenants.rows) if relation.full_name in made
        ]
        for values in own:
            for row in theirs:
                natural = {
                    column.name: json.dumps(row[column.name]) if column.type in ("json", "jsonb") else row[column.name]
                    for column in relation.columns
                    if column.name in granted - linked - target.given - {target.column}
                    and column.type not in ("uuid", "boolean")
                    and row.get(column.name) is not None
                }
                yield {**values, **natural}
            if relation.triggers:  # they may hang on a state, and give the numbers that are left out
                for name, listed in self._world.maker.listed_of(relation.full_name).items():
                    if name in granted - {target.column} - linked:
                        yield from ({**values, name: value} for value in listed[:_STATES])
                numbers = (
                    {column.name for column in relation.columns if column.category == "N"} - {target.column} - linked
                )
                counted = {name for index in relation.exclusions for name in index.columns}
                for left in (numbers, numbers & counted):
                    yield {name: value for name, value in values.items() if name not in left}

    def _run(self, session: Session, attempt: Attempt) -> _Outcome:
        with heard(session) as words:
            outcome = self._done(session, attempt)
        sent = frozenset(part for value in attempt.values for part in leaves(value))
        outcome.said += words[-1]
        of_others = (text for text in outcome.said if self._world.labels([text], sent) - attempt.actor.own)
        outcome.told = next(of_others, "")
        return outcome

    def _is_told(self, attempt: Attempt, outcome: _Outcome) -> bool:
        """Whether a value of others is told, and no longer where there are none: the schema may use the same word."""
        if not outcome.told or self._alone is None:
            return bool(outcome.told)
        return outcome.told not in self._run(self._alone, attempt).said

    def _done(self, session: Session, attempt: Attempt) -> _Outcome:
        actor = attempt.actor
        self.probes += 1
        outcome = _Outcome()
        try:
            with actor.enter(session):
                for name, row, whose, there in self._world.touched_by(session, attempt.statement, attempt.values):
                    if whose and not whose & actor.own:
                        outcome.across.append(name)
                    elif not whose and self._is_for_all(name, row):
                        outcome.nobodys.append(name)
                    elif there:
                        for column, value in row.items():
                            outcome.own.setdefault((name, column), Counter())[str(value)] += 1
        except psycopg.Error as error:
            if session.closed:
                raise
            return _Outcome(error.sqlstate or "?", error.diag.constraint_name or "", said=said(error.diag))
        return outcome

    def _is_for_all(self, name: str, row: Mapping[str, Any]) -> bool:
        """Whether a row is nobody's, so that policies let everybody see it."""
        relation, tenancy = self._world.relations.get(name), self._world.tenancy
        column = relation.column(tenancy.column_of(name)) if relation else None
        return column is not None and column.null_passes and row[column.name] is None and name not in tenancy.public

    def _found(
        self,
        attempt: Attempt,
        verdict: Verdict,
        words: tuple[str, str, str],
        holds: Callable[[Session], bool],
        severity: str = ERROR,
        culprit: str = "",
    ) -> Found:
        """The finding of what was observed, how it is mended and what was expected; and what shows it."""
        observed, mend, expected = words
        finding = Finding(
            verdict.rule,
            attempt.target.relation.full_name,
            f"{attempt.actor.name} {observed}",
            mend,
            severity,
            attempt.actor.name,
            self._api.bound(attempt.statement, attempt.values),
            door=attempt.operation,
            expected=expected,
            culprit=culprit,
        )
        return finding, Probe(attempt.actor, holds)

    def _across(self, attempt: Attempt, outcome: _Outcome) -> Found:
        def holds(session: Session) -> bool:
            now = self._run(session, attempt)
            return bool(now.across or now.nobodys)

        name, operation = attempt.target.relation.full_name, attempt.operation
        tables = ", ".join(dict.fromkeys(outcome.across or outcome.nobodys))
        whose = "of another tenant" if outcome.across else "that are nobody's, and that others see,"
        what = f"{operation} of {'rows that are for all' if outcome.nobodys else 'a row of its own'}"
        mend = f"Hold what the triggers on {name} write to the tenant of the row."
        if outcome.nobodys:
            mend = f"Let nobody {operation} the rows in {name} that are for all."
        words = f"changes rows {whose} in {tables} by {what}", mend, "no row of another tenant is changed"
        return self._found(attempt, Verdict.WRITES_ACROSS, words, holds, ERROR if outcome.across else WARNING)

    def _tells(self, attempt: Attempt, outcome: _Outcome) -> Found:
        def holds(session: Session) -> bool:
            return bool(self._run(session, attempt).told)

        how = f"with the error {outcome.error}:" if outcome.error else "in a notice:"
        words = (
            f"is given values of another tenant {how} {shortened(outcome.told)}",
            f"Tell in the errors and notices of the triggers on {attempt.target.relation.full_name} nothing but what "
            "the caller sent.",
            "no value of another tenant",
        )
        return self._found(attempt, Verdict.LEAKS, words, holds)

    def _collides(self, attempt: Attempt, outcome: _Outcome) -> Found:
        relation, key = attempt.target.relation, outcome.constraint
        name = sql.Identifier(relation.schema, relation.name).as_string(None)
        (row,) = self._world.ask(_COLUMNS, {"relation": name, "name": key})
        columns = row[0] or []
        numbers = outcome.error == "23P01" or any(_PER_TENANT.search(name) for name in columns)

        def holds(session: Session) -> bool:
            return self._run(session, attempt).error == outcome.error

        words = (
            f"learns from a collision in {key} that another tenant has the same {', '.join(columns)}",
            f"Take {attempt.target.column or 'the tenant'} into {key}, unless the key is meant to be one for all.",
            "the row goes in, as it would if the other tenant were not there",
        )
        severity = ERROR if numbers and relation.full_name != self._world.tenancy.tenant else WARNING
        return self._found(attempt, Verdict.REVEALS_EXISTENCE, words, holds, severity, f"constraint {key}")

    def _differs(self, attempt: Attempt, key: tuple[str, str], counted: Counter[str]) -> Found:
        def holds(session: Session) -> bool:
            return self._run(session, attempt).own.get(key) == counted

        table, column = key
        words = (
            f"inserts a row of its own, and {column} in {table} becomes {', '.join(counted)}, which is something else "
            "where there are no other tenants",
            f"Compute {column} from the rows of the same tenant alone, in the triggers on "
            f"{attempt.target.relation.full_name}.",
            "the same as if the other tenants were not there",
        )
        return self._found(attempt, Verdict.REVEALS_EXISTENCE, words, holds)
