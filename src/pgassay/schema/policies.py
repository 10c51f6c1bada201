"""Policies as the branches of their conditions: each a way that is open to whoever and whatever it holds for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM
from pgassay.sqltree import AND, NOT, OR, Node, building

USING, CHECK = "using", "with check"
MOST = 16
"""A condition of more branches than that is one branch."""

_QUERY: LiteralString = """
select
    n.nspname::pg_catalog.text, c.relname::pg_catalog.text, p.polname::pg_catalog.text,
    p.polpermissive, p.polcmd::pg_catalog.text,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
    array(
        select r.rolname::pg_catalog.text from pg_catalog.pg_roles as r
        where exists (
            select from pg_catalog.unnest(p.polroles) as o (id)
            where o.id = 0 or pg_catalog.pg_has_role(r.oid, o.id, 'usage')
        )
    )
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on p.polrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where c.relrowsecurity and (n.nspname <> all(%(platform)s) or n.nspname in ('storage', 'realtime'))
order by n.nspname collate "C", c.relname collate "C", p.polname collate "C"
"""
"""All policies but the platform's own that hold anybody. In expressions, all but PostgreSQL's own has its schema."""
_COMMANDS = {"r": ("select",), "a": ("insert",), "w": ("update",), "d": ("delete",)}
_ALL = ("select", "insert", "update", "delete")


@dataclass(frozen=True)
class Branch:
    """One branch of a condition: its SQL, and the same as a key that small differences of writing do not change.

    ``reads_row`` says whether it reads a column of the row that it is asked of.
    """

    text: str
    key: str
    reads_row: bool


@dataclass(frozen=True)
class Policy:
    """A policy of the table ``schema.table``; ``roles`` are all those that it holds, by membership too."""

    schema: str
    table: str
    name: str
    permissive: bool
    commands: tuple[str, ...]
    roles: frozenset[str]
    using: str | None
    check: str | None

    @property
    def relation(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"

    @cached_property
    def branches(self) -> dict[str, tuple[Branch, ...]]:
        """The branches of `USING` and `CHECK`, as far as it has them. A restrictive one opens nothing: it is whole."""
        texts = {USING: self.using, CHECK: self.check}
        return {
            clause: branches(text, self.table) if self.permissive else (whole(text, self.table),)
            for clause, text in texts.items()
            if text is not None
        }


def read(ask: Callable[[LiteralString, Mapping[str, Any]], Iterable[tuple[Any, ...]]]) -> list[Policy]:
    """The policies of a database, of which ``ask`` answers a query with the search path ``pg_catalog``."""
    return [
        Policy(schema, table, name, permissive, _COMMANDS.get(command, _ALL), frozenset(roles), using, check)
        for schema, table, name, permissive, command, using, check, roles in ask(_QUERY, {"platform": [*PLATFORM]})
    ]


def branches(text: str, table: str) -> tuple[Branch, ...]:
    """The branches of a condition on rows of a table: it is true where one of them is. None where that is nowhere."""
    tree = sqltree.expression(text)
    found = None if tree is None else forms(tree)
    if found == []:
        return ()
    made = [_branch(literals, table) for literals in found or ()]
    known = {branch.key: branch for branch in made if branch is not None}
    if len(made) <= 1 or None in made:
        return (whole(text, table),)
    return tuple(known.values())


def forms(node: Node, most: int = MOST) -> list[list[Node]] | None:
    """The branches of a condition, each as what has to be true together; None where there are more than ``most``."""
    return _Form(most).of(node)


def whole(text: str, table: str) -> Branch:
    """A condition as one branch."""
    tree = sqltree.expression(text)
    if tree is None:
        return Branch(text, text, True)
    shown = sqltree.deparsed(tree) or text
    return Branch(shown, sqltree.normalised(tree) or shown, sqltree.reads(tree, table))


def key_of(text: str) -> str:
    """The key of a branch that somebody has written down."""
    tree = sqltree.expression(text)
    return (sqltree.normalised(tree) if tree is not None else None) or text


def _branch(literals: list[Node], table: str) -> Branch | None:
    if not literals:
        return Branch("true", "true", False)
    node = literals[0] if len(literals) == 1 else sqltree.joined(literals, AND)
    text, key = sqltree.deparsed(node), sqltree.normalised(node)
    return None if text is None or key is None else Branch(text, key, sqltree.reads(node, table))


def _one_of(node: Node) -> tuple[Node, list[Node]] | None:
    """COALESCE of columns in a comparison, and the same comparison with each of these instead of it."""
    compared = sqltree.comparison(node)
    if compared is None:
        return None
    for side in (compared[1], *compared[2]):
        columns = sqltree.alternatives(side)
        if columns and all(sqltree.path(sqltree.uncast(column)) for column in columns):
            return side, [building.replaced(node, partial(_instead, side, column)) for column in columns]
    return None


def _instead(before: Node, after: Node, node: Node) -> Node | None:
    return after if node == before else None


class _TooManyError(Exception):
    """More branches than are wanted."""


class _Form:
    """The disjunctive form of a condition: branches, each of what has to be true together.

    A condition is true where one of its branches is, and false where one of those of its negation is; NULL is neither.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    def of(self, node: Node) -> list[list[Node]] | None:
        """The branches; None where there are too many."""
        try:
            return self._held(node, True)
        except _TooManyError:
            return None

    def _held(self, node: Node, truth: bool) -> list[list[Node]]:
        """The branches by which the node is ``truth``."""
        node = sqltree.bare(node)
        value = sqltree.constant(node)
        if isinstance(value, bool):
            return [[]] if value is truth else []
        if negated := sqltree.operands(node, NOT):
            return self._held(negated[0], not truth)
        for operator in (AND, OR):
            if operands := sqltree.operands(node, operator):
                return self._all(operands, truth) if (operator == AND) is truth else self._any(operands, truth)
        if (cases := sqltree.cases(node)) is not None:
            return self._case(*cases, truth)
        if alternatives := sqltree.alternatives(node):
            return self._coalesce(alternatives, truth)
        if truth and (tested := sqltree.tested(node)) is not None:
            return self._held(*tested)
        if (several := _one_of(node)) is not None:
            return self._replaced(*several, truth)
        return [[node if truth else sqltree.joined([node], NOT)]]

    def _any(self, nodes: Iterable[Node], truth: bool) -> list[list[Node]]:
        return self._bounded(branch for node in nodes for branch in self._held(node, truth))

    def _all(self, nodes: Iterable[Node], truth: bool) -> list[list[Node]]:
        return self._product(self._held(node, truth) for node in nodes)

    def _product(self, parts: Iterable[list[list[Node]]]) -> list[list[Node]]:
        found: list[list[Node]] = [[]]
        for part in parts:
            found = self._bounded([*one, *other] for one in found for other in part)
        return found

    def _case(self, cases: list[tuple[Node, Node]], otherwise: Node | None, truth: bool) -> list[list[Node]]:
        """The result of each condition, where those before it are not true."""
        found: list[list[Node]] = []
        before: list[list[Node]] = []
        for condition, result in cases:
            found += self._product([*before, self._held(condition, True), self._held(result, truth)])
            before.append([[sqltree.is_not_true(condition)]])
        if otherwise is not None:
            found += self._product([*before, self._held(otherwise, truth)])
        return self._bounded(found)

    def _coalesce(self, nodes: list[Node], truth: bool) -> list[list[Node]]:
        """Each argument, where those before it are NULL."""
        found: list[list[Node]] = []
        before: list[list[Node]] = []
        for node in nodes:
            found += self._product([*before, self._held(node, truth)])
            before.append([[sqltree.is_null(node)]])
        return self._bounded(found)

    def _replaced(self, coalesce: Node, nodes: list[Node], truth: bool) -> list[list[Node]]:
        """The comparison with each column that COALESCE may give, where those before it are NULL."""
        found: list[list[Node]] = []
        before: list[list[Node]] = []
        for column, node in zip(sqltree.alternatives(coalesce), nodes, strict=True):
            found += self._product([*before, self._held(node, truth)])
            before.append([[sqltree.is_null(column)]])
        return self._bounded(found)

    def _bounded(self, branches: Iterable[list[Node]]) -> list[list[Node]]:
        found: list[list[Node]] = []
        for branch in branches:
            if len(found) == self._most:
                raise _TooManyError
            found.append(branch)
        return found
