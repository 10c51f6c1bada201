"""The parse tree of SQL, by libpg_query: expressions as they were written, or as PostgreSQL shows them.

What cannot be parsed is None, never an exception. Nodes are libpg_query's own messages; what is made of them is another
message, so that a node never changes for somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import postgast

Node = Any
"""A node of the parse tree, without the envelope that says of which kind it is."""

_tree = postgast.pg_query_pb2
AND, OR, NOT = _tree.AND_EXPR, _tree.OR_EXPR, _tree.NOT_EXPR
_FIELD_OF_KIND: dict[str, str] = {
    field.message_type.name: field.name for field in _tree.Node.DESCRIPTOR.fields if field.message_type is not None
}
_TIMES = (
    _tree.SVFOP_CURRENT_DATE,
    _tree.SVFOP_CURRENT_TIMESTAMP,
    _tree.SVFOP_CURRENT_TIMESTAMP_N,
    _tree.SVFOP_LOCALTIMESTAMP,
    _tree.SVFOP_LOCALTIMESTAMP_N,
)
_NOW = ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp")
_MIRRORED = {">": "<", ">=": "<="}
_COMMUTATIVE = ("=", "<>")


def expression(text: str) -> Node | None:
    """The tree of one expression."""
    try:
        parsed = postgast.parse(f"select {text}").stmts
    except (postgast.PgQueryError, ValueError):
        return None
    select = unwrapped(parsed[0].stmt) if len(parsed) == 1 else None
    target = _only_target(select)
    return None if target is None or target.name else unwrapped(target.val)


def statements(text: str) -> list[Node]:
    """The trees of some statements; none where they cannot be parsed."""
    try:
        parsed = postgast.parse(text).stmts
    except (postgast.PgQueryError, ValueError):
        return []
    return [found for found in (unwrapped(one.stmt) for one in parsed) if found is not None]


def body(definition: str) -> list[Node]:
    """The trees in the body of a function: its statements in SQL, or the statements and expressions of PL/pgSQL.

    ``definition`` is its CREATE FUNCTION. What cannot be parsed is left out.
    """
    created: Any = next(iter(statements(definition)), None)
    if kind(created) != "CreateFunctionStmt":
        return []
    options: dict[str, Any] = {option.def_elem.defname: unwrapped(option.def_elem.arg) for option in created.options}
    language = options.get("language")
    if language is not None and language.sval == "plpgsql":
        return [node for query in _queries(_plpgsql(definition)) for node in _parsed(query)]
    source = options.get("as")
    text = source.items[0].string.sval if source is not None else ""
    inline = [unwrapped(created.sql_body)] if created.HasField("sql_body") else []
    return [*statements(text), *inline]


def _plpgsql(definition: str) -> Any:
    """The tree of a function in PL/pgSQL, as JSON has it; None where there is none."""
    try:
        return postgast.parse_plpgsql(definition)
    except json.JSONDecodeError as error:  # libpg_query closes the records of a trigger once too often
        try:
            return json.loads(error.doc.replace("{}},", "{},"))
        except ValueError:
            return None
    except (postgast.PgQueryError, ValueError):
        return None


def _queries(tree: Any) -> Iterator[str]:
    """The SQL in a function in PL/pgSQL, in the order of its text."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            if name == "PLpgSQL_expr":
                yield part.get("query", "")
            else:
                yield from _queries(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _queries(part)


def _parsed(query: str) -> list[Node]:
    """What PL/pgSQL has as a query: statements, an expression, or an assignment."""
    if found := statements(query):
        return found
    parts = (query, query.partition(":=")[2], query.partition("=")[2])
    return [node for node in map(expression, filter(None, parts)) if node is not None][:1]


def keys(node: Node) -> Iterator[tuple[str, ...]]:
    """The paths of constants that are read from JSON at a node or below it, as ``->>`` does; no part of another one."""
    if found := _keys(node):
        yield found
        return
    for child in children(node):
        yield from keys(child)


def _keys(node: Node) -> tuple[str, ...]:
    node = uncast(node)
    if called(node).removeprefix("pg_catalog.") in _EXTRACTS:
        path = [constant(part) for part in map(unwrapped, node.args[1:])]
        return tuple(part for part in path if isinstance(part, str)) if None not in path else ()
    compared = comparison(node)
    if compared is None or compared[0] not in _TAKES:
        return ()
    key = constant(compared[2][0])
    if not isinstance(key, str):
        return ()
    return (*_keys(compared[1]), *(key.strip("{}").split(",") if compared[0].startswith("#") else [key]))


_TAKES = ("->", "->>", "#>", "#>>")
_EXTRACTS = tuple(f"{kind}_extract_path{of}" for kind in ("json", "jsonb") for of in ("", "_text"))


def deparsed(node: Node) -> str | None:
    """The SQL of an expression."""
    select = _tree.ParseResult()
    target = select.stmts.add().stmt.select_stmt.target_list.add().res_target
    target.val.CopyFrom(_wrapped(node))
    try:
        return str(postgast.deparse(select)).removeprefix("SELECT ")
    except (postgast.PgQueryError, ValueError):
        return None


def kind(node: Node) -> str:
    """Of which kind a node is, as ``A_Expr``; empty for None."""
    return "" if node is None else str(node.DESCRIPTOR.name)


def unwrapped(node: Node) -> Node | None:
    """A node without its envelope; None where that is empty."""
    while kind(node) == "Node":
        name = node.WhichOneof("node")
        node = getattr(node, name) if name is not None else None
    return node


def children(node: Node) -> Iterator[Node]:
    """The nodes right below one."""
    for field, value in node.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                below = unwrapped(child)
                if below is not None:
                    yield below


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def operands(node: Node, operator: int) -> list[Node]:
    """What AND, OR or NOT joins at a node; nothing where it is none."""
    if kind(node) != "BoolExpr" or node.boolop != operator:
        return []
    return [found for found in map(unwrapped, node.args) if found is not None]


def joined(nodes: Iterable[Node], operator: int) -> Node:
    """The nodes joined by AND or OR, or the one node under NOT."""
    made = _tree.BoolExpr(boolop=operator)
    for node in nodes:
        made.args.add().CopyFrom(_wrapped(node))
    return made


def _enclosed(node: Node) -> Node:
    """The same in COALESCE where it is an AND, OR or NOT: the deparser leaves its parentheses out before IS."""
    if kind(node) != "BoolExpr":
        return node
    made = _tree.CoalesceExpr()
    made.args.add().CopyFrom(_wrapped(node))
    return made


def is_null(node: Node) -> Node:
    """The test whether that is NULL."""
    made = _tree.NullTest(nulltesttype=_tree.IS_NULL)
    made.arg.CopyFrom(_wrapped(_enclosed(node)))
    return made


def is_not_true(node: Node) -> Node:
    """The test whether that is false or NULL."""
    made = _tree.BooleanTest(booltesttype=_tree.IS_NOT_TRUE)
    made.arg.CopyFrom(_wrapped(_enclosed(node)))
    return made


def tested(node: Node) -> tuple[Node, bool] | None:
    """What is tested by IS TRUE (True) or IS FALSE (False)."""
    truth = {_tree.IS_TRUE: True, _tree.IS_FALSE: False}
    if kind(node) != "BooleanTest" or node.booltesttype not in truth:
        return None
    return unwrapped(node.arg), truth[node.booltesttype]


def cases(node: Node) -> tuple[list[tuple[Node, Node]], Node | None] | None:
    """Conditions and results of a CASE that compares nothing, and its ELSE; None where it is something else."""
    if kind(node) != "CaseExpr" or node.HasField("arg"):
        return None
    parts = [unwrapped(part) for part in node.args]
    otherwise = unwrapped(node.defresult) if node.HasField("defresult") else None
    return [(unwrapped(part.expr), unwrapped(part.result)) for part in parts if part is not None], otherwise


def alternatives(node: Node) -> list[Node]:
    """The arguments of COALESCE; nothing where it is something else."""
    return [unwrapped(part) for part in node.args] if kind(node) == "CoalesceExpr" else []


def uncast(node: Node) -> Node:
    """What is cast to a type, or within ``(select …)``; the node itself where it is neither."""
    node = bare(node)
    while kind(node) == "TypeCast":
        node = bare(unwrapped(node.arg))
    return node


def elements(node: Node) -> list[Node]:
    """What an array is made of, as ``array[…]``; nothing where it is made otherwise."""
    array = uncast(node)
    return [unwrapped(part) for part in array.elements] if kind(array) == "A_ArrayExpr" else []


def constant(node: Node) -> bool | int | str | None:
    """A constant, whatever it is cast to; None where it is none, or NULL."""
    while kind(node) == "TypeCast":
        node = unwrapped(node.arg)
    if kind(node) != "A_Const" or node.isnull:
        return None
    value = {"boolval": "boolval", "ival": "ival", "sval": "sval", "fval": "fval"}
    for field, inner in value.items():
        if node.HasField(field):
            found: bool | int | str = getattr(getattr(node, field), inner)
            return found
    return None


def constants(node: Node) -> Iterator[bool | int | str]:
    """The constants at a node and below it, but for NULL."""
    for found in walk(node):
        value = constant(found) if kind(found) == "A_Const" else None
        if value is not None:
            yield value


def comparison(node: Node) -> tuple[str, Node, list[Node]] | None:
    """The operator, the left side and the right side of ``a = b``; of ``a in (…)`` and ``a = any (b)`` these words.

    None where it is something else.
    """
    if kind(node) != "A_Expr" or not node.HasField("lexpr"):
        return None
    name, left, right = node.name[-1].string.sval, unwrapped(node.lexpr), unwrapped(node.rexpr)
    if node.kind == _tree.AEXPR_OP:
        return name, left, [right]
    if node.kind == _tree.AEXPR_IN and name == "=":
        return "in", left, [part for part in map(unwrapped, right.items) if part is not None] if right else []
    return ("= any", left, [right]) if node.kind == _tree.AEXPR_OP_ANY and name == "=" else None


def sought(node: Node) -> Node | None:
    """What is looked for in ``a in (select …)``; None where it is something else."""
    is_sought = kind(node) == "SubLink" and node.sub_link_type == _tree.ANY_SUBLINK
    return unwrapped(node.testexpr) if is_sought else None


def tested_for_null(node: Node) -> tuple[Node, bool] | None:
    """What is tested by IS NULL (True) or IS NOT NULL (False)."""
    if kind(node) != "NullTest":
        return None
    return unwrapped(node.arg), bool(node.nulltesttype == _tree.IS_NULL)


def path(node: Node) -> tuple[str, ...]:
    """The name of a column, then those of the fields of its composite value; empty where it is something else."""
    if kind(node) == "ColumnRef":
        return tuple(_names(node.fields)[-1:])
    if kind(node) != "A_Indirection":
        return ()
    parts = [part.string.sval if part.HasField("string") else "" for part in node.indirection]
    base = path(unwrapped(node.arg))
    return (*base, *parts) if base and all(parts) else ()


def called(node: Node) -> str:
    """The name of the function that is called, with its schema if that is said; empty where there is none."""
    return ".".join(_names(node.funcname)) if kind(node) == "FuncCall" else ""


def is_now(node: Node) -> bool:
    """Whether it asks for the present time or day."""
    if kind(node) == "SQLValueFunction":
        return node.op in _TIMES
    return kind(node) == "FuncCall" and _names(node.funcname)[-1] in _NOW and not node.args


def bare(node: Node) -> Node:
    """What stands in ``(select …)`` without FROM or anything else; the node itself where there is no such thing."""
    while kind(node) == "SubLink" and node.sub_link_type == _tree.EXPR_SUBLINK:
        target = _only_target(unwrapped(node.subselect))
        inner = None if target is None else unwrapped(target.val)
        if inner is None:
            break
        node = inner
    return node


def _only_target(select: Node) -> Node | None:
    """The one thing that a SELECT gives which has nothing but that."""
    if kind(select) != "SelectStmt" or {field.name for field, _ in select.ListFields()} - _PLAIN:
        return None
    return select.target_list[0].res_target if len(select.target_list) == 1 else None


_PLAIN = {"target_list", "limit_option", "op"}
"""What each SELECT has."""


def selected(node: Node, relation: str) -> Iterator[tuple[str, Node]]:
    """Where a subquery below a node reads that relation: the name that it has there, and the condition of WHERE."""
    for found in walk(node):
        if kind(found) == "SelectStmt" and found.HasField("where_clause"):
            for source in (unwrapped(part) for part in found.from_clause):
                for table in walk(source):
                    if kind(table) == "RangeVar" and f"{table.schemaname}.{table.relname}" == relation:
                        yield table.alias.aliasname or table.relname, unwrapped(found.where_clause)


def reads(node: Node, relation: str) -> bool:
    """Whether an expression reads a column of the row it is asked of, in subqueries too.

    As PostgreSQL shows it: within a subquery, columns have the name of their relation, here ``relation``, before them.
    """
    if kind(node) == "ColumnRef":
        return len(node.fields) == 1 or _names(node.fields)[0] == relation
    if kind(node) == "SubLink":
        outside = node.HasField("testexpr") and reads(unwrapped(node.testexpr), relation)
        within = (names[:-1] for names in columns(unwrapped(node.subselect)))
        return outside or any(names == [relation] for names in within)
    return any(reads(child, relation) for child in children(node))


def columns(node: Node) -> Iterator[list[str]]:
    """The names of each reference to a column, with what stands before the dot."""
    yield from (_names(found.fields) for found in walk(node) if kind(found) == "ColumnRef")


def _names(parts: Iterable[Node]) -> list[str]:
    return [part.string.sval for part in parts if part.HasField("string")] + [
        "*" for part in parts if part.HasField("a_star")
    ]


def normalised(node: Node) -> str | None:
    """The text of an expression, which is the same however it is cast, put in order, or wrapped into ``(select …)``."""
    return deparsed(_normal(node))


def _normal(node: Node) -> Node:
    node = bare(node)
    while kind(node) == "TypeCast" and not _is_null(unwrapped(node.arg)):  # whose type nothing else tells
        node = bare(unwrapped(node.arg))
    made = _rebuilt(node, _normal)
    if hasattr(made, "location"):
        made.location = 0
    if kind(made) == "BoolExpr" and made.boolop != NOT:
        parts = [part for arg in map(unwrapped, made.args) for part in (operands(arg, made.boolop) or [arg])]
        return joined(_sorted(parts), made.boolop)
    if kind(made) == "A_Expr":
        return _normal_operator(made)
    if kind(made) == "FuncCall" and len(made.funcname) == 2 and made.funcname[0].string.sval == "pg_catalog":
        del made.funcname[0]
    return made


def _is_null(node: Node) -> bool:
    return kind(node) == "A_Const" and bool(node.isnull)


def _normal_operator(made: Node) -> Node:
    """The same comparison with its sides in order, and ``= any (array[…])`` as IN."""
    right: Any = unwrapped(made.rexpr)
    if made.kind == _tree.AEXPR_OP_ANY and made.name[-1].string.sval == "=" and kind(right) == "A_ArrayExpr":
        elements = _sorted(map(unwrapped, right.elements))
        made.kind = _tree.AEXPR_IN
        made.rexpr.list.SetInParent()
        for element in elements:
            made.rexpr.list.items.add().CopyFrom(_wrapped(element))
    elif made.kind == _tree.AEXPR_IN:
        elements = _sorted(map(unwrapped, right.items))
        del made.rexpr.list.items[:]
        for element in elements:
            made.rexpr.list.items.add().CopyFrom(_wrapped(element))
    elif made.kind == _tree.AEXPR_OP and made.HasField("lexpr"):
        name = made.name[-1].string.sval
        swapped = name in _COMMUTATIVE and (deparsed(unwrapped(made.lexpr)) or "") > (deparsed(right) or "")
        if name in _MIRRORED or swapped:
            left = _wrapped(unwrapped(made.lexpr))
            made.lexpr.CopyFrom(_wrapped(right))
            made.rexpr.CopyFrom(left)
            made.name[-1].string.sval = _MIRRORED.get(name, name)
    return made


def _sorted(nodes: Iterable[Node]) -> list[Node]:
    """Nodes in the order of their texts, each once."""
    by_text = {deparsed(node) or "": node for node in nodes}
    return [by_text[text] for text in sorted(by_text)]


def _rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same node with what is right below it changed."""
    made = type(node)()
    made.CopyFrom(node)
    for field, value in made.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else [value]:
            below = unwrapped(part)
            if kind(part) == "Node" and below is not None:
                part.CopyFrom(_wrapped(change(below)))
            elif kind(part) != "Node":
                part.CopyFrom(_rebuilt(part, change))
    return made


def replaced(node: Node, change: Callable[[Node], Node | None]) -> Node:
    """The same tree with each node replaced for which ``change`` gives another one; nothing below that is looked at."""
    other = change(node)
    return other if other is not None else _rebuilt(node, lambda child: replaced(child, change))


def normal(node: Node) -> Node:
    """An expression without casts, in order, and with BETWEEN as two comparisons."""
    return _normal(replaced(node, _between))


def _between(node: Node) -> Node | None:
    if kind(node) != "A_Expr" or node.kind != _tree.AEXPR_BETWEEN:
        return None
    least, most = children(unwrapped(node.rexpr))
    left = unwrapped(node.lexpr)
    return joined([_operator(">=", left, least), _operator("<=", left, most)], AND)


def _operator(name: str, left: Node, right: Node) -> Node:
    made = _tree.A_Expr(kind=_tree.AEXPR_OP)
    made.name.add().string.sval = name
    made.lexpr.CopyFrom(_wrapped(left))
    made.rexpr.CopyFrom(_wrapped(right))
    return made


def scalar(select: Node) -> Node:
    """``(select …)`` as a value."""
    return _subquery(select, _tree.EXPR_SUBLINK)


def exists(select: Node) -> Node:
    """``exists (select …)``."""
    return _subquery(select, _tree.EXISTS_SUBLINK)


def _subquery(select: Node, type_: int) -> Node:
    made = _tree.SubLink(sub_link_type=type_)
    made.subselect.CopyFrom(_wrapped(select))
    return made


def case(condition: Node, result: Node, otherwise: Node) -> Node:
    """``case when … then … else … end``."""
    made = _tree.CaseExpr()
    when = made.args.add().case_when
    when.expr.CopyFrom(_wrapped(condition))
    when.result.CopyFrom(_wrapped(result))
    made.defresult.CopyFrom(_wrapped(otherwise))
    return made


def column(*names: str) -> Node:
    """A reference to a column, with what stands before the dot."""
    made = _tree.ColumnRef()
    for name in names:
        made.fields.add().string.sval = name
    return made


def array(elements: Iterable[Node]) -> Node:
    """``array[…]``."""
    made = _tree.A_ArrayExpr()
    for element in elements:
        made.elements.add().CopyFrom(_wrapped(element))
    return made


def targets(select: Node) -> list[Node]:
    """What a SELECT gives; nothing where it is something else."""
    return [unwrapped(part.res_target.val) for part in select.target_list] if kind(select) == "SelectStmt" else []


def target_names(select: Node) -> list[str]:
    """The names of what a SELECT gives; empty for what has none."""
    parts = [part.res_target for part in select.target_list] if kind(select) == "SelectStmt" else []
    return [part.name or next(iter(path(unwrapped(part.val))), "") for part in parts]


def giving(select: Node, target: Node) -> Node:
    """The same SELECT with that as the one thing that it gives."""
    made = type(select)()
    made.CopyFrom(select)
    del made.target_list[:]
    made.target_list.add().res_target.val.CopyFrom(_wrapped(target))
    return made


def is_plain(select: Node) -> bool:
    """Whether a SELECT reads nothing: it has no FROM and no WHERE."""
    return _only_target(select) is not None


@dataclass(frozen=True)
class Source:
    """What a SELECT reads: a table by its names, or another SELECT, and the name that it has there."""

    alias: str
    schema: str = ""
    table: str = ""
    select: Node | None = None


def sources(select: Node) -> tuple[list[Source], list[Node], list[str]] | None:
    """What a SELECT reads, what WHERE and joins ask, and the columns of USING; None where it is something else."""
    found: list[Source] = []
    conditions: list[Node] = []
    using: list[str] = []

    def read_from(node: Node) -> bool:
        if kind(node) == "RangeVar":
            found.append(Source(node.alias.aliasname or node.relname, node.schemaname, node.relname))
        elif kind(node) == "RangeSubselect" and node.HasField("alias") and not node.lateral:
            found.append(Source(node.alias.aliasname, select=unwrapped(node.subquery)))
        elif kind(node) == "JoinExpr":
            conditions.extend([unwrapped(node.quals)] if node.HasField("quals") else [])
            using.extend(part.string.sval for part in node.using_clause)
            return read_from(unwrapped(node.larg)) and read_from(unwrapped(node.rarg))
        else:
            return False
        return True

    if kind(select) != "SelectStmt" or not all(map(read_from, map(unwrapped, select.from_clause))):
        return None
    if select.HasField("where_clause"):
        conditions.append(unwrapped(select.where_clause))
    return found, conditions, using


def subquery(node: Node) -> tuple[Node | None, Node] | None:
    """What is looked for with ``in`` or ``= any``, if anything is, and the SELECT; None where it is something else."""
    if kind(node) != "SubLink" or node.sub_link_type not in (
        _tree.EXISTS_SUBLINK,
        _tree.ANY_SUBLINK,
        _tree.EXPR_SUBLINK,
    ):
        return None
    return unwrapped(node.testexpr) if node.HasField("testexpr") else None, unwrapped(node.subselect)


def arguments(node: Node) -> list[Node]:
    """The arguments of a call, by their position; names that they are given are not looked at."""
    found = [unwrapped(part) for part in node.args]
    return [unwrapped(part.arg) if kind(part) == "NamedArgExpr" else part for part in found if part is not None]


def names(node: Node) -> list[str]:
    """The name of a column with what stands before the dot; nothing where it is something else."""
    return _names(node.fields) if kind(node) == "ColumnRef" else []


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, by which a caller hands something in."""

    name: str
    default: Node | None
    is_variadic: bool


@dataclass(frozen=True)
class Routine:
    """A function as it was created: what it takes, and what it does, in SQL as trees or in PL/pgSQL as JSON has it."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Node, ...] = ()
    plpgsql: Any = None


def routine(definition: str) -> Routine | None:
    """A function by its CREATE FUNCTION; None where that cannot be parsed."""
    created: Any = next(iter(statements(definition)), None)
    if kind(created) != "CreateFunctionStmt":
        return None
    parts: list[Any] = [unwrapped(part) for part in created.parameters]
    given = [part for part in parts if part.mode not in (_tree.FUNC_PARAM_OUT, _tree.FUNC_PARAM_TABLE)]
    parameters = tuple(
        Parameter(
            part.name,
            unwrapped(part.defexpr) if part.HasField("defexpr") else None,
            part.mode == _tree.FUNC_PARAM_VARIADIC,
        )
        for part in given
    )
    options: dict[str, Any] = {option.def_elem.defname: unwrapped(option.def_elem.arg) for option in created.options}
    name = ".".join(_names(created.funcname))
    language = options.get("language")
    if language is not None and language.sval == "plpgsql":
        return Routine(name, parameters, plpgsql=_plpgsql(definition))
    source = options.get("as")
    found = statements(source.items[0].string.sval) if source is not None else []
    if created.HasField("sql_body"):
        found = [*_inline(unwrapped(created.sql_body))]
    return Routine(name, parameters, tuple(found))


def _inline(body_: Node) -> Iterator[Node]:
    """The statements of BEGIN ATOMIC, or what RETURN gives, as a SELECT."""
    if kind(body_) == "ReturnStmt":
        made = _tree.SelectStmt(limit_option=_tree.LIMIT_OPTION_DEFAULT, op=_tree.SETOP_NONE)
        made.target_list.add().res_target.val.CopyFrom(body_.returnval)
        yield made
    elif kind(body_) == "List":
        for part in body_.items:
            yield from _inline(unwrapped(part))
    elif body_ is not None:
        yield body_


def _wrapped(node: Node) -> Node:
    """A node in the envelope that says of which kind it is."""
    if kind(node) == "Node":
        return node
    made = _tree.Node()
    getattr(made, _FIELD_OF_KIND[kind(node)]).CopyFrom(node)
    return made
