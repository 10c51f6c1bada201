"""Openings that are declared: rows that are open to everybody by a link, or once a column of theirs says so.

What is made is closed but for one row of each tenant that a link opens, so that all else can be judged.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, ForeignKey, Relation
from pgassay.checks.isolation.world import World
from pgassay.config import Published, Share, Tenancy
from pgassay.errors import ConfigError
from pgassay.rows import Row, Unfilled, insert_statement


def links_of(tenancy: Tenancy) -> set[str]:
    """The tables of links, which are for everybody to read."""
    return {share.table for share in tenancy.shared if not share.user}


def arrange(world: World) -> None:
    """Close what is published, and let each link open a row of its own. Raises `ConfigError` for unknown names."""
    for published in world.tenancy.published:
        _close(world, published)
    for share in world.tenancy.shared:
        if not share.user:
            _link(world, share)


def _relation(world: World, key: str, name: str, column: str) -> Relation:
    relation = world.relations.get(name)
    if relation is None or relation.column(column) is None:
        lacking = f"{name}, which the migrations do not make" if relation is None else f"{name}.{column}, which is none"
        raise ConfigError(f"[tool.pgassay.tenancy] {key} names {lacking}.")
    return relation


def _close(world: World, published: Published) -> None:
    relation = _relation(world, "published", published.table, published.column)
    column = relation.column(published.column)
    assert column is not None
    listed = world.maker.listed_of(published.table).get(published.column, [])
    for name, _, row in world.made():
        if name != published.table:
            continue
        for value in closed_values(column, published.value, listed):
            if row.get(column.name) == value or _set(world, relation, row, {column.name: value}):
                break


def closed_values(column: Column, opening: str, listed: list[str]) -> list[Any]:
    """Values with which a row is not open, where it is with ``opening``, with true or with a time in the past."""
    if opening:
        return [value for value in listed if value != opening] or ([] if column.not_null else [None])
    if column.category == "B":
        return [False]
    nothing = [] if column.not_null else [None]
    return [*nothing, "infinity"] if column.category == "D" else nothing


def _set(world: World, relation: Relation, row: Row, changes: Row) -> bool:
    """Change a row that was made, where that can be; what is known of it changes too."""
    if not relation.primary_key:
        return False
    statement = sql.SQL("update {} set {} where {}").format(
        sql.Identifier(relation.schema, relation.name),
        sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes),
        world.where(relation.primary_key),
    )
    key = [row[name] for name in relation.primary_key]
    try:
        with world.connection.transaction():
            changed = world.connection.execute(statement, [*changes.values(), *key]).rowcount > 0
    except psycopg.Error:
        if world.connection.closed:
            raise
        return False
    if changed:
        row.update(changes)
    return changed


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
    if not _set(world, relation, row, {column: value}) and relation.primary_key:
        statement = sql.SQL("delete from {} where {}").format(
            sql.Identifier(relation.schema, relation.name), world.where(relation.primary_key)
        )
        try:
            with world.connection.transaction():
                world.connection.execute(statement, [row[name] for name in relation.primary_key])
        except psycopg.Error:
            if world.connection.closed:
                raise
