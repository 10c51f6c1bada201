"""What a snapshot costs after the migrations are applied, and the comparison with the accepted one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import Figure, middle, seconds
from pgassay.checks import snapshot
from pgassay.checks.snapshot import grading, layout, state
from pgassay.migrations import Script

TABLES = 100
TIMES = 5
LIMIT_MS = 2000
COMPARE_LIMIT_MS = 1000

_TABLE = """
create table public.t{n} (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null,
    owner_id uuid references auth.users (id),
    status text not null default 'new' check (status in ('new', 'open', 'done')),
    amount numeric(10, 2) check (amount >= 0),
    data jsonb not null default '{{}}',
    created_at timestamptz not null default now()
);
create index on public.t{n} (org_id, created_at);
alter table public.t{n} enable row level security;
create policy read_{n} on public.t{n} for select to authenticated using (
    org_id = any (array(select o.id from public.orgs as o where o.user_id = (select auth.uid())))
);
create policy add_{n} on public.t{n} for insert to authenticated with check (
    org_id = any (array(select o.id from public.orgs as o where o.user_id = (select auth.uid())))
);
create policy change_{n} on public.t{n} for update to authenticated
using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()) and status <> 'done');
create function public.touch_{n}() returns trigger language plpgsql as $$
begin
    if new.status = 'done' and old.status <> 'done' then
        new.data := new.data || jsonb_build_object('done_at', now());
    end if;
    return new;
end;
$$;
create trigger touch before update on public.t{n} for each row execute function public.touch_{n}();
"""
_SCHEMA = "create table public.orgs (id uuid primary key, user_id uuid not null);" + "".join(
    _TABLE.format(n=n) for n in range(TABLES)
)


def measure(bench: Bench) -> list[Figure]:
    """A snapshot of 100 tables with 300 policies, and reading the accepted one and comparing."""
    script = Script(Path("1_tables.sql"), "1_tables.sql", _SCHEMA)
    template = bench.databases.template((), (script,))
    texts: list[str] = []

    def take() -> None:
        layout.tokens.cache_clear()  # each run of the command is a process of its own
        texts.append(str(snapshot.take(bench.databases, template, (), None)))

    def compare(file: Path) -> None:
        layout.tokens.cache_clear()
        accepted = state.read(file)
        grading.compare(accepted, accepted)

    taken = [seconds(take) for _ in bench.track("a snapshot", TIMES)]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "accepted.snapshot"
        file.write_text(texts[0], encoding="utf-8")
        compared = [seconds(lambda: compare(file)) for _ in bench.track("a comparison", TIMES)]
    policies = texts[0].count("\n    policy ")
    return [
        Figure(
            f"a snapshot of {TABLES} tables", middle(taken), f"{policies} policies", max(taken) * 1000, "ms", LIMIT_MS
        ),
        Figure("comparing it", middle(compared), "", max(compared) * 1000, "ms", COMPARE_LIMIT_MS),
    ]
