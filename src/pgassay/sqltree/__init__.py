"""The parse tree of SQL, by libpg_query: expressions as they were written, or as PostgreSQL shows them.

What cannot be parsed is None, never an exception. Nodes are libpg_query's own messages; what is made of them is another
message, so that a node never changes for somebody else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import postgast

from pgassay.sqltree import plpgsql, words

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
    said = options(created)
    if is_plpgsql(said):
        return [node for query in _queries(plpgsql.parsed(definition)) for node in queried(query)]
    source = said.get("as")
    text = source.items[0].string.sval if source is not None else ""
    inline = [unwrapped(created.sql_body)] if created.HasField("sql_body") else []
    return [*statements(text), *inline]


def is_parsed(text: str) -> bool:
    """Whether statements, and the body of a function in PL/pgSQL that they make, can be parsed."""
    found = statements(text)
    functions = [node for node in found if kind(node) == "CreateFunctionStmt" and is_plpgsql(options(node))]
    return bool(found) and (not functions or plpgsql.parsed(text) is not None)


def executes(definition: str) -> bool:
    """Whether a function in PL/pgSQL executes a text as SQL; where its body cannot be parsed, by its words."""
    created: Any = next(iter(statements(definition)), None)
    said = options(created) if kind(created) == "CreateFunctionStmt" else {}
    if not is_plpgsql(said):
        return False
    tree = plpgsql.parsed(definition)
    return _has_word(said.get("as")) if tree is None else _has_dynamic(tree)


def options(created: Node) -> dict[str, Any]:
    """What CREATE FUNCTION says besides its parameters, by name."""
    return {option.def_elem.defname: unwrapped(option.def_elem.arg) for option in created.options}


def is_plpgsql(said: dict[str, Any]) -> bool:
    """Whether a function with these options is in PL/pgSQL."""
    language = said.get("language")
    return language is not None and language.sval == "plpgsql"


def _has_word(source: Any) -> bool:
    found = words.scanned(source.items[0].string.sval)
    return found is None or any(word.kind == "EXECUTE" for word in found)


def _has_dynamic(tree: Any) -> bool:
    return any(what in _DYNAMIC for what, _ in plpgsql.parts(tree))


_DYNAMIC = {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"}
"""What libpg_query calls EXECUTE, alone, in a loop, and in RETURN QUERY or OPEN."""


def _queries(tree: Any) -> Iterator[str]:
    """The SQL in a function in PL/pgSQL, in the order of its text."""
    return (part.get("query", "") for what, part in plpgsql.parts(tree) if what == "PLpgSQL_expr")


def queried(query: str) -> list[Node]:
    """What PL/pgSQL has as a query: statements, an expression, or what is assigned."""
    if found := statements(query):
        return found
    node = assigned(query)
    return [] if node is None else [node]


def assigned(text: str) -> Node | None:
    """The tree of an expression, or of what an assignment of PL/pgSQL assigns."""
    parts = (text, text.partition(":=")[2], text.partition("=")[2])
    return next((node for part in parts if part and (node := expression(part)) is not None), None)


def keys(node: Node) -> Iterator[tuple[str, ...]]:
    """The paths of constants that are read from JSON at a node or below it, as ``->>`` does; no part of another one."""
    if found := _keys(node):
        yield found
        return
    for child in children(node):
        yield from keys(child)


def defined(node: Node) -> Iterator[str]:
    """The columns that FROM defines for what a function gives, as in ``json_to_recordset(a) as r (name text)``."""
    for found in walk(node):
        if kind(found) == "RangeFunction":
            yield from (part.column_def.colname for part in found.coldeflist)


def _keys(node: Node) -> tuple[str, ...]:
    found = taken(node)
    return () if found is None else (*_keys(found[0]), *found[1])


def taken(node: Node) -> tuple[Node, tuple[str, ...]] | None:
    """What ``->>`` and the like take something of, and the constant keys to it; None where it is something else."""
    node = uncast(node)
    if called(node).removeprefix("pg_catalog.") in _EXTRACTS:
        path = [constant(key) for part in map(unwrapped, node.args[1:]) for key in elements(part) or [part]]
        return _of_keys(unwrapped(node.args[0]), path)
    if kind(node) == "A_Indirection":
        subscripts = [
            constant(unwrapped(part.a_indices.uidx)) if part.HasField("a_indices") else None
            for part in node.indirection
        ]
        return _of_keys(unwrapped(node.arg), subscripts)
    compared = comparison(node)
    if compared is None or compared[0] not in _TAKES:
        return None
    key = constant(compared[2][0])
    if isinstance(key, str) and compared[0].startswith("#"):
        return _of_keys(compared[1], key.strip("{}").split(","))
    return _of_keys(compared[1], [key])


def _of_keys(node: Node, path: Iterable[Any]) -> tuple[Node, tuple[str, ...]] | None:
    found = tuple(path)
    return (node, found) if found and all(isinstance(part, str) for part in found) else None


_TAKES = ("->", "->>", "#>", "#>>")
_EXTRACTS = tuple(f"{kind}_extract_path{of}" for kind in ("json", "jsonb") for of in ("", "_text"))


def deparsed(node: Node) -> str | None:
    """The SQL of an expression."""
    select = _tree.ParseResult()
    target = select.stmts.add().stmt.select_stmt.target_list.add().res_target
    target.val.CopyFrom(wrapped(node))
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
        made.args.add().CopyFrom(wrapped(node))
    return made


def _enclosed(node: Node) -> Node:
    """The same in COALESCE where it is an AND, OR or NOT: the deparser leaves its parentheses out before IS."""
    if kind(node) != "BoolExpr":
        return node
    made = _tree.CoalesceExpr()
    made.args.add().CopyFrom(wrapped(node))
    return made


def is_null(node: Node) -> Node:
    """The test whether that is NULL."""
    made = _tree.NullTest(nulltesttype=_tree.IS_NULL)
    made.arg.CopyFrom(wrapped(_enclosed(node)))
    return made


def is_not_null(node: Node) -> Node:
    """The test whether that is not NULL."""
    made = _tree.NullTest(nulltesttype=_tree.IS_NOT_NULL)
    made.arg.CopyFrom(wrapped(_enclosed(node)))
    return made


def unqualified(node: Node) -> Node:
    """The same with nothing before the name of any column."""
    if kind(node) == "ColumnRef" and len(node.fields) > 1:
        made = type(node)()
        made.fields.add().CopyFrom(node.fields[-1])
        return made
    return rebuilt(node, unqualified)


def is_not_true(node: Node) -> Node:
    """The test whether that is false or NULL."""
    made = _tree.BooleanTest(booltesttype=_tree.IS_NOT_TRUE)
    made.arg.CopyFrom(wrapped(_enclosed(node)))
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


def null_if(node: Node) -> Node | None:
    """What NULLIF gives if it is not the other; None where it is something else."""
    is_it = kind(node) == "A_Expr" and node.kind == _tree.AEXPR_NULLIF
    return unwrapped(node.lexpr) if is_it else None


def uncast(node: Node) -> Node:
    """What is cast to a type, or within ``(select …)``; the node itself where it is neither."""
    node = bare(node)
    while kind(node) == "TypeCast":
        node = bare(unwrapped(node.arg))
    return node


def casts(node: Node) -> Iterator[str]:
    """The names of columns and variables that are cast to a type, at a node and below it."""
    for found in walk(node):
        named: Any = unwrapped(found.arg) if kind(found) == "TypeCast" else None
        if kind(named) == "ColumnRef":
            yield from _names(named.fields)[-1:]


def elements(node: Node) -> list[Node]:
    """What an array is made of, as ``array[…]``; nothing where it is made otherwise."""
    array = uncast(node)
    return [unwrapped(part) for part in array.elements] if kind(array) == "A_ArrayExpr" else []


def fields(node: Node) -> list[Node]:
    """What a row is made of, as ``(a, b)``; nothing where it is none."""
    return [unwrapped(part) for part in node.args] if kind(node) == "RowExpr" else []


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


def listed(node: Node) -> tuple[Node, list[Node], bool] | None:
    """What is held to a list, the list, and whether it is to be in it; None for all but ``a in (…)`` and NOT IN."""
    if kind(node) != "A_Expr" or node.kind != _tree.AEXPR_IN:
        return None
    right: Any = unwrapped(node.rexpr)
    parts = [unwrapped(part) for part in right.items]
    return unwrapped(node.lexpr), parts, bool(node.name[-1].string.sval == "=")


def is_own_operator(node: Node) -> bool:
    """Whether the operator has a schema before it, as ``operator(app.=)``: it may do anything."""
    return kind(node) == "A_Expr" and len(node.name) > 1


def negative(node: Node) -> Node | None:
    """What has a minus before it; None where nothing has."""
    is_signed = kind(node) == "A_Expr" and not node.HasField("lexpr") and node.name[-1].string.sval == "-"
    return unwrapped(node.rexpr) if is_signed else None


def is_text(node: Node) -> bool:
    """Whether a constant stands in quotes."""
    return kind(node) == "A_Const" and bool(node.HasField("sval"))


def is_like(node: Node) -> bool:
    """Whether it is LIKE, and neither its negation nor a regular expression."""
    return kind(node) == "A_Expr" and node.name[-1].string.sval == "~~"


def compared(node: Node) -> Iterator[tuple[str, bool | int | str]]:
    """Each column that is compared with a constant at a node or below it: its name, and the constant."""
    for found in walk(node):
        left_and_right = comparison(found)
        if left_and_right is None:
            continue
        _, left, right = left_and_right
        right = [part for side in right for part in (elements(side) or [side])]
        for one, others in ((left, right), *((side, [left]) for side in right)):
            column = path(uncast(one))
            for other in others if len(column) == 1 else ():
                value = constant(other)
                if value is not None:
                    yield column[0], value


def constants_of(trees: Iterable[Node]) -> dict[str, tuple[bool | int | str, ...]]:
    """What columns of each name are compared with in these, each constant once."""
    found: dict[str, dict[bool | int | str, None]] = {}
    for column, value in (pair for tree in trees for pair in compared(tree)):
        found.setdefault(column, {})[value] = None
    return {column: tuple(values) for column, values in found.items()}


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


def selecting(node: Node) -> Node:
    """An expression in ``(select …)``, which is asked once a statement where it reads no row."""
    select = _tree.SelectStmt(limit_option=_tree.LIMIT_OPTION_DEFAULT, op=_tree.SETOP_NONE)
    select.target_list.add().res_target.val.CopyFrom(wrapped(node))
    made = _tree.SubLink(sub_link_type=_tree.EXPR_SUBLINK)
    made.subselect.CopyFrom(wrapped(select))
    return made


def _only_target(select: Node) -> Node | None:
    """The one thing that a SELECT gives which has nothing but that."""
    if kind(select) != "SelectStmt" or {field.name for field, _ in select.ListFields()} - _PLAIN:
        return None
    return select.target_list[0].res_target if len(select.target_list) == 1 else None


_PLAIN = {"target_list", "limit_option", "op"}
"""What each SELECT has."""


def is_plain(select: Node) -> bool:
    """Whether a SELECT gives one thing and has nothing but that: no FROM and no WHERE."""
    return _only_target(select) is not None


def selected(node: Node, relation: str) -> Iterator[tuple[str, Node]]:
    """Where a subquery below a node reads that relation: the name that it has there, and the condition of WHERE."""
    for found in walk(node):
        if kind(found) == "SelectStmt" and found.HasField("where_clause"):
            for source in (unwrapped(part) for part in found.from_clause):
                for table in walk(source):
                    if kind(table) == "RangeVar" and f"{table.schemaname}.{table.relname}" == relation:
                        yield table.alias.aliasname or table.relname, unwrapped(found.where_clause)


def named(source: Node) -> str:
    """The name that columns of something in FROM have before them; empty where nothing tells."""
    return str(source.alias.aliasname or (source.relname if kind(source) == "RangeVar" else ""))


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


def names(node: Node) -> list[str]:
    """The name of a column with what stands before the dot; nothing where it is something else."""
    return _names(node.fields) if kind(node) == "ColumnRef" else []


def normalised(node: Node) -> str | None:
    """The text of an expression, which is the same however it is cast, put in order, or wrapped into ``(select …)``."""
    return deparsed(without_casts(node))


def without_casts(node: Node) -> Node:
    """The same expression without casts and ``(select …)`` around a value, in order."""
    return _normal(node, keeps_casts=False)


def ordered(node: Node) -> str | None:
    """The text of an expression, which is the same however it is put in order, or wrapped into ``(select …)``."""
    return deparsed(in_order(node))


def in_order(node: Node) -> Node:
    """The same expression in order, with its casts."""
    return _normal(node, keeps_casts=True)


def _normal(node: Node, *, keeps_casts: bool) -> Node:
    node = bare(node)
    while not keeps_casts and kind(node) == "TypeCast" and not _is_null(unwrapped(node.arg)):  # NULL needs its type
        node = bare(unwrapped(node.arg))
    made = rebuilt(node, functools.partial(_normal, keeps_casts=keeps_casts))
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
    is_array = kind(right) == "A_ArrayExpr" and bool(right.elements)  # libpg_query crashes where it writes ``in ()``
    if made.kind == _tree.AEXPR_OP_ANY and made.name[-1].string.sval == "=" and is_array:
        elements = _sorted(map(unwrapped, right.elements))
        made.kind = _tree.AEXPR_IN
        made.rexpr.list.SetInParent()
        for element in elements:
            made.rexpr.list.items.add().CopyFrom(wrapped(element))
    elif made.kind == _tree.AEXPR_IN:
        elements = _sorted(map(unwrapped, right.items))
        del made.rexpr.list.items[:]
        for element in elements:
            made.rexpr.list.items.add().CopyFrom(wrapped(element))
    elif made.kind == _tree.AEXPR_OP and made.HasField("lexpr"):
        name = made.name[-1].string.sval
        swapped = name in _COMMUTATIVE and (deparsed(unwrapped(made.lexpr)) or "") > (deparsed(right) or "")
        if name in _MIRRORED or swapped:
            left = wrapped(unwrapped(made.lexpr))
            made.lexpr.CopyFrom(wrapped(right))
            made.rexpr.CopyFrom(left)
            made.name[-1].string.sval = _MIRRORED.get(name, name)
    return made


def _sorted(nodes: Iterable[Node]) -> list[Node]:
    """Nodes in the order of their texts, each once."""
    by_text = {deparsed(node) or "": node for node in nodes}
    return [by_text[text] for text in sorted(by_text)]


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same node with what is right below it changed."""
    made = type(node)()
    made.CopyFrom(node)
    for field, value in made.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else [value]:
            below = unwrapped(part)
            if kind(part) == "Node" and below is not None:
                part.CopyFrom(wrapped(change(below)))
            elif kind(part) != "Node":
                part.CopyFrom(rebuilt(part, change))
    return made


def wrapped(node: Node) -> Node:
    """A node in the envelope that says of which kind it is."""
    if kind(node) == "Node":
        return node
    made = _tree.Node()
    getattr(made, _FIELD_OF_KIND[kind(node)]).CopyFrom(node)
    return made


def liked(node: Node) -> tuple[Node, Node] | None:
    """What is compared with a pattern, as LIKE does or a regular expression, and the pattern; None for all else."""
    if kind(node) != "A_Expr" or not node.HasField("lexpr"):
        return None
    is_pattern = node.kind in (_tree.AEXPR_LIKE, _tree.AEXPR_ILIKE) or node.name[-1].string.sval in _PATTERNS
    return (unwrapped(node.lexpr), unwrapped(node.rexpr)) if is_pattern else None


_PATTERNS = ("~~", "~~*", "~", "~*", "^@")


def element(node: Node) -> tuple[Node, int] | None:
    """The array and the number in ``a[1]``; None for all else."""
    if kind(node) != "A_Indirection" or len(node.indirection) != 1:
        return None
    index: Any = unwrapped(node.indirection[0])
    number = constant(unwrapped(index.uidx)) if kind(index) == "A_Indices" and not index.is_slice else None
    return (unwrapped(node.arg), number) if isinstance(number, int) and not isinstance(number, bool) else None


def parameter(node: Node) -> str:
    """The parameter of a function, as ``$1``; empty for all else."""
    return f"${node.number}" if kind(node) == "ParamRef" else ""


def arguments(node: Node) -> list[Node]:
    """What is handed to a function that is called, by position; names that it is given are not looked at."""
    found: list[Any] = [unwrapped(part) for part in node.args] if kind(node) == "FuncCall" else []
    return [unwrapped(part.arg) if kind(part) == "NamedArgExpr" else part for part in found if part is not None]


def tables(node: Node) -> Iterator[str]:
    """The relations that are read at a node and below it, with their schemas where these are said."""
    for found in walk(node):
        if kind(found) == "RangeVar":
            yield f"{found.schemaname}.{found.relname}" if found.schemaname else found.relname


def written(node: Node, *, inserts: bool = True) -> Iterator[str]:
    """The tables, without their schemas, that statements write to at a node and below it; or whose rows they change."""
    for found in walk(node):
        if kind(found) in _CHANGING or (inserts and kind(found) == "InsertStmt"):
            yield found.relation.relname


_CHANGING = ("UpdateStmt", "DeleteStmt", "MergeStmt")
