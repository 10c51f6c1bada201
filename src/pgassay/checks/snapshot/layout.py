"""SQL in one shape: without comments, in lower case, broken into lines by what it says, not by how it was written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgassay import sqltree
from pgassay.sqltree import trees, words

_WIDTH = 96
_SCANNED = 4096
"""How many texts are remembered: two states of a schema have most of theirs in common."""

_BREAKS_BEFORE = frozenset((
    "select", "from", "where", "group", "having", "order", "limit", "offset", "union", "intersect", "except",
    "values", "set", "returning", "window", "join", "left", "right", "inner", "full", "cross", "natural", "on",
    "and", "or", "when", "else", "end", "using",
))  # fmt: skip
_JOINS = frozenset(("left", "right", "inner", "full", "cross", "natural", "outer"))
_INDENTED = frozenset(("and", "or", "on", "when", "else"))
_TIGHT_BEFORE = frozenset((",", ";", ")", "]", ".", "::", ":"))
_TIGHT_AFTER = frozenset(("(", "[", ".", "::", ":"))
_NOT_CALLED = frozenset((
    "values", "between", "in", "like", "ilike", "is", "similar", "join", "left", "right", "inner", "full", "cross",
    "over", "filter", "by", "update", "of", "no", "key", "if", "elsif", "while", "loop", "return", "perform",
    "execute", "set", "begin", "check", "include", "exclude", "cache",
))  # fmt: skip
_SIMPLE_NAME = re.compile(r"[a-z_\u0080-\U0010ffff][a-z0-9_$\u0080-\U0010ffff]*")
_AS_WRITTEN = ("SCONST", "BCONST", "XCONST", "USCONST", "UIDENT")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # as PostgreSQL folds names: ASCII alone


@dataclass(frozen=True)
class Token:
    """A word of SQL in its one spelling; ``start`` is the byte at which it stands, ``called`` whether it may be what
    a parenthesis calls.
    """

    text: str
    start: int
    called: bool


@dataclass(frozen=True)
class _Group:
    opening: Token
    items: list[Token | _Group]
    closing: str


_Item = Token | _Group


@functools.lru_cache(_SCANNED)
def tokens(text: str) -> tuple[Token, ...] | None:
    """The words of ``text``, comments left out; None where it is no SQL."""
    found = []
    scanned = words.scanned(text)
    if scanned is None:
        return None
    for each in scanned:
        word = each.text
        if each.is_comment:
            continue
        if each.kind == "NOT_EQUALS":
            word = "<>"
        elif word.startswith('"'):
            word = _unquoted(word)
        elif word.startswith("'"):
            word = _literal(each.value)  # 'a' and 'b' on the next line are one constant
        elif each.kind not in _AS_WRITTEN:
            word = word.translate(_LOWER)
        is_name = each.kind == "IDENT" or each.keyword not in ("NO_KEYWORD", "RESERVED_KEYWORD")
        found.append(Token(word, each.start, is_name and word not in _NOT_CALLED))
    return tuple(found)


def expression(text: str) -> str:
    """An expression or a query, in lines where it is long."""
    found = tokens(text)
    return text.strip() if found is None else "\n".join(_lay(_tree(found), 0))


def flat(text: str) -> str:
    """``text`` on one line, wherever no constant has lines of its own."""
    found = tokens(text)
    return text.strip() if found is None else _flat(_tree(found))


def body(text: str, language: str) -> str:
    """The body of a function in that language: a statement a line, where it is SQL or PL/pgSQL."""
    found = tokens(text) if language in ("sql", "plpgsql") else None
    if found is None:
        return "\n".join(line.rstrip() for line in text.strip().splitlines())
    while found and found[-1].text == ";":
        found = found[:-1]
    lines: list[str] = []
    for depth, statement in _statements(_tree(found), language == "plpgsql"):
        lines += _lay(statement, depth * 4)
    return "\n".join(lines)


def select(definition: str) -> str:
    """The query of a view. Up to PostgreSQL 15 its columns are written with their relation, where there is only one."""
    found = tokens(definition)
    if found is None:
        return definition.strip()
    while found and found[-1].text == ";":
        found = found[:-1]
    redundant = _redundant(definition)
    kept, skip = [], 0
    for n, token in enumerate(found):
        if token.start in redundant and n + 1 < len(found) and found[n + 1].text == ".":
            skip = 2
        if skip:
            skip -= 1
            continue
        kept.append(token)
    return "\n".join(_lay(_tree(tuple(kept)), 0))


def clauses(text: str, *keywords: tuple[str, ...]) -> dict[str, str]:
    """What follows each of the ``keywords`` that is there, in that order and outside of parentheses; and, as the empty
    one, what stands before all of them.
    """
    items = _tree(tokens(text) or ())
    encoded = text.encode()
    found, name, start = {}, "", 0
    left = list(keywords)
    for n, item in enumerate(items):
        for keyword in left:
            here = [each.text for each in items[n : n + len(keyword)] if isinstance(each, Token)]
            if isinstance(item, Token) and tuple(here) == keyword:
                found[name] = encoded[start : item.start].decode().strip()
                last = items[n + len(keyword) - 1]
                assert isinstance(last, Token)
                name, start = " ".join(keyword), last.start + len(last.text)
                left = left[left.index(keyword) + 1 :]
                break
    found[name] = encoded[start:].decode().strip()
    return found


def parts(text: str) -> list[str]:
    """What stands between the commas of ``text``."""
    found: list[list[_Item]] = [[]]
    for item in _tree(tokens(text) or ()):
        if isinstance(item, Token) and item.text == ",":
            found.append([])
        else:
            found[-1].append(item)
    return [_flat(part) for part in found if part]


def _redundant(query: str) -> set[int]:
    """Where columns stand, at the outermost level, that name the one relation there is."""
    node = trees.only(query, "SelectStmt")
    if node is None or len(node.from_clause) != 1:
        return set()
    source = sqltree.unwrapped(node.from_clause[0])
    if sqltree.kind(source) not in ("RangeVar", "RangeSubselect", "RangeFunction"):
        return set()
    alias = sqltree.named(source)
    found = set()
    for column in _columns(node):
        names = trees.names(column.fields)
        if len(names) == len(column.fields) == 2 and names[0] == alias:
            found.add(column.location)
    return found


def _columns(node: sqltree.Node) -> Iterator[sqltree.Node]:
    """The references to columns below ``node``, those in queries within it left out."""
    for child in sqltree.children(node):
        if sqltree.kind(child) == "ColumnRef":
            yield child
        elif sqltree.kind(child) != "SelectStmt":
            yield from _columns(child)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _unquoted(word: str) -> str:
    """A quoted name without its quotes, where it means the same."""
    inner = word[1:-1]
    if not _SIMPLE_NAME.fullmatch(inner):
        return word
    (found,) = words.scanned(inner) or ()
    return inner if found.keyword in ("NO_KEYWORD", "UNRESERVED_KEYWORD") else word


def _tree(found: tuple[Token, ...]) -> list[_Item]:
    """Parentheses and brackets with what is in them as one item."""
    levels: list[tuple[Token | None, list[_Item]]] = [(None, [])]
    for token in found:
        if token.text in ("(", "["):
            levels.append((token, []))
        elif token.text in (")", "]") and len(levels) > 1:
            opening, items = levels.pop()
            assert opening is not None
            levels[-1][1].append(_Group(opening, items, token.text))
        else:
            levels[-1][1].append(token)
    while len(levels) > 1:  # a parenthesis that is not closed
        opening, items = levels.pop()
        assert opening is not None
        levels[-1][1].extend([opening, *items])
    return levels[0][1]


def _flat(items: list[_Item]) -> str:
    text = ""
    before: Token | None = None
    negative = False
    for token in _leaves(items):
        if token.text in ("type", "rowtype") and text.endswith(" %"):
            text = text[:-2] + "%"  # the type of a column, and no remainder
        elif before is not None and not negative and not _is_tight(before, token):
            text += " "
        text += token.text
        # a sign, and no operator between two operands
        negative = token.text in "+-" and (before is None or before.text in ("(", ",", "=", "[", "return", "then"))
        before = token
    return text


def _leaves(items: list[_Item]) -> Iterator[Token]:
    for item in items:
        if isinstance(item, Token):
            yield item
        else:
            yield item.opening
            yield from _leaves(item.items)
            yield Token(item.closing, -1, True)


def _is_tight(before: Token, after: Token) -> bool:
    if after.text in _TIGHT_BEFORE or before.text in _TIGHT_AFTER:
        return True
    if after.text == "[":
        return before.called or before.text == "array"
    return before.called and after.text == "(" and before.text not in (")", "]")


def _lay(items: list[_Item], indent: int) -> list[str]:
    """Lines of ``items``, the first at ``indent``: one, or more by clauses, commas and parentheses."""
    whole = _flat(items)
    if "\n" in whole or len(whole) + indent <= _WIDTH or (len(items) == 1 and isinstance(items[0], Token)):
        return [" " * indent + whole]
    parts = _parts(items)
    if len(parts) > 1:
        lines = []
        for deeper, part in parts:
            lines += _lay_part(part, indent + deeper)
        return lines
    return _lay_part(items, indent)


def _lay_part(items: list[_Item], indent: int) -> list[str]:
    """Lines of a part that has no place to break but its parentheses."""
    whole = _flat(items)
    if "\n" in whole or len(whole) + indent <= _WIDTH:
        return [" " * indent + whole]
    groups = [n for n, item in enumerate(items) if isinstance(item, _Group) and item.items]
    if not groups:
        return [" " * indent + whole]
    longest = max(groups, key=lambda n: len(_flat([items[n]])))
    group = items[longest]
    assert isinstance(group, _Group)
    head, tail = items[:longest], items[longest + 1 :]
    opening = _flat([*head, group.opening])
    closing = _flat([Token(group.closing, -1, True), *tail])
    return [" " * indent + opening, *_lay(group.items, indent + 4), " " * indent + closing]


def _parts(items: list[_Item]) -> list[tuple[int, list[_Item]]]:
    """What stands on lines of its own, each with how much deeper than the first."""
    parts: list[tuple[int, list[_Item]]] = [(0, [])]
    words = [item.text if isinstance(item, Token) else "" for item in items]
    between = False
    clause = bool(words) and words[0] in _BREAKS_BEFORE
    for n, (item, word) in enumerate(zip(items, words, strict=True)):
        before = words[n - 1] if n else ""
        between = between or word == "between"
        if parts[-1][1] and before == ",":
            parts.append((4 if clause else 0, []))
        elif parts[-1][1] and word in _BREAKS_BEFORE and not _runs_on(words, n, items, between):
            clause = True
            parts.append((4 if word in _INDENTED else 0, []))
        if word == "and":
            between = False
        parts[-1][1].append(item)
    return parts


def _runs_on(words: list[str], n: int, items: list[_Item], between: bool) -> bool:
    """Whether the word there does not begin a clause, though others of its spelling do."""
    word, before = words[n], words[n - 1]
    after = items[n + 1] if n + 1 < len(items) else None
    return (
        (word == "and" and between)
        or (word in ("join", *_JOINS) and (before in _JOINS or isinstance(after, _Group)))
        or (word == "from" and before == "distinct" and n > 1 and words[n - 2] in ("is", "not"))
        or (word in ("group", "order") and (words[n + 1] if n + 1 < len(words) else "") != "by")
        or (word in ("set", "select", "from", "on", "end") and before in ("update", "do", "set", "delete"))
        or before in ("end", "for")
        or (word == "on" and _JOINS.isdisjoint(words[:n]) and "join" not in words[:n])
        or before == "."
    )


def _statements(items: list[_Item], blocks: bool) -> Iterator[tuple[int, list[_Item]]]:
    """Statements with their depth in blocks, of which SQL has none."""
    current: list[_Item] = []
    open_blocks: list[str] = []

    def depth() -> int:
        return sum(block != "case" for block in open_blocks)

    for item in items:
        word = item.text if isinstance(item, Token) else ""
        first = current[0].text if current and isinstance(current[0], Token) else ""
        top = open_blocks[-1] if open_blocks else ""
        if not blocks:
            current.append(item)
            if word == ";":
                yield 0, current
                current = []
        elif word == "case" and current and first != "end":
            open_blocks.append("case")
            current.append(item)
        elif top == "case":
            if word == "end":
                open_blocks.pop()
            current.append(item)
        elif not current and word in ("declare", "begin"):
            if word == "begin" and top == "declare":
                open_blocks.pop()
            yield depth(), [item]
            open_blocks.append(word)
        elif not current and word in ("else", "exception") and top:
            yield depth() - 1, [item]
        elif word == "then" and first in ("if", "elsif", "elseif", "when"):
            yield depth() - (first != "if"), [*current, item]
            current = []
            if first == "if":
                open_blocks.append("if")
        elif word == "when" and first == "case":
            yield depth(), current
            open_blocks.append("cases")
            current = [item]
        elif word == "loop" and first in ("", "for", "foreach", "while"):
            yield depth(), [*current, item]
            open_blocks.append("loop")
            current = []
        elif not current and word == "end" and open_blocks:
            open_blocks.pop()
            current.append(item)
        else:
            current.append(item)
            if word == ";" or (word == ">>" and first == "<<"):
                yield depth(), current
                current = []
    if current:
        yield depth(), current
