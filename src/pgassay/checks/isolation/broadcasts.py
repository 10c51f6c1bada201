"""Broadcasts: messages that triggers and functions send through Realtime, and who hears them.

``realtime.send`` writes a row of ``realtime.messages``. A message that is not private goes to whoever knows the name of
its topic. A private one goes to those whom the policies let read messages of that topic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Function
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import secrets
from pgassay.checks.isolation.arguments import calls_of, distinct
from pgassay.checks.isolation.effects import Attempt
from pgassay.checks.isolation.gains import anew_after
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.realtime import MESSAGES
from pgassay.checks.isolation.relations import Found, shortened
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Clone, Session
from pgassay.schema.sources import Function as Source

_SENDING = {"realtime.send", "realtime.broadcast_changes"}
_CALLS = 12
"""So many calls of a function are looked at."""
_THERE: LiteralString = "select from pg_catalog.pg_class as c where c.oid = pg_catalog.to_regclass('realtime.messages')"
_FUNCTION = sql.SQL("""
create function pgassay_probe.messages()
returns table (id pg_catalog.text, topic pg_catalog.text, private pg_catalog.bool, payload pg_catalog.jsonb)
language sql security definer set search_path = pg_catalog as {body};
revoke all on function pgassay_probe.messages() from public, {roles};
grant execute on function pgassay_probe.messages() to {login}, {owner}
""")
_BODY: LiteralString = "select m.id::pg_catalog.text, m.topic, m.private, m.payload from realtime.messages as m"
_AS_WHO_LOGGED_IN: LiteralString = "select pg_catalog.set_config('role', 'none', true)"
_SENT: LiteralString = "select id, topic, private, payload from pgassay_probe.messages()"
_JOIN: LiteralString = "select pg_catalog.set_config('realtime.topic', %s, true)"
_HEAR: LiteralString = "select from realtime.messages where id::pg_catalog.text = %s"

Message = tuple[str, str, bool, Any]
"""The id, the topic, whether it is private, and the payload."""


def sending(world: World) -> set[Source]:
    """The functions that send messages themselves."""
    return {one for one in world.sources.functions if _sends(one)}


def _sends(function: Source) -> bool:
    if not function.is_parsed:
        return "realtime" in function.definition
    trees = function.trees
    called = {sqltree.called(node) for tree in trees for node in sqltree.walk(tree)}
    return bool(called & _SENDING) or any(MESSAGES in sqltree.tables(tree) for tree in trees)


def install(world: World, filled: Clone) -> None:
    """Make it possible for a session of the API to see the messages, where any can be sent."""
    if not sending(world) or not world.ask(_THERE):
        return
    ((owner,),) = world.ask("select session_user::pg_catalog.text")
    with filled.connect_as_admin() as admin:
        admin.execute(
            _FUNCTION.format(
                body=sql.Literal(_BODY),
                roles=sql.SQL(", ").join(map(sql.Identifier, world.platform.roles.api)),
                login=sql.Identifier(world.platform.roles.login),
                owner=sql.Identifier(owner),
            )
        )


class Broadcasts:
    """What ``others``, who are not of A, hear of what members of A do."""

    def __init__(self, world: World, others: Iterable[Actor]) -> None:
        self._world = world
        self._sending = sending(world) if world.ask(_THERE) else set()
        self._others = [actor for actor in others if "A" not in actor.own and not actor.may_all and not actor.forged]
        self._secrets = Secrets(world)
        self.probes = 0

    # triggers

    def try_attempt(self, api: Session, attempt: Attempt, fired: Iterable[str]) -> Found | None:
        """What others hear of a statement that made triggers fire."""
        table = attempt.target.relation.full_name
        texts = [one.text for one in self._world.triggers if one.table == table and one.name in {*fired}]
        if not any(function.definition in text for function in self._sending for text in texts):
            return None
        statement = api.bound(attempt.statement, attempt.values)
        advice = f"Let the triggers on {table} send it as private, to a topic that is called after the tenant."
        return self._judged(api, attempt.actor, statement, (table, attempt.operation, advice))

    def try_function(self, api: Session, function: Function, actors: Iterable[Actor]) -> Found | None:
        """What others hear of calls of a function by members of A."""
        name = f"{function.schema}.{function.name}"
        called = self._world.sources.behind(name)
        if self._sending.isdisjoint(called) or not function.volatile:
            return None
        advice = f"Let {name} send it as private, to a topic that is called after the tenant."
        for actor in actors:
            if actor.identity.role not in function.roles:
                continue
            with actor.enter(api):
                kept = self._secrets.kept_from(api, actor)
            calls = secrets.without(distinct(calls_of(function, self._world, "A")), kept)
            for call in itertools.islice(calls, _CALLS):
                statement = api.bound(call.statement, call.values)
                found = self._judged(api, actor, statement, (function.signature, "call", advice))
                if found is not None:
                    return found
        return None

    # who hears it

    def _judged(self, api: Session, actor: Actor, statement: str, place: tuple[str, str, str]) -> Found | None:
        heard = self._heard(api, actor, statement)
        if heard is None:
            return None
        who, topic, value = heard
        name, door, advice = place

        def holds(session: Session) -> bool:
            return self._heard(session, actor, statement) is not None

        finding = Finding(
            Verdict.LEAKS.rule,
            name,
            f'{actor.name} makes it send {shortened(value)} to the topic "{topic}", which {who}',
            advice,
            identity=actor.name,
            statement=statement,
            door=door,
            expected="no message with values of a tenant that others hear",
        )
        return finding, Probe(actor, holds)

    def _heard(self, api: Session, actor: Actor, statement: str) -> tuple[str, str, str] | None:
        """Who hears a message of the statement, its topic, and a value of the tenant in it."""
        self.probes += 1
        try:
            before = {key for key, *_ in self._messages(api, actor)}
            with anew_after(api, actor, ["set constraints all immediate", statement]):
                sent = [message for message in self._messages(api, actor) if message[0] not in before]
                return next(filter(None, (self._hearers(api, message) for message in sent)), None)
        except psycopg.Error:
            if api.closed:
                raise
            return None

    def _hearers(self, api: Session, message: Message) -> tuple[str, str, str] | None:
        _, topic, private, payload = message
        value = next(self._values(topic, payload), None)
        if value is None:
            return None
        if not private:
            return "is public: whoever knows its name hears it", topic, value
        if self._world.labels([topic]):
            return None  # topics that are called after a tenant are tried as doors
        who = next((other.name for other in self._others if self._hears(api, message, other)), None)
        return (f"{who} may join", topic, value) if who is not None else None

    def _values(self, topic: str, payload: Any) -> Iterator[str]:
        """The values of A in a payload, but for those in the name of the topic."""
        for value in leaves(payload):
            if value not in topic and "A" in self._world.labels([value]):
                yield value

    def _messages(self, api: Session, actor: Actor) -> list[Message]:
        """All messages that there are."""
        with actor.enter(api):
            api.execute(_AS_WHO_LOGGED_IN)
            return [(key, topic, bool(private), load) for key, topic, private, load in api.execute(_SENT).fetchall()]

    def _hears(self, api: Session, message: Message, other: Actor) -> bool:
        """Whether somebody else may read the message in its topic, which is what Realtime asks."""
        self.probes += 1
        key, topic, _, _ = message
        try:
            with other.enter(api):
                api.execute(_JOIN, [topic])
                return api.execute(_HEAR, [key]).rowcount > 0
        except psycopg.Error:
            if api.closed:
                raise
            return False
