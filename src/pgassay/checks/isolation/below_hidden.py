"""Rows that refer to a hidden row: hidden with it where that is declared, and a question where nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.isolation import changes, states
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.one_row import OneRow
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
                with self._session.transaction(force_rollback=True):
                    is_changed = changes.are_made(self._session, several)
                    reader = self._reader(OneRow(self._world, relation, row), actors) if is_changed else None
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

    def _reader(self, one: OneRow, actors: Sequence[Actor]) -> Actor | None:
        named = set(leaves(one.row))
        for actor in actors:
            if not actor.may_all and not actor.forged and str(actor.user) not in named and "A" in actor.own:
                self.probes += 1
                with actor.enter(self._session):
                    if one.is_read(self._session, actor):
                        return actor
        return None

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
        one = OneRow(self._world, relation, row)

        def holds(session: Session) -> bool:
            return one.is_read(session, actor)

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
            one.shown,
            door="select",
            expected=f"no row that refers to one of {state.table} where {state.expression}",
        )
        return finding, Probe(actor, holds, arranged=done, touches=state.table)
