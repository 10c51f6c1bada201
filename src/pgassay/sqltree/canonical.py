"""One form for all spellings of an expression or query: names of tables in FROM, casts of constants, lists, negations.

Two expressions with the same `key` mean the same. Those with other keys may as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import postgast

from pgassay import sqltree
from pgassay.sqltree import AND, NOT, OR, Node, building, kind, trees, unwrapped, wrapped

_tree = postgast.pg_query_pb2

_NEGATED = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_AS_TEXT = ("text", "varchar")
"""Types between which a cast of a constant changes nothing, as long as no length is given."""


@functools.lru_cache(4096)
def key(text: str) -> str | None:
    """The key of an expression by its text; None where it cannot be read."""
    node = sqltree.expression(text)
    return None if node is None else key_of(node)


def key_of(node: Node) -> str | None:
    """The key of an expression or a query."""
    made = canonical(node)
    return trees.written(made) if kind(made).endswith("Stmt") else sqltree.deparsed(made)


def canonical(node: Node) -> Node:
    """The expression or query in its one form."""
    return sqltree.in_order(_plain(_without_aliases(node, {}, 1)))


def in_one_form(node: Node) -> Node:
    """The same for a part of what is in its one form: the names in FROM are left as they are."""
    return sqltree.in_order(_plain(node))


def equal(left: Node, right: Node) -> Node:
    """``left = right``."""
    return sqltree.in_order(_compared("=", left, right))


def negated(node: Node) -> Node:
    """The negation of what is in its one form."""
    return sqltree.in_order(_not(node))


# names in FROM


def _without_aliases(node: Node, names: Mapping[str, str], depth: int) -> Node:
    """The same with the names that tables have in FROM numbered, in the order in which they stand."""
    if kind(node) == "SelectStmt":
        return _select(node, names, depth)
    if kind(node) in _SOURCES:
        made = sqltree.rebuilt(node, lambda child: _without_aliases(child, names, depth))
        given = names.get(sqltree.named(node))
        if given is not None:
            made.alias.aliasname = given
        return made
    parts = sqltree.names(node)
    if len(parts) > 1 and parts[0] in names and len(node.fields) == len(parts):
        made = type(node)()
        made.CopyFrom(node)
        made.fields[0].string.sval = names[parts[0]]
        return made
    return sqltree.rebuilt(node, lambda child: _without_aliases(child, names, depth))


_SOURCES = ("RangeVar", "RangeSubselect", "RangeFunction")


def _select(node: Node, names: Mapping[str, str], depth: int) -> Node:
    if node.op != _tree.SETOP_NONE:
        made = sqltree.rebuilt(node, lambda child: _without_aliases(child, names, depth))
        made.larg.CopyFrom(_select(node.larg, names, depth))
        made.rarg.CopyFrom(_select(node.rarg, names, depth))
        return made
    here = [name for part in node.from_clause for name in _named(unwrapped(part))]
    alone = {parts[0] for parts in sqltree.columns(node) if len(parts) == 1}  # may stand for the whole row
    known = {name: given for name, given in names.items() if name not in here}
    for number, name in enumerate(here, start=1):
        if name not in alone and here.count(name) == 1:
            known[name] = f"r{depth}_{number}"
    return sqltree.rebuilt(node, lambda child: _without_aliases(child, known, depth + 1))


def _named(source: Node) -> Iterator[str]:
    """The names that something in FROM has, those within subqueries left out."""
    if kind(source) == "JoinExpr":
        yield from _named(unwrapped(source.larg))
        yield from _named(unwrapped(source.rarg))
    elif kind(source) in _SOURCES and (name := sqltree.named(source)):
        yield name


# casts, lists, negations


def _plain(node: Node) -> Node:
    """The same with each part in its one form, what is below it first."""
    node = sqltree.bare(node)
    if node is not None and kind(node) == "SelectStmt" and node.op != _tree.SETOP_NONE:
        made = sqltree.rebuilt(node, _plain)
        made.larg.CopyFrom(_plain(node.larg))
        made.rarg.CopyFrom(_plain(node.rarg))
        return made
    made = sqltree.rebuilt(node, _plain)
    change = _CHANGES.get(kind(made))
    return made if change is None else change(made)


def _cast(made: Any) -> Node:
    """A cast of a constant without those below it that change nothing; of a list, cast one by one."""
    inner: Any = unwrapped(made.arg)
    if _is_list(made.type_name):
        elements = sqltree.elements(inner) if kind(inner) in ("A_ArrayExpr", "TypeCast") else _written(inner)
        if elements is None or (kind(inner) == "TypeCast" and not elements):
            return made
        element = type(made.type_name)()
        element.CopyFrom(made.type_name)
        del element.array_bounds[:]
        return _listed([_as(part, element) for part in elements], made)
    return _as(inner, made.type_name) if kind(inner) == "TypeCast" else made


def _as(node: Any, type_name: Any) -> Node:
    """A value cast to a type."""
    if kind(node) == "TypeCast" and _is_text(node.type_name) and _is_text(type_name):
        constant = unwrapped(node.arg)
        if kind(constant) == "A_Const":
            node = constant
    if kind(node) == "TypeCast" and _same_type(node.type_name, type_name):
        return node
    made = _tree.TypeCast()
    made.arg.CopyFrom(wrapped(node))
    made.type_name.CopyFrom(type_name)
    return made


def _listed(elements: list[Node], cast: Any) -> Node:
    array = building.array(elements)
    if elements:
        return array
    made = type(cast)()
    made.CopyFrom(cast)
    made.arg.CopyFrom(wrapped(array))
    return made


def _written(node: Any) -> list[Node] | None:
    """The elements of an array that is written as a text, where nothing in it has to be told apart by quotes."""
    value = sqltree.constant(node) if kind(node) == "A_Const" else None
    if not isinstance(value, str) or not (value.startswith("{") and value.endswith("}")):
        return None
    inner = value[1:-1]
    if not inner:
        return []
    parts = inner.split(",")
    plain = all(part and part == part.strip() and part.upper() != "NULL" for part in parts)
    if not plain or set(inner) & set('"{}\\'):
        return None
    return [_tree.A_Const(sval=_tree.String(sval=part)) for part in parts]


def _same_type(one: Any, other: Any) -> bool:
    copies = [type(one)(), type(one)()]
    for copy, origin in zip(copies, (one, other), strict=True):
        copy.CopyFrom(origin)
        copy.location = 0
    return bool(copies[0] == copies[1])


def _is_list(type_name: Any) -> bool:
    return len(type_name.array_bounds) == 1


def _is_text(type_name: Any) -> bool:
    names = [part.string.sval for part in type_name.names]
    return not type_name.array_bounds and not type_name.typmods and names[-1] in _AS_TEXT and len(names) <= 2


def _operator(made: Any) -> Node:
    if sqltree.is_own_operator(made):
        return made
    name = made.name[-1].string.sval
    right: Any = unwrapped(made.rexpr)
    if made.kind in (_tree.AEXPR_BETWEEN, _tree.AEXPR_NOT_BETWEEN):
        return _between(made)
    if made.kind == _tree.AEXPR_OP and made.HasField("lexpr"):
        return _truth(made, name)
    if made.kind == _tree.AEXPR_IN:
        return _in(unwrapped(made.lexpr), name, [unwrapped(part) for part in right.items])
    if name != {_tree.AEXPR_OP_ANY: "=", _tree.AEXPR_OP_ALL: "<>"}.get(made.kind):
        return made
    if kind(right) == "A_ArrayExpr" and right.elements:
        return _in(unwrapped(made.lexpr), name, sqltree.elements(right))
    if name == "=" and kind(right) == "SubLink" and right.sub_link_type == _tree.ARRAY_SUBLINK:
        select = _tree.SubLink(sub_link_type=_tree.ANY_SUBLINK)
        select.testexpr.CopyFrom(made.lexpr)
        select.subselect.CopyFrom(right.subselect)
        return select
    return made


def _in(left: Node, name: str, elements: list[Node]) -> Node:
    """A value in a list, or not; held to one alone where there is no other."""
    if len(elements) == 1:
        return _compared(name, left, elements[0])
    return _list(left, name, elements)


def _list(left: Node, name: str, elements: list[Node]) -> Node:
    made = _tree.A_Expr(kind=_tree.AEXPR_IN)
    made.name.add().string.sval = name
    made.lexpr.CopyFrom(wrapped(left))
    made.rexpr.list.SetInParent()
    for element in elements:
        made.rexpr.list.items.add().CopyFrom(wrapped(element))
    return made


def _compared(name: str, left: Node, right: Node) -> Node:
    made = _tree.A_Expr(kind=_tree.AEXPR_OP)
    made.name.add().string.sval = name
    made.lexpr.CopyFrom(wrapped(left))
    made.rexpr.CopyFrom(wrapped(right))
    return made


def _constant(value: bool) -> Node:
    return sqltree.expression("true" if value else "false")


def _between(made: Any) -> Node:
    """``a between b and c`` as two comparisons."""
    left = unwrapped(made.lexpr)
    least, most = sqltree.children(unwrapped(made.rexpr))
    both = sqltree.joined([_compared(">=", left, least), _compared("<=", left, most)], AND)
    return both if made.kind == _tree.AEXPR_BETWEEN else _not(both)


def _truth(made: Any, name: str) -> Node:
    """What is held to true or false is that itself, or its negation."""
    sides = [unwrapped(made.lexpr), unwrapped(made.rexpr)]
    for one, other in (sides, reversed(sides)):
        value = sqltree.constant(one) if name in ("=", "<>") else None
        if isinstance(value, bool):
            return other if value is (name == "=") else _not(other)
    return made


def _boolean(made: Any) -> Node:
    if made.boolop == NOT:
        return _not(unwrapped(made.args[0]))
    parts: list[Node] = []
    for part in map(unwrapped, made.args):
        parts += sqltree.operands(part, made.boolop) or [part]
    neutral = made.boolop == AND
    parts = [part for part in parts if sqltree.constant(part) is not neutral]
    if not parts:
        return _constant(neutral)
    if made.boolop == OR:
        parts = _joined_lists(parts)
    return parts[0] if len(parts) == 1 else sqltree.joined(parts, made.boolop)


def _joined_lists(parts: list[Node]) -> list[Node]:
    """Alternatives of which those that hold the same to constants are one list."""
    lists: dict[str | None, tuple[Node, list[Node]]] = {}
    rest = []
    for part in parts:
        compared = sqltree.comparison(part)
        if compared is None or compared[0] not in ("=", "in") or sqltree.is_own_operator(part):
            rest.append(part)
            continue
        _, left, right = compared
        if compared[0] == "=" and sqltree.constant(left) is not None:
            left, right = right[0], [left]
        if any(sqltree.constant(value) is None for value in right):
            rest.append(part)
        else:
            lists.setdefault(sqltree.ordered(left), (left, []))[1].extend(right)
    return [*rest, *(_in(left, "=", values) for left, values in lists.values())]


def _not(node: Any) -> Node:
    """The negation of a node, as near to what it compares as can be."""
    if inner := sqltree.operands(node, NOT):
        return inner[0]
    for operator, other in ((AND, OR), (OR, AND)):
        if parts := sqltree.operands(node, operator):
            return _boolean(sqltree.joined(map(_not, parts), other))
    value = sqltree.constant(node)
    if isinstance(value, bool):
        return _constant(not value)
    made = type(node)()
    made.CopyFrom(node)
    if kind(node) == "NullTest":
        is_null = node.nulltesttype == _tree.IS_NULL
        made.nulltesttype = _tree.IS_NOT_NULL if is_null else _tree.IS_NULL
        return made if not made.argisrow else sqltree.joined([node], NOT)
    name = node.name[-1].string.sval if kind(node) == "A_Expr" and len(node.name) == 1 else ""
    if name in _NEGATED and node.kind in (_tree.AEXPR_OP, _tree.AEXPR_IN) and node.HasField("lexpr"):
        made.name[0].string.sval = _NEGATED[name]
        return made
    return sqltree.joined([node], NOT)


def _sublink(made: Any) -> Node:
    """``= any (select …)`` as IN; what EXISTS selects does not matter."""
    if made.sub_link_type == _tree.ANY_SUBLINK and [part.string.sval for part in made.oper_name] == ["="]:
        del made.oper_name[:]
    select = made.subselect.select_stmt if made.subselect.HasField("select_stmt") else None
    if made.sub_link_type == _tree.EXISTS_SUBLINK and select is not None and _gives_as_many(select):
        del select.target_list[:]
    return made


def _gives_as_many(select: Any) -> bool:
    """Whether a SELECT gives as many rows whatever it selects."""
    grouped = select.group_clause or select.distinct_clause or select.HasField("having_clause")
    called = any(
        kind(part) in ("FuncCall", "SelectStmt")
        for target in map(unwrapped, select.target_list)
        for part in sqltree.walk(target)
    )
    return bool(select.op == _tree.SETOP_NONE and not grouped and not called)


_CHANGES: Mapping[str, Any] = {
    "TypeCast": _cast,
    "A_Expr": _operator,
    "BoolExpr": _boolean,
    "SubLink": _sublink,
}
