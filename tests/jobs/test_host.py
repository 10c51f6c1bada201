"""Section 1: the application that the Jobs system is added to, as far as the Jobs system rests on it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from pgassay import Session
from tests.jobs.cast import new_card, new_contacts, new_job, one, outcome, settle
from tests.jobs.model import CARD_STATES, CARD_TYPES

COLUMNS = {
    "organizations": ["id", "name"],
    "organization_members": ["organization_id", "user_id", "role"],
    "contacts": ["id", "org_id", "email", "first_name", "last_name", "company", "target_group"],
    "kanban_cards": [
        "id", "org_id", "type", "title", "state", "priority", "payload", "contact_id", "created_at", "job_id",
        "task_id",
    ],
    "agent_runs": ["id", "org_id", "mode", "started_at", "ended_at", "job_id"],
}  # fmt: skip
LINKS = [("kanban_cards", "job_id"), ("kanban_cards", "task_id"), ("agent_runs", "job_id")]
INSERT_CARD = "insert into public.kanban_cards (org_id, type, title, state) values (%s, %s, 'x', %s)"


@pytest.mark.parametrize("table", COLUMNS)
def test_the_application_has_the_columns_that_the_specification_names(db: Session, table: str) -> None:
    assert outcome(db, f"select {', '.join(COLUMNS[table])} from public.{table}") == "ok"
    if table not in ("organizations", "organization_members"):
        cast = settle(db)
        values = {"contacts": ("email", "'a@b.c'"), "kanban_cards": ("type, title", "'research', 'x'")}
        columns, literals = values.get(table, ("mode", "'x'"))
        insert = f"insert into public.{table} (org_id, {columns}) values (%s, {literals})"
        assert outcome(db, insert, [None]) == "23502", "org_id is not null"
        assert outcome(db, insert, [uuid4()]) == "23503"
        assert outcome(db, insert, [cast.org_a]) == "ok"
        assert isinstance(one(db, f"select id from public.{table}"), UUID)
        assert outcome(db, f"update public.{table} set org_id = null") == "23502"


def test_links_are_empty_where_none_is_given(db: Session) -> None:
    cast = settle(db)
    new_card(db, cast.org_a)
    db.execute("insert into public.agent_runs (org_id, mode) values (%s, 'x')", [cast.org_a])
    for table, column in LINKS:
        assert one(db, f"select {column} from public.{table}") is None


def test_a_card_has_the_types_and_states_of_the_specification_and_no_others(db: Session) -> None:
    cast = settle(db)
    for card_type in CARD_TYPES:
        assert outcome(db, INSERT_CARD, [cast.org_a, card_type, "suggested"]) == "ok", card_type
    for state in CARD_STATES:
        assert outcome(db, INSERT_CARD, [cast.org_a, "research", state]) == "ok", state
    for no_type in ("", "email", "draft_email", "Research", None):
        expected = "23502" if no_type is None else "23514"
        assert outcome(db, INSERT_CARD, [cast.org_a, no_type, "done"]) == expected, no_type
    for no_state in ("", "pending", "Done", None):
        expected = "23502" if no_state is None else "23514"
        assert outcome(db, INSERT_CARD, [cast.org_a, "research", no_state]) == expected, no_state
    assert one(db, "select count(*) from public.kanban_cards") == len(CARD_TYPES) + len(CARD_STATES)


@pytest.mark.parametrize("who", ["owner", "service_role", "member of both"])
def test_a_cards_contact_is_of_the_cards_organisation(db: Session, who: str) -> None:
    cast = settle(db)
    (own,), (foreign,) = new_contacts(db, cast.org_a, 1), new_contacts(db, cast.org_b, 1)
    insert = "insert into public.kanban_cards (org_id, type, title, contact_id) values (%s, 'research', 'x', %s)"
    identity: Any = {
        "owner": db.example(),
        "service_role": db.as_service_role(),
        "member of both": db.as_user(cast.member_both),
    }[who]
    with identity:
        assert outcome(db, insert, [cast.org_a, own]) == "ok"
        for contact in (foreign, str(uuid4())):
            assert outcome(db, insert, [cast.org_a, contact]) == "23503"
            assert outcome(db, "update public.kanban_cards set contact_id = %s", [contact]) == "23503"


def test_a_card_outlives_its_contact_with_all_else_that_it_has(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (contact,) = new_contacts(db, cast.org_a, 1)
    card = new_card(db, cast.org_a, job, state="approved")
    db.execute("update public.kanban_cards set contact_id = %s", [contact])
    with db.as_user(cast.member_a):
        assert outcome(db, "delete from public.contacts") == "ok"
    kept = db.execute("select id, org_id, job_id, state, contact_id from public.kanban_cards").fetchall()
    assert kept == [(card, cast.org_a, job, "approved", None)]


def test_an_organisation_takes_contacts_and_memberships_with_it_and_a_user_their_memberships(db: Session) -> None:
    cast = settle(db)
    for org in (cast.org_a, cast.org_b):
        new_contacts(db, org, 1)
    db.execute("delete from auth.users where id = %s", [cast.member_b])
    members = "select organization_id, user_id from public.organization_members"
    both = {(cast.org_a, cast.member_both), (cast.org_b, cast.member_both)}
    assert set(db.execute(members)) == both | {(cast.org_a, cast.member_a)}
    db.execute("delete from public.organizations where id = %s", [cast.org_a])
    assert set(db.execute(members)) == {(cast.org_b, cast.member_both)}
    assert db.execute("select org_id from public.contacts").fetchall() == [(cast.org_b,)]


def test_a_user_can_belong_to_several_organisations_once_each(db: Session) -> None:
    cast = settle(db)
    insert = "insert into public.organization_members (organization_id, user_id, role) values (%s, %s, %s)"
    assert outcome(db, insert, [cast.org_a, cast.member_both, "owner"]) == "23505"
    for role in ("owner", "admin", "member"):
        with db.example():
            assert outcome(db, insert, [cast.org_b, cast.member_a, role]) == "ok", role
    for role in ("", "guest", "Owner"):
        assert outcome(db, insert, [cast.org_b, cast.member_a, role]) == "23514", role
    assert outcome(db, insert, [uuid4(), cast.member_a, "member"]) == "23503"
    assert outcome(db, insert, [cast.org_a, uuid4(), "member"]) == "23503"


def test_everybody_reads_their_own_organisations_and_memberships_and_changes_neither(db: Session) -> None:
    cast = settle(db)
    for user in cast.everybody():
        identity = db.as_anon() if user is None else db.as_user(user)
        with identity:
            for query, column in (
                ("select id from public.organizations", 0),
                ("select organization_id, user_id from public.organization_members", 0),
            ):
                if user is None:
                    assert outcome(db, query) == "42501"
                    continue
                rows = db.execute(query.encode()).fetchall()
                assert {row[column] for row in rows} == cast.orgs_of(user), query
                assert len(rows) == len(cast.orgs_of(user))
            for statement in (
                "update public.organization_members set role = 'owner'",
                "insert into public.organization_members (organization_id, user_id) "
                f"values ('{cast.org_a}', '{cast.stranger}')",
                "delete from public.organization_members",
                "insert into public.organizations (name) values ('mine')",
                "update public.organizations set name = 'x'",
                "delete from public.organizations",
            ):
                assert outcome(db, statement) == "42501", statement
    with db.as_service_role():
        assert one(db, "select count(*) from public.organizations") == 2
        assert one(db, "select count(*) from public.organization_members") == 4
