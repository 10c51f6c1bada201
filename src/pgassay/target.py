"""The database that migrations are applied to: whether it is one of Supabase, and who is connected there."""

from __future__ import annotations

from typing import Any

import psycopg

from pgassay.platforms import DEFAULT

_PLATFORM = """
select
    not exists (
        select from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on p.pronamespace operator(pg_catalog.=) n.oid
        where pg_catalog.concat(n.nspname, '.', p.proname) operator(pg_catalog.=) %(user)s
    ),
    array(
        select w.name from pg_catalog.unnest(%(roles)s::pg_catalog.text[]) with ordinality as w (name, place)
        where not exists (
            select from pg_catalog.pg_roles as r
            where r.rolname::pg_catalog.text operator(pg_catalog.=) w.name
        )
        order by w.place
    )
"""

Connection = psycopg.Connection[Any]


def platform(connection: Connection) -> str:
    """A sentence where this is no database of Supabase; nothing where it is one."""
    roles, words = DEFAULT.roles, DEFAULT.words
    row = connection.execute(_PLATFORM, {"user": words.user, "roles": [*roles.api, roles.login]}).fetchone()
    assert row is not None
    missing = [*([f"the function {words.user}()"] if row[0] else []), *(f"the role {role}" for role in row[1])]
    if not missing:
        return ""
    return (
        f"This is no database of {DEFAULT.title}: it lacks {', '.join(missing)}. Migrations that need what it lacks "
        "fail here."
    )


def is_superuser(connection: Connection) -> bool:
    """Whether whoever is connected is one."""
    row = connection.execute("select rolsuper from pg_catalog.pg_roles where rolname = session_user").fetchone()
    return row is not None and bool(row[0])
