"""What a project gives to others of the platform's own objects, and the platform's state that is rows.

Rights are told only where they differ from what the platform gives. Of secrets, the names are told and no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pgassay.checks.snapshot import layout
from pgassay.checks.snapshot.state import PLATFORM_RIGHTS, Object, name

Ask = Callable[[str], list[dict[str, Any]]]
Grants = Callable[[str, Mapping[str, Any], Iterable[Mapping[str, Any]]], dict[str, str]]

_TABLES = {"bucket": "storage.buckets", "cron job": "cron.job", "vault secret": "vault.secrets"}


def rights(ask: Ask, grants: Grants) -> Iterator[Object]:
    """What roles may do to each object of the platform, and whether row level security holds there."""
    for row in ask(_RIGHTS):
        columns = [{"name": column, "acl": acl} for column, acl in (row["columns"] or {}).items()]
        entries = grants(row["kind"], row, columns)
        if row["secured"] is not None:
            entries["row level security"] = "enabled" if row["secured"] else "off"
        yield Object(PLATFORM_RIGHTS, f"{row['kind']} {row['what']}", entries, partial=True)


def contents(ask: Ask) -> tuple[list[Object], frozenset[str]]:
    """Buckets, cron jobs and names of secrets; and the kinds of which nothing is known, since they may not be read."""
    readable = {row["kind"]: row["readable"] for row in ask(_READABLE)}
    found = [
        _READERS[kind](row["found"])
        for kind, table in _TABLES.items()
        if readable.get(kind)
        for row in ask(_ROWS[kind].format(table=table))
    ]
    return found, frozenset(kind for kind, may in readable.items() if not may)


def _bucket(row: Mapping[str, Any]) -> Object:
    entries = {"public": "yes" if row.get("public") else "no"}
    if row.get("file_size_limit") is not None:
        entries["file size limit"] = str(row["file_size_limit"])
    if row.get("allowed_mime_types") is not None:
        entries["mime types"] = ", ".join(sorted(row["allowed_mime_types"])) or "none"
    if row.get("name") != row["id"]:
        entries["name"] = name(str(row.get("name")))
    return Object("bucket", name(row["id"]), entries)


def _job(row: Mapping[str, Any]) -> Object:
    entries = {"schedule": row["schedule"], "command": layout.body(row["command"], "sql")}
    if not row.get("active", True):
        entries["active"] = "no"
    return Object("cron job", name(row.get("jobname") or f"{row['schedule']} {layout.flat(row['command'])}"), entries)


def _secret(row: Mapping[str, Any]) -> Object:
    described = {"description": name(row["description"])} if row.get("description") else {}
    return Object("vault secret", name(row["name"]), described)


_READERS = {"bucket": _bucket, "cron job": _job, "vault secret": _secret}
_ROWS = {
    "bucket": "select to_jsonb(t) as found from {table} as t",
    "cron job": "select to_jsonb(t) - 'database' as found from {table} as t",
    "vault secret": "select jsonb_build_object('name', t.name, 'description', t.description) as found "
    "from {table} as t where t.name is not null",
}
_READABLE = """
select kind,
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    and not row_security_active(c.oid) as readable  -- else some rows may be hidden
from (values ('bucket', 'storage', 'buckets'), ('cron job', 'cron', 'job'), ('vault secret', 'vault', 'secrets'))
    as v (kind, schema_name, table_name)
join pg_namespace as n on n.nspname = v.schema_name
join pg_class as c on c.relnamespace = n.oid and c.relname = v.table_name
"""
_RIGHTS = """
with objects as (
    select c.oid, 'pg_class'::regclass as class, case when c.relkind = 'S' then 'sequence' else 'table' end as kind,
        c.relnamespace as namespace, quote_ident(c.relname) as what, c.relowner as owner, c.relacl as acl,
        case when c.relkind = 'S' then 's' else 'r' end::"char" as letter,
        case when c.relkind in ('r', 'p') then c.relrowsecurity end as secured
    from pg_class as c
    where c.relnamespace = any(%(platform)s::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select p.oid, 'pg_proc'::regclass, 'function', p.pronamespace,
        format('%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner, p.proacl, 'f', null
    from pg_proc as p
    where p.pronamespace = any(%(platform)s::oid[])
    union all
    select n.oid, 'pg_namespace'::regclass, 'schema', 0, quote_ident(n.nspname), n.nspowner, n.nspacl, 'n', null
    from pg_namespace as n
    where n.oid = any(%(platform)s::oid[])
)
select o.kind, concat_ws('.', quote_ident(n.nspname), o.what) as what, o.secured, pg_get_userbyid(o.owner) as owner,
    (
        select json_agg(json_build_array(r.rolname, x.privilege_type, x.is_grantable))
        from aclexplode(coalesce(o.acl, acldefault(o.letter, o.owner))) as x
        left join pg_roles as r on x.grantee = r.oid
        where x.grantee not in (o.owner, %(owner)s) and not starts_with(coalesce(r.rolname, ''), 'supabase_')
    ) as acl,
    case when o.letter = 'r' then (
        select json_object_agg(a.attname, (
            select json_agg(json_build_array(
                case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end, x.privilege_type, x.is_grantable
            ))
            from aclexplode(a.attacl) as x where x.grantee not in (o.owner, %(owner)s)
        ))
        from pg_attribute as a
        where a.attrelid = o.oid and a.attacl is not null and not a.attisdropped
    ) end as columns
from objects as o
left join pg_namespace as n on o.namespace = n.oid
where o.owner <> %(owner)s and not exists (
    select from pg_depend as d where d.classid = o.class and d.objid = o.oid and d.deptype = 'e'
)
"""
