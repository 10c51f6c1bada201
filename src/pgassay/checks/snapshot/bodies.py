"""Bodies of functions: whether two of them do the same, or the later one lets through no more than the earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgassay import sqltree
from pgassay.checks.snapshot import entries
from pgassay.checks.snapshot.state import Object, State, parts_of
from pgassay.schema import implying
from pgassay.sqltree import AND, OR, Node, canonical, plpgsql, routines, selects, trees, words


def same(old: Object, new: Object) -> bool:
    """Whether two bodies do the same, whatever tables are called in FROM and however lists and casts are written."""
    if old.entries.get("language") != new.entries.get("language"):
        return False
    before, after = _form(old), _form(new)
    return before is not None and before == after


def is_narrower(old: Object, new: Object, state: State) -> bool:
    """Whether a function in SQL says yes, or gives a row, only where it did; and that is all that it is asked for.

    It is not enough that it says yes less often: what asks for the opposite would let through more.
    """
    kept = ("arguments", "returns", "security", "language", "volatility", "strict")
    if any(old.entries.get(key) != new.entries.get(key) for key in kept):
        return False
    before, after = _select(old), _select(new)
    if before is None or after is None:
        return False
    returns = new.entries.get("returns", "")
    if returns == "boolean":
        return _says_less(before, after) and _is_asked_for_yes(new, state)
    return returns.startswith(("setof ", "table(")) and _gives_less(before, after) and _is_asked_for_yes(new, state)


def _form(thing: Object) -> object:
    routine = routines.routine(_definition(thing))
    if routine is None:
        return None
    if routine.plpgsql is not None:
        return _procedure(thing.entries.get("body", ""), routine.plpgsql)
    keys = [canonical.key_of(statement) for statement in routine.statements]
    return keys if keys and None not in keys else None


def _procedure(body: str, tree: Any) -> list[str | None]:
    """The words of a body in PL/pgSQL, with the SQL in it in one form.

    The tree is asked for that SQL alone: it does not say which variable is returned.
    """
    found: list[str | None] = []
    position = 0
    for what, part in plpgsql.parts(tree):
        query = part.get("query", "") if what == "PLpgSQL_expr" else ""
        start = body.find(query, position) if query else -1
        key = _key(query) if start >= 0 else None
        if key is None or (start and (body[start - 1].isalnum() or body[start - 1] in "_'")):
            continue
        found += [word.text for word in words.said(body[position:start])]
        found.append(key)
        position = start + len(query)
    return [*found, *(word.text for word in words.said(body[position:]))]


def _key(query: str) -> str | None:
    """The key of what PL/pgSQL has as a query: one statement or an expression."""
    statements = sqltree.statements(query)
    node = statements[0] if len(statements) == 1 else None if statements else sqltree.expression(query)
    return None if node is None else canonical.key_of(node)


def _definition(thing: Object) -> str:
    """The CREATE FUNCTION of an entry."""
    said = thing.entries
    language = said.get("language", "").rsplit(" ", 1)[-1]
    body = said.get("body", "")
    is_inline = language == "sql" and body.lower().startswith(("return ", "begin atomic"))
    quoted = body if is_inline else "as '" + body.replace("'", "''") + "'"
    returns = said.get("returns") or "void"
    return f"create function f({said.get('arguments', '')}) returns {returns} language {language} {quoted}"


def _select(thing: Object) -> Any:
    """The one SELECT that a function in SQL is, in its one form; None where it is something else."""
    if thing.entries.get("language") != "sql":
        return None
    routine = routines.routine(_definition(thing))
    if routine is None or len(routine.statements) != 1:
        return None
    found = canonical.canonical(routine.statements[0])
    return found if sqltree.kind(found) == "SelectStmt" else None


def _says_less(before: Any, after: Any) -> bool:
    """Whether the one value of a SELECT without FROM is true only where that of the other one is."""
    if not (sqltree.is_plain(before) and sqltree.is_plain(after)):
        return False
    values = [selects.targets(select)[0] for select in (after, before)]
    return implying.shows(*values) and implying.shows(*values, nulls_pass=True)


def _gives_less(before: Any, after: Any) -> bool:
    """Whether a SELECT gives no rows but those of the other one."""
    one, other = selects.without_condition(before), selects.without_condition(after)
    if one is None or other is None or trees.written(one[0]) != trees.written(other[0]):
        return False
    return implying.shows(other[1], one[1])


def _is_asked_for_yes(function: Object, state: State) -> bool:
    """Whether all that call a function let through more only where it says more."""
    waiting, seen = [function], {function.name}
    while waiting:
        name = waiting.pop().name.split("(", 1)[0]
        names = {name, parts_of(name)[-1]}
        for thing, key, text in _callers(names, state):
            if not _asks_for_yes(thing, key, text, names):
                return False
            if key == "body" and thing.name not in seen:
                seen.add(thing.name)
                waiting.append(thing)
    return True


def _callers(names: set[str], state: State) -> Iterator[tuple[Object, str, str]]:
    for thing in state.objects.values():
        for key, text in thing.entries.items():
            if not key.startswith("comment") and not names.isdisjoint(entries.calls(text)):
                yield thing, key, text


def _asks_for_yes(thing: Object, key: str, text: str, names: set[str]) -> bool:
    if key.startswith("policy "):
        policy = entries.policy(text)
        conditions = () if policy is None else (policy.using, policy.check)
        return bool(conditions) and all(
            node is not None and _is_plus(canonical.canonical(node), names) for node in conditions
        )
    if key == "body":
        select = _select(thing)
        if select is None:
            return False
        return all(
            _is_plus(node, names) for node in (selects.targets(select) if sqltree.is_plain(select) else [select])
        )
    if key == "definition":
        select = next(iter(sqltree.statements(text)), None)
        return select is not None and _is_plus(canonical.canonical(select), names)
    if key.startswith("constraint "):
        constraint = entries.constraint(text)
        condition = None if constraint is None else constraint.condition
        return condition is not None and _is_plus(canonical.canonical(condition), names)
    return False


def _is_plus(node: Any, names: set[str]) -> bool:
    """Whether each call of such a function stands where more of it lets through more."""
    if not _calls(node, names):
        return True
    if sqltree.called(node) in names:
        return not any(_calls(child, names) for child in sqltree.children(node))
    if parts := sqltree.operands(node, AND) or sqltree.operands(node, OR):
        return all(_is_plus(part, names) for part in parts)
    if parts := sqltree.alternatives(node):
        return sqltree.constant(parts[-1]) is False and all(_is_plus(part, names) for part in parts)
    if (tested := sqltree.tested(node)) is not None:
        return tested[1] and _is_plus(tested[0], names)
    if selects.filtered(node, names) is not None and (asked := selects.subquery(node)) is not None:
        left, select = asked
        return (left is None or not _calls(left, names)) and _is_plus(select, names)
    read = selects.row_by_row(node, names)
    return read is not None and all(_is_plus(part, names) for part in read)


def _calls(node: Node, names: set[str]) -> bool:
    return any(sqltree.called(found) in names for found in sqltree.walk(node))
