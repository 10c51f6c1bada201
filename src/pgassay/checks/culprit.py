"""The culprit of a finding, by experiment: the one policy, grant, function or setting without which the hole is closed.

Each that could be it is taken away in a savepoint, and the probe repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import psycopg

from pgassay.checks.finding import Finding
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

select found.culprit, found.statement, coalesce(found.command, ''), coalesce(found.relation, '')
from (
    select
        1 as kind, u.distance, format('row level security is off on %%s', c.oid::regclass) as culprit,
        format('alter table %%s enable row level security', c.oid::regclass) as statement,
        null::text as command, null::text as relation
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind in ('r', 'p') and not c.relrowsecurity and c.oid >= 16384
    union all
    select
        2, u.distance, format('policy %%I on %%s', p.polname, p.polrelid::regclass),
        format('drop policy %%I on %%s', p.polname, p.polrelid::regclass),
        p.polcmd::text, n.nspname || '.' || c.relname
    from near as u join pg_policy as p on u.oid = p.polrelid and u.catalog = 'pg_class'::regclass
    join pg_class as c on u.oid = c.oid
    join pg_namespace as n on c.relnamespace = n.oid
    where p.polpermissive
    union all
    select
        3, u.distance, format('view %%s, which has the rights of its owner', c.oid::regclass),
        format('alter view %%s set (security_invoker = on)', c.oid::regclass), null, null
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind = 'v' and c.oid >= 16384
    union all
    select
        4, u.distance, format('view %%s, which has no check option', c.oid::regclass),
        format('alter view %%s set (check_option = cascaded)', c.oid::regclass), null, null
    from near as u join pg_class as c on u.oid = c.oid and u.catalog = 'pg_class'::regclass
    where c.relkind = 'v' and c.oid >= 16384
    union all
    select
        5, u.distance, format('function %%s, which has the rights of its owner', p.oid::regprocedure),
        format('alter routine %%s security invoker', p.oid::regprocedure), null, null
    from near as u join pg_proc as p on u.oid = p.oid and u.catalog = 'pg_proc'::regclass
    where p.prosecdef and p.oid >= 16384
    union all
    select
        6, u.distance, format('trigger %%I on %%s', t.tgname, t.tgrelid::regclass),
        format('alter table %%s disable trigger %%I', t.tgrelid::regclass, t.tgname), null, null
    from near as u join pg_trigger as t on u.oid = t.tgrelid and u.catalog = 'pg_class'::regclass
    where not t.tgisinternal and u.distance = 0
    union all
    select
        7, 0, format('the right of %%s to %%s it', %(role)s::text, %(privilege)s::text),
        format('revoke %%s on %%s from public, %%I', %(privilege)s::text, u.oid::regclass, %(role)s::text), null, null
    from near as u
    where u.distance = 0 and u.catalog = 'pg_class'::regclass
    union all
    select
        7, 0, format('the right of %%s to call it', %(role)s::text),
        format('revoke execute on routine %%s from public, %%I', u.oid::regprocedure, %(role)s::text), null, null
    from near as u
    where u.distance = 0 and u.catalog = 'pg_proc'::regclass
) as found
order by
    found.kind = 7, coalesce(found.command <> all(%(commands)s::text[]), false), found.distance, found.kind,
    found.culprit collate "C"
"""
_PRIVILEGES = {"move": "update", "call": "execute"}
_COMMANDS = {"insert": "a", "update": "w", "move": "w", "delete": "d"}
"""What a policy for a command is called in the catalog. Without a policy for select, an UPDATE finds no row either."""
_LIMIT = 40
"""So many are tried; what is further away than that is no help to anybody."""


@dataclass(frozen=True)
class _Candidate:
    """What may be the culprit, the statement that takes it away, and of a policy its command and relation."""

    what: str
    statement: str
    command: str
    relation: str


def name(
    session: Session, demonstrations: Mapping[Finding, Probe], owns: Callable[[str], str | None]
) -> dict[Finding, Probe]:
    """The findings with their culprits, on a superuser's ``session`` in a copy that holds the rows of the probes.

    ``owns`` gives for a relation the condition that a row is of the caller's tenants, where it has one. A finding of
    which no single culprit is found stays as it is. Nothing is left of what was tried.
    """
    found: dict[Finding, Probe] = {}
    last: dict[tuple[str, str], _Candidate] = {}
    for finding, probe in demonstrations.items():
        place = (finding.object, finding.door)
        culprit = None if finding.culprit else _culprit(session, finding, probe, last.get(place))
        if culprit is not None:
            last[place] = culprit
            mend = _mend(session, culprit, probe, owns(culprit.relation)) or finding.mend
            finding = replace(finding, culprit=culprit.what, mend=mend)
        found[finding] = probe
    return found


def _culprit(session: Session, finding: Finding, probe: Probe, likely: _Candidate | None) -> _Candidate | None:
    if not probe.shows(session):
        return None
    if likely is not None and _closes(session, likely.statement, probe):
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
    tried = (_Candidate(*candidate) for candidate in candidates[:_LIMIT])
    return next((candidate for candidate in tried if _closes(session, candidate.statement, probe)), None)


def _mend(session: Session, culprit: _Candidate, probe: Probe, condition: str | None) -> str:
    """The statement that closes the hole, tried; nothing where only a trigger's function can be mended."""
    if "disable trigger" in culprit.statement:
        return ""
    if culprit.command and condition:
        clauses = {"a": f"with check ({condition})", "r": f"using ({condition})", "d": f"using ({condition})"}
        clause = clauses.get(culprit.command, f"using ({condition}) with check ({condition})")
        altered = f"{culprit.statement.replace('drop', 'alter', 1)} {clause}"
        if _closes(session, altered, probe):
            return f"{altered};"
    return f"{culprit.statement};"


def _closes(session: Session, statement: str, probe: Probe) -> bool:
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement.encode())
            return not probe.shows(session)
    except psycopg.Error:
        if session.closed:
            raise
        return False
