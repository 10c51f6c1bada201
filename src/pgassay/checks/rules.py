"""Rules: what the catalog tells without an experiment. A page a rule is in ``docs/rules/``.

Only objects of the project are looked at, and policies of its own on tables of the platform, as ``storage.objects``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from pgassay import platforms, sqltree
from pgassay.catalog import PLATFORM
from pgassay.checks.finding import NOTE, WARNING, Finding
from pgassay.platforms import DEFAULT, Roles
from pgassay.sqltree import trees

RLS_DISABLED = "rls-disabled"
DEFINER_SEARCH_PATH = "definer-search-path"
DEFINER_VIEW = "definer-view"
POLICY_PER_ROW_AUTH = "policy-per-row-auth"
FK_WITHOUT_INDEX = "fk-without-index"
PERFORMANCE = (POLICY_PER_ROW_AUTH, FK_WITHOUT_INDEX)
"""Rules of what costs time, and opens nothing: `pgassay check` counts it, `pgassay lint` tells it."""

_CALLS = {
    *(tuple(name.split(".")) for name in DEFAULT.words.functions),
    ("current_setting",), ("pg_catalog", "current_setting"),
}  # fmt: skip
_NAME_IN_PATH = re.compile(r'"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\s]+)')

# A relation is reachable where a caller may look into its schema and may read or write some column of it. TRUNCATE,
# REFERENCES and TRIGGER do not come through the API.
_OWN = """
    n.nspname <> all(%(platform)s)
    and n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'
    )
"""
_REACHED_BY = """
    array(
        select r.rolname::text
        from pg_roles as r
        where
            r.rolname = any(%(callers)s)
            and has_schema_privilege(r.oid, n.oid, 'usage')
            and (
                has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
                or has_table_privilege(r.oid, c.oid, 'delete')
            )
        order by r.rolname
    )
"""

_OPEN_TABLES = """
select n.nspname, c.relname, c.relkind::text, c.relispartition, c.oid::regclass::text as quoted, reached.roles
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
cross join lateral (select <reached by> as roles) as reached
where
    c.relkind in ('r', 'p', 'f')
    and not c.relrowsecurity
    and reached.roles <> '{}'
    and <own>
order by n.nspname collate "C", c.relname collate "C"
"""

_VIEWS = """
select n.nspname, c.relname, c.relkind::text, c.oid::regclass::text as quoted, reached.roles, o.rolname as owner
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
join pg_roles as o on c.relowner = o.oid
cross join lateral (select <reached by> as roles) as reached
where
    reached.roles <> '{}'
    and <own>
    and (
        c.relkind = 'm'
        or (
            c.relkind = 'v'
            and not exists (
                select from pg_options_to_table(c.reloptions) as w
                where w.option_name = 'security_invoker' and w.option_value::boolean
            )
            and exists (
                select from pg_rewrite as w
                join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                join pg_class as t on d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid
                where
                    w.ev_class = c.oid
                    and t.oid <> c.oid
                    and (t.relkind in ('v', 'm') or o.rolsuper or o.rolbypassrls or t.relowner = o.oid)
            )
        )
    )
order by n.nspname collate "C", c.relname collate "C"
"""

# A caller reaches a function by its name, through what calls it for them (a policy, a view, a default), or through a
# trigger on a table that they may write to, for which no EXECUTE is asked.
_DEFINERS = """
select
    n.nspname,
    p.proname,
    array(
        select format_type(t.oid, null) from unnest(p.proargtypes) with ordinality as a (oid, position)
        join pg_type as t on a.oid = t.oid order by a.position
    ) as types,
    p.prokind::text,
    p.oid::regprocedure::text as quoted,
    o.rolname as owner,
    p.prorettype = 'trigger'::regtype as is_of_triggers,
    reached.roles,
    (
        select substr(w.entry, strpos(w.entry, '=') + 1)
        from unnest(p.proconfig) as w (entry)
        where w.entry like 'search\\_path=%%'
    ) as path,
    exists (
        select from pg_roles as r
        where r.rolname = any(reached.roles) and has_database_privilege(r.oid, current_database(), 'temporary')
    ) as may_make_temporary
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
join pg_roles as o on p.proowner = o.oid
cross join lateral (
    select array(
        select r.rolname::text
        from pg_roles as r
        where
            r.rolname = any(%(callers)s)
            and r.oid <> p.proowner
            and (
                (
                    p.prorettype <> 'trigger'::regtype
                    and has_function_privilege(r.oid, p.oid, 'execute')
                    and (
                        has_schema_privilege(r.oid, n.oid, 'usage')
                        or exists (
                            select from pg_depend as d
                            where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n'
                        )
                    )
                )
                or exists (
                    select from pg_trigger as g
                    join pg_class as c on g.tgrelid = c.oid
                    where
                        g.tgfoid = p.oid
                        and has_schema_privilege(r.oid, c.relnamespace, 'usage')
                        and (
                            has_any_column_privilege(r.oid, c.oid, 'insert, update')
                            or has_table_privilege(r.oid, c.oid, 'delete')
                        )
                )
            )
        order by r.rolname
    ) as roles
) as reached
where
    p.prosecdef
    and p.prorettype <> 'event_trigger'::regtype
    and reached.roles <> '{}'
    and n.nspname <> all(%(platform)s)
    and n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", p.proname collate "C", p.proargtypes::text
"""

_WRITABLE_SCHEMAS = """
select n.nspname, quote_ident(n.nspname) as quoted
from pg_namespace as n
where exists (
    select from pg_roles as r where r.rolname = any(%(callers)s) and has_schema_privilege(r.oid, n.oid, 'create')
)
"""

_POLICIES = """
select
    n.nspname,
    c.relname,
    p.polname,
    quote_ident(p.polname) as policy,
    c.oid::regclass::text as quoted,
    pg_get_expr(p.polqual, p.polrelid) as using,
    pg_get_expr(p.polwithcheck, p.polrelid) as checking
from pg_policy as p
join pg_class as c on p.polrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where n.nspname <> all(%(elsewhere)s)
order by n.nspname collate "C", c.relname collate "C", p.polname collate "C"
"""

# An index serves where the columns of the key are its first ones, in any order, or where some of them are unique by
# it: then at most one row is looked at.
_FOREIGN_KEYS = """
select
    n.nspname,
    c.relname,
    k.conname,
    c.oid::regclass::text as quoted,
    key.names,
    key.quoted as columns,
    coalesce((
        select json_agg(pg_get_expr(i.indpred, i.indrelid))
        from pg_index as i
        join pg_class as x on i.indexrelid = x.oid
        join pg_am as m on x.relam = m.oid
        cross join lateral (
            select
                array_agg(w.attnum::smallint) filter (where w.position <= cardinality(k.conkey)) as leading,
                array_agg(w.attnum::smallint) filter (where w.position <= i.indnkeyatts) as whole
            from unnest(i.indkey) with ordinality as w (attnum, position)
        ) as w
        where
            i.indrelid = c.oid
            and i.indisvalid
            and m.amname in ('btree', 'hash', 'gist')
            and (
                (i.indnkeyatts >= cardinality(k.conkey) and w.leading @> k.conkey)
                or (i.indisunique and w.whole <@ k.conkey)
            )
    ), '[]') as conditions
from pg_constraint as k
join pg_class as c on k.conrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
cross join lateral (
    select
        array_agg(a.attname::text order by w.position) as names,
        string_agg(quote_ident(a.attname), ', ' order by w.position) as quoted
    from unnest(k.conkey) with ordinality as w (attnum, position)
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = w.attnum
) as key
where
    k.contype = 'f'
    and k.conparentid = 0
    and <own>
order by n.nspname collate "C", c.relname collate "C", k.conname collate "C"
"""


def check(session: psycopg.Connection[Any], established: frozenset[str]) -> list[Finding]:
    """What the rules find in the database of ``session``, which is its owner's or an admin's.

    ``established`` are the relations (``schema.name``) that the isolation check judged, and from which nothing leaks:
    what would be open to everybody by its definition is not, there.
    """
    with session.transaction(force_rollback=True), session.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute("set local search_path = pg_catalog")
        roles = platforms.of(session).roles

        def ask(query: str) -> list[Any]:
            elsewhere = [name for name in PLATFORM if name not in ("storage", "realtime")]
            values = {"platform": list(PLATFORM), "elsewhere": elsewhere, "callers": list(roles.callers)}
            text = query.replace("<own>", _OWN).replace("<reached by>", _REACHED_BY)
            return cursor.execute(text.encode(), values).fetchall()

        writable = {row.nspname: row.quoted for row in ask(_WRITABLE_SCHEMAS)}
        return [
            *_rls_disabled(ask(_OPEN_TABLES), established, roles),
            *_definer_search_path(ask(_DEFINERS), writable, roles),
            *_definer_view(ask(_VIEWS), established, roles),
            *_policy_per_row_auth(ask(_POLICIES)),
            *_fk_without_index(ask(_FOREIGN_KEYS)),
        ]


def _rls_disabled(tables: Iterable[Any], established: frozenset[str], roles: Roles) -> Iterator[Finding]:
    for table in tables:
        name = f"{table.nspname}.{table.relname}"
        kind = "partition" if table.relispartition else "foreign table" if table.relkind == "f" else "table"
        mend = f"alter table {table.quoted} enable row level security;"
        if table.relkind == "f":  # it cannot have any
            mend = f"revoke all on {table.quoted} from public, {roles.held};"
        yield Finding(
            RLS_DISABLED,
            name,
            f"row level security is off on this {kind}, which {_and(table.roles)} can reach",
            mend,
            "warning" if name in established else "error",
        )


def _definer_search_path(functions: Iterable[Any], writable: dict[str, str], roles: Roles) -> Iterator[Finding]:
    """Without a fixed path, and with one that callers can put things on, they choose what the owner executes.

    It is a warning: what the API offers has no way to set a path, or to make a table, type or function. Of a function
    that triggers alone can call it is a note.
    """
    for function in functions:
        verb = "alter procedure" if function.prokind == "p" else "alter function"
        who = f"it has the rights of {function.owner}, {_and(function.roles)} can have it executed"
        if function.path is None:
            observed = f"{who}, and it takes the caller's search_path"
            mend = f"{verb} {function.quoted} set search_path = public, extensions, pg_temp;"
        else:
            path = [_resolved(name, function.owner) for name in _path(function.path)]
            planted = [name for name in path if name in writable]
            # nothing but built-in names is found by such a path: those of tables have to be qualified
            bare = set(path) <= {"pg_catalog", "pg_temp"}
            if planted:
                observed = f"{who}, and its search_path has {_and(planted)}, where API roles can create objects"
                mend = f"revoke create on schema {', '.join(writable[name] for name in planted)} "
                mend += f"from public, {roles.held};"
            elif not bare and path[-1] != "pg_temp" and function.may_make_temporary:
                observed = f"{who}, and its search_path does not end with pg_temp, where tables are looked for first"
                fixed = [quoted for quoted in _quoted_path(function.path) if quoted != "pg_temp"]
                mend = f"{verb} {function.quoted} set search_path = {', '.join([*fixed, 'pg_temp'])};"
            else:
                continue
        signature = f"{function.nspname}.{function.proname}({', '.join(function.types)})"
        yield Finding(DEFINER_SEARCH_PATH, signature, observed, mend, NOTE if function.is_of_triggers else WARNING)


def _definer_view(views: Iterable[Any], established: frozenset[str], roles: Roles) -> Iterator[Finding]:
    for view in views:
        name = f"{view.nspname}.{view.relname}"
        if name in established:
            continue
        if view.relkind == "m":
            observed = (
                f"it is a materialized view, which has no row level security, and {_and(view.roles)} can reach it"
            )
            mend = f"revoke all on {view.quoted} from public, {roles.held};"
        else:
            observed = f"it reads with the rights of {view.owner}, whom row level security does not hold, "
            observed += f"and {_and(view.roles)} can reach it"
            mend = f"alter view {view.quoted} set (security_invoker = true);"
        yield Finding(
            DEFINER_VIEW, name, f"{observed}; that it keeps tenants apart was not established by experiment", mend
        )


def _policy_per_row_auth(policies: Iterable[Any]) -> Iterator[Finding]:
    for policy in policies:
        clauses = []
        called: dict[str, None] = {}
        for word, expression in (("using", policy.using), ("with check", policy.checking)):
            found, wrapped = _wrapped(expression) if expression else ([], "")
            if found:
                called |= dict.fromkeys(found)
                clauses.append(f"{word} ({wrapped})")
        if clauses:
            yield Finding(
                POLICY_PER_ROW_AUTH,
                f"{policy.nspname}.{policy.relname}",
                f"the policy {policy.policy} calls {_and(list(called))} once a row",
                f"alter policy {policy.policy} on {policy.quoted} {' '.join(clauses)};",
                "warning",
            )


def _wrapped(expression: str) -> tuple[list[str], str]:
    """The calls in an expression that are made once a row, and the expression with these in sub-selects."""
    tree = sqltree.expression(expression)
    if tree is None:
        return [], ""
    found: list[str] = []
    return found, sqltree.deparsed(_with_calls_apart(tree, found)) or ""


def _with_calls_apart(node: sqltree.Node, found: list[str]) -> sqltree.Node:
    """The same with each call for the caller's identity in a sub-select, but for those that run once a statement."""
    if _is_per_row(node):
        found.append(f"{sqltree.called(node)}()")
        return sqltree.selecting(node)
    if sqltree.kind(node) == "SelectStmt" and _is_on_its_own(node):
        return node
    return sqltree.rebuilt(node, lambda below: _with_calls_apart(below, found))


def _is_per_row(node: sqltree.Node) -> bool:
    is_call = sqltree.kind(node) == "FuncCall" and tuple(trees.names(node.funcname)) in _CALLS
    return is_call and not list(sqltree.columns(node))


def _is_on_its_own(select: sqltree.Node) -> bool:
    """Whether a sub-select knows nothing of the row around it: PostgreSQL runs it once then.

    In what `pg_get_expr` writes, every column in a sub-select is qualified by a name that is there once.
    """
    known = {sqltree.named(node) for node in sqltree.walk(select) if sqltree.kind(node) == "RangeVar"}
    known |= {node.aliasname for node in sqltree.walk(select) if sqltree.kind(node) == "Alias"}
    return all(qualifiers[0] in known for qualifiers in sqltree.columns(select) if len(qualifiers) > 1)


def _fk_without_index(keys: Iterable[Any]) -> Iterator[Finding]:
    for key in keys:
        if any(condition is None or _is_not_null(condition, key.names) for condition in key.conditions):
            continue
        yield Finding(
            FK_WITHOUT_INDEX,
            f"{key.nspname}.{key.relname}",
            f"no index begins with {_and(key.names)} of the foreign key {key.conname}: a deletion in the table that it "
            "refers to reads the whole table",
            f"create index on {key.quoted} ({key.columns});",
            "warning",
        )


def _is_not_null(condition: str, columns: list[str]) -> bool:
    """Whether the condition of an index says no more than that ``columns`` are not NULL: a lookup is for such rows."""
    tree = sqltree.expression(condition)
    if tree is None:
        return False
    tests = [sqltree.tested_for_null(test) for test in sqltree.operands(tree, sqltree.AND) or [tree]]
    return all(test is not None and not test[1] and {*sqltree.path(test[0])} & {*columns} for test in tests)


def _path(setting: str) -> list[str]:
    """The schemas of a ``search_path``, as PostgreSQL keeps it."""
    found = _NAME_IN_PATH.finditer(setting)
    names = [match["plain"] or (match["quoted"] or "").replace('""', '"') for match in found]
    return [name for name in names if name]


def _quoted_path(setting: str) -> list[str]:
    return [match[0] for match in _NAME_IN_PATH.finditer(setting) if match[0] != '""']


def _resolved(name: str, owner: str) -> str:
    return owner if name == "$user" else name


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
