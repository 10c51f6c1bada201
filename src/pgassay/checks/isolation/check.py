"""All probes of a schema: the worlds are made, every door is tried, and what came of it is put together."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay import catalog
from pgassay.catalog import Function, Relation
from pgassay.checks import culprit
from pgassay.checks.finding import ERROR, Finding
from pgassay.checks.isolation import (
    broadcasts,
    candidates,
    collided,
    costs,
    crossing,
    entitled,
    headers,
    idle,
    openings,
    outbound,
    own_roles,
    partitions,
    people,
    pointing,
    realtime,
    requests,
    secret_values,
    states,
    storage,
)
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.below_hidden import BelowHidden
from pgassay.checks.isolation.broadcasts import Broadcasts
from pgassay.checks.isolation.by_calls import by_sql
from pgassay.checks.isolation.controls import Controls
from pgassay.checks.isolation.effects import Effects
from pgassay.checks.isolation.elsewhere import Elsewhere
from pgassay.checks.isolation.escalation import Escalation
from pgassay.checks.isolation.failures import FAILURES, Faults
from pgassay.checks.isolation.firing import Firing
from pgassay.checks.isolation.flags import Flags
from pgassay.checks.isolation.functions import Calls, offered
from pgassay.checks.isolation.leaving import Leaving
from pgassay.checks.isolation.making import Making
from pgassay.checks.isolation.matrix import Access, Actor, Matrix, Probe
from pgassay.checks.isolation.mends import Mends
from pgassay.checks.isolation.named_in import NamedIn
from pgassay.checks.isolation.people import Person
from pgassay.checks.isolation.pointing import Pointing
from pgassay.checks.isolation.questions import Questions
from pgassay.checks.isolation.rehearsal import Rehearsal
from pgassay.checks.isolation.relations import Found, Target, first_line, reach
from pgassay.checks.isolation.roles import Rights
from pgassay.checks.isolation.secret_columns import SecretColumns
from pgassay.checks.isolation.signup import SignUp
from pgassay.checks.isolation.states import Guest, States
from pgassay.checks.isolation.stored_texts import StoredTexts
from pgassay.checks.isolation.truth import Tables
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.withdrawn import Doors, OfHidden, OfOpened
from pgassay.checks.isolation.witnesses import Witnesses
from pgassay.checks.isolation.world import World, leave_alone
from pgassay.checks.ways import untaken
from pgassay.config import Tenancy
from pgassay.identity import Clone, Databases, Session
from pgassay.migrations import Script
from pgassay.rows import Unfilled
from pgassay.templates import Template
from pgassay.within import State

_SOURCES = """
select distinct pg_catalog.concat(vn.nspname, '.', v.relname), pg_catalog.concat(sn.nspname, '.', s.relname)
from pg_catalog.pg_rewrite as w
join pg_catalog.pg_class as v on w.ev_class = v.oid and v.relkind in ('v', 'm') and v.oid >= 16384
join pg_catalog.pg_namespace as vn on v.relnamespace = vn.oid
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> v.oid
join pg_catalog.pg_class as s on d.refobjid = s.oid
join pg_catalog.pg_namespace as sn on s.relnamespace = sn.oid
union all
select pg_catalog.concat(n.nspname, '.', v.relname), 'a function'
from pg_catalog.pg_rewrite as w
join pg_catalog.pg_class as v on w.ev_class = v.oid and v.relkind in ('v', 'm') and v.oid >= 16384
join pg_catalog.pg_namespace as n on v.relnamespace = n.oid
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid >= 16384
"""
_BEYOND_THE_API = """
select
    pg_catalog.count(*) filter (where c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(r, c.oid, 'truncate')),
    pg_catalog.count(*) filter (where c.relkind = 'S' and pg_catalog.has_sequence_privilege(r, c.oid, 'usage'))
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
cross join pg_catalog.unnest(%s::pg_catalog.text[]) as r
where n.nspname = %s and c.relkind in ('r', 'p', 'S')
"""


_CULPRITS = "culprits"
_CLOSED = """
select pg_catalog.concat(n.nspname, '.', c.relname), p.commands && '{r}'
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
cross join lateral (
    select coalesce(pg_catalog.array_agg(p.polcmd::pg_catalog.text), '{}') as commands
    from pg_catalog.pg_policy as p
    where
        p.polrelid = c.oid and p.polpermissive
        and exists (
            select from pg_catalog.unnest(p.polroles) as o (id)
            join pg_catalog.pg_roles as r
                on o.id = 0 or pg_catalog.pg_has_role(r.oid, o.id, 'usage')
            where
                pg_catalog.pg_has_role(%s, r.oid, 'member') and not (r.rolbypassrls or r.rolsuper)
        )
) as p
where c.relkind in ('r', 'p') and c.relrowsecurity and p.commands <@ '{r}'
"""
"""Tables with row level security in which nobody whom it holds can write, and whether there is a policy to read."""
OTHERS = "whether there are other tenants"
"""What is not judged, and can be waived under this name, where no copy without other tenants can be made."""
CHANGES = "what is read after changes of one's own rows"
"""The same where those changes fail."""
SIGN_UPS = "what is read after a sign-up with any metadata"
"""The same where signing up fails."""
LEAVING = "what is read after leaving"
"""The same where leaving fails."""
ROLES = "what roles do through functions and views"
"""The same where what is read and called for that fails."""
SECRETS = "who reads and writes secret columns"
"""The same where that cannot be asked."""
STATES = "what functions and views give of rows in declared states"
"""The same where that cannot be asked."""
WAYS = "for which rows and callers the policies hold"
"""The same where that cannot be asked."""


def observe(
    databases: Databases,
    template: Template,
    relations: tuple[Relation, ...],
    functions: tuple[Function, ...],
    tenancy: Tenancy,
    *,
    arrangement: Iterable[Script] = (),
    keep: bool = False,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Matrix:
    """Fill a clone of ``template`` with rows, and try every door of the API in copies of it.

    ``arrangement`` is SQL that the owner applies to the rows once they are made; ``keep`` leaves the database with the
    rows to the end of the run. Another ``seed`` makes other rows, by which nothing else is to be found. ``progress`` is
    told in words of each step before it is taken. Raises `PgassayError` where the tenants cannot be made, or the
    arrangement fails.
    """
    with ExitStack() as stack:
        progress("Making rows")
        filled = stack.enter_context(databases.copy(template))
        owner = filled.connect_as_owner()
        files = catalog.read_storage(owner)
        sources = _sources_of(owner)
        tenancy = replace(
            tenancy,
            public=tenancy.public | _views_of(sources, tenancy.public) | openings.links_of(tenancy),
            tables={**_of_shares(tenancy, relations), **_whole_paths(tenancy, relations)},
        )
        world = World(owner, relations, tenancy, files, seed, functools.partial(_past_triggers, filled))
        states.enter(world)
        unjudged = storage.fill(world) | realtime.fill(world)
        parts, closed = partitions.fill(world, catalog.read_partitions(owner))
        openings.arrange(world)
        secret_values.make(world)
        world.tenancy = replace(tenancy, public=tenancy.public | openings.shown(world, sources))
        world.arrange(arrangement)
        actors = world.actors()
        members, guests = people.make(world, actors), states.guests(world)
        members += crossing.make(world, members)
        if any(function.volatile for function in functions):
            collided.prepare(world)
        pointing.prepare(world)
        headers.add(world, actors)
        world.install()
        outbound.install(world, filled)
        broadcasts.install(world, filled)
        unjudged |= closed | _refresh(filled, relations) | world.unjudged
        ways = _ways(world, actors)
        filled.close()
        exercised = _exercised(databases, filled, ways, actors, guests, unjudged, stack)
        unjudged |= _refresh(exercised, relations) if exercised is not filled else {}
        exercised.close()
        filled = exercised
        clone = _kept(databases, filled, stack) if keep else stack.enter_context(databases.copy(Template(filled.name)))
        world.connection = clone.connect_as_owner()
        world.maker.use(world.connection)
        empty = None
        with costs.only(OTHERS, unjudged):
            empty = _without_others(databases, Template(filled.name), world, relations, stack)
        count, numbers = sum(map(len, (relations, files, parts, functions))), itertools.count(1)

        def at_door(name: str) -> None:
            progress(f"Trying door {next(numbers)} of {count}: {name}")

        controls = Controls()
        calls = _calls(databases, Template(filled.name), empty, world, controls, stack)
        with _beside(calls, functions, actors, at_door) as called:
            check = _Check(world, (clone, empty), actors, controls, ways, unjudged, at_door)
            check.relations((*relations, *files))
            check.relations(parts, partitions.Partition)
            check.candidates()
            check.sign_ups()
            check.leaving()
            check.roles(members)
            check.states(guests)
            check.add(called())
            judged = [function for function in functions if function.signature not in calls.unjudged]
            check.secret_columns(functions)
            check.stored_texts(functions)
            check.broadcasts(functions)
            check.escalation(judged, functions)
            check.roles_elsewhere(members, judged)
            check.states_elsewhere(guests, judged)
        matrix = replace(check.matrix(calls, functions), kept=clone.name if keep else "")
        if not matrix.findings:
            return matrix
        progress("Looking for culprits")
        if empty is not None:
            empty.close()
        rehearsal = Rehearsal(
            databases,
            Template(filled.name),
            Template(empty.name) if empty else None,
            world,
            ways,
            actors,
            functions,
        )
        return _with_culprits(matrix, world, clone, controls, rehearsal)


def _with_culprits(matrix: Matrix, world: World, clone: Clone, controls: Controls, rehearsal: Rehearsal) -> Matrix:
    """The same, with culprits and mends of the findings; without them where looking for them fails, which is said."""
    settings = requests.settings(world)  # for scripts, of which a clean schema has none
    world.connection.execute("set lock_timeout = '1s'")  # nothing is to wait for what is tried there
    failed: dict[str, str] = {}
    named = matrix.demonstrations
    with costs.only(_CULPRITS, failed), clone.connect_as_admin() as admin:
        found = Questions(admin, world, failed).ask(culprit.name(admin, matrix.demonstrations, failed))
        named = Mends(admin, world, controls, rehearsal, failed).add(found)
    notes = (*matrix.notes, *(f"{what} were not looked for to the end: {why}" for what, why in failed.items()))
    warnings = (finding for finding in matrix.findings if finding not in matrix.demonstrations)
    return replace(matrix, findings=(*named, *warnings), demonstrations=named, notes=notes, settings=settings)


def _past_triggers(clone: Clone, statement: LiteralString, values: Sequence[Any]) -> None:
    """Carry out a statement as the admin, where no trigger fires."""
    with clone.connect_as_admin() as admin, admin.transaction():
        admin.execute("set local session_replication_role = replica")
        admin.execute(statement, values)


def _kept(databases: Databases, filled: Clone, stack: ExitStack) -> Clone:
    """A copy that is there to the end of the run."""
    clone = databases.clone(Template(filled.name))
    stack.callback(clone.close)
    return clone


def _sources_of(owner: Session) -> dict[str, set[str]]:
    """What each view reads."""
    sources: dict[str, set[str]] = {}
    with owner.transaction(force_rollback=True):
        owner.execute("set local search_path = pg_catalog")
        for view, source in owner.execute(_SOURCES).fetchall():
            sources.setdefault(view, set()).add(source)
    return sources


def _views_of(sources: Mapping[str, set[str]], public: frozenset[str]) -> set[str]:
    """The views that show nothing but what everybody may read."""
    found = set(public)
    while more := {view for view, of in sources.items() if of <= found} - found:
        found |= more
    return found - public


def _whole_paths(tenancy: Tenancy, relations: Sequence[Relation]) -> dict[str, str]:
    """The rules for single relations; one that ends at a reference goes on to the column of the tenant there."""
    known = {relation.full_name: relation for relation in relations}
    found: dict[str, str] = {}
    for name, rule in tenancy.tables.items():
        relation, path = known.get(name), rule.split(".")
        for part in path if "[" not in rule else ():
            target = relation.refers_to(part) if relation is not None else ""
            relation = known.get(target) if target != tenancy.tenant else None
        column = tenancy.tables.get(relation.full_name, tenancy.column) if relation is not None else ""
        is_longer = relation is not None and relation.full_name != name and "[" not in f"{rule}{column}" and column
        found[name] = f"{rule}.{column}" if is_longer else rule
    return found


def _of_shares(tenancy: Tenancy, relations: Iterable[Relation]) -> dict[str, str]:
    """The rule for shares that name a user where other tables name the owner: they are the owner's of the row."""
    found = {}
    known = {relation.full_name: relation for relation in relations}
    for share in tenancy.shared:
        keys = known[share.table].foreign_keys if share.table in known and share.user == tenancy.column else ()
        for key in keys:
            column = tenancy.column_of(key.target)
            if (
                [here for here, _ in key.columns] == [share.row]
                and key.target in known
                and known[key.target].column(column)
            ):
                found[share.table] = f"{share.row}.{column}"
    return found


def _without_others(
    databases: Databases, filled: Template, world: World, relations: Iterable[Relation], stack: ExitStack
) -> Clone:
    """A copy that has nothing of any tenant but A, to which nobody is connected. Raises `Unfilled` without the right.

    Triggers would keep a row, or write others for it; only a superuser may pass over those of foreign keys.
    """
    clone = stack.enter_context(databases.copy(filled))
    try:
        leave_alone(world, clone, "A")
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unfilled(
            "there is no copy without their rows to compare with: whoever logged in is no superuser, and may not set "
            "session_replication_role"
        ) from error
    _refresh(clone, relations)
    return clone


def _calls(
    databases: Databases, filled: Template, empty: Clone | None, world: World, controls: Controls, stack: ExitStack
) -> Calls:
    """The calls of functions, in copies of their own, so that they may be made while relations are tried."""
    clone = stack.enter_context(databases.copy(filled))
    other = stack.enter_context(databases.copy(Template(empty.name))) if empty else None
    return Calls(world.elsewhere(clone.connect_as_owner()), clone, other, controls)


_NEW = 12
"""So many of the members of B who were made for ways call functions to see whether these are any good."""


def _ways(world: World, actors: Iterable[Actor]) -> Ways:
    """The ways of the schema, for all whom policies hold."""
    everybody = [*actors, *world.entitled, *map(world.member, LABELS)]
    return Ways(world, [actor for actor in everybody if not actor.may_all])


def _exercised(
    databases: Databases,
    filled: Clone,
    ways: Ways,
    actors: list[Actor],
    guests: list[Guest],
    unjudged: dict[str, str],
    stack: ExitStack,
) -> Clone:
    """Ask for which rows and callers policies hold, and make some where that is for none; gives what has the rows.

    Nobody is connected to it, nor to ``filled``. Who is new is among ``actors`` and ``guests`` then.
    """
    clone = stack.enter_context(databases.copy(Template(filled.name)))
    world = ways.world
    members: list[Actor] = []
    claimed: list[Actor] = []
    further: list[Guest] = []
    is_better = False
    with costs.only(WAYS, unjudged):
        world.connection = clone.connect_as_owner()
        world.maker.use(world.connection)
        tables = Tables(world, clone, ways.policies)
        ways.truth = tables.fill(ways.actors)
        members = entitled.members(ways)
        claiming = entitled.callers(ways)
        tables.ask([*(caller.actor for caller in claiming), *members])
        claimed = entitled.settled(ways, claiming)
        ways.actors += [*claimed, *members]
        witnesses = Witnesses(ways)
        witnesses.make()
        members += witnesses.actors
        is_better = Making(tables, ways, witnesses, claimed).make(needed=bool(members))
        further = states.further_guests(world) if is_better else []
    clone.close()
    world.entitled += [actor for actor in claimed if actor.user == world.tenants.users["B"]]
    if not is_better:  # the new members are not there
        ways.actors = [actor for actor in ways.actors if actor not in members]
        actors[-1:-1] = entitled.at_doors(ways, claimed)
        return filled
    actors[-1:-1] = entitled.at_doors(ways, [*members, *claimed])
    world.entitled += [actor for actor in members if actor.own == {"B"}][:_NEW]
    guests += further
    return clone


@contextmanager
def _beside(
    calls: Calls, functions: Iterable[Function], actors: Sequence[Actor], progress: Callable[[str], None]
) -> Iterator[Callable[[], list[Found]]]:
    """Call functions in a thread while the block goes on; what it is given waits for what was found.

    If the block ends by an error, so do the calls.
    """
    ended = Event()

    def at_door(name: str) -> None:
        if ended.is_set():
            raise CancelledError
        progress(name)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="pgassay-call") as thread:
        found = thread.submit(lambda: list(calls.try_all(functions, actors, at_door)))
        try:
            yield found.result
        except BaseException:
            ended.set()
            calls.end()
            raise


def _refresh(clone: Clone, relations: Iterable[Relation]) -> dict[str, str]:
    """Refresh materialized views, as superuser: who owns them, and whether in the order of reference, is not known.

    Gives for each that cannot be refreshed why.
    """
    views = [relation for relation in relations if relation.kind == "materialized view"]
    stale: dict[str, str] = {}
    if not views:
        return stale
    with clone.connect_as_admin() as admin:
        for relation in views:
            name = sql.Identifier(relation.schema, relation.name)
            try:
                admin.execute(sql.SQL("refresh materialized view {}").format(name))
            except psycopg.Error as error:
                if admin.closed:
                    raise
                stale[relation.full_name] = f"it cannot be refreshed: {first_line(error)}"
    return stale


def _is_reachable(world: World, relation: Relation) -> bool:
    ((reachable,),) = world.ask(
        "select pg_catalog.bool_or(pg_catalog.has_schema_privilege(r, %s, 'usage')) "
        "from pg_catalog.unnest(%s::pg_catalog.text[]) as r",
        [relation.schema, list(world.roles)],
    )
    return bool(reachable)


class _Check:
    """All probes, and what came of them."""

    def __init__(
        self,
        world: World,
        clones: tuple[Clone, Clone | None],
        actors: list[Actor],
        controls: Controls,
        ways: Ways,
        unjudged: dict[str, str],
        progress: Callable[[str], None],
    ) -> None:
        self._world = world
        self._clones = clones
        self._actors = actors
        self._controls = controls
        self._ways = ways
        self._progress = progress
        self._flags = Flags(world)
        self._named_in = NamedIn(world)
        self._log_in()
        self._faults = Faults(world)
        self._endless: set[str] = set()
        """Policies that ask themselves, to which nobody who is entitled gets an answer."""
        closed = world.ask(_CLOSED, [world.platform.roles.login])
        self._closed = {name for name, is_read in closed if not is_read or name in world.tenancy.public}
        self._closed |= set(filter(self._is_view, world.tenancy.public))
        """Where no row is reached, whoever owns it, or all are on purpose."""
        self._whole: list[Target] = []
        self._targets: dict[str, Target] = {}
        self._reached: dict[tuple[str, str], Mapping[str, set[str]]] = {}
        self._lines: list[Access] = []
        self._of_roles: list[Access] = []
        self._findings: dict[Finding, Probe] = {}
        self._warnings: list[Finding] = []
        """What was found and is not shown by a probe: something that somebody cannot do."""
        self._rights: list[Access] = []
        self._unjudged = unjudged
        self._vacuous: list[str] = []
        self._skipped: list[str] = []
        self._schemas: set[str] = set()
        self._probes = 0

    def _is_view(self, name: str) -> bool:
        relation = self._world.relations.get(name)
        return relation is not None and relation.kind == "view"

    def _log_in(self) -> None:
        """Sessions of the API: where the rows are, and where there is nothing of any tenant but A."""
        filled, empty = self._clones
        self._api = filled.connect_as_authenticator()
        self._alone = empty.connect_as_authenticator() if empty else None
        self._effects = Effects(self._world, self._api, self._alone)
        self._pointing = Pointing(self._world, self._api)
        self._broadcasts = Broadcasts(self._world, self._actors)
        self._firing = Firing(self._world, self._api, self._effects, self._ways, self._broadcasts)
        self._parts = (self._effects, self._pointing, self._firing, self._broadcasts)

    def matrix(self, calls: Calls, functions: Iterable[Function]) -> Matrix:
        """Everything that was observed, with what came of the calls."""
        unjudged = self._unjudged | calls.unjudged
        failed = {finding.object for finding in self._findings if finding.rule in FAILURES}
        tenancy = self._world.tenancy
        said = {published.table for published in (*tenancy.published, *tenancy.following)}
        seen_open = {finding.object for finding in self._findings} | said
        found = self._ways.found(functions, unjudged.keys() | failed, seen_open)
        return Matrix(  # an error keeps nobody out, so that there is nothing to be said of whom it hits
            lines=tuple(line for line in self._lines if line.relation not in unjudged.keys() | failed),
            of_roles=tuple(line for line in self._of_roles if line.relation not in unjudged.keys() | failed),
            findings=(*self._findings, *self._warnings),
            rights=tuple(self._rights),
            unjudged=unjudged | untaken(found),
            probes=sum(part.probes for part in (self._ways.truth, self._flags, self._named_in, *self._parts, calls))
            + self._probes,
            vacuous=(*self._vacuous, *calls.vacuous),
            skipped=(*self._skipped, *calls.skipped),
            demonstrations=self._findings,
            notes=tuple(self._notes()),
            ways=found,
        )

    def relations(self, relations: Iterable[Relation], kind: type[Target] = Target) -> None:
        """Select, insert, update, delete, move and refer, as everybody, in all that the API reaches."""
        for relation in relations:
            self._progress(relation.full_name)
            if not _is_reachable(self._world, relation):
                self._skipped.append(relation.full_name)
                continue
            self._schemas.add(relation.schema)
            if relation.full_name not in self._unjudged:
                with costs.only(relation.full_name, self._unjudged, self._again):
                    self._relation(_KINDS.get(relation.full_name, kind), relation)

    def _relation(self, kind: type[Target], relation: Relation) -> None:
        name = relation.full_name
        try:
            target = kind(self._world, relation)
        except Unfilled:
            if name in self._closed:
                self._skipped.append(name)
                return
            raise
        self._targets[name] = target
        self._try(target)
        vacuous = target.vacuous()
        everybody = self._actors[-1]
        if vacuous is not None and not target.is_table and self._effects.depends(target, everybody):
            vacuous = None  # what nobody sees there is shown by what is different for those who may see all
        if vacuous is not None and name not in self._closed:
            self._unjudged[name] = vacuous
            self._vacuous.append(name)
        self._probes += target.probes

    def _circle(self, target: Target, error: psycopg.Error) -> set[str]:
        """The policies that ask themselves without an end, of those to which that has happened already."""
        return self._endless.intersection(self._faults.of(target.relation.full_name, error) if self._endless else ())

    def _again(self) -> None:
        """Log in again where a statement has ended a session; raises where nobody can."""
        self._world.go_on()
        if self._api.closed or (self._alone is not None and self._alone.closed):
            self._probes += sum(part.probes for part in self._parts)
            self._log_in()

    def _try(self, target: Target) -> None:
        name = target.relation.full_name
        error = target.try_to_read(self._api, self._actors, lambda error: bool(self._circle(target, error)))
        if error is not None:
            self._endless |= {*self._faults.of(name, error)}
        written: set[str] = set()  # what members of A have tried that looks at rows of others afterwards
        for actor in self._actors:
            with actor.enter(self._api):
                reached = target.try_all(self._api, actor)
                self._controls.reached(target, actor, reached, public=name in self._world.tenancy.public)
                self._ways.saw(name, actor, reached)
                self._reached[name, actor.name] = reached
                if actor.shown or actor.name in self._world.of_roles:
                    how_far = {operation: reach(labels, actor) for operation, labels in reached.items()}
                    (self._lines if actor.shown else self._of_roles).append(Access(name, actor.name, how_far))
                self.add(target.judge(self._api, actor, reached))
                if len(actor.own) == 1:
                    self.add(target.try_crossing(self._api, actor))
            is_member = actor.own == {"A"} and actor.user == self._world.tenants.users["A"] and actor.shown
            if target.failures.is_endless("select", actor):
                continue
            if is_member or not (target.is_table or actor.may_all or "B" in actor.own):
                self.add(self._effects.compare(target, actor, reached))
            writes = {operation for operation in _WRITES if reached[operation]}
            if is_member or (actor.own == {"A"} and not actor.forged and writes - written):
                written |= writes
                self.add(self._effects.try_all(target, actor, reached))
                self.add(self._pointing.try_all(target, actor))
        members = [actor for actor in self._actors if actor.own == {"A"} and not actor.forged]
        self.add(self._firing.try_all(target, members, self._reached))
        failed = [*target.judge_failures(self._faults, self._actors)]
        self.add(failed)
        if any(finding.door == "select" for finding, _ in failed):
            return
        if name not in _KINDS and name not in self._world.tenancy.public:
            self.add(self._flags.try_all(target, self._actors, self._ways.shown_to.get(name, ())))
            self.add(self._named_in.try_all(target))
            if not any(finding.object == name and finding.door == "select" for finding in self._findings):
                self._whole.append(target)
        for label in LABELS:  # the negative control of select: a member finds the rows
            member = self._world.member(label)
            with member.enter(self._api):
                self._ways.saw(name, member, {"select": target.try_select(self._api, member)})

    def candidates(self) -> None:
        """Try at the doors what policies let through, by their truth tables, and was not seen there."""
        found = {(finding.object, finding.door) for finding in self._findings if finding.severity == ERROR}
        for candidate in candidates.of(self._ways):
            door = candidate.relation, candidate.operation
            if door not in found and candidate.relation not in self._unjudged:
                with costs.only(candidate.relation, self._unjudged, self._again):
                    doors = candidates.Doors(self._world, self._api, self._targets)
                    seen = [*doors.try_at(candidate)]
                    self._probes += doors.probes
                    self.add(seen)
                    found |= {(finding.object, finding.door) for finding, _ in seen}

    def escalation(self, functions: Sequence[Function], everything: Sequence[Function]) -> None:
        """Look again at what was isolated, after writing what one may write of one's own, and after calls.

        Of functions of which something was found already, nothing more is. ``everything`` has also those of which
        nothing comes by itself, which may set a setting.
        """
        found = {finding.object for finding in self._findings} | self._unjudged.keys()
        called = [function for function in functions if function.signature not in found]
        with costs.only(CHANGES, self._unjudged, self._again):
            escalation = Escalation(self._world, self._targets, self._whole, self._actors, self._reached, called)
            for table in escalation.tables:
                with costs.only(table, self._unjudged, self._again):
                    self.add([*escalation.try_table(self._api, table)])
            for function in called:
                with costs.only(function.signature, self._unjudged, self._again):
                    self.add([*escalation.try_function(self._api, function)])
            names = offered(self._world)
            for function in sorted(everything, key=lambda function: function.schema not in names):
                if function.signature not in {finding.object for finding in self._findings}:
                    with costs.only(function.signature, self._unjudged, self._again):
                        kept = [*escalation.try_settings(self._api, function)]
                        is_offered = function.schema in names
                        self.add((found if is_offered else by_sql(found), probe) for found, probe in kept)
            self._probes += escalation.probes

    def sign_ups(self) -> None:
        """Look again at what was isolated, after sign-ups and changes of one's own metadata."""
        sign_up = SignUp(self._world)
        with costs.only(SIGN_UPS, self._unjudged, self._again):
            self.add(list(sign_up.try_all(self._whole)))
        self._probes += sign_up.probes

    def leaving(self) -> None:
        """Look again at what a member reads, after leaving, on a session that may be lost."""
        filled, _ = self._clones
        with costs.only(LEAVING, self._unjudged, self._again), filled.connect_as_owner() as owner:
            owner.take_requests()
            leaving = Leaving(self._world, owner, self._whole)
            self.add([*leaving.try_all(self._actors)])
            self._probes += leaving.probes

    def roles(self, members: Iterable[Person]) -> None:
        """Compare what each role does in the declared tables with what it may."""
        declared = self._world.tenancy.within.roles
        for table in declared.tables if declared is not None else ():
            if table not in self._unjudged:
                with costs.only(table, self._unjudged, self._again):
                    rights = Rights(self._world, self._api, members, self._targets)
                    for finding, probe in rights.judge(table):
                        if probe is None:
                            self._warnings.append(finding)
                        else:
                            self._findings[finding] = probe
                    self._probes += rights.probes
                    self._rights += rights.lines

    def roles_elsewhere(self, members: Sequence[Person], functions: Iterable[Function]) -> None:
        """Compare what each role does and sees through functions and views with what it may."""
        with costs.only(ROLES, self._unjudged, self._again):
            elsewhere = Elsewhere(self._world, members)
            for name, judge in elsewhere.doors([target.relation for target in self._targets.values()], functions):
                with costs.only(name, self._unjudged, self._again):
                    self.add(judge(self._api) if self._has_answers(name) else ())
            self._probes += elsewhere.probes

    def secret_columns(self, functions: Iterable[Function]) -> None:
        """Look for values of columns that are declared secret, and let everybody write such."""
        if not self._world.tenancy.secret:
            return
        with costs.only(SECRETS, self._unjudged, self._again):
            columns = SecretColumns(self._world, [*self._actors, *self._world.entitled])
            self._unjudged |= dict(columns.unjudged())
            for name, judge in columns.doors(self._targets.values(), functions):
                with costs.only(name, self._unjudged, self._again):
                    self.add(judge(self._api) if self._has_answers(name) else ())
            self._probes += columns.probes

    @property
    def _members(self) -> list[Actor]:
        """The members of A whom the access matrix shows, but for those who forge claims."""
        return [actor for actor in self._actors if actor.own == {"A"} and not actor.forged and actor.shown]

    def stored_texts(self, functions: Iterable[Function]) -> None:
        """Store texts that are SQL in rows of one's own, and see what functions and triggers make of them."""
        stored = StoredTexts(self._world, self._targets, self._effects)
        found = {finding.object for finding in self._findings if finding.severity == ERROR}
        for target in self._targets.values():
            name = target.relation.full_name
            with costs.only(name, self._unjudged, self._again):
                self.add(filter(None, [stored.try_table(target, self._members)]) if target.is_table else ())
        for function in functions:
            if function.signature not in found:
                with costs.only(function.signature, self._unjudged, self._again):
                    self.add(filter(None, [stored.try_function(self._api, function, self._members)]))
        self._probes += stored.probes

    def broadcasts(self, functions: Iterable[Function]) -> None:
        """See who hears what functions send."""
        for function in functions:
            with costs.only(function.signature, self._unjudged, self._again):
                self.add(filter(None, [self._broadcasts.try_function(self._api, function, self._members)]))

    def states(self, guests: Sequence[Guest]) -> None:
        """Bring rows into the declared states, and see what they open, and who reaches them."""
        for state in states.of_rows(self._world):
            with costs.only(f"state {state.kind} of {state.table}", self._unjudged, self._again):
                tried = States(self._world, self._targets, self._controls)
                if state.kind == "open":
                    self.add(tried.try_open(state, [guest for guest in guests if guest.state == state]))
                else:
                    self.add(tried.try_hidden(state, self._actors))
                self._probes += tried.probes
            if state.kind == "hidden":
                self._below(state)

    def _below(self, state: State) -> None:
        """See who reads what refers to a hidden row."""
        below = BelowHidden(self._world)
        for relation, key, is_said in below.references(state):
            with costs.only(f"rows of {relation.full_name} below hidden rows", self._unjudged, self._again):
                self.add(below.try_key(state, relation, key, self._actors, is_said=is_said))
        self._probes += below.probes

    def states_elsewhere(self, guests: Sequence[Guest], functions: Iterable[Function]) -> None:
        """See what functions and views still give of rows that are hidden, and by rows that are not open any more."""
        declared = states.of_rows(self._world)
        if not declared:
            return
        with costs.only(STATES, self._unjudged, self._again):
            doors = Doors(self._world, [target.relation for target in self._targets.values()], functions)
            of_hidden, of_opened = OfHidden(doors, declared), OfOpened(doors, guests)
            for name, door in doors.all.items():
                with costs.only(name, self._unjudged, self._again):
                    if self._has_answers(name):
                        self.add([*of_hidden.try_door(door, self._actors)])
                        self.add([*of_opened.try_function(door)] if isinstance(door, Function) else ())
            self._probes += doors.probes

    def _has_answers(self, name: str) -> bool:
        """Whether a view or function can be asked; one that shows nothing to the usual ones may show it to others."""
        return name not in self._unjudged or name in self._vacuous

    def add(self, found: Iterable[Found]) -> None:
        """Count these among what was found."""
        self._findings.update(found)

    def _notes(self) -> Iterator[str]:
        """What restricts nobody, roles of which nothing is declared, and what the API layer does not reach."""
        yield from idle.notes(self._ways)
        yield from own_roles.notes(self._world)
        roles = self._world.platform.roles
        for schema in sorted(self._schemas):
            (row,) = self._world.ask(_BEYOND_THE_API, [[*roles.callers], schema])
            rights = [what for what, count in zip(_RIGHTS, row, strict=True) if count]
            if rights:
                who = " or ".join(roles.callers)
                yield f"{schema}: {who} may {' and '.join(rights)}, which the API does not offer them"


_WRITES = ("insert", "update", "delete")
_RIGHTS = ("TRUNCATE tables", "use sequences")
_KINDS: dict[str, type[Target]] = {
    storage.OBJECTS: storage.Files,
    storage.BUCKETS: storage.Buckets,
    realtime.MESSAGES: realtime.Messages,
}
