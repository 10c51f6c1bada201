"""Requests that the server sends: what a caller of a function decides of them.

The stand-ins of http, pg_net and dblink send nothing and write down what was asked for. Whoever is no member of any
tenant calls with texts that nobody else has. A request that has one of them in its address or body does what its caller
wants, with the rights that the server has there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Argument, Function
from pgassay.checks.finding import ERROR, NOTE, Finding
from pgassay.checks.isolation import secrets, typed
from pgassay.checks.isolation.arguments import Call, call_with, calls_of, likeliest
from pgassay.checks.isolation.belonging import MARKER_LENGTH
from pgassay.checks.isolation.bodies import Bodies
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.nesting import leaves, merged, nested
from pgassay.checks.isolation.relations import Found
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Clone, Session

CHOSEN_REQUEST = "chosen-request"
"""The rule of requests that anybody decides."""
_READING = ("GET", "HEAD", "OPTIONS", "SELECT")
"""Methods that change nothing where they are sent."""
_CALLS = 8
"""So many calls with ids of a tenant are tried besides those with texts."""
_DBLINK = "pgassay_dblink_calls"
_STATEMENT, _QUERY = "statement", "SELECT"
"""What stands for a method where a statement is sent: a query whose form is fixed, and any other."""
_QUOTED = "chosen'by-the-caller-{}"
"""A text that is a value in a statement only if it is quoted."""
_RECORDS = """
select n.nspname, c.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind = 'r'
    and (
        c.relname in ('pgassay_http_requests', 'pgassay_dblink_calls')
        or (n.nspname = 'net' and c.relname = 'http_request_queue')
    )
"""
"""Where requests are written down: by the stand-ins of http and dblink, and by pg_net itself."""
_OF_HTTP = sql.SQL("select r.method::pg_catalog.text, r.uri::pg_catalog.text, r.content::pg_catalog.text from {} as r")
_OF_NET = sql.SQL("""
select r.method::pg_catalog.text, r.url, pg_catalog.convert_from(r.body, 'UTF8') from {} as r
""")
_OF_DBLINK = sql.SQL("select 'statement', r.connection, r.statement from {} as r")
_FORMS = {"http_request_queue": _OF_NET, _DBLINK: _OF_DBLINK}
_FUNCTION = sql.SQL("""
create function pgassay_probe.requests()
returns table (method pg_catalog.text, place pg_catalog.text, body pg_catalog.text)
language plpgsql security definer set search_path = pg_catalog as {body};
revoke all on function pgassay_probe.requests() from public, {roles};
grant execute on function pgassay_probe.requests() to {login}, {owner}
""")
_AS_WHO_LOGGED_IN: LiteralString = "select pg_catalog.set_config('role', 'none', true)"
_REQUESTS: LiteralString = "select method, place, body from pgassay_probe.requests()"

Request = tuple[str, str, str]
"""The method, the address and the body."""


def install(world: World, filled: Clone) -> None:
    """Make it possible for a session of the API to see the requests, where any can be sent."""
    records = world.ask(_RECORDS)
    if not records:
        return
    parts = [_FORMS.get(name, _OF_HTTP).format(sql.Identifier(schema, name)) for schema, name in records]
    body = sql.SQL("begin return query {}; end").format(sql.SQL(" union all ").join(parts))
    ((owner,),) = world.ask("select session_user::pg_catalog.text")
    with filled.connect_as_admin() as admin:
        admin.execute(
            _FUNCTION.format(
                body=sql.Literal(body.as_string(None)),
                roles=sql.SQL(", ").join(map(sql.Identifier, world.platform.roles.api)),
                login=sql.Identifier(world.platform.roles.login),
                owner=sql.Identifier(owner),
            )
        )


class Outbound:
    """The requests that calls of functions make the server send."""

    def __init__(self, world: World, bodies: Bodies, secrets: Secrets) -> None:
        self._world = world
        self._bodies = bodies
        self._secrets = secrets
        records = {name for _, name in world.ask(_RECORDS)}
        self.can_be_sent = bool(records)
        self._are_statements_sent = _DBLINK in records
        self.probes = 0
        self._before: dict[Session, Counter[Request]] = {}

    def sent(self, session: Session, call: Call) -> list[Request]:
        """The requests that a call sends; none where it fails."""
        if not self.can_be_sent or call.reading:
            return []
        self.probes += 1
        if session not in self._before:
            self._before[session] = _counted(session.attempt(sql.SQL(_AS_WHO_LOGGED_IN), [], _REQUESTS)[-1].rows)
        try:
            results = session.attempt(call.statement, call.values, _AS_WHO_LOGGED_IN, _REQUESTS)
        except psycopg.Error:
            if session.closed:
                raise
            return []
        return list((_counted(results[-1].rows) - self._before[session]).elements())

    def chosen(self, session: Session, call: Call) -> list[tuple[Request, str]]:
        """The requests of a call that have a value of it in the address or body, and that value; writing ones first."""
        given = {part for value in call.known for part in _within(value) if len(part) >= MARKER_LENGTH}
        found = [
            (_as_sent(request, value), value)
            for request in self.sent(session, call)
            for value in sorted(given)
            if value in request[1] or value in request[2]
        ]
        return sorted(found, key=lambda each: each[0][0].upper() in _READING)

    def try_all(self, session: Session, function: Function, actors: Sequence[Actor]) -> Found | None:
        """What somebody decides who is no member of any tenant: the worst."""
        if not self.can_be_sent or not function.volatile:
            return None
        best: Found | None = None
        calls = [*self._calls(function)]
        for actor in actors:
            if actor.own or actor.may_all or actor.forged or actor.identity.role not in function.roles:
                continue
            with actor.enter(session):
                kept = self._secrets.kept_from(session, actor)
                for call in secrets.without(calls, kept):
                    for request, value in self.chosen(session, call)[:1]:
                        found = self._found(session, function, actor, call, request, value)
                        if found[0].severity == ERROR:
                            return found
                        best = best or found
        return best

    def _calls(self, function: Function) -> Iterator[Call]:
        """Calls with texts that nobody else has, in all places and in each, and with ids."""
        usual = likeliest(function, self._world, "B")
        places = {
            number: value
            for number, argument in enumerate(function.arguments)
            if (value := self._value(function, argument, number)) is not None
        }
        everywhere = {**usual, **{function.arguments[number]: value for number, value in places.items()}}
        for number, value in places.items():
            yield call_with(function, everywhere, number, value)
            yield call_with(function, usual, number, value)
        if self._are_statements_sent:
            for number, argument in enumerate(function.arguments):
                if typed.is_text(argument):
                    yield call_with(function, everywhere, number, _QUOTED.format(number))
        for call, _ in zip(calls_of(function, self._world, "B"), range(_CALLS), strict=False):
            yield call

    def _value(self, function: Function, argument: Argument, number: int) -> Any:
        """A value that is made up, for texts and JSON."""
        text = f"chosen-by-the-caller-{number}"
        if typed.base_of(argument) in typed.PAYLOADS:
            payload: dict[str, Any] = {"chosen": text}
            for path in self._bodies.keys(f"{function.schema}.{function.name}"):
                payload = merged(payload, nested(path, text))
            return json.dumps(payload)
        if typed.kind_of(argument) == "array":
            return [text] if typed.is_text(typed.element_of(argument)) else None
        return text if typed.is_text(argument) else None

    def _found(
        self, session: Session, function: Function, actor: Actor, call: Call, request: Request, value: str
    ) -> Found:
        method, place, _ = request
        is_read = method.upper() in _READING

        def holds(now: Session) -> bool:
            return any((each[0].upper() in _READING) == is_read for each, _ in self.chosen(now, call))

        roles = self._world.platform.roles
        is_statement = method in (_STATEMENT, _QUERY)
        where = "address" if value in place else _STATEMENT if is_statement else "body"
        request_of = "that" if is_statement else f"of a {method} request that"
        finding = Finding(
            CHOSEN_REQUEST,
            function.signature,
            f"{actor.name} decides the {where} {request_of} the server sends to {place or 'a connection'}",
            f"Let {function.schema}.{function.name} take the {where} of the request from rows of the caller's tenant, "
            f"or revoke execute from public, {roles.told} and let the back end call it as {roles.back_end}.",
            NOTE if is_read else ERROR,
            actor.name,
            session.bound(call.statement, call.values),
            door="call",
            expected="no request, or one in which the caller decides nothing",
        )
        return finding, Probe(actor, holds)


def _counted(rows: Iterable[Sequence[Any]]) -> Counter[Request]:
    return Counter((method or "", place or "", body or "") for method, place, body in rows)


def _as_sent(request: Request, value: str) -> Request:
    """The request; of a query with the value as nothing but a constant in it, as one that only reads."""
    method, place, body = request
    if method != _STATEMENT or value in place:
        return request
    trees = [*sqltree.statements(body)]
    is_query = bool(trees) and all(sqltree.kind(tree) == "SelectStmt" for tree in trees)
    constants = {str(constant) for tree in trees for constant in sqltree.constants(tree)}
    is_constant = any(value in constant for constant in constants)
    return (_QUERY if is_query and is_constant else method), place, body


def _within(value: str) -> Iterator[str]:
    """A value, and those within it where it is JSON."""
    yield value
    if value[:1] in ("{", "["):
        try:
            yield from leaves(json.loads(value))
        except ValueError:
            return
