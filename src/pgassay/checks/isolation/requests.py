"""What a schema reads of a request besides its claims, which a session of psql does not have by itself."""

from __future__ import annotations

from pgassay.checks.isolation.world import World

_READ = """
select s.name
from pg_catalog.unnest(%s::pg_catalog.text[]) with ordinality as s (name, position)
where exists (
    select
    from (
        select p.prosrc from pg_catalog.pg_proc as p where p.oid >= 16384
        union all
        select pg_catalog.concat_ws(
            ' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
        )
        from pg_catalog.pg_policy as p
        union all
        select pg_catalog.pg_get_viewdef(c.oid)
        from pg_catalog.pg_class as c
        where c.oid >= 16384 and c.relkind in ('v', 'm')
        union all
        select pg_catalog.pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef as d where d.oid >= 16384
    ) as found (text)
    where pg_catalog.strpos(found.text, s.name) > 0
)
order by s.position
"""


def settings(world: World) -> tuple[str, ...]:
    """The settings of a request of which the name stands in a policy, function, view or default of the schema."""
    return tuple(name for (name,) in world.ask(_READ, [[*world.platform.anonymous().request]]))
