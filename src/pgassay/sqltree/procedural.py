"""What a simple function in PL/pgSQL gives, as one expression: RETURN, IF, assignments, and SELECT INTO.

A loop, dynamic SQL or whatever else is not followed: then there is no expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pgassay import sqltree
from pgassay.sqltree import Node, building, plpgsql, selects

_ERROR = 21
"""The level from which on RAISE ends the call."""
_MOST = 200
"""So many statements are followed, those after an IF once for each of its branches."""
_WITHOUT_VALUE = ("PLpgSQL_stmt_perform", "PLpgSQL_stmt_raise", "PLpgSQL_stmt_assert")

Known = Mapping[str, Node]
"""What stands in each variable: an expression, or for a record the SELECT that fills it."""


def value(tree: Any) -> Node | None:
    """The value of a function by its tree as JSON has it; None where it cannot be told."""
    try:
        function = tree[0]["PLpgSQL_function"]
        datums: list[dict[str, Any]] = [next(iter(datum.values()), {}) for datum in function["datums"]]
        names = [datum.get("refname", "") for datum in datums]
        known: dict[str, Node] = {}
        for datum in function["datums"]:
            variable = datum.get("PLpgSQL_var", {})
            if "default_val" in variable:
                known[variable["refname"]] = put(_expression(variable["default_val"]), known)
        return _Following(names).value([{"PLpgSQL_stmt_block": function["action"]["PLpgSQL_stmt_block"]}], known)
    except (_UnknownError, KeyError, IndexError, TypeError):
        return None


def assigned(tree: Any) -> Iterator[tuple[list[str], Node, bool]]:
    """The variables that are filled in a body, by what, and whether each gets one element of it after the other.

    With what a SELECT or a loop gives, that is the SELECT.
    """
    datums: list[dict[str, Any]] = [next(iter(datum.values()), {}) for datum in tree[0]["PLpgSQL_function"]["datums"]]
    for what, parts in plpgsql.parts(tree):
        names, source = _filling(what, parts, [datum.get("refname", "") for datum in datums])
        node = None if source is None else next(iter(sqltree.queried(source["PLpgSQL_expr"]["query"])), None)
        if node is not None and any(names):
            yield names, node, what == "PLpgSQL_stmt_foreach_a"


def _filling(what: str, parts: Any, names: Sequence[str]) -> tuple[list[str], Any]:
    """The variables that a part of a body fills, and by what; None where it fills none."""
    if what == "PLpgSQL_var" and "default_val" in parts:
        return [parts["refname"]], parts["default_val"]
    if what in ("PLpgSQL_stmt_assign", "PLpgSQL_stmt_foreach_a") and parts.get("varno", len(names)) < len(names):
        return [names[parts["varno"]]], parts["expr"]
    if what == "PLpgSQL_stmt_fors":
        return _variables(parts["var"]), parts["query"]
    if what == "PLpgSQL_stmt_execsql" and parts.get("into"):
        return _variables(parts["target"]), parts["sqlstmt"]
    return [], None


def _variables(target: Any) -> list[str]:
    row = target.get("PLpgSQL_row")
    return [target["PLpgSQL_rec"]["refname"]] if row is None else [field["name"] for field in row["fields"]]


class _UnknownError(Exception):
    """What cannot be told."""


class _Following:
    """Follows statements; ``names`` are those of the variables by their numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._left = _MOST

    def value(self, statements: Sequence[Any], known: Known) -> Node:
        """What these statements return, one after the other."""
        for position, statement in enumerate(statements):
            self._left -= 1
            if self._left < 0:
                raise _UnknownError
            ((what, parts),) = statement.items()
            rest = statements[position + 1 :]
            if what == "PLpgSQL_stmt_block" and "exceptions" not in parts:
                return self.value([*parts["body"], *rest], known)
            if what == "PLpgSQL_stmt_return":
                return put(_expression(parts["expr"]), known) if "expr" in parts else self._last(known)
            if what == "PLpgSQL_stmt_if":
                return self._of_if(parts, rest, known)
            if what == "PLpgSQL_stmt_raise" and parts.get("elog_level", _ERROR) >= _ERROR:
                return _constant("false")  # whoever gets there gets nothing
            if what == "PLpgSQL_stmt_assign":
                known = _filled(known, {self._names[parts["varno"]]: put(_expression(parts["expr"]), known)})
            elif what == "PLpgSQL_stmt_execsql" and parts.get("into"):
                known = _filled(known, self._selected(parts, known))
            elif what not in _WITHOUT_VALUE:
                raise _UnknownError
        return _constant("null")

    def _last(self, known: Known) -> Node:
        """RETURN of a variable, which the tree does not name: most likely the one that was filled last."""
        filled = [value for name, value in known.items() if name != "found"]
        if not filled or sqltree.kind(filled[-1]) == "SelectStmt":
            raise _UnknownError
        return filled[-1]

    def _of_if(self, parts: Any, rest: Sequence[Any], known: Known) -> Node:
        cases = [(parts["cond"], parts.get("then_body", []))]
        others = [other["PLpgSQL_if_elsif"] for other in parts.get("elsif_list", [])]
        cases += [(other["cond"], other.get("stmts", [])) for other in others]
        found = self.value([*parts.get("else_body", []), *rest], known)
        for condition, body in reversed(cases):
            found = building.case(put(_expression(condition), known), self.value([*body, *rest], known), found)
        return found

    def _selected(self, parts: Any, known: Known) -> dict[str, Node]:
        select = next(iter(sqltree.statements(parts["sqlstmt"]["PLpgSQL_expr"]["query"])), None)
        targets = selects.targets(select)
        if not targets:
            raise _UnknownError
        select = put(select, known)
        names = _variables(parts["target"])
        found = {"found": building.exists(select)}
        if len(names) == 1 and sqltree.path(targets[0]) == ("*",):
            return {**found, names[0]: select}
        if len(names) != len(targets):
            raise _UnknownError
        for name, target in zip(names, selects.targets(select), strict=True):
            found[name] = building.scalar(building.giving(select, target))
        return found


def _filled(known: Known, values: Known) -> dict[str, Node]:
    """What is known, and these values as the last."""
    return {**{name: value for name, value in known.items() if name not in values}, **values}


def put(node: Node, known: Known) -> Node:
    """An expression with what stands in its variables in their place."""

    def of(found: Node) -> Node | None:
        names = sqltree.names(found)
        if len(names) == 1 and names[0] in known:
            value = known[names[0]]
            return None if sqltree.kind(value) == "SelectStmt" else value
        if len(names) == 2 and names[0] in known and sqltree.kind(known[names[0]]) == "SelectStmt":
            return building.scalar(building.giving(known[names[0]], building.column(names[1])))
        return None

    return building.replaced(node, of)


def _expression(parts: Any) -> Node:
    found = sqltree.assigned(parts["PLpgSQL_expr"]["query"])
    if found is None:
        raise _UnknownError
    return found


def _constant(text: str) -> Node:
    return sqltree.expression(text)
