"""States of rows that ``pgassay init`` proposes: those that policies and functions ask for, and no others."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pgassay import Session, catalog, declaration
from pgassay.schema import policies, states
from pgassay.schema.states import Proposed
from pgassay.within import read_within

CORPUS = Path(__file__).parent / "corpus"

Propose = Callable[[str], list[Proposed]]


@pytest.fixture
def propose(session: Session) -> Propose:
    """The states that are proposed for a schema."""

    def proposes(schema: str) -> list[Proposed]:
        with session.example():
            session.execute(schema.encode())
            session.execute("set local search_path = pg_catalog")
            relations = catalog.read(session)
            return states.proposed(lambda query, values: session.execute(query, values).fetchall(), relations)

    return proposes


TABLES = """
create table public.docs (id uuid primary key, owner uuid not null, reviewed_at timestamptz, is_draft boolean not null,
    archived_at timestamptz, org_id uuid);
create table public.links (doc_id uuid not null, user_id uuid not null, until date, is_revoked boolean,
    created_at timestamptz not null default now());
alter table public.docs enable row level security;
alter table public.links enable row level security;
"""
LINKED = (
    "create policy p on public.docs for select using (exists (select from public.links as l where l.doc_id = id and "
)


def test_what_the_corpus_declares_is_proposed(propose: Propose) -> None:
    content = tomllib.loads((CORPUS / "roles_states.toml").read_text(encoding="utf-8"))
    declared = read_within({"states": content["states"]}, "here").states
    found = propose(content["schema"])
    assert {(state.table, state.kind, policies.key_of(state.condition)) for state in found} == {
        (state.table, state.kind, policies.key_of(state.expression)) for state in declared
    }


@pytest.mark.parametrize(
    ("policies_of", "expected"),
    [
        (
            "create policy p on public.docs using (owner = auth.uid() and archived_at is null);",
            Proposed("public.docs", "hidden", "archived_at IS NOT NULL"),
        ),
        (
            "create policy p on public.docs using (not is_draft and owner = auth.uid());",
            Proposed("public.docs", "hidden", "is_draft"),
        ),
        (
            LINKED + "l.user_id = auth.uid() and (l.until is null or l.until >= current_date)));",
            Proposed("public.links", "open", "until IS NULL OR until >= CURRENT_DATE"),
        ),
        (
            LINKED + "auth.uid() = l.user_id and l.is_revoked is false));",
            Proposed("public.links", "open", "is_revoked IS FALSE"),
        ),
        (
            "create function public.may(d uuid) returns boolean language plpgsql security definer as $$ begin return "
            "exists (select 1 from public.links k where k.doc_id = d and k.user_id = auth.uid() and now() < k.until); "
            "end $$; create policy p on public.docs using (public.may(id));",
            Proposed("public.links", "open", "now() < until"),
        ),
    ],
)
def test_what_policies_ask_of_rows_is_proposed(propose: Propose, policies_of: str, expected: Proposed) -> None:
    (found,) = propose(TABLES + policies_of)
    assert (found.table, found.kind) == (expected.table, expected.kind)
    assert policies.key_of(found.condition) == policies.key_of(expected.condition)


@pytest.mark.parametrize(
    "condition",
    [
        "owner = auth.uid()",
        "org_id is null or owner = auth.uid()",
        "is_draft and owner = auth.uid()",
        "reviewed_at is not null and owner = auth.uid()",
        "owner = auth.uid() and exists (select from public.links as l where l.doc_id = id and l.until = current_date)",
    ],
)
def test_what_is_no_state_is_not_proposed(propose: Propose, condition: str) -> None:
    assert propose(f"{TABLES} create policy p on public.docs using ({condition});") == []


def test_a_proposal_is_a_question_with_the_line_to_paste() -> None:
    text = declaration.states([Proposed("public.docs", "hidden", "archived_at IS NOT NULL")])
    assert "# Question: Are rows of public.docs the back end's alone where archived_at IS NOT NULL?" in text
    assert all(line.startswith("#") for line in text.splitlines() if line)
    pasted = "\n".join(line[2:] for line in text.splitlines() if '"' in line or "[tool" in line)
    (state,) = read_within(tomllib.loads(pasted)["tool"]["pgassay"], "here").states
    assert (state.table, state.kind, state.expression) == ("public.docs", "hidden", "archived_at IS NOT NULL")


def test_states_that_could_not_be_read_are_told() -> None:
    assert "could not be read: why" in declaration.states([], "why")
    assert declaration.states([]) == ""
