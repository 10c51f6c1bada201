"""What is asked of the catalog for hints."""

POLICIES = """
select
    n.nspname || '.' || c.relname, p.polname, p.polcmd::text, p.polpermissive,
    p.polroles = '{0}' or exists (
        select from pg_roles as r where r.oid = any(p.polroles) and r.rolname = any(%(callers)s)
    ),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_policy as p
join pg_class as c on p.polrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where n.nspname <> all(%(platform)s) or c.oid = to_regclass('storage.objects')
order by n.nspname collate "C", c.relname collate "C", p.polname collate "C"
"""
FUNCTIONS = """
select n.nspname, p.proname, pg_get_functiondef(p.oid)
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
join pg_language as l on p.prolang = l.oid
where
    p.prokind in ('f', 'p')
    and l.lanname in ('sql', 'plpgsql')
    and p.prorettype <> 'trigger'::regtype
    and n.nspname <> all(%(platform)s)
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", p.proname collate "C", p.proargtypes::text
"""
"""What is called; triggers compare the rows that they are fired for, and tell nothing of who calls."""
VIEWS = """
select n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('v', 'm')
    and n.nspname <> all(%(platform)s)
    and not starts_with(n.nspname, 'pg_')
order by n.nspname collate "C", c.relname collate "C"
"""
DEFAULTS = """
select n.nspname || '.' || c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid)
from pg_attrdef as d
join pg_class as c on d.adrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
where n.nspname <> all(%(platform)s) and a.attgenerated = ''
"""
UNIQUE = """
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
REACHED = """
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
        r.rolname = %(anonymous)s
        and has_table_privilege(r.oid, c.oid, 'select') and not has_table_privilege(r.oid, c.oid, 'insert')
    ), false)
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
join pg_roles as r on r.rolname = any(%(callers)s) and has_schema_privilege(r.oid, n.oid, 'usage')
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> all(%(platform)s) and not starts_with(n.nspname, 'pg_')
group by n.nspname, c.relname, c.oid, c.relrowsecurity
"""

WRITTEN = """
select n.nspname || '.' || c.relname
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
join pg_roles as r on r.rolname = any(%(callers)s) and has_schema_privilege(r.oid, n.oid, 'usage')
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
