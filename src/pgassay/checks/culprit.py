"""The culprit of a finding, by experiment: the one policy, grant, function or setting without which the hole is closed.

Each that could be it is taken away in a savepoint, and the probe repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psycopg

from pgassay.checks.finding import Finding
from pgassay.checks.isolation import costs
from pgassay.checks.isolation.matrix import Probe
from pgassay.identity import Session

_CANDIDATES = """
with recursive named as (
    select c.oid, 'pg_class'::regclass::oid as catalog, 0 as distance
    from pg_class as c join pg_namespace as n on c.relnamespace = n.oid
    where n.nspname || '.' || c.relname = %(object)s
    union all
    select p.oid, 'pg_proc'::regclass::oid, 0
    from pg_proc as p join pg_namespace as n on p.pronamespace = n.oid
    where n.nspname || '.' || p.proname || '(' || array_to_string(array(
        select format_type(t.oid, null)
        from unnest(p.proargtypes) with ordinality as t (oid, position) order by t.position
    ), ', ') || ')' = %(object)s
),

used as (
    select n.oid, n.catalog, n.distance from named as n
    union
    select next.oid, next.catalog, used.distance + 1
    from used
    cross join lateral (
        select d.refobjid, d.refclassid
        from pg_rewrite as r join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        where used.catalog = 'pg_class'::regclass and r.ev_class = used.oid
        union all
        select d.refobjid, d.refclassid
        from pg_policy as p join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
        where used.catalog = 'pg_class'::regclass and p.polrelid = used.oid
        union all
        select c.oid, 'pg_class'::regclass
        from pg_proc as f
        join pg_class as c on c.relkind in ('r', 'p', 'v') and strpos(f.prosrc, c.relname) > 0
        join pg_namespace as s on c.relnamespace = s.oid and not starts_with(s.nspname, 'pg_')
        where used.catalog = 'pg_proc'::regclass and f.oid = used.oid and s.nspname <> 'information_schema'
    ) as next (oid, catalog)
    where used.distance < 3 and next.catalog in ('pg_class'::regclass, 'pg_proc'::regclass)
),

near as (select u.oid, u.catalog, min(u.distance) as distance from used as u group by u.oid, u.catalog)

select found.kind, found.oid, found.quoted, coalesce(found.policy, ''), found.culprit, found.statement
from (
    select
        'off' as kind, 1 as rank, u.distance, c.oid, c.oid::regclass::text as quoted, null::text as policy,
        format('row level security is off on %%s', c.oid::regclass) as culprit,
        format('alter table %%s enable row level security', c.oid::regclass) as statement, null::text as command
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind in ('r', 'p') and not c.relrowsecurity and c.oid >= 16384
    union all
    select
        'policy', 2, u.distance, p.polrelid, p.polrelid::regclass::text, p.polname::text,
        format('policy %%I on %%s', p.polname, p.polrelid::regclass),
        format('drop policy %%I on %%s', p.polname, p.polrelid::regclass), p.polcmd::text
    from near as u join pg_policy as p on u.oid = p.polrelid and u.catalog = 'pg_class'::regclass
    where p.polpermissive
    union all
    select
        'view', 3, u.distance, c.oid, c.oid::regclass::text, null,
        format('view %%s, which has the rights of its owner', c.oid::regclass),
        format('alter view %%s set (security_invoker = on)', c.oid::regclass), null
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind = 'v' and c.oid >= 16384
    union all
    select
        'check option', 4, u.distance, c.oid, c.oid::regclass::text, null,
        format('view %%s, which has no check option', c.oid::regclass),
        format('alter view %%s set (check_option = cascaded)', c.oid::regclass), null
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind = 'v' and c.oid >= 16384
    union all
    select
        'function', 5, u.distance, p.oid, p.oid::regprocedure::text, null,
        format('function %%s, which has the rights of its owner', p.oid::regprocedure),
        format('alter routine %%s security invoker', p.oid::regprocedure), null
    from near as u join pg_proc as p on u.oid = p.oid and u.catalog = 'pg_proc'::regclass
    where p.prosecdef and p.oid >= 16384
    union all
    select
        'trigger', 6, u.distance, t.tgrelid, t.tgrelid::regclass::text, null,
        format('trigger %%I on %%s', t.tgname, t.tgrelid::regclass),
        format('alter table %%s disable trigger %%I', t.tgrelid::regclass, t.tgname), null
    from near as u join pg_trigger as t on u.oid = t.tgrelid and u.catalog = 'pg_class'::regclass
    where not t.tgisinternal and u.distance = 0
    union all
    select
        'right', 7, 0, u.oid, u.oid::regclass::text, null,
        format('the right of %%s to %%s it', %(role)s::text, %(privilege)s::text),
        format('revoke %%s on %%s from public, %%I', %(privilege)s::text, u.oid::regclass, %(role)s::text), null
    from near as u
    where u.distance = 0 and u.catalog = 'pg_class'::regclass
    union all
    select
        'call', 7, 0, u.oid, u.oid::regprocedure::text, null, format('the right of %%s to call it', %(role)s::text),
        format('revoke execute on routine %%s from public, %%I', u.oid::regprocedure, %(role)s::text), null
    from near as u
    where u.distance = 0 and u.catalog = 'pg_proc'::regclass
) as found
order by
    found.rank = 7, coalesce(found.command <> all(%(commands)s::text[]), false), found.distance, found.rank,
    found.culprit collate "C"
"""
_TABLE = """
select c.oid, c.oid::pg_catalog.regclass::pg_catalog.text
from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where pg_catalog.concat(n.nspname, '.', c.relname) = %s
"""
COLUMN = "column"
"""The kind of a culprit that is a right to one column."""
_PRIVILEGES = {"move": "update", "call": "execute"}
_COMMANDS = {"insert": "a", "update": "w", "move": "w", "delete": "d"}
"""What a policy for a command is called in the catalog. Without a policy for select, an UPDATE finds no row either."""
_LIMIT = 40
"""So many are tried; what is further away than that is no help to anybody."""


@dataclass(frozen=True)
class Culprit:
    """What lets a hole be: of which ``kind``, and the ``statement`` that takes it away.

    ``quoted`` is its relation or routine, as SQL has it, with that ``oid``; ``policy`` the name of a policy.
    """

    kind: str
    oid: int
    quoted: str
    policy: str
    what: str
    statement: str


Named = list[tuple[Finding, Probe, Culprit | None]]


def name(session: Session, demonstrations: Mapping[Finding, Probe], failed: dict[str, str]) -> Named:
    """The findings with their culprits, on a superuser's ``session`` in a copy that holds the rows of the probes.

    There is none where no single thing closes the hole, or where looking for it ``failed``. Nothing is left of what was
    tried.
    """
    found: Named = []
    last: dict[tuple[str, str], Culprit] = {}
    for finding, probe in demonstrations.items():
        place = (finding.object, finding.door)
        culprit = None
        with costs.only(f"the culprit of {finding.object}", failed, lambda: costs.go_on(session)):
            culprit = None if finding.culprit else _culprit(session, finding, probe, last.get(place))
        if culprit is not None:
            last[place] = culprit
        found.append((finding, probe, culprit))
    return found


def _culprit(session: Session, finding: Finding, probe: Probe, likely: Culprit | None) -> Culprit | None:
    if not probe.shows(session):
        return None
    if probe.cause is not None:
        return _known(session, probe)
    if likely is not None and closes(session, likely.statement, [probe]):
        return likely
    with session.transaction(force_rollback=True):
        session.execute("set local search_path = pg_catalog")
        candidates = session.execute(
            _CANDIDATES,
            {
                "object": finding.object,
                "role": probe.actor.identity.role,
                "privilege": _PRIVILEGES.get(finding.door, finding.door),
                "commands": ["*", _COMMANDS.get(finding.door, "r")],
            },
        ).fetchall()
    tried = (Culprit(*candidate) for candidate in candidates[:_LIMIT])
    return next((candidate for candidate in tried if closes(session, candidate.statement, [probe])), None)


def _known(session: Session, probe: Probe) -> Culprit | None:
    """The cause that the probe names, if that is one."""
    assert probe.cause is not None
    what, table, statement = probe.cause
    row = session.execute(_TABLE, [table]).fetchone()
    if row is None or not closes(session, statement, [probe]):
        return None
    return Culprit(COLUMN, row[0], row[1], "", what, statement)


def closes(session: Session, statement: str, probes: Iterable[Probe], still: Callable[[], bool] = lambda: True) -> bool:
    """Whether none of the holes is there after a statement, which is undone, and ``still`` says that all else is."""
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement.encode())
            return not any(probe.shows(session) for probe in probes) and still()
    except psycopg.Error:
        if session.closed:
            raise
        return False
