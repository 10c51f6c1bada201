"""Functions as doors: calls with the values of another tenant, what they give back, tell and change."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.range import Range

from pgassay.catalog import Argument, Function
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, shortened, shown
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.patience import Stopped
from pgassay.rows import Row

CALLS = 24
"""How many combinations of arguments a function is tried with."""
_COMBINATIONS = 4096
_KEYS = 12
"""How many keys an argument is tried with."""
_PARTS = 6
"""How many elements of one tenant an array is tried with, one by one."""
_KEY_TYPES = ("uuid", "bigint", "integer")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d(?::\d\d)?|Z)?")
_PREFIX = re.compile(r"^(p|in|i|v|arg|a|the|target)_")
_GENERATED = re.compile(r"UUID\('[^']+'\)|datetime\.datetime\([^)]+\)")
"""What is another one in every answer, as the id and the time of a row that a function makes."""
_BOUNDS: Mapping[str, type] = {"date": date, "timestamp with time zone": datetime, "numeric": Decimal}
"""Types of arguments that may say where in a range, by what the bounds of a range are read as."""
_TEXTS = ("text", "character varying", "citext", "name")

Answer = list[Any] | str
"""The rows that a call gives, or the words of its error."""


_MARK, _BACK = "savepoint pgassay_call", "rollback to savepoint pgassay_call"
"""One savepoint for many calls, a round trip less for each; it is gone with the savepoint around it."""


@dataclass(frozen=True)
class Call:
    """A call of a function with values for its arguments."""

    statement: sql.Composed
    values: list[Any]

    def answer(self, api: Session) -> Answer:
        """What whoever ``api`` is, is answered. It is undone, to the savepoint of `_MARK`."""
        answer: Answer
        try:
            cursor = api.execute(self.statement, self.values)
            answer = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if api.closed:
                raise
            answer = f"{error.sqlstate} {error.diag.message_primary}"
        api.execute(_BACK)
        return answer


class Calls:
    """Calls of all functions: on ``api``, and on ``alone``, where there is nothing of any tenant but A."""

    def __init__(self, world: World, api: Session, alone: Session | None) -> None:
        self._world = world
        self._api = api
        self._alone = alone
        self._offered = {
            relation.schema
            for relation in world.relations.values()
            if any(
                world.granted(relation, role, privilege)
                for role in ("anon", "authenticated")
                for privilege in ("select", "insert", "update")
            )
        }
        """The schemas of which the API is taken to offer tables and functions."""
        ((began,),) = world.ask("select pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())")
        self._began = datetime.fromtimestamp(began, UTC)
        self.probes = 0
        self.unjudged: dict[str, str] = {}
        self.vacuous: list[str] = []
        self.skipped: list[str] = []

    def try_all(
        self, functions: Iterable[Function], actors: Sequence[Actor], progress: Callable[[str], None]
    ) -> Iterator[Found]:
        """Call every function with the ids of B, as those who are not of B, until one is answered."""
        for function in functions:
            progress(function.signature)
            if not function.roles & {"anon", "authenticated"} or function.immutable:
                self.skipped.append(function.signature)
                continue
            try:
                found = self._try(function, actors)
            except Stopped as error:
                if any(session.closed for session in filter(None, (self._api, self._alone))):
                    raise
                self.unjudged[function.signature] = error.message
                continue
            if found is not None:
                yield found

    def _try(self, function: Function, actors: Sequence[Actor]) -> Found | None:
        refused = ""
        succeeded: list[Call] = []
        told = False
        for entitled in (self._world.member("B"), *self._world.entitled):
            with self._as(entitled):
                answered = [(call, call.answer(self._api)) for call in calls_of(function, self._world, "B")]
                calls = [call for call, answer in answered if not isinstance(answer, str)]
                told = any(_tells_something(answer) for _, answer in answered) or (
                    function.volatile and any(self._does_something(call) for call in calls)
                )
                if not told:
                    more = [(call, call.answer(self._api)) for call in with_texts(function, self._world, "B")]
                    calls += [call for call, answer in more if _tells_something(answer)]
                    told = any(_tells_something(answer) for _, answer in more)
                    answered += more
                self.probes += len(answered)
            succeeded = succeeded or calls
            if told:
                succeeded = calls
                break
            refused = refused or next((answer[6:] for _, answer in answered if isinstance(answer, str)), "")
        if not succeeded:
            self.unjudged[function.signature] = f"no call succeeded for a member: {refused}"
            return None
        found = self._first(function, succeeded, actors)
        if found is None and not told:
            self.vacuous.append(function.signature)
            self.unjudged[function.signature] = "no call gave a member anything, or changed anything"
        return found

    def _does_something(self, call: Call) -> bool:
        """Whether any row is another one after the call; for whoever the session is."""
        try:
            with self._api.transaction(force_rollback=True):
                before = self._world.base(self._api)
                self._api.execute(call.statement, call.values)
                return any(True for _ in self._world.touched(before, self._world.state(self._api)))
        except psycopg.Error:
            if self._api.closed:
                raise
            return False

    def _first(self, function: Function, calls: list[Call], actors: Sequence[Actor]) -> Found | None:
        known: set[tuple[frozenset[str], str]] = set()
        for actor in actors:
            if actor.may_all or "B" in actor.own or actor.identity.role not in function.roles:
                continue
            own = list(calls_of(function, self._world, "A")) if actor.own == {"A"} else []
            with self._as(actor):
                answers = []
                for call in _distinct([*calls, *own]):
                    answers.append(answer := call.answer(self._api))
                    if (found := self._judge(function, actor, call, answer)) is not None:
                        return found
                alike = (actor.own, _GENERATED.sub("", repr(answers)))
                if alike in known:
                    continue  # to the function this is somebody who was here before
                known.add(alike)
                for call in _distinct(mixed(function, self._world)):
                    if (found := self._judge(function, actor, call, call.answer(self._api))) is not None:
                        return found
        return None

    @contextmanager
    def _as(self, actor: Actor) -> Iterator[None]:
        """Be ``actor`` in both worlds."""
        with ExitStack() as stack:
            for session in filter(None, (self._api, self._alone)):
                stack.enter_context(session.transaction(force_rollback=True))
                stack.enter_context(actor.enter(session))
                session.execute(_MARK)
            yield

    def _judge(self, function: Function, actor: Actor, call: Call, answer: Answer) -> Found | None:
        """The finding of one call, if there is one: what it gave back, told or changed."""
        self.probes += 1
        severity = "error"
        if seen := self._foreign(actor, call, answer):
            verdict, what = Verdict.LEAKS, f"is given values of another tenant: {_told(seen[:1])}"
        elif isinstance(answer, list) and function.volatile and (changed := self._changed(self._api, actor, call)):
            verdict, what = Verdict.WRITES_ACROSS, changed
        elif (other := self._otherwise(call, answer)) is not None and not self._makes(call):
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
            session.execute(_MARK)
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
            shown(self._api, call.statement, call.values),
            door="call",
            expected="the answer that a row gets that is not there",
        )
        return finding, Probe(actor, holds)

    def _foreign(self, actor: Actor, call: Call, answer: Answer) -> list[Any]:
        """The rows with values of tenants that the actor is no member of, and has not named itself."""
        known = _known(call)
        return [row for row in answer if self._world.labels(row, known) - actor.own] if isinstance(answer, list) else []

    def _otherwise(self, call: Call, answer: Answer) -> Answer | None:
        """The other answer where there is nothing of B, if it is another one, and always the same here and there."""
        if self._alone is None:
            return None
        self.probes += 1
        other = call.answer(self._alone)
        here, there = self._timeless(answer), self._timeless(other)
        if here == there:
            return None
        self.probes += 2
        again = self._timeless(call.answer(self._api)), self._timeless(call.answer(self._alone))
        return other if again == (here, there) else None

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

    def _makes(self, call: Call) -> bool:
        """Whether the call makes a row under a key of B's, where there is none of B's: the caller has chosen it."""
        assert self._alone is not None
        try:
            with self._alone.transaction(force_rollback=True):
                before = self._world.base(self._alone)
                self._alone.execute(call.statement, call.values)
                touched = list(self._world.touched(before, self._world.state(self._alone)))
        except psycopg.errors.UniqueViolation:
            return True  # it would make one, if it were not for another row of its own
        except psycopg.Error:
            if self._alone.closed:
                raise
            return False
        return any(
            there and self._world.labels(_key_of(self._world, name, row)) - {"A"} for name, row, _, there in touched
        )

    def _changed(self, session: Session, actor: Actor, call: Call) -> str | None:
        """What the call does to rows of tenants that are not the actor's own, or with their values."""
        self.probes += 1
        known = _known(call)
        try:
            with session.transaction(force_rollback=True):
                before = self._world.base(session)
                session.execute(call.statement, call.values)
                session.execute("set constraints all immediate")
                touched = list(self._world.touched(before, self._world.state(session), known))
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


def _told(answer: Answer) -> str:
    """An answer as a person reads it: the first row, or the words of an error."""
    if isinstance(answer, str):
        return f"with the error {shortened(answer)}"
    if not answer:
        return "nothing"
    first = ", ".join("null" if value is None else str(value) for value in answer[0])
    more = f" and {len(answer) - 1} more" if len(answer) > 1 else ""
    return f"({shortened(first)}){more}"


def _tells_something(answer: Answer) -> bool:
    """Whether there is anything in an answer."""
    return isinstance(answer, list) and any(value not in (None, "", [], {}) for row in answer for value in row)


def calls_of(function: Function, world: World, label: str) -> Iterator[Call]:
    """Calls with values of one tenant: an argument gets the key that its name says, or each of those of its type."""
    wanted = _wanted(function)
    pools = [candidates(argument, world, label)[:_KEYS] for argument in wanted]
    combined = itertools.islice(itertools.product(*(range(len(pool)) for pool in pools)), _COMBINATIONS)
    for chosen in sorted(combined, key=sum)[:CALLS]:  # the likeliest first
        yield _call(function, wanted, [pool[n] for pool, n in zip(pools, chosen, strict=True)])
    for place in range(1, max(map(len, pools), default=0)):
        yield _call(function, wanted, _at(wanted, pools, world, label, place))
    likeliest = [pool[0] for pool in pools]
    for first, second in itertools.permutations([n for n, argument in enumerate(wanted) if _is_key(argument)], 2):
        if wanted[first].type == wanted[second].type:
            for one, other in _siblings(world, label, wanted[first].type):
                values = [*likeliest]
                values[first], values[second] = one, other
                yield _call(function, wanted, values)
    for argument in function.arguments:
        if argument not in wanted:
            for value in candidates(argument, world, label)[:_KEYS]:
                yield _call(function, [*wanted, argument], [*likeliest, value])


def _at(wanted: list[Argument], pools: list[list[Any]], world: World, label: str, place: int) -> list[Any]:
    """The likeliest value of an argument whose name says what it is, and that at ``place`` of the others."""
    return [
        pool[0] if _named(argument, world, label) else pool[min(place, len(pool) - 1)]
        for argument, pool in zip(wanted, pools, strict=True)
    ]


def _is_key(argument: Argument) -> bool:
    return argument.type in _KEY_TYPES


def _siblings(world: World, label: str, kind: str) -> Iterator[tuple[Any, Any]]:
    """The keys of two rows of one table, for each of which the tenant has two."""
    for name, rows in world.tenants.others.items():
        column = world.relations[name].column("id")
        if column is not None and column.type == kind:
            yield world.tenants.rows[name][label]["id"], rows[label]["id"]


def mixed(function: Function, world: World) -> Iterator[Call]:
    """Calls that only a stranger tries: values of A and B together, NULL for all, texts that stand in rows of B."""
    wanted = _wanted(function)
    if not wanted:
        return
    several = {label: [candidates(argument, world, label) for argument in wanted] for label in "AB"}
    keys = [argument.type for argument in wanted if _is_key(argument)]
    pairs = len(set(keys)) < len(keys)
    for place in range(_KEYS if pairs else 1):
        chosen_of = [_at(wanted, several[label], world, label, place) for label in "AB"]
        pools = [list(pair) for pair in zip(*chosen_of, strict=True)]
        for chosen in itertools.islice(itertools.product(*pools), CALLS):
            yield _call(function, wanted, list(chosen))
        if place >= max(len(pool) for pool in several["B"]) - 1:
            break
    yield _call(function, wanted, [None] * len(wanted))
    for label in "AB":
        yield from with_texts(function, world, label)
    for number, argument in enumerate(wanted):
        if argument.type.endswith("[]"):
            for mine, theirs in zip(several["A"][number], several["B"][number], strict=False):
                if isinstance(mine, list) and isinstance(theirs, list):
                    for label in "AB":
                        likeliest = [pool[0] for pool in several[label]]
                        yield _call(function, wanted, _with(likeliest, number, [*mine, *theirs]))


def with_texts(function: Function, world: World, label: str) -> Iterator[Call]:
    """Calls with values of one tenant, in which each argument in turn is one of the texts that stand in rows of B."""
    wanted = _wanted(function)
    likeliest = [candidates(argument, world, label)[0] for argument in wanted]
    texts: dict[tuple[str, str], str] = {}
    for made in (world.tenants.rows, world.tenants.others):
        for name, rows in made.items():
            for column, value in rows["B"].items():
                if isinstance(value, str):
                    texts.setdefault((name, column), value)
    tried = dict.fromkeys(["", "%", *texts.values(), world.emails.get(world.tenants.users["B"], "")])
    for number, argument in enumerate(wanted):
        if argument.type in _TEXTS and not _listed(argument, world):
            for value in tried:
                yield _call(function, wanted, _with(likeliest, number, value))


def _with(values: list[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


def _wanted(function: Function) -> list[Argument]:
    return [argument for argument in function.arguments if not argument.has_default or argument.type == "uuid"]


def _call(function: Function, wanted: list[Argument], values: list[Any]) -> Call:
    arguments = [
        sql.SQL("{}{}%s{}").format(
            sql.SQL("variadic " if function.variadic and argument == function.arguments[-1] else ""),
            sql.SQL("{} => ").format(sql.Identifier(argument.name)) if argument.name else sql.SQL(""),
            sql.SQL("::{}").format(sql.SQL(argument.type)) if argument.type.endswith("[]") else sql.SQL(""),
        )
        for argument in wanted
    ]
    verb = sql.SQL("call {}({})" if function.procedure else "select * from {}({})")
    statement = verb.format(sql.Identifier(function.schema, function.name), sql.SQL(", ").join(arguments))
    return Call(statement, values)


def candidates(argument: Argument, world: World, label: str) -> list[Any]:
    """Values of the tenant's rows that the argument may stand for, the likeliest first; at least one."""
    if argument.type.endswith("[]"):
        element = Argument(argument.name.removesuffix("s"), argument.type[:-2], argument.has_default)
        return [[value] for value in candidates(element, world, label)[:_PARTS]]
    if argument.type == "boolean":
        return [True, False]
    tenants = world.tenants
    rows = [(relation, row) for relation, whose, row in world.made() if whose == label]
    named = _named(argument, world, label)
    if _is_key(argument):
        kind: type = UUID if argument.type == "uuid" else int
        keys = [key for relation, row in rows for key in _key_of(world, relation, row)]
        keys += [tenants.ids[label], tenants.users[label]]
        found = [value for value in [*named, *keys] if isinstance(value, kind)]
        return list(dict.fromkeys(found)) or [1]
    named += [
        row[column.name]
        for relation, row in rows
        for column in world.relations[relation].columns
        if column.type == argument.type and argument.type not in _TEXTS and row.get(column.name) is not None
    ]
    if argument.type in _BOUNDS:
        bounds = [value.lower for _, row in rows for value in row.values() if isinstance(value, Range)]
        named += [bound for bound in bounds if type(bound) is _BOUNDS[argument.type]]
    listed = _listed(argument, world)
    found = [_sent(value) for value in [*dict.fromkeys(listed), *named] if value is not None]
    return found[: len(listed) + _PARTS] or [_SAMPLES.get(argument.type)]


def _plain(argument: Argument) -> str:
    """The name of an argument without what marks it as one."""
    return _PREFIX.sub("", argument.name.lower()).strip("_")


def _key_of(world: World, relation: str, row: Row) -> list[Any]:
    """The key of a row, where it is one column."""
    key = world.relations[relation].primary_key if relation in world.relations else ()
    return [row[column] for column in key] if len(key) == 1 else []


def _listed(argument: Argument, world: World) -> list[str]:
    """The values to which a column is held after which the argument is named."""
    name = _plain(argument)
    return [value for column, values in world.maker.listed.items() if name.endswith(column) for value in values]


def _distinct(calls: Iterable[Call]) -> Iterator[Call]:
    """Each call once."""
    known: set[tuple[str, str]] = set()
    for call in calls:
        key = (call.statement.as_string(None), repr(call.values))
        if key not in known:
            known.add(key)
            yield call


def _named(argument: Argument, world: World, label: str) -> list[Any]:
    """Values of the tenant's rows that the name of the argument speaks of."""
    name = _plain(argument)
    tenants = world.tenants
    rows = [(relation, row) for relation, whose, row in world.made() if whose == label]
    named: list[Any] = []
    for relation, row in rows:
        table = relation.partition(".")[2]
        for noun in (table, table.removesuffix("s"), table.removesuffix("es")):
            if name in (noun, f"{noun}id"):
                named += _key_of(world, relation, row)
            elif name.startswith(f"{noun}_"):
                named.append(row.get(name.removeprefix(f"{noun}_")))
    if name in (world.tenancy.column, "tenant_id", "org_id", "organization_id"):
        named.append(tenants.ids[label])
    if name in ("user_id", "uid", "owner_id", "member_id", "profile_id"):
        named.append(tenants.users[label])
    if "mail" in name:
        named.append(world.emails.get(tenants.users[label]))
    named += [row[name] for _, row in rows if name != "id" and row.get(name) is not None]
    return [value for value in named if value is not None]


def _plain_values(value: Any) -> Any:
    """The same with times as they are written in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return [_plain_values(part) for part in value] if isinstance(value, list | tuple) else value


def _sent(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _known(call: Call) -> frozenset[str]:
    """What the caller has named, so that it is no news in an answer and no sign of whose a new row is."""
    given = (value if isinstance(value, list) else [value] for value in call.values)
    return frozenset(str(part) for parts in given for part in parts)


_SAMPLES: Mapping[str, Any] = {
    "text": "sample", "character varying": "sample", "jsonb": "{}", "json": "{}", "numeric": 1,
    "double precision": 1, "real": 1, "smallint": 1, "date": "2025-11-03", "timestamp with time zone": "2025-11-03",
    "timestamp without time zone": "2025-11-03", "interval": "1 day", "int4range": "[1,2)", "int8range": "[1,2)",
    "numrange": "[1,2)", "daterange": "[2025-11-03,2025-11-04)",
}  # fmt: skip
