"""Hints: with what policies, views and functions compare the caller. What a schema says of whose its rows are.

Nothing is proved by them: a policy may be wrong. They are read for `tenancy`, which asks a person to confirm it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import postgast
import psycopg

from pgassay.catalog import PLATFORM, Relation
from pgassay.errors import internal_error
from pgassay.sqltree import is_now

OBJECTS = "storage.objects"

_POLICIES = """
select
    n.nspname || '.' || c.relname, p.polname, p.polcmd::text, p.polpermissive,
    p.polroles = '{0}' or exists (
        select from pg_roles as r where r.oid = any(p.polroles) and r.rolname in ('anon', 'authenticated')
    ),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_policy as p
join pg_class as c on p.polrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where n.nspname <> all(%(platform)s) or c.oid = to_regclass('storage.objects')
order by n.nspname collate "C", c.relname collate "C", p.polname collate "C"
"""
_FUNCTIONS = """
select n.nspname, p.proname, pg_get_functiondef(p.oid)
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
join pg_language as l on p.prolang = l.oid
where
    p.prokind in ('f', 'p')
    and l.lanname in ('sql', 'plpgsql')
    and n.nspname <> all(%(platform)s)
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", p.proname collate "C", p.proargtypes::text
"""
_VIEWS = """
select n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('v', 'm')
    and n.nspname <> all(%(platform)s)
    and not starts_with(n.nspname, 'pg_')
order by n.nspname collate "C", c.relname collate "C"
"""
_DEFAULTS = """
select n.nspname || '.' || c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid)
from pg_attrdef as d
join pg_class as c on d.adrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
where n.nspname <> all(%(platform)s) and a.attgenerated = ''
"""
_UNIQUE = """
select
    n.nspname || '.' || c.relname,
    array(select a.attname::text from pg_attribute as a
        where a.attrelid = i.indrelid and a.attnum = any(i.indkey[0:i.indnkeyatts - 1]))
from pg_index as i
join pg_class as c on i.indrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where
    i.indisunique and i.indpred is null and i.indexprs is null
    and n.nspname <> all(%(platform)s) and not starts_with(n.nspname, 'pg_')
"""
_REACHED = """
select
    n.nspname || '.' || c.relname,
    bool_or(
        (
            has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
            or has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
        )
        and (
            not c.relrowsecurity
            or exists (
                select from pg_policy as p
                cross join unnest(p.polroles) as o (id)
                where p.polrelid = c.oid and p.polpermissive and (o.id = 0 or pg_has_role(r.oid, o.id, 'usage'))
            )
        )
    ),
    coalesce(bool_or(
        r.rolname = 'anon'
        and has_table_privilege(r.oid, c.oid, 'select') and not has_table_privilege(r.oid, c.oid, 'insert')
    ), false)
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
join pg_roles as r on r.rolname in ('anon', 'authenticated') and has_schema_privilege(r.oid, n.oid, 'usage')
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> all(%(platform)s) and not starts_with(n.nspname, 'pg_')
group by n.nspname, c.relname, c.oid, c.relrowsecurity
"""

_WRITTEN = """
select n.nspname || '.' || c.relname
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
join pg_roles as r on r.rolname in ('anon', 'authenticated') and has_schema_privilege(r.oid, n.oid, 'usage')
where
    c.relkind in ('r', 'p', 'v', 'f') and n.nspname <> all(%(platform)s) and not starts_with(n.nspname, 'pg_')
    and (
        has_any_column_privilege(r.oid, c.oid, 'insert, update') or has_table_privilege(r.oid, c.oid, 'delete')
    )
    and (
        not c.relrowsecurity
        or exists (
            select from pg_policy as p
            where
                p.polrelid = c.oid and p.polpermissive and p.polcmd <> 'r'
                and exists (
                    select from unnest(p.polroles) as o (id) where o.id = 0 or pg_has_role(r.oid, o.id, 'usage')
                )
        )
    )
"""

_CALLER_SETTINGS = ("request.jwt.claim.sub",)
_CLAIMS_SETTING = "request.jwt.claims"
_CLAIM_SETTING = "request.jwt.claim."


class Column(NamedTuple):
    """A column of a relation, which is written ``schema.name``."""

    relation: str
    name: str


class _Folder(NamedTuple):
    """That part of the path of a stored object, counted from 1."""

    part: int


class _Claim(NamedTuple):
    path: tuple[str, ...]


_CALLER = "caller"
_Term = Column | _Folder | _Claim | str | None
"""What an expression stands for: a column, a folder, a claim of the caller's, the caller's id, or nothing known."""


@dataclass
class Facts:
    """What was compared: columns with the caller's id (``callers``) or with a claim, folders of objects with whom.

    ``fixed_folders`` are those that have a name of their own, as ``teams`` in ``teams/<id>/file``. ``timed`` are
    columns that are compared with the present time, ``later`` those of them that it must not have reached. ``joins``
    are pairs of columns of two relations that have to be equal.
    """

    callers: set[Column] = field(default_factory=set)
    claims: set[tuple[Column, tuple[str, ...]]] = field(default_factory=set)
    columns: set[Column] = field(default_factory=set)
    folders: set[int] = field(default_factory=set)
    own_folders: set[int] = field(default_factory=set)
    fixed_folders: set[int] = field(default_factory=set)
    timed: set[Column] = field(default_factory=set)
    later: set[Column] = field(default_factory=set)
    joins: set[frozenset[Column]] = field(default_factory=set)

    def add(self, other: Facts) -> None:
        """Take in all that ``other`` knows."""
        self.callers |= other.callers
        self.claims |= other.claims
        self.columns |= other.columns
        self.folders |= other.folders
        self.own_folders |= other.own_folders
        self.fixed_folders |= other.fixed_folders
        self.timed |= other.timed
        self.later |= other.later
        self.joins |= other.joins


Way = tuple[frozenset[str], ...]
"""What a policy asks for: a relation's own columns in each of the conditions that have to hold together."""


@dataclass(frozen=True)
class Hints:
    """What a schema's own SQL says. Relations are written ``schema.name``.

    ``policies`` are the facts of each relation's policies, of the functions in them too; ``elsewhere`` those of views
    and functions. ``ways`` are those by which rows of each are read, ``entries`` those by which they are written.
    ``defaults`` are the columns that are the caller by default, ``unique`` the columns of each unique key. Everybody
    may read ``open``, by a policy that says so; ``shown`` are relations that ``anon`` was given to read and not to
    write. API roles reach ``reached``; they, or what a function does, may write ``written``. ``unread`` says of objects
    whose SQL an error of ours kept from being read why.
    """

    policies: Mapping[str, Facts]
    ways: Mapping[str, tuple[Way, ...]]
    entries: Mapping[str, tuple[Way, ...]]
    elsewhere: Facts
    defaults: frozenset[Column]
    unique: Mapping[str, tuple[frozenset[str], ...]]
    open: Mapping[str, str]
    shown: frozenset[str]
    reached: frozenset[str]
    unread: Mapping[str, str] = field(default_factory=dict)
    written: frozenset[str] = frozenset()


def read(connection: psycopg.Connection[Any], relations: Iterable[Relation]) -> Hints:
    """Read them from the database that ``relations`` were read from."""
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute("set local search_path = pg_catalog")

        def rows(query: str) -> list[Any]:
            return cursor.execute(query.encode(), {"platform": [*PLATFORM, "information_schema"]}).fetchall()

        unread: dict[str, str] = {}
        reader = _Reader(relations, rows(_FUNCTIONS), unread)
        policies: dict[str, Facts] = {}
        ways: dict[str, tuple[Way, ...]] = {}
        entries: dict[str, tuple[Way, ...]] = {}
        opened: dict[str, str] = {}
        held: set[str] = set()
        for relation, name, command, permissive, for_api, using, check in rows(_POLICIES):
            facts = policies.setdefault(relation, Facts())
            with _costing(relation, unread):
                for text in filter(None, (using, check)):
                    facts.add(reader.expression(text, relation))
                if permissive and command in ("r", "*") and using:
                    ways[relation] = (*ways.get(relation, ()), *reader.ways(using, relation))
                if permissive and check:
                    entries[relation] = (*entries.get(relation, ()), *reader.ways(check, relation))
            if not permissive:
                held.add(relation)
            elif for_api and command in ("r", "*") and using == "true":
                opened.setdefault(relation, name)
        elsewhere = Facts()
        for view, text in rows(_VIEWS):
            with _costing(view, unread):
                elsewhere.add(reader.statements(text))
        elsewhere.add(reader.functions())
        reached = rows(_REACHED)
        return Hints(
            policies=policies,
            ways=ways,
            entries=entries,
            elsewhere=elsewhere,
            defaults=frozenset(
                Column(relation, name) for relation, name, text in rows(_DEFAULTS) if reader.is_caller(text)
            ),
            unique=_grouped(rows(_UNIQUE)),
            open={name: policy for name, policy in opened.items() if name not in held},
            shown=frozenset(name for name, _, shown in reached if shown),
            reached=frozenset(name for name, reaches, _ in reached if reaches),
            unread=unread,
            written=frozenset(name for (name,) in rows(_WRITTEN)) | reader.written,
        )


@contextmanager
def _costing(name: str, unread: dict[str, str]) -> Iterator[None]:
    """A block whose failure costs what it reads, which is ``name``'s, and nothing else."""
    try:
        yield
    except psycopg.Error:
        raise
    except Exception as error:
        unread.setdefault(name, internal_error(error))


def _grouped(rows: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[frozenset[str], ...]]:
    found: dict[str, tuple[frozenset[str], ...]] = {}
    for relation, columns in rows:
        found[relation] = (*found.get(relation, ()), frozenset(columns))
    return found


@dataclass(frozen=True)
class _Function:
    """A function: its parameters, what they are by default, its statements, and what it gives back."""

    parameters: tuple[str, ...]
    defaults: Mapping[str, Any]
    statements: tuple[Any, ...]
    variables: Mapping[str, Any]
    results: tuple[Any, ...]


class _Scope:
    """What names stand for at a place: the relations of FROM by alias, and the parameters and variables around."""

    def __init__(self, outer: _Scope | None = None) -> None:
        self.outer = outer
        self.relations: dict[str, str] = {}
        self.names: dict[str, _Term] = {}


class _Reader:
    """Follows expressions of a schema through its functions."""

    def __init__(
        self, relations: Iterable[Relation], functions: Iterable[tuple[str, str, str]], unread: dict[str, str]
    ) -> None:
        self._unread = unread
        self._columns = {relation.full_name: {c.name for c in relation.columns} for relation in relations}
        self._columns.setdefault(OBJECTS, {"name", "owner", "owner_id", "bucket_id", "path_tokens"})
        self._definitions: dict[str, list[_Function]] = {}
        for schema, name, definition in functions:
            with _costing(f"{schema}.{name}", unread):
                function = _function(definition)
                if function is not None:
                    self._definitions.setdefault(f"{schema}.{name}", []).append(function)
        self._known: dict[tuple[int, tuple[_Term, ...]], Facts] = {}
        self._followed: set[int] = set()
        self.written: frozenset[str] = frozenset()
        """The relations into which the statements that were followed write."""

    def expression(self, text: str, relation: str) -> Facts:
        """The facts of an expression over the columns of ``relation``."""
        facts, scope = Facts(), _Scope()
        scope.relations[relation.partition(".")[2]] = relation
        for node in _parsed(f"select {text}"):
            self._visit(node, scope, facts)
        return facts

    def ways(self, text: str, relation: str) -> Iterator[Way]:
        """The ways in which an expression over the columns of ``relation`` may hold."""
        for node in _parsed(f"select {text}"):
            for way in _joined(_result(node), postgast.pg_query_pb2.OR_EXPR):
                yield tuple(
                    self._own_columns(condition, relation)
                    for condition in _joined(way, postgast.pg_query_pb2.AND_EXPR)
                    if type(condition).__name__ != "NullTest"
                )

    def _own_columns(self, condition: Any, relation: str) -> frozenset[str]:
        facts, scope = Facts(), _Scope()
        scope.relations[relation.partition(".")[2]] = relation
        self._visit(condition, scope, facts)
        return frozenset(column.name for column in facts.columns if column.relation == relation)

    def statements(self, text: str) -> Facts:
        """The facts of whole statements."""
        facts = Facts()
        for node in _parsed(text):
            self._visit(node, _Scope(), facts)
        return facts

    def functions(self) -> Facts:
        """The facts of all functions, called with nothing in particular."""
        facts = Facts()
        for name, functions in self._definitions.items():
            for function in functions:
                with _costing(name, self._unread):
                    facts.add(self._called(function, [None] * len(function.parameters)))
        return facts

    def is_caller(self, text: str) -> bool:
        """Whether an expression is the caller's id."""
        return any(self._term(_result(node), _Scope()) == _CALLER for node in _parsed(f"select {text}"))

    def _visit(self, node: Any, scope: _Scope, facts: Facts) -> None:
        kind = type(node).__name__
        if kind in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            scope = _Scope(scope)
            for source in _sources(node):
                self._enter(source, scope)
            if kind != "SelectStmt":
                self.written |= {self._relation(node.relation)}
        elif kind == "A_Expr" and node.kind in _EQUALITIES and _name(node.name[-1:]) == "=":
            self._compare(self._term(node.lexpr, scope), self._term(node.rexpr, scope), facts)
            self._join(self._given(node.lexpr, scope), self._given(node.rexpr, scope), facts)
            self._compare_folder(node, scope, facts)
        elif kind == "A_Expr" and node.kind == postgast.pg_query_pb2.AEXPR_OP and len(node.name):
            self._compare_time(node, scope, facts)
        elif kind == "SubLink" and node.HasField("testexpr"):
            self._visit_membership(node, scope, facts)
        elif kind == "FuncCall":
            arguments = [self._term(argument, scope) for argument in node.args]
            for function in self._named(_name(node.funcname), len(arguments)):
                facts.add(self._called(function, arguments))
        elif kind == "ColumnRef":
            term = self._resolve(node, scope)
            if isinstance(term, Column):
                facts.columns.add(term)
        term = self._term(node, scope) if kind in ("A_Indirection", "FuncCall") else None
        if isinstance(term, _Folder):
            facts.folders.add(term.part)
        for child in _children(node):
            self._visit(child, scope, facts)

    def _visit_membership(self, node: Any, scope: _Scope, facts: Facts) -> None:
        """``x in (select y from …)``: x and y are compared, in the scope of each."""
        select = _unwrapped(node.subselect)
        inner = _Scope(scope)
        for source in _sources(select):
            self._enter(source, inner)
        if type(select).__name__ != "SelectStmt":
            return
        tested = _unwrapped(node.testexpr)
        sides = list(tested.args) if type(tested).__name__ == "RowExpr" else [tested]
        targets = [target.res_target.val for target in select.target_list]
        for side, target in zip(sides, targets, strict=True) if len(sides) == len(targets) else ():
            self._compare(self._term(side, scope), self._term(target, inner), facts)
            self._join(self._given(side, scope), self._given(target, inner), facts)

    def _join(self, one: Column | None, other: Column | None, facts: Facts) -> None:
        if one is not None and other is not None and one.relation != other.relation:
            facts.joins.add(frozenset((one, other)))

    def _given(self, node: Any, scope: _Scope, depth: int = 0) -> Column | None:
        """The column that the values of an expression come from, through subqueries, arrays and functions."""
        node = _unwrapped(node)
        if depth > _DEPTH or node is None:
            return None
        match type(node).__name__:
            case "TypeCast" | "CollateClause":
                return self._given(node.arg, scope, depth)
            case "SubLink":
                return self._given_by(_unwrapped(node.subselect), scope, depth)
            case "FuncCall":
                arguments = [self._term(argument, scope) for argument in node.args]
                functions = self._named(_name(node.funcname), len(arguments))
                if not functions:  # as unnest and array_agg do
                    return self._given(node.args[0], scope, depth + 1) if len(node.args) == 1 else None
                found = {column for function in functions for column in self._given_back(function, arguments, depth)}
                return found.pop() if len(found) == 1 else None
        term = self._term(node, scope)
        return term if isinstance(term, Column) else None

    def _given_back(self, function: _Function, arguments: list[_Term], depth: int) -> set[Column]:
        """The columns whose values the queries of a function give; none of one that calls itself."""
        if id(function) in self._followed:
            return set()
        self._followed.add(id(function))
        scope = self._within(function, arguments)
        given = {self._given_by(statement, scope, depth + 1) for statement in function.statements}
        self._followed.discard(id(function))
        return {column for column in given if column is not None}

    def _given_by(self, select: Any, scope: _Scope, depth: int) -> Column | None:
        if type(select).__name__ != "SelectStmt" or len(select.target_list) != 1:
            return None
        inner = _Scope(scope)
        for source in _sources(select):
            self._enter(source, inner)
        return self._given(select.target_list[0].res_target.val, inner, depth + 1)

    def _compare(self, one: _Term, other: _Term, facts: Facts) -> None:
        for term, column in ((one, other), (other, one)):
            if isinstance(column, Column):
                if term == _CALLER:
                    facts.callers.add(column)
                elif isinstance(term, _Claim):
                    facts.claims.add((column, term.path))
            elif isinstance(column, _Folder) and term == _CALLER:
                facts.own_folders.add(column.part)

    def _compare_folder(self, node: Any, scope: _Scope, facts: Facts) -> None:
        for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            term = self._term(one, scope)
            if isinstance(term, _Folder) and _constant(other):
                facts.fixed_folders.add(term.part)

    def _compare_time(self, node: Any, scope: _Scope, facts: Facts) -> None:
        order = _ORDER.get(_name(node.name[-1:]))
        for one, other, is_less in ((node.lexpr, node.rexpr, order == "<"), (node.rexpr, node.lexpr, order == ">")):
            column = self._term(one, scope) if order and _is_now(other) else None
            if isinstance(column, Column):
                facts.timed.add(column)
                if not is_less:
                    facts.later.add(column)

    def _called(self, function: _Function, arguments: list[_Term]) -> Facts:
        key = (id(function), tuple(arguments))
        if key in self._known:
            return self._known[key]
        facts = self._known[key] = Facts()  # a function that calls itself finds what is known by then
        scope = self._within(function, arguments)
        for statement in function.statements:
            self._visit(statement, scope, facts)
        return facts

    def _within(self, function: _Function, arguments: list[_Term]) -> _Scope:
        scope = _Scope()
        for position, name in enumerate(function.parameters):
            if position < len(arguments):
                term = arguments[position]
            else:
                term = self._term(function.defaults.get(name), _Scope())
            scope.names[f"${position + 1}"] = term
            if name:
                scope.names[name] = term
        for name, value in function.variables.items():
            scope.names[name] = self._term(value, scope)
        return scope

    def _named(self, name: str, arguments: int) -> list[_Function]:
        """The functions of that name which take so many arguments; where no schema is named, of any schema."""
        found = self._definitions.get(name, [])
        if "." not in name:
            found = [f for key, all_ in self._definitions.items() if key.partition(".")[2] == name for f in all_]
        return [function for function in found if arguments <= len(function.parameters)]

    def _term(self, node: Any, scope: _Scope, depth: int = 0) -> _Term:
        if node is None or depth > _DEPTH:
            return None
        node = _unwrapped(node)
        match type(node).__name__:
            case "TypeCast" | "CollateClause":
                return self._term(node.arg, scope, depth)
            case "CoalesceExpr":
                return next((t for t in (self._term(arg, scope, depth) for arg in node.args) if t is not None), None)
            case "ColumnRef":
                return self._resolve(node, scope)
            case "ParamRef":
                return _lookup(scope, f"${node.number}")
            case "SubLink":
                return self._term_of_select(_unwrapped(node.subselect), scope, depth)
            case "A_Expr":
                return self._term_of_operator(node, scope, depth)
            case "A_Indirection":
                return self._term_of_part(node, scope, depth)
            case "FuncCall":
                return self._term_of_call(node, scope, depth)
        return None

    def _term_of_select(self, select: Any, scope: _Scope, depth: int) -> _Term:
        if type(select).__name__ != "SelectStmt" or len(select.from_clause) or len(select.target_list) != 1:
            return None
        return self._term(select.target_list[0].res_target.val, scope, depth)

    def _term_of_operator(self, node: Any, scope: _Scope, depth: int) -> _Term:
        if node.kind == postgast.pg_query_pb2.AEXPR_NULLIF:
            return self._term(node.lexpr, scope, depth)
        operator = ".".join(part.string.sval for part in node.name)
        base = self._term(node.lexpr, scope, depth)
        if not isinstance(base, _Claim):
            return None
        if operator in ("->", "->>"):
            keys: list[str] = [_constant(node.rexpr)]
        elif operator in ("#>", "#>>"):
            keys = _constant(node.rexpr).strip("{}").split(",")
        else:
            return None
        return _claimed(base, keys)

    def _term_of_part(self, node: Any, scope: _Scope, depth: int) -> _Term:
        # a field of a composite value, or the whole of it, is no part that a claim or a path has
        indices = [
            _constant(part.uidx) if type(part).__name__ == "A_Indices" else ""
            for part in map(_unwrapped, node.indirection)
        ]
        argument = _unwrapped(node.arg)
        call = type(argument).__name__ == "FuncCall" and _name(argument.funcname)
        resolved = self._resolve(argument, scope) if type(argument).__name__ == "ColumnRef" else None
        is_path = call in ("storage.foldername", "foldername", "string_to_array")
        if is_path or resolved == Column(OBJECTS, "path_tokens"):
            return _Folder(int(indices[0])) if len(indices) == 1 and indices[0].isdigit() else None
        base = self._term(argument, scope, depth)
        return _claimed(base, indices) if isinstance(base, _Claim) else None

    def _term_of_call(self, node: Any, scope: _Scope, depth: int) -> _Term:
        name = _name(node.funcname)
        if name == "auth.uid":
            return _CALLER
        if name == "auth.jwt":
            return _Claim(())
        constants = [_constant(argument) for argument in node.args]
        if name.removeprefix("pg_catalog.") == "current_setting" and constants:
            if constants[0] == _CLAIMS_SETTING:
                return _Claim(())
            if constants[0] in _CALLER_SETTINGS:
                return _CALLER
            if constants[0].startswith(_CLAIM_SETTING):
                return _Claim((constants[0].removeprefix(_CLAIM_SETTING),))
        if name.removeprefix("pg_catalog.") == "split_part" and constants[1:2] == ["/"] and constants[2].isdigit():
            resolved = self._term(node.args[0], scope, depth)
            return _Folder(int(constants[2])) if resolved == Column(OBJECTS, "name") else None
        if name.removeprefix("pg_catalog.") in ("jsonb_extract_path_text", "json_extract_path_text"):
            base = self._term(node.args[0], scope, depth)
            keys = [_constant(key) for argument in node.args[1:] for key in _elements(argument)]
            return _claimed(base, keys) if isinstance(base, _Claim) else None
        arguments = [self._term(argument, scope, depth) for argument in node.args]
        for function in self._named(name, len(arguments)):
            within = self._within(function, arguments)
            terms = {self._term(result, within, depth + 1) for result in function.results} - {None}
            if len(terms) == 1 and not isinstance(next(iter(terms)), Column):
                return terms.pop()
        return None

    def _resolve(self, node: Any, scope: _Scope) -> _Term:
        parts = [part.string.sval for part in node.fields if part.HasField("string")]
        if not parts or len(parts) != len(node.fields):
            return None
        *qualifier, name = parts
        around: _Scope | None = scope
        while around is not None:
            for alias, relation in around.relations.items():
                if (not qualifier or qualifier[-1] == alias) and name in self._columns.get(relation, ()):
                    return Column(relation, name)
            if name in around.names and not (qualifier and qualifier[-1] in around.relations):
                return around.names[name]
            around = around.outer
        return None

    def _enter(self, source: Any, scope: _Scope) -> None:
        relation = self._relation(source)
        if relation in self._columns:
            scope.relations[source.alias.aliasname or source.relname] = relation

    def _relation(self, source: Any) -> str:
        return f"{source.schemaname}.{source.relname}" if source.schemaname else self._found(source.relname)

    def _found(self, name: str) -> str:
        """The relation that a name without a schema stands for: of ``public``, or the only one."""
        if f"public.{name}" in self._columns:
            return f"public.{name}"
        found = [relation for relation in self._columns if relation.partition(".")[2] == name]
        return found[0] if len(found) == 1 else ""


_EQUALITIES = (
    postgast.pg_query_pb2.AEXPR_OP,
    postgast.pg_query_pb2.AEXPR_OP_ANY,
    postgast.pg_query_pb2.AEXPR_IN,
    postgast.pg_query_pb2.AEXPR_NOT_DISTINCT,
)
_ORDER = {"<": "<", "<=": "<", ">": ">", ">=": ">"}
_DEPTH = 8
"""How deep functions are followed for what they give back."""


def _lookup(scope: _Scope | None, name: str) -> _Term:
    while scope is not None:
        if name in scope.names:
            return scope.names[name]
        scope = scope.outer
    return None


def _claimed(base: _Claim, keys: Iterable[str]) -> _Term:
    path = (*base.path, *keys)
    if not all(path):
        return None
    return _CALLER if path == ("sub",) else _Claim(path)


def _parsed(text: str) -> list[Any]:
    """The statements in ``text``; none where it is not understood."""
    try:
        return [_unwrapped(statement.stmt) for statement in postgast.parse(text).stmts]
    except (postgast.PgQueryError, ValueError):
        return []


def _unwrapped(node: Any) -> Any:
    """A node of the parse tree without the envelope that says of which kind it is."""
    while type(node).__name__ == "Node":
        kind = node.WhichOneof("node")
        if kind is None:
            return None
        node = getattr(node, kind)
    return node


def _joined(node: Any, by: int) -> Iterator[Any]:
    """The conditions that ``and`` or ``or`` joins; where there is one alone, that."""
    node = _unwrapped(node)
    if type(node).__name__ == "BoolExpr" and node.boolop == by:
        for argument in node.args:
            yield from _joined(argument, by)
    elif node is not None:
        yield node


def _children(node: Any) -> Iterator[Any]:
    for descriptor, value in node.ListFields() if hasattr(node, "ListFields") else ():
        if descriptor.message_type is None:
            continue
        for child in [value] if hasattr(value, "ListFields") else value:
            child = _unwrapped(child)
            if child is not None:
                yield child


def _sources(node: Any) -> Iterator[Any]:
    """The relations that a statement itself names in FROM, joins and as its target."""
    parts: list[Any] = []
    for name in ("from_clause", "using_clause"):
        parts += getattr(node, name, [])
    if hasattr(node, "relation") and node.HasField("relation"):
        parts.append(node.relation)
    while parts:
        part = _unwrapped(parts.pop(0))
        if type(part).__name__ == "RangeVar":
            yield part
        elif type(part).__name__ == "JoinExpr":
            parts += [part.larg, part.rarg]


def _name(parts: Iterable[Any]) -> str:
    return ".".join(part.string.sval for part in parts)


def _constant(node: Any) -> str:
    """A constant as text; empty where it is none."""
    node = _unwrapped(node)
    while type(node).__name__ == "TypeCast":
        node = _unwrapped(node.arg)
    if type(node).__name__ != "A_Const":
        return ""
    return str(node.ival.ival) if node.HasField("ival") else str(node.sval.sval)


def _is_now(node: Any) -> bool:
    """Whether it is the present time, in any of the ways in which that is asked for."""
    node = _unwrapped(node)
    while type(node).__name__ in ("TypeCast", "SubLink"):
        node = _unwrapped(node.arg if type(node).__name__ == "TypeCast" else _result(_unwrapped(node.subselect)))
    return node is not None and is_now(node)


def _elements(node: Any) -> list[Any]:
    """The elements of an array that is spelled out; else the node itself."""
    node = _unwrapped(node)
    return list(node.elements) if type(node).__name__ == "A_ArrayExpr" else [node]


def _result(select: Any) -> Any:
    targets = getattr(select, "target_list", [])
    return targets[0].res_target.val if len(targets) == 1 and not len(select.from_clause) else None


def _function(definition: str) -> _Function | None:
    statements = _parsed(definition)
    if len(statements) != 1 or type(statements[0]).__name__ != "CreateFunctionStmt":
        return None
    node = statements[0]
    inputs = [
        parameter
        for parameter in map(_unwrapped, node.parameters)
        if parameter.mode not in (postgast.pg_query_pb2.FUNC_PARAM_OUT, postgast.pg_query_pb2.FUNC_PARAM_TABLE)
    ]
    names = tuple(parameter.name for parameter in inputs)
    defaults = {parameter.name: parameter.defexpr for parameter in inputs if parameter.HasField("defexpr")}
    options = {option.def_elem.defname: option.def_elem.arg for option in node.options}
    if options["language"].string.sval == "plpgsql":
        return _plpgsql(definition, names, defaults)
    if "as" in options:
        body = _parsed(_unwrapped(options["as"]).items[0].string.sval)
    else:
        body = [child for child in _below(node.sql_body) if type(child).__name__ in _STATEMENTS]
    return _Function(names, defaults, tuple(body), {}, tuple(filter(None, map(_result, body[-1:]))))


_STATEMENTS = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "ReturnStmt")


def _below(node: Any) -> Iterator[Any]:
    """The statements of a body that is no text."""
    node = _unwrapped(node)
    if type(node).__name__ == "ReturnStmt":
        select = postgast.pg_query_pb2.SelectStmt()
        select.target_list.add().res_target.val.CopyFrom(node.returnval)
        yield select
    elif type(node).__name__ == "List":
        for item in node.items:
            yield from _below(item)
    else:
        yield node


def _plpgsql(definition: str, names: tuple[str, ...], defaults: Mapping[str, Any]) -> _Function | None:
    try:
        parsed = postgast.parse_plpgsql(definition)
    except (postgast.PgQueryError, ValueError):
        return None
    statements: list[Any] = []
    variables: dict[str, Any] = {}
    results: list[Any] = []
    for kind, part in _parts(parsed):
        if kind == "PLpgSQL_expr":
            query = part.get("query", "")
            bare = _ASSIGNMENT.sub("", query)
            statements += _parsed(query) or _parsed(f"select {query}") or _parsed(f"select {bare}")
        elif kind == "PLpgSQL_var" and "default_val" in part:
            variables[part["refname"]] = _value(part["default_val"])
        elif kind == "PLpgSQL_stmt_assign":
            assigned = _ASSIGNMENT.match(part["expr"]["PLpgSQL_expr"]["query"])
            if assigned is not None:
                variables.setdefault(assigned["name"], _value(part["expr"]))
        elif kind == "PLpgSQL_stmt_return" and "expr" in part:
            results.append(_value(part["expr"]))
    return _Function(names, defaults, tuple(statements), variables, tuple(filter(None, results)))


_ASSIGNS = 3
"""The parser's mode for what assigns to a plain variable."""
_ASSIGNMENT = re.compile(r"^\s*(?P<name>\w+)\s*:?=\s*")


def _value(expression: Any) -> Any:
    query = expression["PLpgSQL_expr"]["query"]
    if expression["PLpgSQL_expr"].get("parseMode", 0) == _ASSIGNS:
        query = _ASSIGNMENT.sub("", query)
    return next(map(_result, _parsed(f"select {query}")), None)


def _parts(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every part of a parsed body, with its kind."""
    if isinstance(tree, dict):
        for kind, part in tree.items():
            yield kind, part
            yield from _parts(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _parts(part)
