"""Rows that refer to a hidden row: hidden with it where that is declared, and a question where nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.isolation import changes, states
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.relations import Found
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled
from pgassay.within import State


class BelowHidden:
    """Hides rows of A, and reads what refers to them, on the session of their owner, where all of it is undone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session = world.connection
        self.probes = 0

    def references(self, state: State) -> Iterator[tuple[Relation, ForeignKey, bool]]:
        """The foreign keys that lead to rows with that state, and whether what has them is declared to be hidden too.

        Left out is what is declared to stay, to be everybody's, or to have a state ``hidden`` of its own.
        """
        tenancy = self._world.tenancy
        following = {each.table: key for each in tenancy.within.states if (key := states.followed(self._world, each))}
        own = {each.table for each in tenancy.within.states if each.kind == "hidden"} - following.keys()
        for name, relation in self._world.relations.items():
            if relation.kind != "table" or name in {*state.stays, *tenancy.public, *own, state.table}:
                continue
            for key in relation.foreign_keys:
                if key.target == state.table and name not in self._world.tenants.unfilled:
                    yield relation, key, following.get(name) == key

    def try_key(
        self, state: State, relation: Relation, key: ForeignKey, actors: Sequence[Actor], *, is_said: bool
    ) -> Iterator[Found]:
        """Who reads a row that refers to a hidden one by that key, if anybody.

        One that names the reader is theirs. Raises `Unfilled` where no row of A can refer to a hidden one.
        """
        is_tried = False
        for hidden, hiding in states.hidden(self._world, state):
            for row in self._rows(relation):
                several = [*self._pointing(relation, key, row, hidden), hiding]
                with self._changed(several) as is_changed:
                    reader = self._reader(relation, row, actors) if is_changed else None
                is_tried |= is_changed
                if reader is not None:
                    yield self._finding(state, relation, key, row, reader, several, is_said=is_said)
                    return
        if not is_tried:
            raise Unfilled(f"no row of {relation.full_name} refers to a hidden row of {state.table}")

    def _rows(self, relation: Relation) -> list[Row]:
        made = [row for name, label, row in self._world.made() if name == relation.full_name and label == "A"]
        return made if relation.primary_key else []

    def _pointing(self, relation: Relation, key: ForeignKey, row: Row, hidden: Row) -> list[Change]:
        """The change after which a row refers to the one that will be hidden; none where it does."""
        values = {here: hidden[there] for here, there in key.columns}
        differ = {name: value for name, value in values.items() if str(row[name]) != str(value)}
        return [changes.update(self._world, relation, row, differ)] if differ else []

    @contextmanager
    def _changed(self, several: Sequence[Change]) -> Iterator[bool]:
        """A block after some changes, if they can be made. All of it is undone."""
        with self._session.transaction(force_rollback=True):
            try:
                with self._session.transaction():
                    for change in several:
                        self._session.execute(change.statement, change.values)
            except psycopg.Error:
                if self._session.closed:
                    raise
                yield False
                return
            yield True

    def _reader(self, relation: Relation, row: Row, actors: Sequence[Actor]) -> Actor | None:
        named = set(leaves(row))
        for actor in actors:
            if not actor.may_all and not actor.forged and str(actor.user) not in named and "A" in actor.own:
                with actor.enter(self._session):
                    if self._reads(self._session, relation, row, actor):
                        return actor
        return None

    def _reads(self, session: Session, relation: Relation, row: Row, actor: Actor) -> bool:
        granted = self._world.granted(relation, actor.identity.role, "select")
        if not {*relation.primary_key} <= {*granted}:
            return False
        self.probes += 1
        try:
            return session.attempt(self._select(relation), self._key(relation, row), reading=True)[0].count > 0
        except psycopg.Error:
            if session.closed:
                raise
            return False

    def _select(self, relation: Relation) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, relation.primary_key))
        table = sql.Identifier(relation.schema, relation.name)
        return sql.SQL("select {} from {} where {}").format(columns, table, self._world.where(relation.primary_key))

    def _key(self, relation: Relation, row: Row) -> list[object]:
        return [row[name] for name in relation.primary_key]

    def _finding(
        self,
        state: State,
        relation: Relation,
        key: ForeignKey,
        row: Row,
        actor: Actor,
        several: Sequence[Change],
        *,
        is_said: bool,
    ) -> Found:
        name, column = relation.full_name, key.columns[-1][0]
        done = ";\n".join(change.text(self._session) for change in several)
        line = f'"{name}" = {{ hidden = "{column}" }}'

        def holds(session: Session) -> bool:
            return self._reads(session, relation, row, actor)

        finding = Finding(
            states.RULE,
            name,
            f"{actor.name} can select a row that refers by {column} to a hidden row of {state.table}: {done}",
            f"Ask for the state of {state.table} in the policies for select on {name}."
            if is_said
            else f"Are such rows hidden, too? Then say so in [tool.pgassay.states]: {line}. "
            f'If they are not, write stays = ["{name}"] beside the hidden of {state.table}.',
            ERROR if is_said else QUESTION,
            actor.name,
            self._session.bound(self._select(relation), self._key(relation, row)),
            door="select",
            expected=f"no row that refers to one of {state.table} where {state.expression}",
        )
        return finding, Probe(actor, holds, arranged=done, touches=state.table)
