"""Schemas made up for a test: a database of its own that has one, and what the isolation check says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pgassay import Clone, catalog, migrations
from pgassay.checks import isolation
from pgassay.config import Membership, Tenancy
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.templates import Template

TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
ORGANISATIONS = """
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    org_id uuid not null references public.orgs (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    primary key (org_id, user_id)
);
"""
"""Organisations with members, in the tenancy `TENANCY`; a schema goes on with tables of theirs, and its policies."""


def script(text: str, number: int = 1) -> Script:
    return Script(Path(f"{number}.sql"), f"{number}.sql", text)


@contextmanager
def database(databases: Databases, *texts: str) -> Iterator[Clone]:
    """A database with the environment, to which the owner has applied these texts.

    It is no template, which the workers of a run share, and of which none can say when the last has used it.
    """
    with databases.copy(databases.template((), ())) as clone:
        with clone.connect_as_owner() as owner:
            for number, text in enumerate(texts, start=1):
                migrations.apply(owner, script(text, number))
        yield clone


def observe(databases: Databases, *texts: str, tenancy: Tenancy, rows: Iterable[str] = ()) -> isolation.Matrix:
    """What the isolation check says of a schema, with rows that are arranged by the SQL of ``rows``."""
    with database(databases, *texts) as clone:
        (matrix,) = observe_in(databases, clone, tenancy, rows=rows)
        return matrix


def observe_in(
    databases: Databases, clone: Clone, tenancy: Tenancy, *, rows: Iterable[str] = (), seeds: Iterable[int] = (0,)
) -> list[isolation.Matrix]:
    """What it says of the schema in ``clone``, to which no session is connected, with the rows of each seed."""
    with clone.connect() as session:
        relations, functions = catalog.read(session), catalog.read_functions(session, isolation.callers(session))
    arrangement = [script(text, 100 + number) for number, text in enumerate(rows)]
    return [
        isolation.observe(
            databases, Template(clone.name), relations, functions, tenancy, arrangement=arrangement, seed=seed
        )
        for seed in seeds
    ]
