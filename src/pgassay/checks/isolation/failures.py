"""What fails for everybody: a policy that asks itself, a function that names what is not there.

Nothing is kept from anybody by an error, and nothing is shown to anybody. A statement that ends with such an error for
each identity that the tenancy entitles is a finding, with the policy or function that is at fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import psycopg
from psycopg import sql

from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import OPERATIONS, Actor, Probe
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import RAISED
from pgassay.identity import Session

Failed = tuple[tuple[Finding, Probe], list[str]]
"""What was found, and the operations that it is about."""
POLICY_ERROR = "policy-error"
BROKEN_FUNCTION = "broken-function"
FAILURES = (POLICY_ERROR, BROKEN_FUNCTION)
"""The rules of what fails for everybody."""
RECURSION, DEPTH = "42P17", "54001"
ENDLESS = frozenset({RECURSION, DEPTH})
"""Policies or functions that ask themselves, by the error that ends it; the second takes long, so once is enough."""
MISSING = frozenset({"42P01", "42883", "42703", "42804"})
"""A relation, function or column that is not there, or is of another type."""
_BAD_VALUE, _NO_RIGHT, _READ_ONLY = "22P02", "42501", "25006"
_ACL = "aclcheck_error"
"""The function of PostgreSQL's that says which right is missing; policies speak by another one."""
_EDGES = """
select
    'r' || c.oid, pg_catalog.concat(n.nspname, '.', c.relname), c.relname::pg_catalog.text, p.polname::pg_catalog.text,
    array(
        select 'r' || o.oid from pg_catalog.pg_class as o
        where pg_catalog.strpos(
            pg_catalog.concat(p.polqual, p.polwithcheck), pg_catalog.concat(':relid ', o.oid, ' ')
        ) > 0
    ),
    array(
        select 'f' || d.refobjid from pg_catalog.pg_depend as d
        where
            d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
            and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    ),
    false, ''
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_policy as p on p.polrelid = c.oid
where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
union all
select
    'r' || c.oid, pg_catalog.concat(n.nspname, '.', c.relname), c.relname::pg_catalog.text, null,
    array(select 'r' || d.refobjid from pg_catalog.pg_depend as d where
        d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> c.oid),
    array(select 'f' || d.refobjid from pg_catalog.pg_depend as d where
        d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
        and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass),
    false, ''
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
join pg_catalog.pg_rewrite as w on w.ev_class = c.oid
where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
union all
select
    'f' || p.oid, p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proname::pg_catalog.text, null,
    array(select 'r' || d.refobjid from pg_catalog.pg_depend as d where
        d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass),
    array(select 'f' || d.refobjid from pg_catalog.pg_depend as d where
        d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
        and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass),
    p.prosecdef, p.prosrc
from pg_catalog.pg_proc as p
where p.oid >= 16384 and p.prokind in ('f', 'p')
union all
select
    'r' || t.tgrelid, null, null, null, array[]::pg_catalog.text[], array['f' || t.tgfoid], false, ''
from pg_catalog.pg_trigger as t
where not t.tgisinternal
"""

_RIGHTS = """
select pg_catalog.bool_and(pg_catalog.has_table_privilege(r, pg_catalog.to_regclass(%(table)s), p))
from pg_catalog.unnest(%(roles)s::pg_catalog.text[]) as r
cross join pg_catalog.unnest(%(privileges)s::pg_catalog.text[]) as p
"""


@dataclass(frozen=True)
class _Node:
    """A relation or function: what it is called, and what it asks; ``policies`` are what each of its policies asks."""

    shown: str
    name: str
    is_definer: bool
    asks: set[str] = field(default_factory=set)
    policies: dict[str, set[str]] = field(default_factory=dict)


class Faults:
    """Which policy or function is at fault, by what asks what in the catalog."""

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def _nodes(self) -> dict[str, _Node]:
        found: dict[str, _Node] = {}
        asked: list[tuple[str, set[str]]] = []
        sources: dict[str, str] = {}
        for key, shown, name, policy, relations, functions, is_definer, source in self._world.ask(_EDGES):
            if shown is None:
                asked.append((key, {*functions}))
                continue
            if source:
                sources[key] = source
            node = found.setdefault(key, _Node(shown, name, is_definer))
            node.asks.update(relations, functions)
            if policy is not None:
                node.policies.setdefault(policy, set()).update(relations, functions)
        for key, functions in asked:
            if key in found:
                found[key].asks.update(functions)
        for key, source in sources.items():  # a body that is text: what is named in it
            found[key].asks.update(other for other, node in found.items() if other != key and _names(node.name, source))
        return found

    def _reached(self, start: Iterable[str], *, definers: bool = True) -> list[str]:
        """What is asked from there on, the nearest first."""
        found: dict[str, None] = {}
        left = [*start]
        while left:
            key = left.pop(0)
            node = self._nodes.get(key)
            if node is not None and key not in found and (definers or not node.is_definer):
                found[key] = None
                left += sorted(node.asks)
        return [*found]

    def of(self, name: str, error: psycopg.Error) -> list[str]:
        """The policies or functions at fault for the error that a statement on that relation, or a call, ends with."""
        starts = [key for key, node in self._nodes.items() if node.shown == name]
        reached = self._reached(starts)
        if error.sqlstate in ENDLESS:
            return self._circles(reached)
        words = [error.diag.message_primary or ""] if error.sqlstate == _NO_RIGHT else [error.diag.context or ""]
        named = [
            f"{'function' if key.startswith('f') else 'table'} {self._nodes[key].shown}"
            for key in reached
            if key not in starts and any(_names(self._nodes[key].name, text) for text in words)
        ]
        if error.sqlstate == _NO_RIGHT:
            return named[:1]
        return named[-1:] or [
            f"policy {policy} on {self._nodes[key].shown}" for key in starts for policy in self._nodes[key].policies
        ]

    def _circles(self, reached: Iterable[str]) -> list[str]:
        """The policies from which one gets back to their own relation, else functions that get back to themselves."""
        policies = [
            f"policy {policy} on {self._nodes[key].shown}"
            for key in reached
            for policy, asks in self._nodes[key].policies.items()
            if key in self._reached(sorted(asks), definers=False)
        ]
        return policies or [
            f"function {self._nodes[key].shown}"
            for key in reached
            if key.startswith("f") and key in self._reached(sorted(self._nodes[key].asks))
        ]


def _names(name: str, text: str) -> bool:
    """Whether a name stands in what PostgreSQL said, as a word of its own."""
    before, found, after = text.partition(name)
    while found:
        if not (before[-1:].isalnum() or before[-1:] == "_" or after[:1].isalnum() or after[:1] == "_"):
            return True
        before, found, after = after.partition(name)
    return False


def is_endless(error: psycopg.Error) -> bool:
    """Whether policies or functions ask themselves."""
    return error.sqlstate in ENDLESS and error.diag.source_function != RAISED


@dataclass(frozen=True)
class Failure:
    """The error that a statement of somebody with that ``role`` ended with."""

    error: psycopg.Error
    statement: str
    role: str


@dataclass
class Failures:
    """The errors with which the statements of each identity ended at one relation, by operation.

    Reading comes to no end ``endless_for`` these roles; what else ends nowhere for one of such a role, does for all.
    """

    endless_for: frozenset[str] = frozenset()
    _found: dict[str, dict[str, Failure]] = field(default_factory=dict)

    def note(self, operation: str, actor: Actor, error: psycopg.Error, session: Session) -> None:
        """The first that counts: what comes later may come of other values."""
        statement = session.statement if isinstance(session.statement, str) else ""
        self._found.setdefault(operation, {}).setdefault(actor.name, Failure(error, statement, actor.identity.role))

    def forget(self, operations: Iterable[str], actor: Actor) -> None:
        """What these ended with for the actor, who succeeded another time."""
        for operation in operations:
            self._found.get(operation, {}).pop(actor.name, None)

    def of(self, operation: str, actor: Actor) -> Failure | None:
        """What the operation ended with for the actor."""
        found, role = self._found.get(operation, {}), actor.identity.role
        if actor.name in found or role not in self.endless_for:
            return found.get(actor.name)
        return next((each for each in found.values() if each.role == role and is_endless(each.error)), None)

    def is_endless(self, operation: str, actor: Actor) -> bool:
        """Whether that operation came to no end for the actor."""
        failure = self.of(operation, actor)
        return failure is not None and is_endless(failure.error)

    def of_all(self, operation: str, actors: Iterable[Actor]) -> dict[str, Failure]:
        """The failures of these actors where all of them had one."""
        found = {actor.name: self.of(operation, actor) for actor in actors}
        return {name: failure for name, failure in found.items() if failure} if all(found.values()) else {}


def judge(world: World, faults: Faults, name: str, failures: Failures, actors: Iterable[Actor]) -> Iterator[Failed]:
    """A finding for each error with which operations fail on that relation for all who are entitled, with those."""
    everybody = [*actors]
    entitled = [actor for actor in everybody if actor.own and not actor.may_all]
    of_state: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        found = failures.of_all(operation, entitled)
        if any(failure.error.sqlstate == _NO_RIGHT for failure in found.values()) and not _may(
            world, name, operation, entitled
        ):
            continue  # it is closed by a right that is missing
        if found and all(_is_the_schemas(world, name, failure.error) for failure in found.values()):
            of_state.setdefault(found[entitled[0].name].error.sqlstate or "", []).append(operation)
    for operations in of_state.values():
        failed = _failed(faults, name, operations, failures, entitled[0], [a for a in everybody if a.may_all])
        if failed is not None:
            yield failed, operations


def _may(world: World, name: str, operation: str, actors: Iterable[Actor]) -> bool:
    """Whether all of them have the right to do it, and so it is another one that is missing."""
    relation = world.relations[name]
    roles = list({actor.identity.role for actor in actors})
    wanted = ["select"] if operation == "select" else [operation, "select"] if operation != "insert" else ["insert"]
    table = sql.Identifier(relation.schema, relation.name).as_string(None)
    ((may,),) = world.ask(_RIGHTS, {"roles": roles, "table": table, "privileges": wanted})
    return relation.kind == "table" and bool(may)


def _failed(
    faults: Faults, name: str, operations: list[str], failures: Failures, first: Actor, passing: Iterable[Actor]
) -> tuple[Finding, Probe] | None:
    operation = operations[0]
    failure = failures.of(operation, first)
    assert failure is not None
    at_fault = faults.of(name, failure.error)
    if failure.error.sqlstate == _NO_RIGHT and not at_fault:
        return None
    beyond = [failures.of(operation, actor) for actor in passing]
    is_policy = not any(other and other.error.sqlstate == failure.error.sqlstate for other in beyond)
    finding = Finding(
        POLICY_ERROR if is_policy else BROKEN_FUNCTION,
        name,
        f"nobody who may {' or '.join(operations)} can: {first.name} gets {said(failure.error)}",
        _mend(failure.error, at_fault),
        "error",
        first.name,
        failure.statement,
        operation,
        "an answer",
        ", ".join(at_fault),
    )

    def holds(session: Session) -> bool:
        try:
            with session.transaction(force_rollback=True):
                session.begin_request(reading=operation == "select")
                session.execute(failure.statement.encode())
        except psycopg.Error as error:
            if session.closed:
                raise
            return error.sqlstate == failure.error.sqlstate
        return False

    return finding, Probe(first, holds)


def said(error: psycopg.Error) -> str:
    """The SQLSTATE and PostgreSQL's words."""
    return f"{error.sqlstate} ({error.diag.message_primary})"


def _is_the_schemas(world: World, name: str, error: psycopg.Error) -> bool:
    """Whether the error comes of the schema, and not of values that were made up, nor of a right that is missing."""
    if error.diag.source_function == RAISED:
        return False
    if error.sqlstate in ENDLESS or error.sqlstate in MISSING or error.sqlstate == _READ_ONLY:
        return True
    if error.sqlstate == _NO_RIGHT:
        return error.diag.source_function == _ACL
    if error.sqlstate == _BAD_VALUE:
        words = error.diag.message_primary or ""
        return not any(
            f'"{part}"' in words
            for made, _, row in world.made()
            if made == name
            for value in row.values()
            if isinstance(value, str)
            for part in (value, *value.split("/"))
        )
    return False


def _mend(error: psycopg.Error, at_fault: Collection[str]) -> str:
    where = f" in {' or '.join(at_fault)}" if at_fault else ""
    if error.sqlstate in ENDLESS:
        return (
            f"Ask{where} by a function with the rights of its owner (security definer, set search_path = '') what is "
            "asked of the table itself, so that its policies are not asked again."
        )
    if error.sqlstate == _NO_RIGHT:
        return f"Grant the roles of the policy the right to use {' and '.join(at_fault)}, or do not ask it there."
    if error.sqlstate == _READ_ONLY:
        return f"Write nothing{where}: the API reads, and calls what is not volatile, in READ ONLY transactions."
    return f"Name{where} what is there, with its schema."


def broken_call(
    signature: str,
    error: psycopg.Error,
    statement: str,
    actor: Actor,
    *,
    policies: bool,
    at_fault: Collection[str] = (),
) -> Finding:
    """The finding for a function of which every call fails; ``policies`` says that those of tables are to blame."""
    return Finding(
        POLICY_ERROR if policies else BROKEN_FUNCTION,
        signature,
        f"no call comes to its end: {actor.name} gets {said(error)}",
        _mend(error, at_fault if policies else [f"function {signature}"]),
        "error",
        actor.name,
        statement,
        "call",
        "an answer",
        ", ".join(at_fault) if policies else f"function {signature}",
    )


def is_broken(error: psycopg.Error) -> bool:
    """Whether a call fails whatever it is given: within the function, and not because it was called wrongly."""
    is_within = error.diag.context is not None
    return error.diag.source_function != RAISED and (
        error.sqlstate in ENDLESS or (error.sqlstate in MISSING and is_within) or error.sqlstate == _READ_ONLY
    )
