"""Truth tables: for which rows and callers each branch of each policy is true.

In a copy of the world, a function hands out the rows of a table past its row level security, and a view has a column
for each branch. The view is read with the rights of whoever asks, as a policy is. Its names were looked up when it was
made, as those of a policy were, so nobody needs a right to the schemas in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pgassay.checks.isolation.failures import ENDLESS, said
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World
from pgassay.identity import Clone, Result, Session
from pgassay.patience import Stopped
from pgassay.schema.policies import Policy

_MOST = 200
"""So many rows of a table are looked at, those that were made before those that were there."""
_ROWS = """
select t.* from {table} as t
order by
    pg_catalog.age(t.xmin) operator(pg_catalog.>=) pg_catalog.age({began}::pg_catalog.xid), t.tableoid, t.ctid
offset coalesce(nullif(pg_catalog.current_setting('pgassay.row', true), ''), '0')::pg_catalog.int4
limit case when coalesce(pg_catalog.current_setting('pgassay.row', true), '') operator(pg_catalog.=) ''
    then {most} else 1 end
"""
_FUNCTION = sql.SQL("""
create function pgassay_probe.{name}() returns setof {table}
language sql security definer set search_path = pg_catalog as {body};
grant execute on function pgassay_probe.{name}() to public
""")
_ONE = sql.SQL(
    "select pg_catalog.set_config('pgassay.row', %s, true), pg_catalog.set_config('realtime.topic', %s, true); {}"
)
_MESSAGES = "realtime.messages"
"""Of its rows, one is asked for at a time: that of the topic in the setting of that name."""
_AT_ONCE = frozenset({"42", "54"})
"""Classes of errors that do not hang on the row."""

Values = tuple[bool | None, ...]


@dataclass(frozen=True)
class Line:
    """A row of a table, and the tenants whose it is."""

    values: Mapping[str, Any]
    whose: frozenset[str]


@dataclass
class Truth:
    """The rows of each table, and what each condition on them is for each actor, by the actor's name.

    Conditions are by table and SQL. ``errors`` are the errors with which they ended; a row for which one did is None.
    """

    lines: dict[str, list[Line]] = field(default_factory=dict)
    values: dict[tuple[str, str], dict[str, Values]] = field(default_factory=dict)
    errors: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    probes: int = 0

    def held(self, table: str, text: str, actor: Actor) -> Iterator[Line]:
        """The rows for which a condition is true for the actor."""
        values = self.values.get((table, text), {}).get(actor.name, ())
        yield from (line for line, value in zip(self.lines.get(table, ()), values, strict=False) if value)


@dataclass(frozen=True)
class _View:
    """A view that has a column for each of these conditions, in their order."""

    table: str
    name: str
    texts: tuple[str, ...]

    def reading(self, texts: Sequence[str]) -> sql.Composed:
        """The statement that gives each of some of them for all rows, as an array."""
        columns = (sql.Identifier(f"c{self.texts.index(text)}") for text in texts)
        arrays = sql.SQL(", ").join(sql.SQL("pg_catalog.array_agg({})").format(column) for column in columns)
        return sql.SQL("select {} from pgassay_probe.{}").format(arrays, sql.Identifier(self.name))


class Tables:
    """The truth tables of ``policies`` in ``clone``, to which nobody else is connected."""

    def __init__(self, world: World, clone: Clone, policies: Iterable[Policy]) -> None:
        self._world = world
        self._clone = clone
        self._policies = list(policies)
        self._endless: set[tuple[str, str, str]] = set()
        self._installed: list[str] = []
        self._truth = Truth()

    def fill(self, actors: Iterable[Actor]) -> Truth:
        """Evaluate every condition for every actor whom its policy holds, on the rows that there are by now."""
        self._truth = Truth(probes=self._truth.probes)
        self.remove()
        self._views = list(self._install())
        self._api = self._clone.connect_as_authenticator()
        self.ask(actors)
        return self._truth

    def ask(self, actors: Iterable[Actor]) -> None:
        """Evaluate them for more actors, on the same rows."""
        for actor in actors:
            self._evaluate(self._views, actor)

    def remove(self) -> None:
        """Take out of the database what was made there."""
        if self._installed:
            with self._clone.connect_as_owner() as owner:
                names = sql.SQL(", ").join(
                    sql.SQL("pgassay_probe.{}()").format(sql.Identifier(n)) for n in self._installed
                )
                owner.execute(
                    sql.SQL("drop function {} cascade; revoke usage on schema pgassay_probe from public").format(names)
                )
            self._installed.clear()

    # what is asked

    def _install(self) -> Iterator[_View]:
        """Make what is needed, as the owner of the project's own."""
        wanted: dict[tuple[str, str], dict[str, None]] = {}
        for policy in self._policies:
            for branches in policy.branches.values():
                texts = wanted.setdefault((policy.schema, policy.table), {})
                texts.update(dict.fromkeys(branch.text for branch in branches))
        wanted = {table: texts for table, texts in wanted.items() if texts}
        with self._clone.connect_as_owner() as owner, owner.transaction():
            owner.execute("set local search_path = pg_catalog")
            owner.execute("grant usage on schema pgassay_probe to public")
            for number, ((schema, table), texts) in enumerate(wanted.items()):
                yield from self._of_table(owner, number, schema, table, [*texts])

    def _of_table(self, owner: Session, number: int, schema: str, table: str, texts: Sequence[str]) -> Iterator[_View]:
        name, full_name = f"rows_{number}", f"{schema}.{table}"
        body = sql.SQL(_ROWS).format(
            table=sql.Identifier(schema, table), began=sql.Literal(self._world.began), most=sql.Literal(_MOST)
        )
        function = _FUNCTION.format(
            name=sql.Identifier(name), table=sql.Identifier(schema, table), body=sql.Literal(body.as_string(None))
        )
        try:
            with owner.transaction():
                owner.execute(function)
                rows = owner.execute(
                    sql.SQL("select pg_catalog.to_jsonb(t.*) from pgassay_probe.{}() as t").format(sql.Identifier(name))
                ).fetchall()
        except psycopg.Error as error:
            self._fail_all(full_name, texts, error)
            return
        self._installed.append(name)
        self._truth.lines[full_name] = [Line(row, frozenset(self._world.whose(full_name, row))) for (row,) in rows]
        every = _View(full_name, f"ways_{number}", tuple(texts))
        if self._made(owner, every, name, table) is None:
            yield every
            return
        for position, text in enumerate(texts):  # one of them cannot be asked outside of a policy
            single = _View(full_name, f"ways_{number}_{position}", (text,))
            refused = self._made(owner, single, name, table)
            if refused is None:
                yield single
            else:
                self._fail_all(full_name, [text], refused)

    def _made(self, owner: Session, view: _View, rows: str, table: str) -> psycopg.Error | None:
        columns = sql.SQL(", ").join(
            sql.SQL("({}) as {}").format(sql.SQL(text), sql.Identifier(f"c{number}"))
            for number, text in enumerate(view.texts)
        )
        statement = sql.SQL(
            "create view pgassay_probe.{view} with (security_invoker = true) as select {columns} "
            "from pgassay_probe.{rows}() as {table}; grant select on pgassay_probe.{view} to public"
        ).format(
            view=sql.Identifier(view.name), columns=columns, rows=sql.Identifier(rows), table=sql.Identifier(table)
        )
        try:
            with owner.transaction():
                owner.execute(statement.as_string(None).encode())
        except psycopg.Error as error:
            if owner.closed:
                raise
            return error
        return None

    # what comes back

    def _evaluate(self, views: Iterable[_View], actor: Actor) -> None:
        held = {
            (policy.relation, branch.text)
            for policy in self._policies
            if actor.identity.role in policy.roles
            for branches in policy.branches.values()
            for branch in branches
        }
        asked = [
            (view, texts)
            for view in views
            if (texts := [text for text in view.texts if self._is_asked(view, text, actor, held)])
        ]
        for view, texts in asked if _MESSAGES in self._truth.lines else ():
            for text in texts if view.table == _MESSAGES else ():
                self._one_by_one(view, text, actor)
        asked = [(view, texts) for view, texts in asked if view.table != _MESSAGES]
        alone: list[tuple[_View, list[str]]] = []
        for (view, texts), found in self._asked(actor, asked):
            if isinstance(found, Result):
                self._keep(view, texts, actor, found)
            else:
                alone += [(view, [text]) for text in texts]
        for (view, (text,)), found in self._asked(actor, alone):
            if isinstance(found, Result):
                self._keep(view, [text], actor, found)
                continue
            self._fail(view, text, actor, found)
            if isinstance(found, psycopg.Error) and (found.sqlstate or "")[:2] not in _AT_ONCE:
                self._one_by_one(view, text, actor)

    def _asked(
        self, actor: Actor, asked: list[tuple[_View, list[str]]]
    ) -> Iterator[tuple[tuple[_View, list[str]], Result | psycopg.Error | Stopped]]:
        answers = self._answers(actor, [(view.reading(texts), ()) for view, texts in asked])
        yield from zip(asked, answers, strict=True)

    def _is_asked(self, view: _View, text: str, actor: Actor, held: set[tuple[str, str]]) -> bool:
        """Whether the actor is held by it, unless nobody of that role gets to its end."""
        if (view.table, text, actor.identity.role) in self._endless:
            self._truth.errors.setdefault((view.table, text), {})[actor.name] = "it does not come to an end"
            return False
        return (view.table, text) in held

    def _answers(
        self, actor: Actor, statements: Sequence[tuple[sql.Composed, Sequence[Any]]]
    ) -> list[Result | psycopg.Error | Stopped]:
        """What each of them gives, or its error."""
        found: list[Result | psycopg.Error | Stopped] = []
        while left := statements[len(found) :]:
            stopped: psycopg.Error | Stopped | None
            try:
                if self._api.closed:
                    self._api = self._clone.connect_as_authenticator()
                with actor.enter(self._api):
                    results, stopped = self._api.attempts(left)
            except (psycopg.Error, Stopped) as error:
                if not self._api.closed:
                    raise
                if len(left) > 1:  # which of them has ended the session?
                    return found + [self._answers(actor, [statement])[0] for statement in left]
                results, stopped = [], error
            found += results
            found += [] if stopped is None else [stopped]
        self._truth.probes += len(found)
        return found

    def _one_by_one(self, view: _View, text: str, actor: Actor) -> None:
        """The condition for each row by itself, where it fails for some."""
        statement = _ONE.format(view.reading([text]))
        lines = self._truth.lines[view.table]
        asked = [(statement, [str(n), _topic(view.table, line)]) for n, line in enumerate(lines)]
        found = self._answers(actor, asked)
        values = tuple(one.rows[0][0][0] if isinstance(one, Result) else None for one in found)
        self._truth.values.setdefault((view.table, text), {})[actor.name] = values

    def _keep(self, view: _View, texts: Sequence[str], actor: Actor, found: Result) -> None:
        for text, values in zip(texts, found.rows[0], strict=True):
            self._truth.values.setdefault((view.table, text), {})[actor.name] = tuple(values or ())

    def _fail(self, view: _View, text: str, actor: Actor, error: psycopg.Error | Stopped) -> None:
        if isinstance(error, Stopped) or error.sqlstate in ENDLESS:
            self._endless.add((view.table, text, actor.identity.role))
        words = error.why if isinstance(error, Stopped) else said(error)
        self._truth.errors.setdefault((view.table, text), {})[actor.name] = words

    def _fail_all(self, table: str, texts: Iterable[str], error: psycopg.Error) -> None:
        for text in texts:
            self._truth.errors.setdefault((table, text), {})["everybody"] = said(error)


def _topic(table: str, line: Line) -> str:
    return str(line.values.get("topic", "")) if table == _MESSAGES else ""
