"""Openings that are declared: rows that are open to everybody by a link, or once a column of theirs says so.

What is made is closed but for one row of each tenant that a link opens, so that all else can be judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.purpose import closing, opening, setting, written
from pgassay.checks.isolation.world import World
from pgassay.config import Published, Share, Tenancy
from pgassay.errors import ConfigError, PgassayError
from pgassay.rows import Row, Unfilled, insert_statement

_VIEWS = """
with recursive of (id) as (
    select pg_catalog.to_regclass(%s)::pg_catalog.oid
    union
    select w.ev_class
    from of
    join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = of.id
    join pg_catalog.pg_rewrite as w on d.objid = w.oid
)
select pg_catalog.concat(n.nspname, '.', c.relname)
from of
join pg_catalog.pg_class as c on of.id = c.oid and c.relkind = 'v'
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
order by 1
"""


def links_of(tenancy: Tenancy) -> set[str]:
    """The tables of links, which are for everybody to read."""
    return {share.table for share in tenancy.shared if not share.user}


def arrange(world: World) -> None:
    """Close what is published, and let each link open a row of its own. Raises `ConfigError` for unknown names."""
    for published in world.tenancy.published:
        _relation(world, "published", published.table, published.column)
    for published in world.tenancy.following:
        referring = _relation(world, "published", published.table, published.key)
        if referred_by(referring, published.key) is None:
            raise ConfigError(
                f"[tool.pgassay.tenancy] published names {published.table}.{published.key}, which refers to no table."
            )
    for share in world.tenancy.shared:
        if not share.user:
            _link(world, share)
    close(world)


def close(world: World) -> None:
    """Close what is published, of all rows that were made so far."""
    of: dict[str, list[Published]] = {}
    for published in world.tenancy.published:
        of.setdefault(published.table, []).append(published)
    for table, several in of.items():
        _close(world, table, several)


def note(world: World, relation: Relation, row: Row) -> None:
    """Count a row among those that are open to everybody, if what is published says so of it."""
    for published in world.tenancy.published:
        value = row.get(published.column)
        is_open = str(value) == published.value if published.value else value not in (None, False)
        is_open |= published.is_null and value is None
        if published.table == relation.full_name and relation.primary_key and is_open:
            world.opened.setdefault(relation.full_name, {})[tuple(row[name] for name in relation.primary_key)] = row


def shown(world: World, sources: Mapping[str, set[str]]) -> set[str]:
    """The views that show nothing but published rows: nothing while all are closed, and something once they are not.

    ``sources`` is what each view reads: of a published table, and of what everybody may read besides.
    """
    tables = {published.table for published in world.tenancy.published}
    return {
        view
        for view, read in sources.items()
        if view in world.relations and read & tables and read <= tables | world.tenancy.public
        if not _shows(world, view)
        and _shows(world, view, [one for one in world.tenancy.published if one.table in read])
    }


def _shows(world: World, view: str, published: Iterable[Published] = ()) -> bool:
    """Whether its owner sees anything in a view, once what is published is open."""
    values = [[(one, value) for value in opening(world, one)] for one in published]
    for several in itertools.product(*values):
        try:
            with world.connection.transaction(force_rollback=True):
                for one, value in several:
                    world.connection.execute(setting(one, value).as_string(None).encode())
                statement = sql.SQL("select from {} limit 1").format(sql.Identifier(*view.split(".", 1)))
                if world.connection.execute(statement).rowcount:
                    return True
        except psycopg.Error:
            world.go_on()
    return False


def referred_by(relation: Relation, column: str) -> str | None:
    """The table to which a column refers."""
    keys = (key for key in relation.foreign_keys if column in {here for here, _ in key.columns})
    return next((key.target for key in keys), None)


def _relation(world: World, key: str, name: str, column: str) -> Relation:
    relation = world.relations.get(name)
    if relation is None or relation.column(column) is None:
        lacking = f"{name}, which the migrations do not make" if relation is None else f"{name}.{column}, which is none"
        raise ConfigError(f"[tool.pgassay.tenancy] {key} names {lacking}.")
    return relation


def _close(world: World, table: str, published: Sequence[Published]) -> None:
    """Give each row of a table values with which nobody else reads it; those that the fewest do where others do.

    What is a closing value depends on what policies and views ask for, so each combination is tried.
    """
    relation = world.relations[table]
    names = [each.column for each in published]
    choices = list(itertools.product(*([*closing(world, each), sql.DEFAULT] for each in published)))
    views = [name for (name,) in world.ask(_VIEWS, [table]) if name in world.relations]
    doors = [world.relations[name] for name in (table, *views)]
    for name, _, row in world.made():
        if name != table or world.is_opened(name, row):
            continue
        best: tuple[int, tuple[Any, ...]] | None = None
        for values in choices:
            seen = _seen_with(world, relation, row, dict(zip(names, values, strict=True)), doors)
            if seen is not None and (best is None or seen < best[0]):
                best = seen, values
        if best is not None:
            set_values(world, relation, row, dict(zip(names, best[1], strict=True)))


def _seen_with(world: World, relation: Relation, row: Row, changes: Row, doors: Iterable[Relation]) -> int | None:
    """How many rows strangers see while a row has these values; None where it cannot have them."""
    strangers = (world.anonymous, world.stranger)
    with world.connection.transaction(force_rollback=True):
        if not set_values(world, relation, dict(row), changes):
            return None
        return sum(_count(world, actor, door) for actor in strangers for door in doors)


def _count(world: World, actor: Actor, door: Relation) -> int:
    statement = sql.SQL("select pg_catalog.count(*) from {}").format(sql.Identifier(door.schema, door.name))
    try:
        with actor.enter(world.connection) as session:
            ((count,),) = session.attempt(statement, reading=True)[0].rows
            return int(count)
    except (psycopg.Error, PgassayError):
        if world.connection.closed:
            raise
        return 0


def set_values(world: World, relation: Relation, row: Row, changes: Row) -> bool:
    """Change a row that was made, where that can be; what is known of it changes too."""
    if not relation.primary_key:
        return False
    statement = sql.SQL("update {} set {} where {} returning {}").format(
        sql.Identifier(relation.schema, relation.name),
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), written(changes[name])) for name in changes),
        world.where(relation.primary_key),
        sql.SQL(", ").join(sql.SQL("{}::pg_catalog.text").format(sql.Identifier(name)) for name in changes),
    )
    key = [row[name] for name in relation.primary_key]
    try:
        with world.connection.transaction():
            changed = world.connection.execute(world.connection.bound(statement, key).encode()).fetchone()
    except psycopg.Error:
        if world.connection.closed:
            raise
        return False
    if changed is None:
        return False
    for (name, value), text in zip(changes.items(), changed, strict=True):
        row[name] = text if isinstance(value, sql.Composable) else value
    return True


def _link(world: World, share: Share) -> None:
    relation = _relation(world, "shared", share.table, share.row)
    key = next((key for key in relation.foreign_keys if [share.row] == [here for here, _ in key.columns]), None)
    target = world.relations.get(key.target) if key is not None else None
    if key is None or target is None or not target.primary_key:
        raise ConfigError(
            f"[tool.pgassay.tenancy] shared: {share.written} must name a foreign key to a table of the migrations."
        )
    opened: dict[str, Row] = {}
    for name, label, row in list(world.made()):
        if name == share.table:
            if label not in opened:
                opened[label] = _another(world, target, label) or _referred(world, key, row)
            _point(world, relation, row, share.row, opened[label][key.columns[0][1]])
    for row in opened.values():
        world.opened.setdefault(target.full_name, {})[tuple(row[name] for name in target.primary_key)] = row


def _another(world: World, target: Relation, label: str) -> Row | None:
    """A further row of a tenant, to which nothing refers."""
    try:
        values = world.maker.values(target, world.tenants, label)
        with world.connection.transaction():
            cursor = world.connection.cursor(row_factory=psycopg.rows.dict_row)
            made = cursor.execute(insert_statement(target, values, returning=True), list(values.values())).fetchone()
    except (psycopg.Error, Unfilled):
        if world.connection.closed:
            raise
        return None
    if made is not None:
        world.more.setdefault(target.full_name, []).append((label, made))
    return made


def _referred(world: World, key: ForeignKey, row: Row) -> Row:
    ((here, there),) = key.columns
    return next(made for name, _, made in world.made() if name == key.target and made[there] == row[here])


def _point(world: World, relation: Relation, row: Row, column: str, value: Any) -> None:
    """Let a link lead to that row; where several of a tenant may not, there is one link."""
    if not set_values(world, relation, row, {column: value}) and relation.primary_key:
        statement = sql.SQL("delete from {} where {}").format(
            sql.Identifier(relation.schema, relation.name), world.where(relation.primary_key)
        )
        try:
            with world.connection.transaction():
                world.connection.execute(statement, [row[name] for name in relation.primary_key])
        except psycopg.Error:
            if world.connection.closed:
                raise
