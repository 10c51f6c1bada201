"""Candidates: a branch is true for a row of a tenant that the caller is not of. What the door says of it.

Reading is not tried again: everybody has read every table as a whole. Writes may have been refused for a reason that
lies in the rows that were tried, so that they are tried with the rows for which the condition is true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.truth import Line
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import Write
from pgassay.identity import Session
from pgassay.rows import Row
from pgassay.schema.policies import CHECK, USING, Policy

_ROWS = 2
"""So many rows of a tenant are tried by one actor at one door."""
_ACTORS = 4
"""So many actors try a door."""


@dataclass(frozen=True)
class Candidate:
    """A condition of a policy for ``operation`` is true for a row of the tenant ``label``, for somebody else."""

    relation: str
    operation: str
    actor: Actor
    label: str
    line: Line


def of(ways: Ways) -> Iterator[Candidate]:
    """Those for writes, for which the role has the right: at each door a few actors and rows."""
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for policy in ways.policies:
        roles = ways.roles_of(policy)
        for clause, branches in policy.branches.items() if policy.permissive else ():
            for operation in _written(policy, clause):
                tried = counted.setdefault((policy.relation, operation), {})
                for actor in sorted(ways.actors, key=lambda actor: not actor.shown):
                    if actor.identity.role not in roles or (actor.name not in tried and len(tried) >= _ACTORS):
                        continue
                    for branch in branches:
                        for line in ways.truth.held(policy.relation, branch.text, actor):
                            if not line.whose or line.whose & actor.own or tried.get(actor.name, 0) >= _ROWS:
                                continue
                            tried[actor.name] = tried.get(actor.name, 0) + 1
                            yield Candidate(policy.relation, operation, actor, min(line.whose), line)


def _written(policy: Policy, clause: str) -> Iterator[str]:
    """The writes that a condition lets through, as far as it is for the rows that they are tried with."""
    for operation in policy.commands:
        is_check = operation == "insert" and policy.check is not None
        if operation != "select" and clause == (CHECK if is_check else USING):
            yield operation


class Doors:
    """The doors at which candidates are tried, on ``api``."""

    def __init__(self, world: World, api: Session, targets: Mapping[str, Target]) -> None:
        self._world = world
        self._api = api
        self._targets = targets
        self.probes = 0

    def try_at(self, candidate: Candidate) -> Iterator[Found]:
        """What is found where the door does not refuse it."""
        target = self._targets.get(candidate.relation)
        if target is None or candidate.label in candidate.actor.own:
            return
        actor, operation = candidate.actor, candidate.operation
        with actor.enter(self._api):
            if operation == "insert":
                reaches = any(
                    target.goes_in(self._api, candidate.label, actor, row) for row in self._like(target, candidate)
                )
            else:
                reaches = self._changes(target, candidate)
            if reaches:
                yield from target.judge(self._api, actor, {operation: {candidate.label}})

    def _like(self, target: Target, candidate: Candidate) -> Iterator[Row]:
        """Rows like that of the candidate: what the actor may fill of it, but for keys that come by themselves.

        One refers to nothing but its tenant, as far as it may: triggers look at what a row refers to, and the caller's
        policies may hide that from them.
        """
        relation = target.relation
        made = next((row for row in self._made(target, candidate)), None)
        granted = self._world.granted(relation, candidate.actor.identity.role, "insert")
        if made is None:
            return
        row = {
            column.name: json.dumps(made[column.name]) if column.type in ("json", "jsonb") else made[column.name]
            for column in relation.columns
            if column.name in made
            and column.name in granted
            and not column.generated
            and made[column.name] is not None
            and not (column.name in relation.primary_key and column.has_default)
        }
        yield row
        free = {column.name for column in relation.columns if not column.not_null}
        referring = relation.referring & free - {target.column}
        alone = {name: value for name, value in row.items() if name not in referring}
        if alone != row and candidate.label in self._world.whose(relation.full_name, alone):
            yield alone

    def _made(self, target: Target, candidate: Candidate) -> Iterator[Row]:
        key = target.relation.primary_key
        wanted = [str(candidate.line.values.get(name)) for name in key]
        for name, _, row in self._world.made():
            if key and name == candidate.relation and [str(row.get(part)) for part in key] == wanted:
                yield row

    def _changes(self, target: Target, candidate: Candidate) -> bool:
        """Whether the row itself is changed or deleted."""
        relation = target.relation
        table = sql.Identifier(relation.schema, relation.name)
        row = next(self._made(target, candidate), None)
        if row is None:
            return False
        where = self._world.where(relation.primary_key)
        key = [row[name] for name in relation.primary_key]
        statements = [sql.SQL("delete from {} where {}").format(table, where)]
        if candidate.operation == "update":
            granted = self._world.granted(relation, candidate.actor.identity.role, "update")
            names = [sql.Identifier(name) for name in granted]
            statements = [sql.SQL("update {} set {} = {} where {}").format(table, name, name, where) for name in names]
        tried: list[tuple[sql.Composed, list[Any]]] = [(statement, key) for statement in statements]
        results, _ = self._api.attempts(tried)
        self.probes += len(results)
        for (statement, values), result in zip(tried, results, strict=False):
            if not isinstance(result, psycopg.Error) and result.count:
                target.show(candidate.operation, candidate.label, self._api, Write(statement, values))
                return True
        return False
