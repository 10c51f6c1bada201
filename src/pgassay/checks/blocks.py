"""What a DO block executes, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pgassay import sqltree
from pgassay.migrations import Statement
from pgassay.sqltree import plpgsql, trees, words

_DIRECTIVE = re.compile(r"%(?:(?:(?P<position>[0-9]+)\$)?(?P<type>[sIL])|(?P<percent>%)|)")
_SHOWN = 40  # of an expression; with its brackets well below the 63 bytes of a name


@dataclass(frozen=True)
class Executed:
    """SQL that a block executes, at ``line``.

    Names that are made up as it runs are written as the expression that makes them, in angle brackets: ``"<r.name>"``.
    Where that gives no SQL, ``sql`` is None, and ``literals`` are the texts of the block that it may be made from.
    """

    line: int
    sql: str | None
    literals: Sequence[str] = ()


def executed(statement: Statement) -> Iterator[Executed]:
    """What the DO block ``statement`` executes, in the order of its text: each branch and loop as if run once."""
    options = {option.def_elem.defname: option.def_elem for option in trees.only(statement.text, "DoStmt").args}
    body = options["as"].arg.string.sval
    first = statement.line + statement.text.encode()[: options["as"].location].count(b"\n")
    language = options["language"].arg.string.sval if "language" in options else "plpgsql"
    parsed = plpgsql.parsed(statement.text) if language == "plpgsql" else None
    if parsed is None:
        yield Executed(statement.code_line, None, [body])
        return
    found: list[tuple[int, str | None]] = []
    rest = list(_literals_of(parsed, found))
    for line, text in found:
        yield Executed(first + line - 1, text, [] if text is not None else rest)


def is_unknown(name: str) -> bool:
    """Whether ``name`` stands for what is known only as the block runs."""
    return "<" in name


def _literals_of(tree: Any, found: list[tuple[int, str | None]]) -> Iterator[str]:
    """Put what ``tree`` executes into ``found``, with its line in the body; give the literals of the rest."""
    if isinstance(tree, list):
        for item in tree:
            yield from _literals_of(item, found)
    elif isinstance(tree, dict):
        for kind, node in tree.items():
            if kind == "PLpgSQL_stmt_execsql":
                found.append((node["lineno"], node["sqlstmt"]["PLpgSQL_expr"]["query"]))
            elif kind == "PLpgSQL_stmt_dynexecute":
                expression = node["query"]["PLpgSQL_expr"]["query"]
                text = _read(expression)
                found.append((node["lineno"], text))
                if text is None:
                    yield from _literals(expression)
            elif kind == "PLpgSQL_expr":
                yield from _literals(node["query"])
            else:
                yield from _literals_of(node, found)


def _literals(expression: str) -> Iterator[str]:
    yield from (word.text for word in words.said(expression) if word.is_text)


def _read(expression: str) -> str | None:
    """The SQL that ``expression`` is; None where what is not known of it is more than names."""
    select = trees.only(f"select {expression}", "SelectStmt")
    text = None if select is None else _text(select.target_list[0].res_target.val)
    return None if text is None or trees.parsed(text) is None else text


def _text(node: Any) -> str:
    kind = node.WhichOneof("node")
    if kind == "a_const" and node.a_const.HasField("sval"):
        return str(node.a_const.sval.sval)
    if kind == "type_cast" and node.type_cast.arg.WhichOneof("node") == "a_const":
        return _text(node.type_cast.arg)
    if kind == "a_expr" and [part.string.sval for part in node.a_expr.name] == ["||"]:
        return _text(node.a_expr.lexpr) + _text(node.a_expr.rexpr)
    if kind == "func_call":
        arguments = list(node.func_call.args)
        match node.func_call.funcname[-1].string.sval:
            case "concat":
                return "".join(map(_text, arguments))
            case "quote_ident" if len(arguments) == 1:
                return _identifier(arguments[0])
            case "quote_literal" | "quote_nullable" if len(arguments) == 1:
                return _literal(arguments[0])
            case "format" if arguments and not node.func_call.func_variadic:
                return _formatted(arguments) or _unknown(node)
    return _unknown(node)


def _formatted(arguments: Sequence[Any]) -> str | None:
    """What ``format()`` makes of them; None where it is called in another way than for SQL."""
    template, parts, end, number = _text(arguments[0]), [], 0, 0
    for found in _DIRECTIVE.finditer(template):
        parts.append(template[end : found.start()])
        end = found.end()
        if found["percent"]:
            parts.append("%")
            continue
        number = int(found["position"] or number + 1)
        if not found["type"] or not 0 < number < len(arguments):
            return None
        write = {"s": _text, "I": _identifier, "L": _literal}[found["type"]]
        parts.append(write(arguments[number]))
    return "".join([*parts, template[end:]])


def _identifier(node: Any) -> str:
    text = _text(node)
    return text if text == _unknown(node) else _quoted(text)


def _literal(node: Any) -> str:
    return "'" + _text(node).replace("'", "''") + "'"


def _unknown(node: Any) -> str:
    """The name that stands for what is not known before the block runs."""
    text = " ".join((sqltree.deparsed(node) or "").split())
    return _quoted(f"<{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}>")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
