"""What `pgassay check` costs: a probe beyond the bare statements, and a schema of 100 tables and 300 policies."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay import catalog
from pgassay.catalog import Function, Relation
from pgassay.checks import isolation
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import World
from pgassay.config import Membership, Tenancy
from pgassay.identity import Identity, Session
from pgassay.migrations import Script
from pgassay.platforms import DEFAULT

TABLES = 100
POLICIES_A_TABLE = 3
PROBES = 500
PROBE_LIMIT = 1.5
"""Times the statement in a savepoint."""
SCHEMA_LIMIT_MS = 60_000.0
MEMORY_LIMIT_MB = 300.0

_TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
_BASE = """
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    org_id uuid not null references public.orgs (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    primary key (org_id, user_id)
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
create policy own on public.members for select to authenticated using (user_id = (select auth.uid()));
create policy member on public.orgs for select to authenticated
using (id in (select m.org_id from public.members as m));
"""
_TABLE = """
create table public.things_{number} (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.orgs (id) on delete cascade,
    {before}
    name text not null, state text not null default 'open' check (state in ('open', 'done')), amount integer,
    details jsonb not null default '{{}}', made_at timestamptz not null default now()
);
alter table public.things_{number} enable row level security;
create policy reading on public.things_{number} for select to authenticated
using (org_id in (select m.org_id from public.members as m));
create policy writing on public.things_{number} for insert to authenticated
with check (org_id in (select m.org_id from public.members as m));
create policy changing on public.things_{number} for update to authenticated
using (org_id in (select m.org_id from public.members as m));
"""


def measure(bench: Bench) -> list[Figure]:
    """The cost of a probe, of a large schema, and the memory that it took."""
    return [_probe(bench), *_large(bench)]


def _probe(bench: Bench) -> Figure:
    """A call that is tried and undone as a check does it, against the bare statement in a savepoint."""
    template = bench.databases.template((), (Script(Path("1_small.sql"), "1_small.sql", _BASE + _table(1)),))
    made = bench.databases.clone(template)
    owner = made.connect()
    relations, _ = _read(owner)
    world = World(owner, relations, _TENANCY)
    target = Target(world, world.relations["public.things_1"])
    actor = world.member("A")
    api = made.connect_as_authenticator()
    with api.example(), api.acting_as(Identity.user(world.tenants.users["A"])):

        def probe() -> None:
            target.try_select(api, actor)

        def bare() -> None:
            api.execute("savepoint bare")
            api.execute("select org_id from public.things_1").fetchall()
            api.execute("rollback to bare")
            api.execute("release bare")

        for _ in range(20):  # psycopg prepares what it has run five times
            probe()
            bare()
        taken = in_turn(
            bench.track("a probe", PROBES), {"probe": lambda: seconds(probe), "bare": lambda: seconds(bare)}
        )
    made.close()
    bench.drop(made.name)
    return Figure(
        "a probe of check",
        middle(taken["probe"]),
        f"the statement in a savepoint: {middle(taken['bare'])}",
        ratio(taken["probe"], taken["bare"]),
        TIMES,
        PROBE_LIMIT,
    )


def _large(bench: Bench) -> list[Figure]:
    text = _BASE + "".join(map(_table, range(1, TABLES + 1)))
    template = bench.databases.template((), (Script(Path("1_large.sql"), "1_large.sql", text),))
    made = bench.databases.clone(template)
    with made.connect() as owner:
        relations, functions = _read(owner)
    made.close()
    bench.drop(made.name)
    doors = iter(bench.track("a large schema", TABLES + 3))

    def progress(_step: str) -> None:
        next(doors, None)

    started = time.perf_counter()
    found = isolation.observe(bench.databases, template, relations, functions, _TENANCY, progress=progress)
    taken = time.perf_counter() - started
    if any(finding.severity == "error" for finding in found.findings) or found.unjudged:
        raise AssertionError(f"the large schema is not clean: {found.findings[:1]} {found.unjudged}")
    figures = f"{TABLES} tables, {TABLES * POLICIES_A_TABLE} policies: {found.probes} probes"
    return [
        Figure("check of a large schema", f"{taken:.1f} s", figures, taken * 1000, "ms", SCHEMA_LIMIT_MS),
        Figure("memory of the harness then", f"{_megabytes():.0f} MB", "", _megabytes(), "MB", MEMORY_LIMIT_MB),
    ]


def _table(number: int) -> str:
    before = f"before_id uuid references public.things_{number - 1} (id)," if number % 5 == 0 else ""
    return _TABLE.format(number=number, before=before)


def _read(owner: Session) -> tuple[tuple[Relation, ...], tuple[Function, ...]]:
    return catalog.read(owner), catalog.read_functions(owner, DEFAULT.roles.api)


def _megabytes() -> float:
    """The most that this process has ever taken."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)
