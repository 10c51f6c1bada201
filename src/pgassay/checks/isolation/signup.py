"""Sign-up: somebody writes into their metadata what triggers and functions read there, then looks at what is open.

Supabase Auth takes any metadata from anybody, at sign-up and later. What a token says of it is tried as forged claims.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any
from uuid import uuid4

from psycopg import sql

from pgassay.checks.finding import Finding
from pgassay.checks.isolation.gains import Gains, Move
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.nesting import merged, nested
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import KEYS, World
from pgassay.identity import Session
from pgassay.schema import metadata
from pgassay.schema.metadata import Reader

_PATHS = 6
"""So many keys are tried."""
_IDS = 4
"""So many ids of rows of B are tried for a key, besides those of the tenant and its member."""
_ROLES = 6
"""So many names of roles."""

Path = tuple[str, ...]


class SignUp:
    """Sign-ups, and changes of one's own metadata, with ids of B and names of roles in each key that is read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.probes = 0

    def try_all(self, targets: Sequence[Target]) -> Iterator[Found]:
        """One finding for each trigger on ``auth.users`` that opens rows, and each relation that metadata open."""
        readers = metadata.readers(self._world.ask, self._world.sources)
        if not readers:
            return
        gains = Gains(self._world, targets)
        yield from self._signing_up(gains, [reader for reader in readers if reader.trigger])
        yield from self._changing(gains, readers)
        self.probes += gains.probes

    def _signing_up(self, gains: Gains, readers: Iterable[Reader]) -> Iterator[Found]:
        before = gains.before(self._world.connection, self._world.stranger)
        for reader in readers:
            for written in self._written(reader.paths):
                move = self._sign_up(written)
                after = gains.after(move)
                opened = next(gains.gained(before, after, move.actor), None) if after is not None else None
                if opened is not None:
                    place = f"trigger {reader.trigger} on {self._world.platform.users.table}"
                    yield self._finding(gains, opened, move, written, reader.name, place)
                    break

    def _changing(self, gains: Gains, readers: Sequence[Reader]) -> Iterator[Found]:
        """What those open who change their metadata later: somebody without a tenant, and a member of A."""
        paths = tuple(dict.fromkeys(path for reader in readers if reader.is_later for path in reader.paths))
        users = self._world.platform.users
        found: set[str] = set()
        for actor in (self._world.stranger, self._world.member("A")):
            before = gains.before(self._world.connection, actor)
            for written in self._written(paths):
                update = self._world.connection.bound(sql.SQL(users.rewritten), [json.dumps(written), actor.user])
                move = Move(actor, update, _sent(written))
                for opened in gains.gained(before, gains.after(move) or {}, actor):
                    name = opened.relation.full_name
                    if name not in found:
                        found.add(name)
                        yield self._finding(gains, opened, move, written, name)

    def _sign_up(self, written: dict[str, Any]) -> Move:
        user = uuid4()
        email = f"{uuid4().hex}@example.org"
        bound, users = self._world.connection.bound, self._world.platform.users
        parts = [
            bound(sql.SQL(users.sign_up), [user, email, None, json.dumps(written)]),
            *(bound(sql.SQL(statement), [user]) for statement in users.sign_in),
        ]
        actor = Actor("who signs up", frozenset(), self._world.platform.user(user, email=email), user, shown=False)
        return Move(actor, ";\n".join(part.strip() for part in parts), _sent(written))

    def _written(self, paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
        """Metadata with an id of B, or the name of a role, in one of the keys, and something in all others.

        Beside an id, others are left out, have some text, or the name of a role.
        """
        paths = paths[:_PATHS]
        for path in paths:
            written: dict[str, Any]
            others = [other for other in paths if other != path]
            plain = [None, "a text"] if others else [None]
            for value, filling in itertools.chain(
                itertools.product(self._ids, [*plain, *(self._roles if others else [])]),
                itertools.product([True, *self._roles], plain),
            ):
                written = nested(path, value)
                for other in others if filling is not None else ():
                    written = merged(nested(other, filling), written)
                yield written

    @cached_property
    def _ids(self) -> list[str]:
        """Ids of B, first those of the tenant and its member, then those of rows that others refer to."""
        tenants = self._world.tenants
        found = [tenants.ids["B"], tenants.users["B"]]
        referred = {key.target for relation in self._world.relations.values() for key in relation.foreign_keys}
        for name in sorted(referred & tenants.rows.keys() - self._world.tenancy.public):
            key = self._world.relations[name].primary_key
            row = tenants.rows[name].get("B")
            if row is not None and len(key) == 1 and isinstance(row[key[0]], (*KEYS.values(),)):
                found.append(row[key[0]])
        return list(dict.fromkeys(map(str, found)))[: _IDS + 2]

    @cached_property
    def _roles(self) -> list[str]:
        """What columns are held to of tables with a row a user, as the names of roles."""
        maker = self._world.maker
        of_users = [name for name, relation in self._world.relations.items() if [*maker.users_in(relation)]]
        listed = [value for name in of_users for values in maker.listed_of(name).values() for value in values]
        return list(dict.fromkeys(listed))[:_ROLES]

    def _finding(
        self, gains: Gains, opened: Target, move: Move, written: dict[str, Any], name: str, culprit: str = ""
    ) -> Found:
        actor, target = move.actor, opened.relation
        before = gains.before(self._world.connection, self._world.stranger if culprit else actor)
        read = sql.SQL("select * from {}").format(sql.Identifier(target.schema, target.name)).as_string(None)

        def holds(session: Session) -> bool:
            after = gains.seen(session, actor, move.sent, [opened])
            return next(gains.gained(before, after, actor), None) is not None

        keys = ", ".join(".".join(path) for path in _paths(written))
        finding = Finding(
            Verdict.LEAKS.rule,
            name,
            f"{actor.name} can read rows of other tenants in {target.full_name} by {keys} in its metadata, which "
            "Supabase Auth takes from everybody",
            "Let nothing that opens rows hang on raw_user_meta_data, which users write themselves. Take it from an "
            "invitation, or from raw_app_meta_data.",
            identity=actor.name,
            statement=f"-- with the metadata {json.dumps(written)}\n{read}",
            door="select",
            culprit=culprit,
            expected="no row of another tenant, whatever somebody writes into their metadata",
        )
        return finding, Probe(actor, holds, arranged=move.statement)


def _paths(written: dict[str, Any]) -> Iterator[Path]:
    for key, value in written.items():
        yield from ((key, *path) for path in _paths(value)) if isinstance(value, dict) else [(key,)]


def _sent(written: dict[str, Any]) -> frozenset[str]:
    """The values in metadata."""
    values = written.values()
    return frozenset(text for value in values for text in (_sent(value) if isinstance(value, dict) else {str(value)}))
