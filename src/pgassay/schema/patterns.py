"""The rows by which a condition may hold: one of each table that its subqueries read, with values that agree.

For ``exists (select from members m join roles r on r.id = m.role_id where m.user_id = auth.uid() and r.key = 'boss')``
that is a row of each, with one value for ``r.id`` and ``m.role_id``, and the caller in ``m.user_id``. It is a guess at
rows that are worth making. Whether the condition is true for them is asked of PostgreSQL.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgassay import sqltree
from pgassay.platforms import DEFAULT
from pgassay.schema import conditions, helpers, policies
from pgassay.schema.conditions import Special
from pgassay.sqltree import AND, NOT, OR, Node, building, selects

_CHOICES = 3
"""So many of the ways that subqueries have are looked at."""
_MOST = 12
"""Of more rows than that no pattern is made."""
Columns = Callable[[str, str], tuple[str, Collection[str]] | None]
"""The full name and the columns of a table by its schema, which may be empty, and its name."""
Term = tuple[Any, ...]
_CALLER: Term = ("caller",)


@dataclass(frozen=True)
class Same:
    """Whatever value: the same one wherever it stands."""

    number: int


@dataclass(frozen=True)
class AsCaller:
    """What an expression gives that reads no row, as whoever the caller is; as the domain of their address."""

    text: str


@dataclass(frozen=True)
class Other:
    """Any value but that."""

    value: Any


@dataclass(frozen=True)
class Needed:
    """A row of a table with these values: constants, `Special.CALLER`, `AsCaller`, `Same`, or `Other`."""

    relation: str
    values: tuple[tuple[str, Any], ...]


def of(condition: str, schema: str, table: str, columns: Columns) -> list[tuple[Needed, ...]]:
    """The patterns of a condition on rows of a table, as normalised: first that row itself, then the others.

    None where it asks for no other row.
    """
    tree = sqltree.expression(condition)
    found: dict[tuple[Needed, ...], None] = {}
    for choice in range(_CHOICES) if tree is not None else ():
        try:
            reading = _Reading(columns, choice)
            frame = reading.row(schema, table)
            reading.literals(sqltree.operands(tree, AND) or [tree], [{table: frame, helpers.ROW: frame}])
            pattern = reading.pattern()
        except _UnknownError:
            continue
        if len(pattern) > 1:
            found.setdefault(pattern)
    return [*found]


def of_view(select: Node, columns: Columns) -> list[tuple[Needed, ...]]:
    """The patterns of rows by which a view has one."""
    found: dict[tuple[Needed, ...], None] = {}
    for choice in range(_CHOICES):
        try:
            reading = _Reading(columns, choice)
            reading.select(building.normal(select))
            found.setdefault(reading.pattern())
        except _UnknownError:
            continue
    return [pattern for pattern in found if pattern]


def _of_the_caller(node: Node) -> Term | None:
    """An expression that asks who is signed in, and reads no row."""
    below = [*sqltree.walk(node)]
    reads = any(sqltree.names(part) or selects.subquery(part) is not None for part in below)
    text = None if reads or not any(map(sqltree.called, below)) else sqltree.deparsed(node)
    return None if text is None else ("constant", AsCaller(text), False)


def _is_equality(operator: str, left: Node, right: list[Node]) -> bool:
    """Whether both sides may be the same: ``<=`` too, of two columns, or of what a subquery gives."""
    sides = [sqltree.uncast(side) for side in (left, *right)]
    return operator in ("=", "in", "= any") or (
        operator in ("<=", ">=")
        and (any(selects.subquery(side) is not None for side in sides) or all(map(sqltree.names, sides)))
    )


class _UnknownError(Exception):
    """What is not understood."""


Scope = list[dict[str, Any]]
"""The names within a subquery, then those around it: the number of a row, or what a SELECT gives by its names."""


@dataclass
class _Reading:
    """Reads a condition, with that ``choice`` of what alternatives there are."""

    columns: Columns
    choice: int
    rows: list[tuple[str, Collection[str]]] = field(default_factory=list)
    same: dict[Term, Term] = field(default_factory=dict)

    def row(self, schema: str, table: str) -> int:
        """A row of that table."""
        found = self.columns(schema, table)
        if found is None or len(self.rows) == _MOST:
            raise _UnknownError
        self.rows.append(found)
        return len(self.rows) - 1

    def pattern(self) -> tuple[Needed, ...]:
        """What was read."""
        numbers: dict[Term, Same] = {}
        counted: dict[Term, int] = {}
        for term in self.same:
            root = self._root(term)
            counted[root] = counted.get(root, 0) + 1
        values: list[list[tuple[str, Any]]] = [[] for _ in self.rows]
        for term in self.same:
            if term[0] != "column":
                continue
            root = self._root(term)
            if root[0] == "constant":
                value = root[1]
            elif root == _CALLER:
                value = Special.CALLER
            elif counted[root] > 1:
                value = numbers.setdefault(root, Same(len(numbers)))
            else:
                continue
            values[term[1]].append((term[2], value))
        return tuple(
            Needed(name, tuple(sorted(found, key=lambda pair: pair[0])))
            for (name, _), found in zip(self.rows, values, strict=True)
        )

    def select(self, select: Node) -> None:
        """The rows that a SELECT reads by itself."""
        self._select(select, [])

    # conditions

    def literals(self, nodes: Iterable[Node], scope: Scope) -> None:
        """What has to be true together."""
        for node in nodes:
            self._literal(sqltree.bare(node), scope)

    def _condition(self, node: Node, scope: Scope) -> None:
        branches = policies.forms(node)
        if not branches:
            raise _UnknownError
        self.literals(branches[min(self.choice, len(branches) - 1)], scope)

    def _literal(self, node: Node, scope: Scope) -> None:
        if sqltree.operands(node, AND) or sqltree.operands(node, OR):
            self._condition(node, scope)
        elif (asked := selects.subquery(node)) is not None:
            sought, select = asked
            given = self._targets(select, scope)
            wanted = [] if sought is None else sqltree.fields(sought) or [sought]
            if len(wanted) == len(given):
                for one, other in zip(wanted, given, strict=True):
                    self._equal(self._term(one, scope), other)
        elif alternatives := sqltree.alternatives(node):
            self._literal(sqltree.bare(alternatives[0]), scope)
        elif (compared := sqltree.comparison(node)) is not None and _is_equality(*compared):
            self._compared(node, *compared, scope)
        elif not sqltree.operands(node, NOT) or not any(selects.subquery(below) for below in sqltree.walk(node)):
            self._wished(node, scope)

    def _compared(self, node: Node, operator: str, left: Node, right: list[Node], scope: Scope) -> None:
        if not right:
            raise _UnknownError
        if operator == "= any" and sqltree.path(right[0]):  # an array of the row
            self._wished(node, scope)
            return
        other = right[min(self.choice, len(right) - 1)]
        one, another = self._term(left, scope), self._term(other, scope)
        if one is None or another is None:
            self._wished(node, scope)
        self._equal(one, another)

    def _wished(self, node: Node, scope: Scope) -> None:
        """What a literal asks of one row, as far as that is understood."""
        names = next(sqltree.columns(node), [])
        place = self._place(names, scope) if names else None
        wishes = [*conditions.wished(node)] if place is not None and place[0] == "column" else []
        if place is None or not wishes:
            return
        wish = wishes[min(self.choice, len(wishes) - 1)]
        if len(wish.path) == 1 and (wish.is_element or wish.value is not Special.CALLER):
            value = (wish.value,) if wish.is_element else Other(wish.value) if wish.is_other else wish.value
            self._equal(("column", place[1], wish.path[0]), ("constant", value, wish.is_element))

    # terms

    def _term(self, node: Node, scope: Scope) -> Term | None:
        node = sqltree.uncast(node)
        if (constant := sqltree.constant(node)) is not None:
            return ("constant", constant, False)
        if sqltree.called(node) == DEFAULT.words.user:
            return _CALLER
        if names := sqltree.names(node):
            return self._place(names, scope)
        if (asked := selects.subquery(node)) is not None and asked[0] is None:
            return self._select(asked[1], scope)
        if alternatives := sqltree.alternatives(node):
            return self._term(alternatives[0], scope)
        if sqltree.called(node).removeprefix("pg_catalog.") in ("array_agg", "max", "min"):
            arguments = sqltree.arguments(node)
            return self._term(arguments[0], scope) if arguments else None
        return _of_the_caller(node)

    def _place(self, names: list[str], scope: Scope) -> Term | None:
        for frame in scope:
            if len(names) > 1:
                if names[-2] in frame:
                    return self._of(frame[names[-2]], names[-1])
                continue
            for place in frame.values():
                if isinstance(place, int) and names[0] in self.rows[place][1]:
                    return ("column", place, names[0])
        return None

    def _of(self, place: Any, name: str) -> Term | None:
        if isinstance(place, int):
            return ("column", place, name) if name in self.rows[place][1] else None
        given: Mapping[str, Term | None] = place
        return given.get(name)

    def _select(self, select: Node, scope: Scope) -> Term | None:
        """The one thing that a SELECT gives; its rows are among those needed."""
        given = self._targets(select, scope)
        return given[0] if len(given) == 1 else None

    def _targets(self, select: Node, scope: Scope) -> list[Term | None]:
        """What a SELECT gives; its rows are among those needed."""
        read = selects.sources(select)
        if read is None:
            raise _UnknownError
        sources, asked, using = read
        frame: dict[str, Any] = {}
        within = [frame, *scope]
        for source in sources:
            if source.select is not None:
                frame[source.alias] = self._given(source.select, scope)
            else:
                frame[source.alias] = self.row(source.schema, source.table)
        places = [place for place in frame.values() if isinstance(place, int)]
        for name in using:
            both = [place for place in places if name in self.rows[place][1]]
            for one, other in itertools.pairwise(both):
                self._equal(("column", one, name), ("column", other, name))
        for condition in asked:
            self._condition(condition, within)
        return [self._term(target, within) for target in selects.targets(select)]

    def _given(self, select: Node, scope: Scope) -> dict[str, Term | None]:
        given = self._select(select, scope)
        names = [*selects.target_names(select)]
        return {names[0]: given} if len(names) == 1 else {}

    # what is the same

    def _root(self, term: Term) -> Term:
        while self.same.get(term, term) != term:
            term = self.same[term]
        return term

    def _equal(self, one: Term | None, other: Term | None) -> None:
        if one is None or other is None:
            return
        for term in (one, other):
            self.same.setdefault(term, term)
        first, second = self._root(one), self._root(other)
        if first == second:
            return
        if first[0] != "column" and not _gives_way(first, second):
            first, second = second, first
        if first[0] != "column" and not _gives_way(first, second):
            raise _UnknownError  # a constant is to be another one, or the caller
        self.same[first] = second


def _gives_way(one: Term, other: Term) -> bool:
    """Whether one is any value but something, which the other one is not."""
    wanted = one[1] if one[0] == "constant" else None
    return isinstance(wanted, Other) and (other[0] == "column" or other[1:2] != (wanted.value,))
