"""Pairs of conditions, before and after a change, of which it is known by the change which lets in more.

Conditions are trees of their own here, as tuples, and are written as SQL at the end. Nothing of pgassay is asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Tree = Any
"""``("and", [trees])``, ``("or", [trees])``, ``("not", tree)``, or a literal: a tuple that begins with its kind."""

TABLE = """
create table {name} (
    id integer, org integer, owner integer, status text, n integer, price numeric(10, 2), flag boolean,
    at timestamptz, path text
)
"""
ROWS = """
select 1 as id, org, nullif((coalesce(n, 0) + length(coalesce(status, ''))) % 3, 0) as owner,
    status, n, price, flag, at, path
from unnest(array[null, 1, 2]) as a (org)
cross join unnest(array[null, 'new', 'open', 'done', 'void', 'Open']) as c (status)
cross join lateral (
    select n, case when n is null then null else n + 0.5 end as price, n % 2 = 0 as flag,
        '2026-01-01 00:00+00'::timestamptz + n * interval '1 day' as at, 'a/' || n || '/x' as path
    from unnest(array[null, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) as d (n)
    union all
    select n, n * 2.25, n % 3 = 0, '2026-01-06 00:00+00'::timestamptz - n * interval '1 day', 'b/' || n
    from generate_series(0, 8) as e (n)
) as d
"""
"""Rows that a condition is tried on: all values that the conditions below tell apart, in many combinations."""
GROUNDS = f"""
create schema grounds;
create table grounds.m (org integer, usr integer, role text, active boolean, level integer);
create table grounds.rows as {ROWS};
"""
MEMBERS = """
truncate grounds.m;
insert into grounds.m
select org, usr, role, active, level from unnest(array[1, 2, 3]) as a (org) cross join unnest(array[1, 2]) as b (usr)
cross join unnest(array['admin', 'staff', 'guest']) as c (role) cross join unnest(array[true, false]) as d (active)
cross join unnest(array[0, 2, 5, 9]) as e (level)
where (org * 7 + usr * 5 + length(role) * 3 + level) % 4 = {part}
"""

_STATES = ("new", "open", "done", "void")
_COLUMNS = ("n", "price")


@dataclass(frozen=True)
class Pair:
    """A condition and what became of it; ``direction`` is ``narrower``, ``wider``, ``equal`` or ``other``."""

    before: str
    after: str
    direction: str
    change: str


def pairs(seed: int, count: int) -> list[Pair]:
    """So many pairs, the same for each seed."""
    draw = random.Random(seed)
    found: list[Pair] = []
    while len(found) < count:
        name, change, direction = _CHANGES[len(found) % len(_CHANGES)]
        before = _condition(draw, 2)
        changed = change(draw, before)
        if changed is not None and written(changed) != written(before):
            # whoever undoes the change sees the opposite
            if draw.random() < 0.5 and direction in ("narrower", "wider", "equal"):
                opposite = {"narrower": "wider", "wider": "narrower", "equal": "equal"}[direction]
                found.append(Pair(written(changed), written(before), opposite, f"{name}, undone"))
            else:
                found.append(Pair(written(before), written(changed), direction, name))
    return found


# conditions


def _condition(draw: random.Random, depth: int) -> Tree:
    if depth and draw.random() < 0.75:
        operator = draw.choice(("and", "or"))
        return operator, [_condition(draw, depth - 1) for _ in range(draw.choice((2, 2, 3)))]
    return _literal(draw)


def _literal(draw: random.Random) -> Tree:
    kind = draw.choice(
        ("bound", "bound", "list", "equal", "flag", "null", "time", "exists", "in", "not exists", "like")
    )
    match kind:
        case "bound":
            return "bound", draw.choice(_COLUMNS), draw.choice(("<", "<=", ">", ">=")), draw.randint(1, 8)
        case "list":
            return "list", "status", tuple(sorted(draw.sample(_STATES, draw.choice((2, 3))))), draw.random() < 0.75
        case "equal":
            return "list", "status", (draw.choice(_STATES),), draw.random() < 0.75
        case "flag":
            return "flag", draw.random() < 0.6
        case "null":
            return "null", draw.choice(("owner", "status", "n")), draw.random() < 0.4
        case "time":
            return "time", draw.choice(("<", ">=")), draw.randint(2, 8)
        case "like":
            return "like", draw.choice(("a/", "a/1", "b/", "b/2"))
        case _:
            return kind, _asked(draw), "m"


def _asked(draw: random.Random) -> tuple[str, ...]:
    return tuple(
        sorted(draw.sample(("{m}.active", "{m}.role = 'admin'", "{m}.level > 3", "{m}.usr = 1"), draw.choice((1, 2))))
    )


def written(tree: Tree) -> str:
    """The condition as SQL."""
    match tree:
        case ("and" | "or" as operator, parts):
            return "(" + f" {operator} ".join(map(written, parts)) + ")"
        case ("not", inner):
            return f"not ({written(inner)})"
        case ("as", text, inner):
            return str(text.format(written(inner)))
        case ("bound", column, operator, number):
            return f"{column} {operator} {number}"
        case ("time", operator, day):
            return f"at {operator} '2026-01-0{day} 00:00+00'"
        case ("list", column, (value,), is_in):
            return f"{column} {'=' if is_in else '<>'} '{value}'"
        case ("list", column, values, is_in):
            return f"{column} {'' if is_in else 'not '}in ({', '.join(map(repr, values))})"
        case ("flag", value):
            return "flag" if value else "not flag"
        case ("null", column, is_null):
            return f"{column} is {'' if is_null else 'not '}null"
        case ("like", beginning):
            return f"path like '{beginning}%'"
        case ("in", asked, name):
            return f"org in (select {name}.org from grounds.m as {name} where {_joined(asked, name)})"
        case (kind, asked, name):
            where = " and ".join((f"{name}.org = {{table}}.org", _joined(asked, name)))
            return f"{kind} (select 1 from grounds.m as {name} where {where})"
    raise AssertionError(tree)


def _joined(asked: tuple[str, ...], name: str) -> str:
    return " and ".join(part.format(m=name) for part in asked) or "true"


# changes: each gives another tree, None where it cannot be made; all places are where more lets in more


Change = Callable[[random.Random, Tree], Tree]


def _somewhere(change: Change) -> Change:
    """The change at a part of the tree for which it can be made."""

    def changed(draw: random.Random, tree: Tree) -> Tree:
        if tree[0] in ("and", "or") and (draw.random() < 0.7 or change(draw, tree) is None):
            parts = list(tree[1])
            for place in draw.sample(range(len(parts)), len(parts)):
                other = changed(draw, parts[place])
                if other is not None:
                    parts[place] = other
                    return tree[0], parts
        return change(draw, tree)

    return changed


def _conjunct(draw: random.Random, tree: Tree) -> Tree:
    return "and", [tree, _literal(draw)]


def _disjunct(draw: random.Random, tree: Tree) -> Tree:
    return "or", [tree, _literal(draw)]


def _without(operator: str) -> Change:
    def change(draw: random.Random, tree: Tree) -> Tree:
        if tree[0] != operator:
            return None
        parts = list(tree[1])
        parts.pop(draw.randrange(len(parts)))
        return (operator, parts) if len(parts) > 1 else parts[0]

    return change


def _tighter(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("bound", column, operator, number):
            if operator in ("<=", ">=") and draw.random() < 0.3:
                return "bound", column, operator[0], number
            return "bound", column, operator, number + (1 if operator[0] == ">" else -1)
        case ("time", operator, day):
            return "time", operator, day + (1 if operator == ">=" else -1)
        case ("like", beginning):
            return "like", beginning + "3"
    return None


def _shorter(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("list", column, values, True) if len(values) > 1:
            return "list", column, tuple(sorted(draw.sample(values, len(values) - 1))), True
        case ("list", column, values, False):
            more = [value for value in (*_STATES, "odd") if value not in values]
            return "list", column, tuple(sorted((*values, draw.choice(more)))), False
    return None


def _one_of(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("list", column, values, False):
            return "list", column, (draw.choice([value for value in _STATES if value not in values]),), True
        case ("bound", column, operator, number):
            return "as", f"{column} = {number + (2 if operator[0] == '>' else -2)}", tree
        case ("null", "n", False):
            return "bound", "n", ">", draw.randint(0, 3)
        case ("null", "status", False):
            return "list", "status", ("new", "open"), True
    return None


def _asked_more(draw: random.Random, tree: Tree) -> Tree:
    if tree[0] in ("exists", "in"):
        left = [part for part in ("{m}.active", "{m}.role = 'admin'", "{m}.level > 3") if part not in tree[1]]
        return tree[0], (*tree[1], draw.choice(left)), tree[2]
    return (tree[0], tree[1][1:], tree[2]) if tree[0] == "not exists" and tree[1] else None


def _negated(draw: random.Random, tree: Tree) -> Tree:
    return ("not", tree) if tree[0] not in ("and", "or", "as") else None


def _another(draw: random.Random, tree: Tree) -> Tree:
    return _literal(draw) if tree[0] not in ("and", "or") else None


# the same, written otherwise


def _turned(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("bound", column, operator, number):
            mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[operator]
            return "as", f"{number} {mirrored} {column}", tree
        case ("list", column, (value,), True):
            return "as", f"'{value}' = {column}", tree
        case (("and" | "or") as operator, parts):
            return operator, parts[::-1]
    return None


def _spelled(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("list", column, values, True) if len(values) > 1:
            texts = (
                " or ".join(f"{column} = '{value}'" for value in values),
                f"{column} = any (array[{', '.join(map(repr, values[::-1]))}])",
                f"{column} = any ('{{{','.join(values)}}}'::text[])",
            )
            return "as", f"({draw.choice(texts)})", tree
        case ("list", column, values, False) if len(values) > 1:
            each = " and ".join(f"{column} <> '{value}'" for value in values)
            return "as", draw.choice((f"({each})", f"(not ({column} in ({', '.join(map(repr, values))})))")), tree
        case ("bound", column, operator, number):
            other = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[operator]
            return "as", f"not ({column} {other} {number})", tree
        case ("null", column, is_null):
            return "as", f"not ({column} is {'not ' * is_null}null)", tree
        case ("flag", value):
            return "as", draw.choice((f"flag = {str(value).lower()}", f"flag is {str(value).lower()}")), tree
        case (("exists" | "not exists" | "in") as kind, asked, _):
            return kind, asked, "other"
    return None


def _twice_negated(draw: random.Random, tree: Tree) -> Tree:
    if tree[0] not in ("and", "or"):
        return "not", ("not", tree)
    operator = "or" if tree[0] == "and" else "and"
    return "not", (operator, [("not", part) for part in tree[1]])


def _enclosed(draw: random.Random, tree: Tree) -> Tree:
    return "as", draw.choice(("coalesce({}, false)", "(({}) is true)", "case when {} then true else false end")), tree


def _spread(draw: random.Random, tree: Tree) -> Tree:
    match tree:
        case ("and", [one, ("or", parts), *rest]):
            return "and", [("or", [("and", [one, part]) for part in parts]), *rest]
        case ("and", [("or", parts), one, *rest]):
            return "and", [("or", [("and", [part, one]) for part in parts]), *rest]
    return None


def _joined_once_more(draw: random.Random, tree: Tree) -> Tree:
    """A part that says nothing more."""
    match tree:
        case ("bound", column, _, _):
            return "and", [tree, ("null", column, False)]
        case ("list", column, _, _):
            return "and", [("null", column, False), tree]
        case ("or", parts):
            return "or", [*parts, ("and", [parts[0], _literal(draw)])]
        case ("and", parts):
            return "and", [*parts, ("or", [parts[-1], _literal(draw)])]
    return None


def _then(one: Change, other: Change) -> Change:
    def change(draw: random.Random, tree: Tree) -> Tree:
        found = one(draw, tree)
        return None if found is None else other(draw, found)

    return change


_CHANGES: list[tuple[str, Change, str]] = [
    ("a condition more", _conjunct, "narrower"),
    ("a condition more somewhere", _somewhere(_conjunct), "narrower"),
    ("a condition less", _somewhere(_without("and")), "wider"),
    ("a branch more", _disjunct, "wider"),
    ("a branch more somewhere", _somewhere(_disjunct), "wider"),
    ("a branch less", _somewhere(_without("or")), "narrower"),
    ("a bound is tighter", _somewhere(_tighter), "narrower"),
    ("a list is shorter", _somewhere(_shorter), "narrower"),
    ("one value of many", _somewhere(_one_of), "narrower"),
    ("a subquery asks more", _somewhere(_asked_more), "narrower"),
    ("something is negated", _somewhere(_negated), "other"),
    ("something else is asked", _somewhere(_another), "other"),
    ("sides are turned", _somewhere(_turned), "equal"),
    ("lists and names are written otherwise", _somewhere(_spelled), "equal"),
    ("negated twice", _somewhere(_twice_negated), "equal"),
    ("enclosed", _enclosed, "equal"),
    ("spread", _somewhere(_spread), "equal"),
    ("something that is said already", _somewhere(_joined_once_more), "equal"),
    ("two conditions more", _then(_conjunct, _somewhere(_conjunct)), "narrower"),
    ("a bound is tighter, and sides are turned", _then(_somewhere(_tighter), _somewhere(_turned)), "narrower"),
]
