"""Mends: the smallest change that closes a hole and takes nothing from those who are entitled. Each is tried.

Where none is found, what has to be decided is said in words, and no SQL is shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql
from psycopg.rows import namedtuple_row

from pgassay import sqltree
from pgassay.checks import culprit
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import costs
from pgassay.checks.isolation.conditions import Conditions
from pgassay.checks.isolation.controls import Controls
from pgassay.checks.isolation.matrix import Probe
from pgassay.checks.isolation.rehearsal import Rehearsal
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.platforms.platform import in_sql
from pgassay.schema.implying import implies
from pgassay.schema.narrowing import filtered, narrowed

_MOST = 60
"""So many changes are tried for one culprit."""
_BORROWED = 8
"""So many conditions of other policies are tried."""
_OF_NEW_ROWS = ("insert", "move")
"""Doors that a condition on new rows closes."""

_POLICY = """
select
    p.polname, p.polcmd::text as command, pg_get_expr(p.polqual, p.polrelid, true) as old,
    pg_get_expr(p.polwithcheck, p.polrelid, true) as new, n.nspname || '.' || c.relname as relation,
    array(
        select case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end from unnest(p.polroles) as r
    ) as roles
from pg_policy as p
join pg_class as c on p.polrelid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
where p.polrelid = %(oid)s and p.polname = %(policy)s
"""
_OTHERS = """
select distinct on (text) text
from (
    select w.text, p.polrelid = %(oid)s as here
    from pg_policy as p
    cross join unnest(array[
        pg_get_expr(p.polqual, p.polrelid, true), pg_get_expr(p.polwithcheck, p.polrelid, true)
    ]) as w (text)
    where p.polpermissive and (p.polrelid, p.polname) <> (%(oid)s, %(policy)s) and w.text is not null
        and not exists (
            select from pg_depend as d
            where
                d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass
                and d.refobjid = p.polrelid and d.refobjsubid > 0
                and not exists (
                    select from pg_attribute as a
                    join pg_attribute as b on a.attname = b.attname and a.atttypid = b.atttypid
                    where
                        a.attrelid = p.polrelid and a.attnum = d.refobjsubid and b.attrelid = %(oid)s
                        and not b.attisdropped
                )
        )
) as found
where text not in ('true', 'false')
order by text
"""
_DEPENDENTS = """
with recursive up as (
    select %(oid)s::oid as oid, %(catalog)s::regclass::oid as catalog, 0 as distance
    union
    select next.oid, next.catalog, up.distance + 1
    from up
    cross join lateral (
        select p.polrelid as oid, 'pg_class'::regclass::oid as catalog
        from pg_depend as d join pg_policy as p on d.classid = 'pg_policy'::regclass and d.objid = p.oid
        where d.refclassid = up.catalog and d.refobjid = up.oid
        union all
        select r.ev_class, 'pg_class'::regclass
        from pg_depend as d join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        where d.refclassid = up.catalog and d.refobjid = up.oid
        union all
        select f.oid, 'pg_proc'::regclass
        from pg_proc as f
        where
            f.oid >= 16384
            and f.pronamespace <> all(array(select oid from pg_namespace where nspname = 'pgassay_probe'))
            and (
                strpos(f.prosrc, coalesce(
                    case up.catalog
                        when 'pg_class'::regclass then (select c.relname from pg_class as c where c.oid = up.oid)
                        else (select o.proname from pg_proc as o where o.oid = up.oid)
                    end::text, '?'
                )) > 0
                or exists (
                    select from pg_depend as d
                    where
                        d.classid = 'pg_proc'::regclass and d.objid = f.oid
                        and d.refclassid = up.catalog and d.refobjid = up.oid
                )
            )
        union all
        select t.tgrelid, 'pg_class'::regclass
        from pg_trigger as t
        where up.catalog = 'pg_proc'::regclass and t.tgfoid = up.oid and not t.tgisinternal
    ) as next
    where up.distance < 3
)
select n.nspname || '.' || c.relname
from up join pg_class as c on up.catalog = 'pg_class'::regclass and up.oid = c.oid
join pg_namespace as n on c.relnamespace = n.oid
union
select n.nspname || '.' || p.proname || '(' || array_to_string(array(
    select format_type(t.oid, null) from unnest(p.proargtypes) with ordinality as t (oid, position) order by t.position
), ', ') || ')'
from up join pg_proc as p on up.catalog = 'pg_proc'::regclass and up.oid = p.oid
join pg_namespace as n on p.pronamespace = n.oid
"""
_NAME = "select n.nspname, c.relname, pg_get_viewdef(c.oid) as definition from pg_class as c join pg_namespace as n on "
_NAME += "c.relnamespace = n.oid where c.oid = %(oid)s"
_OID = """
select c.oid from pg_class as c join pg_namespace as n on c.relnamespace = n.oid
where n.nspname = %(schema)s and c.relname = %(name)s
"""


@dataclass(frozen=True)
class _Hole:
    """What one culprit lets through, and all that must stay as it is."""

    culprit: culprit.Culprit
    found: tuple[tuple[Finding, Probe], ...]
    touched: tuple[str, ...]

    @property
    def probes(self) -> list[Probe]:
        return [probe for _, probe in self.found]

    @property
    def doors(self) -> set[str]:
        return {finding.door for finding, _ in self.found}


class Mends:
    """Tries changes on a superuser's ``session``, in a copy of the database that holds the rows of the probes."""

    def __init__(
        self, session: Session, world: World, controls: Controls, rehearsal: Rehearsal, failed: dict[str, str]
    ) -> None:
        self._session = session
        self._platform, self._roles = world.platform, world.platform.roles
        self._failed = failed
        self._controls = controls
        self._rehearsal = rehearsal
        self._conditions = Conditions(world)

    def add(self, named: culprit.Named) -> dict[Finding, Probe]:
        """The findings with their culprits and with the mends that were found: one for all that one culprit lets in."""
        result: dict[Finding, Probe] = {}
        mended: dict[int, str] = {}
        of_culprit: dict[str, list[int]] = {}
        for number, (_, _, found) in enumerate(named):
            if found is not None:
                of_culprit.setdefault(found.statement, []).append(number)
        for numbers in of_culprit.values():
            of_object = f"mends of {named[numbers[0]][0].object}"
            with costs.only(of_object, self._failed, lambda: costs.go_on(self._session)):
                mended |= self._mended(named, numbers)
        for number, (finding, probe, found) in enumerate(named):
            if found is not None:
                finding = replace(finding, culprit=found.what, mend=mended.get(number, finding.mend))
            result[finding] = probe
        return result

    def _mended(self, named: culprit.Named, numbers: Sequence[int]) -> dict[int, str]:
        """A mend for each, by its number: one for all, else one a door."""
        whole = self._found(named, numbers)
        if whole:
            return dict.fromkeys(numbers, whole)
        doors: dict[tuple[str, str], list[int]] = {}
        for number in numbers:
            doors.setdefault((named[number][0].object, named[number][0].door), []).append(number)
        found: dict[int, str] = {}
        for of_door in doors.values():
            mend = (self._found(named, of_door) if len(doors) > 1 else "") or self._decision(named, of_door)
            found |= dict.fromkeys(of_door, mend)
        return found

    def _found(self, named: culprit.Named, numbers: Sequence[int]) -> str:
        """The first of the changes that closes all of them and takes nothing else away."""
        culprit_of = named[numbers[0]][2]
        assert culprit_of is not None
        found = tuple(named[number][:2] for number in numbers)
        touched = [*(finding.object for finding, _ in found), *self._dependents(culprit_of.oid, culprit_of.kind)]
        for relation in dict.fromkeys(probe.touches for _, probe in found if probe.touches):
            touched += self._dependents(relation, "")
        hole = _Hole(culprit_of, found, tuple(dict.fromkeys(touched)))
        own = dict.fromkeys(mend for probe in hole.probes for mend in probe.mends)
        for statement in itertools.islice(dict.fromkeys([*own, *self._changes(hole)]), _MOST):
            is_closed = culprit.closes(self._session, statement, hole.probes, lambda: self._is_kept(hole))
            if is_closed and self._is_left_whole(hole, statement):
                return f"{statement};"
        return ""

    def _is_left_whole(self, hole: _Hole, statement: str) -> bool:
        """Whether what is changed can be judged afterwards, and has no other hole then."""
        found = hole.culprit
        if found.kind == "policy":
            (policy,) = self._ask(_POLICY, oid=found.oid, policy=found.policy)
            return self._rehearsal.is_of_use(statement, policy.relation, found.policy)
        called = {finding.object for finding, _ in hole.found if finding.door == "call"}
        return all(self._rehearsal.is_sound(statement, signature) for signature in called)

    def _is_kept(self, hole: _Hole) -> bool:
        return self._controls.hold(self._session, hole.touched)

    # what may be changed, the smallest first

    def _changes(self, hole: _Hole) -> Iterator[str]:
        found = hole.culprit
        match found.kind:
            case "policy":
                yield from self._policies(hole)
            case "off":
                yield found.statement
                yield from self._with_policy(found)
            case "view":
                yield found.statement
                yield from self._narrowed_view(found)
                yield from self._revoked(hole)
            case "function" | "call":
                if found.kind == "function":
                    yield found.statement
                yield (
                    f"revoke execute on routine {found.quoted} from public, {self._roles.held};\n"
                    f"grant execute on routine {found.quoted} to {in_sql(self._roles.back_end)}"
                )
            case "check option" | culprit.COLUMN:
                yield found.statement
            case "right":
                yield from self._revoked(hole)

    def _policies(self, hole: _Hole) -> Iterator[str]:
        found = hole.culprit
        (policy,) = self._ask(_POLICY, oid=found.oid, policy=found.policy)
        policy = policy._replace(old=_in_a_line(policy.old), new=_in_a_line(policy.new))
        altered = found.statement.replace("drop", "alter", 1)
        conditions = [*self._conditions.of(policy.relation), *self._conditions.links(policy.relation)]
        borrowed = [_in_a_line(row.text) for row in self._ask(_OTHERS, oid=found.oid, policy=found.policy)][:_BORROWED]
        if policy.new is not None and policy.old not in (None, "true", policy.new):
            is_no_less = implies(sqltree.expression(policy.old), sqltree.expression(policy.new))
            held = policy.old if is_no_less else narrowed(policy.new, policy.old)
            yield f"{altered} with check ({held})"  # new rows held to what it holds old ones to
        for condition in (*conditions, *borrowed):
            for clauses in _clauses(policy, hole.doors):
                parts = [f"{word} ({narrowed(text, condition)})" for word, text in clauses]
                yield f"{altered} {' '.join(parts)}"
        if conditions:  # whatever the condition was
            yield from (
                f"{altered} {' '.join(f'{word} ({conditions[0]})' for word, _ in clauses)}"
                for clauses in _clauses(policy, hole.doors)
            )
        if policy.roles != [self._roles.anonymous] and {"public", self._roles.anonymous} & {*policy.roles}:
            yield f"{altered} to {in_sql(self._roles.signed_in)}"
        yield f"{altered} to {in_sql(self._roles.back_end)}"
        yield from self._revoked(hole)
        yield found.statement

    def _with_policy(self, found: culprit.Culprit) -> Iterator[str]:
        """Row level security, with a policy for those who belong to the tenant where there is none."""
        (row,) = self._ask(_NAME, oid=found.oid)
        signed_in = in_sql(self._roles.signed_in)
        for condition in self._conditions.of(f"{row.nspname}.{row.relname}"):
            for name in ("own rows", "own rows only"):
                created = f"create policy {sql.Identifier(name).as_string(None)} on {found.quoted} to {signed_in}"
                yield f"{found.statement};\n{created} using ({condition}) with check ({condition})"

    def _narrowed_view(self, found: culprit.Culprit) -> Iterator[str]:
        """The view with a condition on the caller: in it, so that it can be written to, else around it."""
        (row,) = self._ask(_NAME, oid=found.oid)
        definition = row.definition.rstrip().rstrip(";")
        conditions = self._conditions.of(f"{row.nspname}.{row.relname}")
        is_back_end = self._platform.words.role_in_sql(self._roles.back_end)
        # to whoever is no user, the back end, the view has shown all
        for condition in (more for each in conditions for more in (each, f"{each} or {is_back_end}")):
            within = filtered(definition, condition)
            if within is not None:
                options = "security_barrier = on, check_option = cascaded"
                yield f"create or replace view {found.quoted} with ({options}) as\n{within}"
            yield (
                f"create or replace view {found.quoted} with (security_barrier = on) as\n"
                f"select * from (\n{definition}\n) as v where {condition}"
            )

    def _revoked(self, hole: _Hole) -> Iterator[str]:
        """Rights that nobody entitled makes use of."""
        found = hole.culprit
        rights = dict.fromkeys(_RIGHTS[door] for door in sorted(hole.doors) if door in _RIGHTS)
        if not rights:
            return
        for roles in (in_sql(self._roles.anonymous), self._roles.held):
            yield f"revoke {', '.join(rights)} on {found.quoted} from public, {roles}"

    # what it touches

    def _dependents(self, what: int | str, kind: str) -> list[str]:
        """The relations and functions for which something else may come of a change of that one."""
        catalog = "pg_proc" if kind in ("function", "call") else "pg_class"
        if isinstance(what, str):
            schema, _, name = what.partition(".")
            what = self._ask(_OID, schema=schema, name=name)[0].oid
        return [row[0] for row in self._ask(_DEPENDENTS, oid=what, catalog=catalog)]

    def _ask(self, query: str, **values: Any) -> list[Any]:
        with (
            self._session.transaction(force_rollback=True),
            self._session.cursor(row_factory=namedtuple_row) as cursor,
        ):
            cursor.execute("set local search_path = pg_catalog")
            return cursor.execute(query.encode(), values).fetchall()

    # in words

    def _decision(self, named: culprit.Named, numbers: Iterable[int]) -> str:
        finding, _, found = named[next(iter(numbers))]
        assert found is not None
        match found.kind:
            case "policy":
                return (
                    f'Decide whom the policy "{found.policy}" on {found.quoted} is for. It lets this through, and '
                    "without it those lose something who are entitled to it: no condition that was tried tells them "
                    "apart."
                )
            case "off":
                return (
                    f"Decide who may read and write {found.quoted}, and enable row level security with policies that "
                    "say so: with none, those who are entitled lose their rows."
                )
            case "function" | "call":
                return (
                    f"Decide who may call {finding.object}: let {found.quoted} ask in its body whether the caller "
                    f"belongs to the tenant, or revoke execute from public, {self._roles.told} and let the back end "
                    f"call it as {self._roles.back_end}."
                )
            case "trigger":
                return f"Decide what {found.what} may write: hold it to rows of the tenant of the row that fires it."
            case culprit.COLUMN:
                return (
                    f"Decide how those do without {found.what.rpartition(' to ')[2]} who make use of it: revoking the "
                    "right to it takes something from them."
                )
            case "right":
                return (
                    f"Decide who may {finding.door} {found.quoted}, which no row level security holds: revoke it from "
                    f"{self._roles.told}, and let a view or function with a condition on the caller stand before it."
                )
        return (
            f"Decide whose rows {found.quoted} is to show: without its owner's rights, those who are entitled lose "
            "something. Hold it to the caller by a condition of its own."
        )


_RIGHTS = {"select": "select", "insert": "insert", "update": "update", "move": "update", "delete": "delete"}


def _clauses(policy: Any, doors: set[str]) -> Iterator[list[tuple[str, str | None]]]:
    """The clauses to be narrowed, with the condition that each has now: as few as may do first."""
    old, new = ("using", policy.old), ("with check", policy.new if policy.new is not None else policy.old)
    if policy.command == "a":
        yield [("with check", policy.new)]
    elif policy.command in ("r", "d"):
        yield [old]
    else:
        if doors <= set(_OF_NEW_ROWS):
            yield [new]
        elif policy.new is None or not doors & set(_OF_NEW_ROWS):
            yield [old]
        yield [old, new]


def _in_a_line(text: Any) -> Any:
    """An expression as the parser's own printer writes it."""
    if text is None:
        return None
    tree = sqltree.expression(text)
    return text if tree is None else sqltree.deparsed(tree) or text
