"""Realtime as a door: messages in topics of each tenant, where the project has made policies for them.

Realtime asks who may join a topic as follows: the setting ``realtime.topic`` has the name of the topic, and whoever
reads a row of ``realtime.messages`` by its id, of the extension in question, may listen; whoever inserts one may send.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.checks.isolation import costs
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import Write
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import Row
from pgassay.schema import topics
from pgassay.schema.topics import EXTENSIONS, Topics

MESSAGES = "realtime.messages"
_CHILDREN = 2
"""Topics are called after rows of so many tables."""
_CONSTANTS = 6
_INSERT: LiteralString = """
insert into realtime.messages (topic, extension, event, private) values (%s, %s, 'pgassay', true) returning *
"""
_TOPIC = sql.SQL("set local realtime.topic = {};\n{}")
_READ = sql.SQL("select id from realtime.messages where id = {}")
_SEND = sql.SQL("insert into realtime.messages (topic, extension, event, private) values ({}, {}, 'pgassay', true)")


def fill(world: World) -> dict[str, str]:
    """Make a message of each extension in each topic that may be a tenant's; and in those that are nobody's.

    Gives why that could not be done, if so.
    """
    unfilled: dict[str, str] = {}
    if MESSAGES not in world.relations:
        return unfilled
    with costs.only(MESSAGES, unfilled), world.connection.transaction():
        asked = topics.read(world.sources)
        made = [
            (label, _made(world, topic, extension))
            for label in LABELS
            for topic in _topics(world, label, asked)
            for extension in EXTENSIONS
        ]
        for topic, extension in itertools.product(asked.constants[:_CONSTANTS], EXTENSIONS):
            _made(world, topic, extension)
        world.more[MESSAGES] = made
    if unfilled:
        world.more.pop(MESSAGES, None)
    return unfilled


def _made(world: World, topic: str, extension: str) -> Row:
    with world.connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_INSERT, [topic, extension]).fetchone()
    assert row is not None
    return row


def _topics(world: World, label: str, asked: Topics) -> list[str]:
    """The topics of a tenant: called after it, its member, and its rows in tables that the policies read."""
    tenants, member = world.tenants, world.tenancy.member
    apart = {world.tenancy.tenant, *world.tenancy.public, *([member.table] if isinstance(member, Membership) else [])}
    children = (
        str(row[relation.primary_key[0]])
        for name, relation in sorted(world.relations.items())
        if name not in apart and {name, relation.name} & asked.tables and len(relation.primary_key) == 1
        if (row := tenants.rows.get(name, {}).get(label)) is not None
    )
    ids = [str(tenants.ids[label]), str(tenants.users[label]), *itertools.islice(children, _CHILDREN)]
    found = (f"{before}{one}{after}" for one in ids for before, after in asked.forms)
    return [*dict.fromkeys(found)]


class Messages(Target):
    """``realtime.messages``: a row is whose name stands in its topic."""

    _shown: dict[str, str]
    """The statement by which whoever read last listens to a topic of a tenant."""

    def _find_rows(self) -> tuple[tuple[str, ...], dict[Any, str]]:
        return ("id",), {(row["id"],): label for label, row in self.world.more[MESSAGES]}

    @property
    def is_whole(self) -> bool:
        """What is seen hangs on the topic that is asked for."""
        return False

    @property
    def _is_free(self) -> bool:
        return False

    def read(self, session: Session) -> set[str]:
        """The tenants of whose topics somebody may listen to one."""
        rows = self.world.more[MESSAGES]
        if session is self.world.connection:
            return {label for label, _ in rows}
        reads = [_TOPIC.format(sql.Literal(row["topic"]), _READ.format(sql.Literal(str(row["id"])))) for _, row in rows]
        self._shown = {}
        results, _ = session.attempts([(read, ()) for read in reads], reading=True)
        found: set[str] = set()
        for (label, _), read, result in zip(rows, reads, results, strict=False):
            if not isinstance(result, psycopg.Error) and result.rows:
                found.add(label)
                self._shown.setdefault(label, session.bound(read))
        refused = next((result for result in results if isinstance(result, psycopg.Error)), None)
        if refused is not None and not found:
            raise refused
        return found

    def _demonstrated(self, operation: str, foreign: set[str], _actor: Actor) -> tuple[str, str]:
        if operation == "select":
            return next((self._shown[label] for label in sorted(foreign)), ""), ""
        return self.statements[operation, min(foreign)], ""

    def _inserts(self, api: Session, label: str, actor: Actor) -> bool:
        sent = [row for whose, row in self.world.more[MESSAGES] if whose == label]
        return any(self.goes_in(api, label, actor, row) for row in sent)

    def goes_in(self, api: Session, label: str, _actor: Actor, values: Row) -> bool:
        """Whether a message can be sent to the topic of that row."""
        topic, extension = sql.Literal(values["topic"]), sql.Literal(values["extension"])
        statement = _TOPIC.format(topic, _SEND.format(topic, extension))
        if not self.counted(api, statement, []):
            return False
        self.show("insert", label, api, Write(statement, []))
        return True

    def insertions(self, _label: str, _actor: Actor) -> Iterator[Row]:
        """There is nothing to be varied."""
        yield from ()

    def _update(self, _api: Session, _actor: Actor) -> set[str]:
        return set()

    def _delete(self, _api: Session, _actor: Actor) -> set[str]:
        return set()

    def sweeping(self, _actor: Actor, _operation: str) -> Iterator[tuple[sql.Composed, list[Any]]]:
        """Realtime changes no messages for anybody."""
        yield from ()

    def try_crossing(self, _api: Session, _actor: Actor) -> Iterator[Found]:
        """There is nothing to move."""
        yield from ()

    def vacuous(self) -> str | None:
        """Policies that let nobody in are no fault of the probes."""
        return None
