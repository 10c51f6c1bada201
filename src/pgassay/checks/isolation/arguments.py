"""What a function is called with: values of the rows of a tenant, of two, or none."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.range import Range

from pgassay.catalog import Argument, Function
from pgassay.checks.isolation import typed
from pgassay.checks.isolation.hearing import heard, said
from pgassay.checks.isolation.typed import PAYLOADS, base_of, fitting
from pgassay.checks.isolation.world import KEYS, World
from pgassay.identity import Session
from pgassay.patience import Stopped
from pgassay.rows import Row

_CALLS = 24
"""How many combinations of arguments a function is tried with."""
_COMBINATIONS = 4096
KEYS_TRIED = 12
"""How many keys an argument is tried with."""
_PARTS = 6
"""How many elements of one tenant an array is tried with, one by one."""
_PREFIX = re.compile(r"^(p|in|i|v|arg|a|the|target)_")
_BOUNDS: Mapping[str, type] = {"date": date, "timestamp with time zone": datetime, "numeric": Decimal}
"""Types of arguments that may say where in a range, by what the bounds of a range are read as."""
_STATES = 3
"""With texts of so many rows of each table: what is found by one may hang on the state of its row."""

Answer = list[Any] | str  # `Rows` or `Words`
"""The rows that a call gives, or the words of its error."""


@dataclass(frozen=True)
class Call:
    """A call of a function with values for its ``arguments``; one that is not volatile only does ``reading``."""

    statement: sql.Composed
    values: list[Any]
    reading: bool = False
    arguments: tuple[Argument, ...] = ()

    def answer(self, api: Session) -> Answer:
        """What whoever ``api`` is, is answered. It is undone."""
        with heard(api) as words:
            try:
                return Rows(api.attempt(self.statement, self.values, reading=self.reading)[0].rows, words[-1])
            except psycopg.Error as error:
                if api.closed:
                    raise
                return _words(error, words[-1])

    @property
    def known(self) -> frozenset[str]:
        """What the caller has named, so that it is no news in an answer and no sign of whose a new row is."""
        return frozenset(str(part) for value in self.values for part in _parts(value))


def answers(api: Session, calls: Iterable[Call]) -> tuple[list[Answer], Stopped | None]:
    """What whoever ``api`` is, is answered to each call, up to one that does not end, and that one. Each is undone."""
    tried = list(calls)
    reading = all(call.reading for call in tried)  # they are of one function
    with heard(api) as words:
        results, stopped = api.attempts(_parted(tried, words), reading=reading)
    return [
        _words(result, notices) if isinstance(result, psycopg.Error) else Rows(result.rows, notices)
        for result, notices in zip(results, words[1:], strict=False)
    ], stopped


def _parted(calls: Iterable[Call], words: list[list[str]]) -> Iterator[tuple[sql.Composed, list[Any]]]:
    """What each call is, for each of which what is said comes into a list of its own."""
    for call in calls:
        words.append([])
        yield call.statement, call.values


class Rows(list[Any]):
    """The rows of an answer, and the notices on the way."""

    __slots__ = ("notices",)

    def __init__(self, rows: Iterable[Any], notices: list[str]) -> None:
        super().__init__(rows)
        self.notices = notices


class Words(str):
    """The words of an error, the error, and the notices on the way."""

    __slots__ = ("error", "notices")
    error: psycopg.Error
    notices: list[str]

    @property
    def told(self) -> list[str]:
        """All that the API tells of the error."""
        return said(self.error.diag)


def _words(error: psycopg.Error, notices: list[str]) -> Words:
    words = Words(f"{error.sqlstate} {error.diag.message_primary}")
    words.error = error
    words.notices = notices
    return words


def told(answer: Answer) -> Iterator[Sequence[Any]]:
    """All that an answer tells: the rows, or the words of an error, and each notice."""
    if isinstance(answer, Words):
        yield answer.told
    else:
        yield from answer
    yield from ([notice] for notice in getattr(answer, "notices", ()))


def tells_something(answer: Answer) -> bool:
    """Whether there is anything in an answer."""
    return isinstance(answer, list) and any(value not in (None, "", [], {}) for row in answer for value in row)


def calls_of(function: Function, world: World, label: str) -> Iterator[Call]:
    """Calls with values of one tenant: an argument gets the key that its name says, or each of those of its type."""
    wanted = _wanted(function)
    pools = [candidates(argument, world, label)[:KEYS_TRIED] for argument in wanted]
    combined = itertools.islice(itertools.product(*(range(len(pool)) for pool in pools)), _COMBINATIONS)
    for chosen in sorted(combined, key=sum)[:_CALLS]:  # the likeliest first
        yield _call(function, wanted, [pool[n] for pool, n in zip(pools, chosen, strict=True)])
    fixed = _fixed(wanted, world, label)
    for place in range(1, max(map(len, pools), default=0)):
        yield _call(function, wanted, _at(pools, fixed, place))
    likeliest = [pool[0] for pool in pools]
    for first, second in itertools.permutations([n for n, argument in enumerate(wanted) if is_key(argument)], 2):
        if wanted[first].type == wanted[second].type:
            for one, other in _siblings(world, label, wanted[first].type):
                values = [*likeliest]
                values[first], values[second] = one, other
                yield _call(function, wanted, values)
    for values, _ in _by_row(wanted, likeliest, world, label):
        yield _call(function, wanted, values)
    for argument in function.arguments:
        if argument not in wanted:
            for value in candidates(argument, world, label)[:KEYS_TRIED]:
                yield _call(function, [*wanted, argument], [*likeliest, value])


def _by_row(
    wanted: list[Argument], likeliest: list[Any], world: World, label: str
) -> Iterator[tuple[list[Any], list[int]]]:
    """Values of one row for all arguments that are named after its columns, two at least; and which ones are not."""
    names = [_plain(argument) for argument in wanted]
    for _, whose, row in world.made():
        if whose == label and sum(row.get(name) is not None for name in names) > 1:
            values = [
                value if row.get(name) is None else fitting(row[name], argument)
                for name, argument, value in zip(names, wanted, likeliest, strict=True)
            ]
            yield values, [number for number, name in enumerate(names) if row.get(name) is None]


def _at(pools: list[list[Any]], fixed: list[bool], place: int) -> list[Any]:
    """The likeliest value of an argument that is ``fixed``, and that at ``place`` of the others."""
    return [
        pool[0] if is_fixed else pool[min(place, len(pool) - 1)] for pool, is_fixed in zip(pools, fixed, strict=True)
    ]


def _fixed(wanted: list[Argument], world: World, label: str) -> list[bool]:
    """Of each argument whether its name says what it is."""
    return [bool(by_name(argument, world, label)) for argument in wanted]


def is_key(argument: Argument) -> bool:
    """Whether its values may be keys of rows."""
    return base_of(argument) in KEYS


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
    fixed = {label: _fixed(wanted, world, label) for label in "AB"}
    further = [argument for argument in function.arguments if argument not in wanted]
    likely = [candidates(argument, world, "A")[0] for argument in further]
    keys = [number for number, argument in enumerate(wanted) if is_key(argument)]
    pairs = len({wanted[number].type for number in keys}) < len(keys)
    for place in range(KEYS_TRIED if pairs else 1):
        mine, theirs = (_at(several[label], fixed[label], place) for label in "AB")
        second = [_at(several[label], [False] * len(wanted), place) for label in "AB"] if place == 1 else []
        combined = (itertools.product(pair, repeat=len(keys) + 1) for pair in ((mine, theirs), second) if pair)
        for rest, *of_keys in itertools.islice(itertools.chain.from_iterable(combined), _CALLS):
            chosen = dict(zip(keys, of_keys, strict=True))
            values = [chosen.get(number, rest)[number] for number in range(len(wanted))]
            yield _call(function, wanted, values)
            if further and not place:
                yield _call(function, [*wanted, *further], [*values, *likely])
        if place >= max(len(pool) for pool in several["B"]) - 1:
            break
    own = [pool[0] for pool in several["A"]]
    for values, rest in _by_row(wanted, own, world, "A"):
        for number in rest:
            for value in several["B"][number][:KEYS_TRIED]:
                yield _call(function, wanted, _with(values, number, value))
    for number, argument in enumerate(wanted):
        if base_of(argument) in PAYLOADS and not by_name(argument, world, "A"):
            for payload in _crossed(world):
                yield _call(function, wanted, _with(own, number, payload))
    yield _call(function, wanted, [None] * len(wanted))
    for label in "AB":
        yield from with_texts(function, world, label)
    for number, argument in enumerate(wanted):
        if typed.kind_of(argument) == "array":
            for mine, theirs in zip(several["A"][number], several["B"][number], strict=False):
                if isinstance(mine, list) and isinstance(theirs, list):
                    for label in "AB":
                        likeliest = [pool[0] for pool in several[label]]
                        yield _call(function, wanted, _with(likeliest, number, [*mine, *theirs]))


def with_texts(function: Function, world: World, label: str) -> Iterator[Call]:
    """Calls with values of one tenant, in which each argument in turn is one of the texts that stand in rows of B.

    Texts with which the schema itself calls the function come first, as the right that a policy asks for.
    """
    wanted = _wanted(function)
    likeliest = [candidates(argument, world, label)[0] for argument in wanted]
    texts: dict[tuple[str, str], list[str]] = {}
    for name, whose, row in world.made():
        for column, value in row.items() if whose == "B" else ():
            if isinstance(value, str):
                texts.setdefault((name, column), []).append(value)
    of_each = itertools.chain.from_iterable(values[:_STATES] for values in texts.values())
    handed = world.sources.handed.get(function.name, {})
    tried = dict.fromkeys([*handed, "", "%", *of_each, world.emails.get(world.tenants.users["B"], "")])
    for number, argument in enumerate(wanted):
        if typed.is_text(argument) and not _listed(argument, world):
            for value in tried:
                yield _call(function, wanted, _with(likeliest, number, value))


def likeliest(function: Function, world: World, label: str) -> dict[Argument, Any]:
    """The likeliest value of one tenant for each argument that has to be given."""
    return {argument: candidates(argument, world, label)[0] for argument in _wanted(function)}


def call_with(function: Function, usual: Mapping[Argument, Any], number: int, value: Any) -> Call:
    """The call with these values, in which the argument of that number is another one."""
    return call_of(function, {**usual, function.arguments[number]: value})


def call_of(function: Function, chosen: Mapping[Argument, Any]) -> Call:
    """The call with these values."""
    wanted = [argument for argument in function.arguments if argument in chosen]
    return _call(function, wanted, [chosen[argument] for argument in wanted])


def _with(values: list[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


def _wanted(function: Function) -> list[Argument]:
    return [argument for argument in function.arguments if not argument.has_default or argument.type == "uuid"]


def _call(function: Function, wanted: list[Argument], values: list[Any]) -> Call:
    arguments = [
        sql.SQL("{}{}%s{}").format(
            sql.SQL("variadic " if function.variadic and argument == function.arguments[-1] else ""),
            sql.SQL("{} => ").format(sql.Identifier(argument.name)) if argument.name else sql.SQL(""),
            sql.SQL("::{}").format(sql.SQL(argument.type)) if typed.is_cast(argument) else sql.SQL(""),
        )
        for argument in wanted
    ]
    verb = sql.SQL("call {}({})" if function.procedure else "select * from {}({})")
    statement = verb.format(sql.Identifier(function.schema, function.name), sql.SQL(", ").join(arguments))
    return Call(statement, values, not function.volatile, tuple(wanted))


def candidates(argument: Argument, world: World, label: str) -> list[Any]:
    """Values of the tenant's rows that the argument may stand for, the likeliest first; at least one."""
    kind = typed.kind_of(argument)
    if kind == "array":
        return [[value] for value in candidates(typed.element_of(argument), world, label)[:_PARTS]]
    if kind == "composite":
        rows_of = typed.composites(argument, world, label, lambda part: candidates(part, world, label))
        return list(dict.fromkeys(rows_of)) or [typed.sample(argument)]
    if base_of(argument) == "boolean":
        return [True, False]
    tenants = world.tenants
    rows = [(relation, row) for relation, whose, row in world.made() if whose == label]
    named = by_name(argument, world, label)
    if base_of(argument) in PAYLOADS:
        named = named or [payload for _, row in rows for payload in (row, [row])]
        return list(dict.fromkeys(fitting(value, argument) for value in named))[: 2 * KEYS_TRIED] or ["{}"]
    if is_key(argument):
        of_keys = KEYS[base_of(argument)]
        found = [value for value in named if isinstance(value, of_keys)]
        of_rows = [(relation, row) for relation, row in rows if not found or _is_akin(argument, relation)]
        keys = [key for relation, row in of_rows for key in key_of(world, relation, row)]
        if not found:
            keys += [tenants.ids[label], tenants.users[label]]
            others = list(dict.fromkeys(_unlinked(world, rows))) if of_keys is UUID else []
            keys = [
                *keys[: KEYS_TRIED - len(others)],
                *others,
                *keys,
            ]  # they may be what it is asked for, as a token is
        found += [value for value in keys if isinstance(value, of_keys)]
        if of_keys is int and not named:  # a number may be a year as well
            years = [value.year for _, row in rows for value in row.values() if isinstance(value, date)]
            found[1:1] = [max(years)] if years else []
        return list(dict.fromkeys(found)) or [1]
    named += [
        row[column.name]
        for relation, row in rows
        for column in world.relations[relation].columns
        if column.type == argument.type and not typed.is_text(argument) and row.get(column.name) is not None
    ]
    if base_of(argument) in _BOUNDS:
        bounds = [value.lower for _, row in rows for value in row.values() if isinstance(value, Range)]
        named += [bound for bound in bounds if type(bound) is _BOUNDS[base_of(argument)]]
    listed = _listed(argument, world)
    if typed.is_text(argument) and not named and not listed and isinstance(tenants.ids[label], str):
        named = [tenants.ids[label], typed.sample(argument)]
    found = [fitting(value, argument) for value in [*dict.fromkeys(listed), *named] if value is not None]
    return typed.let_in(argument, world, found[: len(listed) + _PARTS]) or [typed.sample(argument)]


def _unlinked(world: World, rows: Iterable[tuple[str, Row]]) -> Iterator[UUID]:
    """Values of columns that are neither keys nor refer to any; half as many as keys are tried at most."""
    found: list[UUID] = []
    for name, row in rows:
        relation = world.relations[name]
        linked = relation.referring
        bare = row.keys() - linked - {*relation.primary_key, world.tenancy.column_of(name)}
        found += [row[column] for column in sorted(bare) if isinstance(row[column], UUID)]
    yield from found[: KEYS_TRIED // 2]


def _crossed(world: World) -> Iterator[str]:
    """Rows of A in JSON, alone and in a list, in which what ties them to their tenant, or to another row, is B's."""
    for name, rows in world.tenants.rows.items():
        relation = world.relations[name]
        column = world.tenancy.column_of(name)
        changes: list[Row] = [{column: world.tenants.ids["B"]}] if column in rows["A"] else []
        for key in relation.foreign_keys:
            there = world.tenants.rows.get(key.target, {}).get("B")
            if there is not None:
                changes += [{here: there[target]} for here, target in key.columns]
        for change in changes:
            row = {**rows["A"], **change}
            yield from (_sent(row), _sent([row]))


def _parts(value: Any) -> Iterator[Any]:
    """The values in a list, however deep."""
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from _parts(part)


def _plain(argument: Argument) -> str:
    """The name of an argument without what marks it as one."""
    return _PREFIX.sub("", argument.name.lower()).strip("_")


def _is_akin(argument: Argument, relation: str) -> bool:
    """Whether the relation is called after what the argument is called after: ``notes_archive`` for ``note_id``."""
    noun = _plain(argument).removesuffix("id").strip("_")
    return not {noun, f"{noun}s", f"{noun}es"}.isdisjoint(relation.partition(".")[2].split("_"))


def key_of(world: World, relation: str, row: Row) -> list[Any]:
    """The key of a row, where it is one column, but for that of the tenant."""
    key = set(world.relations[relation].primary_key) if relation in world.relations else set()
    if len(key) > 1:
        key -= {world.tenancy.column_of(relation)}
    return [row[column] for column in key if column in row] if len(key) == 1 else []


def _listed(argument: Argument, world: World) -> list[str]:
    """The values to which a column is held after which the argument is named."""
    name = _plain(argument)
    return [value for column, values in world.maker.listed.items() if name.endswith(column) for value in values]


def distinct(calls: Iterable[Call]) -> Iterator[Call]:
    """Each call once."""
    known: set[tuple[str, str]] = set()
    for call in calls:
        key = (call.statement.as_string(None), repr(call.values))
        if key not in known:
            known.add(key)
            yield call


def by_name(argument: Argument, world: World, label: str) -> list[Any]:
    """Values of the tenant's rows that the name of the argument speaks of."""
    name = _plain(argument)
    tenants = world.tenants
    rows = [(relation, row) for relation, whose, row in world.made() if whose == label]
    named: list[Any] = []
    for relation, row in rows:
        table = relation.partition(".")[2]
        for noun in (table, table.removesuffix("s"), table.removesuffix("es")):
            if name in (noun, f"{noun}id"):
                named += key_of(world, relation, row)
            elif name.startswith(f"{noun}_"):
                named.append(row.get(name.removeprefix(f"{noun}_")))
    if name in (world.tenancy.column, "tenant_id", "org_id", "organization_id"):
        named.append(tenants.ids[label])
    if name in ("user_id", "uid", "owner_id", "member_id", "profile_id"):
        named.append(tenants.users[label])
    if "mail" in name:
        named.append(world.emails.get(tenants.users[label]))
    named += [row[name] for _, row in rows if name != "id" and row.get(name) is not None]
    named += [
        row.get(column)
        for relation, row in rows
        for target, column in world.referred.get(name, ())
        if target == relation
    ]
    # nothing comes of a number that is 0, and less of what another tenant has as well
    return sorted(
        (value for value in named if value is not None),
        key=lambda value: (type(value) is int and not value, str(value) in world.shared),
    )


def _sent(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else value
