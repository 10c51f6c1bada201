"""Columns that are declared secret: names that there are not, and what is said of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pgassay.config import Tenancy
from pgassay.identity import Databases
from tests.harness import schemas
from tests.harness.test_cli import SCHEMA, TENANCY, project, run

__all__ = ["project"]
INDEXES = "create index on public.members (user_id); create index on public.notes (org_id);"
KEY = "alter table public.notes add column edit_key text not null default gen_random_uuid()::text;"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("public.note.text", "secret names public.note, which is no table of the migrations"),
        ("public.notes.key", "secret names the column key, which public.notes does not have"),
    ],
)
def test_a_secret_column_that_there_is_not_is_named(project: Callable[..., Path], name: str, said: str) -> None:
    done = run("check", "--pg", "embedded", cwd=project(TENANCY + f'secret = ["{name}"]', _1_notes=SCHEMA))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def declared(*names: str, trusted: tuple[str, ...] = ()) -> Tenancy:
    secret = tuple(("public.notes", name) for name in names)
    return replace(schemas.TENANCY, secret=secret, trusted=frozenset(trusted))


def test_who_reads_it_is_said_with_the_statement_and_a_mend_that_leaves_the_other_columns(
    pg_databases: Databases,
) -> None:
    found = schemas.observe(pg_databases, SCHEMA, INDEXES, KEY, tenancy=declared("edit_key"))
    (read,) = [finding for finding in found.findings if finding.door == "select"]
    assert (read.rule, read.severity, read.identity) == ("secret-column", "error", "member of A")
    assert read.statement == 'select "edit_key" from "public"."notes" where "edit_key" is not null'
    assert read.culprit == "the right of authenticated to select public.notes.edit_key"
    assert read.mend == (
        'revoke select on "public"."notes" from public, "anon", "authenticated";\n'
        'grant select ("id", "text", "org_id") on "public"."notes" to "anon", "authenticated";'
    )


def test_a_trusted_role_reads_it(pg_databases: Databases) -> None:
    staff = (
        "do $$ begin create role pgassay_staff nologin; exception when duplicate_object or unique_violation then null; "
        "end $$; grant pgassay_staff to authenticator; grant usage on schema public to pgassay_staff;"
        "grant select on public.notes to pgassay_staff;"
        "create policy staff on public.notes for select to pgassay_staff using (true);"
        "revoke select, insert, update on public.notes from anon, authenticated;"
        "grant select (id, text, org_id), insert (id, text, org_id), update (text) on public.notes to authenticated;"
    )
    texts = (SCHEMA, INDEXES, KEY, staff)
    trusted = schemas.observe(pg_databases, *texts, tenancy=declared("edit_key", trusted=("pgassay_staff",)))
    assert [finding.rule for finding in trusted.findings] == []
    other = schemas.observe(pg_databases, *texts, tenancy=declared("edit_key"))
    assert {finding.identity.split(",")[0] for finding in other.findings if finding.rule == "secret-column"} == {
        "role pgassay_staff"
    }
