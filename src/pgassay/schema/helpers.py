"""Functions that policies call, followed: a condition with what each of them gives in place of its call.

It is a guess at what a condition asks for. Whether the condition is true is asked of PostgreSQL.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from pgassay import sqltree
from pgassay.schema import policies
from pgassay.schema.sources import Sources
from pgassay.sqltree import AND, Node, building, procedural, routines, selects
from pgassay.sqltree.routines import Routine

ROW = "pgassay_row"
"""The name of the row that a condition is asked of, where a function is put in place: its own tables may have any."""
_DEPTH = 6
"""So deep functions are followed that call each other."""
_MOST = 4000
"""A condition of more nodes than that is not followed further."""
_BRANCHES = 4
"""So many branches of what a condition asks for are looked at."""


class Helpers:
    """The functions of a schema, by their definitions."""

    def __init__(self, definitions: Iterable[str]) -> None:
        self._by_name: dict[str, list[tuple[Routine, Node]]] = {}
        self._numbers = itertools.count(1)
        for definition in definitions:
            routine = routines.routine(definition)
            value = None if routine is None else _value(routine)
            if routine is not None and value is not None:
                for name in {routine.name, routine.name.rpartition(".")[2]}:
                    self._by_name.setdefault(name, []).append((routine, value))

    def forms(self, condition: str) -> list[str]:
        """The branches of a condition, with functions followed; none where it calls none."""
        tree = sqltree.expression(condition)
        if tree is None or not any(self._found(node) for node in sqltree.walk(tree)):
            return []
        branches = policies.forms(building.normal(self.followed(tree))) or []
        joined = (sqltree.deparsed(sqltree.joined(branch, AND)) for branch in branches if branch)
        return [text for text in joined if text is not None][:_BRANCHES]

    def followed(self, condition: Node) -> Node:
        """A condition with what functions give; the columns of its row have that name before them, `ROW`."""
        node = building.replaced(condition, _qualified)
        for _ in range(_DEPTH):
            if not any(self._found(found) for found in sqltree.walk(node)):
                break
            after = building.replaced(node, self._put)
            if sum(1 for _ in sqltree.walk(after)) > _MOST:
                break
            node = after
        return node

    def _found(self, node: Node) -> tuple[Routine, Node, Mapping[str, Node]] | None:
        name = sqltree.called(node)
        for routine, value in self._by_name.get(name, ()) if name else ():
            given = _given(routine, sqltree.arguments(node))
            if given is not None:
                return routine, value, given
        return None

    def _put(self, node: Node) -> Node | None:
        if sqltree.kind(node) == "RangeFunction":
            return self._put_in_from(node)
        found = self._found(node)
        if found is None:
            return None
        routine, value, given = found
        # a table of the function's is none of those that its arguments speak of
        spoken = {names[0] for part in given.values() for names in sqltree.columns(part) if len(names) > 1}
        if taken := building.aliases(value) & spoken:
            value = building.renamed(value, {name: f"{name}_{next(self._numbers)}" for name in sorted(taken)})

        def argument(part: Node) -> Node | None:
            names = sqltree.names(part)
            if len(names) == 2 and names[0] == routine.name.rpartition(".")[2]:
                return given.get(names[1])
            if len(names) == 1:
                return given.get(names[0])
            return given.get(f"${part.number}") if sqltree.kind(part) == "ParamRef" else None

        return building.replaced(value, argument)

    def _put_in_from(self, node: Node) -> Node | None:
        """What a function gives that FROM names, as a SELECT there."""
        call = selects.function_in(node)
        value = None if call is None else self._put(call)
        asked = None if value is None else selects.subquery(value)
        return None if call is None or asked is None else selects.in_from(asked[1], node, sqltree.called(call))


def read(sources: Sources) -> Helpers:
    """The functions of a database that can be followed."""
    return Helpers(function.definition for found in sources.followed().values() for function in found)


def _value(routine: Routine) -> Node | None:
    """What a function gives, as an expression of its parameters."""
    if routine.plpgsql is not None:
        return procedural.value(routine.plpgsql)
    if not routine.statements:
        return None
    select = routine.statements[-1]
    targets = selects.targets(select)
    if len(targets) != 1:
        return None
    return targets[0] if sqltree.is_plain(select) else building.scalar(select)


def _given(routine: Routine, arguments: list[Node]) -> dict[str, Node] | None:
    """The arguments by the names and numbers of the parameters; None where a call is not meant for that function."""
    found: dict[str, Node] = {}
    for number, parameter in enumerate(routine.parameters):
        if parameter.is_variadic:
            rest = arguments[number:]
            is_array = len(rest) == 1 and sqltree.elements(rest[0])
            value = rest[0] if is_array else building.array(rest)
            arguments = arguments[:number]
        elif number < len(arguments):
            value = arguments[number]
        elif parameter.default is not None:
            value = parameter.default
        else:
            return None
        found[f"${number + 1}"] = value
        if parameter.name:
            found[parameter.name] = value
    return found if len(arguments) <= len(routine.parameters) else None


def _qualified(node: Node) -> Node | None:
    """A column of the row with its name; within subqueries, PostgreSQL shows the name of the table already."""
    if sqltree.kind(node) == "SelectStmt":
        return node
    names = sqltree.names(node)
    return building.column(ROW, names[0]) if len(names) == 1 else None
