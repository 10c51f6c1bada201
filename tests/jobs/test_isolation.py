"""Section 5: users see and change only rows of the organisations that they are members of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgassay import Session
from pgassay.plugin import Example
from tests.jobs.cast import Cast, acting, new_card, new_job, new_tasks, one, outcome, settle

TABLES = ("jobs", "job_tasks", "kanban_cards", "agent_runs", "contacts")
HARMLESS = {
    "jobs": "name = name",
    "job_tasks": "input = '{}'",
    "kanban_cards": "title = title",
    "agent_runs": "mode = mode",
    "contacts": "email = email",
}
SIZES = st.tuples(*[st.integers(0, 3)] * 5)  # jobs, tasks a job, cards a job, cards without one, runs a job
KEYS = {"job_metrics": "job_id"}


@dataclass
class World:
    """Whose every row is: table → key → organisation."""

    cast: Cast
    owners: dict[str, dict[Any, UUID]]

    def of(self, table: str, user: UUID | None) -> set[Any]:
        mine = self.cast.orgs_of(user)
        return {key for key, org in self.owners[table].items() if org in mine}


def populate(db: Session, sizes: dict[str, tuple[int, ...]]) -> World:
    cast = settle(db)
    owners: dict[str, dict[Any, UUID]] = {table: {} for table in (*TABLES, "job_metrics")}
    for org, (jobs, tasks, cards, loose, runs) in ((cast.org_a, sizes["a"]), (cast.org_b, sizes["b"])):
        for _ in range(loose):
            owners["kanban_cards"][new_card(db, org)] = org
            contact = one(db, "insert into public.contacts (org_id, email) values (%s, 'a@b.c') returning id", [org])
            owners["contacts"][contact] = org
        for _ in range(jobs):
            job = new_job(db, org)
            owners["jobs"][job] = owners["job_metrics"][job] = org
            made = new_tasks(db, job, [(0, step) for step in range(tasks)]) if tasks else []
            owners["job_tasks"] |= dict.fromkeys(made, org)
            for number in range(cards):
                task = made[number % len(made)] if made else None
                owners["kanban_cards"][new_card(db, org, job, task)] = org
            for _ in range(runs):
                insert = "insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s) returning id"
                owners["agent_runs"][one(db, insert, [org, job])] = org
    db.execute("select public.refresh_job_metrics()")
    return World(cast, owners)


SIZES_OF_BOTH = st.fixed_dictionaries({"a": SIZES, "b": SIZES})


@given(sizes=SIZES_OF_BOTH)
def test_everybody_reads_the_rows_of_their_organisations_and_no_others(
    example: Example, sizes: dict[str, tuple[int, ...]]
) -> None:
    with example() as db:
        world = populate(db, sizes)
        for user in world.cast.everybody():
            for table in (*TABLES, "job_metrics"):
                key = KEYS.get(table, "id")
                query = f"select {key} from public.{table}"
                with acting(db, user):
                    if user is None:
                        assert outcome(db, query) == "42501"
                        continue
                    assert {row[0] for row in db.execute(query.encode()).fetchall()} == world.of(table, user)
                    assert one(db, f"select count(*) from public.{table}") == len(world.of(table, user))
                    foreign = sorted(set(world.owners[table]) - world.of(table, user))[:1]
                    filtered = f"select {key} from public.{table} where {key} = any(%s)"
                    assert db.execute(filtered.encode(), [foreign]).fetchall() == []
        with db.as_service_role():
            for table in (*TABLES, "job_metrics"):
                rows = db.execute(f"select {KEYS.get(table, 'id')} from public.{table}".encode()).fetchall()
                assert {row[0] for row in rows} == set(world.owners[table])


@given(sizes=SIZES_OF_BOTH)
def test_update_and_delete_without_where_touch_the_rows_of_ones_organisations_alone(
    example: Example, sizes: dict[str, tuple[int, ...]]
) -> None:
    with example() as db:
        world = populate(db, sizes)
        for user in world.cast.everybody():
            for table in TABLES:
                for statement in (f"update public.{table} set {HARMLESS[table]}", f"delete from public.{table}"):
                    with db.example(), acting(db, user):
                        if user is None:
                            assert outcome(db, statement) == "42501"
                        else:
                            assert db.execute(statement.encode()).rowcount == len(world.of(table, user))


@given(sizes=SIZES_OF_BOTH, verb=st.sampled_from(["update", "delete"]))
def test_aiming_at_a_foreign_row_changes_nothing(
    example: Example, sizes: dict[str, tuple[int, ...]], verb: str
) -> None:
    with example() as db:
        world = populate(db, sizes)
        for user in world.cast.everybody():
            if user is None:
                continue
            for table in TABLES:
                foreign = sorted(set(world.owners[table]) - world.of(table, user))
                for statement in (
                    f"update public.{table} set {HARMLESS[table]} where id = any(%s)",
                    f"delete from public.{table} where id = any(%s)",
                ):
                    if statement.startswith(verb):
                        with acting(db, user):
                            assert db.execute(statement.encode(), [foreign]).rowcount == 0


INSERTS = {
    "jobs": "insert into public.jobs (org_id, name) values (%(org)s, 'x')",
    "job_tasks": "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 7, 7, 'research')",
    "kanban_cards": "insert into public.kanban_cards (org_id, type, title) values (%(org)s, 'research', 'x')",
    "agent_runs": "insert into public.agent_runs (org_id, mode) values (%(org)s, 'x')",
    "contacts": "insert into public.contacts (org_id, email) values (%(org)s, 'x')",
}


@pytest.mark.parametrize("table", TABLES)
def test_inserting_works_into_ones_own_organisations_and_no_others(db: Session, table: str) -> None:
    cast = settle(db)
    job = {org: new_job(db, org) for org in (cast.org_a, cast.org_b)}
    for user in cast.everybody():
        for org in (cast.org_a, cast.org_b):
            expected = "ok" if org in cast.orgs_of(user) else "42501"
            with db.example(), acting(db, user):
                assert outcome(db, INSERTS[table], {"org": org, "job": job[org]}) == expected
        with acting(db, user):
            nowhere = {"org": uuid4(), "job": uuid4()}
            assert outcome(db, INSERTS[table], nowhere) == "42501", "as for an organisation that there is"


@pytest.mark.parametrize("table", ["jobs", "kanban_cards", "agent_runs", "contacts"])
def test_a_member_of_one_organisation_cannot_move_a_row_to_another(db: Session, table: str) -> None:
    world = populate(db, {"a": (1, 1, 1, 1, 1), "b": (1, 1, 1, 1, 1)})
    for user, org in ((world.cast.member_a, world.cast.org_b), (world.cast.member_b, world.cast.org_a)):
        with db.as_user(user):
            assert outcome(db, f"update public.{table} set org_id = %s", [org]) == "42501"


def test_even_a_member_of_both_cannot_move_a_job_or_a_linked_card_or_run(db: Session) -> None:
    world = populate(db, {"a": (1, 1, 1, 0, 1), "b": (1, 1, 1, 0, 1)})
    cast = world.cast
    with db.as_user(cast.member_both):
        assert outcome(db, "update public.jobs set org_id = %s", [cast.org_b]) == "42501"
        assert outcome(db, "update public.job_tasks set job_id = %s", [next(iter(world.owners["jobs"]))]) == "42501"
        for table in ("kanban_cards", "agent_runs"):
            assert outcome(db, f"update public.{table} set org_id = %s", [cast.org_b]) == "23503"


@pytest.mark.parametrize("role", ["owner", "service_role", "member of both"])
def test_a_link_cannot_cross_organisations_whoever_makes_it(db: Session, role: str) -> None:
    cast = settle(db)
    job_a, job_b = new_job(db, cast.org_a), new_job(db, cast.org_b)
    (task_b,) = new_tasks(db, job_b, [(0, 0)])
    blocks = {
        "owner": db.example(),
        "service_role": db.as_service_role(),
        "member of both": db.as_user(cast.member_both),
    }
    card = "insert into public.kanban_cards (org_id, type, title, job_id, task_id) values (%s, 'research', 'x', %s, %s)"
    run = "insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s)"
    with blocks[role]:
        assert outcome(db, card, [cast.org_a, job_b, None]) == "23503"
        assert outcome(db, card, [cast.org_a, job_a, task_b]) == "23503", "a task of another job"
        assert outcome(db, card, [cast.org_a, None, task_b]) == "23514", "a task without its job"
        assert outcome(db, run, [cast.org_a, job_b]) == "23503"
        assert outcome(db, card, [cast.org_b, job_b, task_b]) == "ok"
        assert outcome(db, run, [cast.org_a, job_a]) == "ok"


CALLS = {
    "transition_job_status": "select public.transition_job_status(%s, 'running')",
    "cancel_job": "select public.cancel_job(%s)",
    "get_job_cards": "select * from public.get_job_cards(%s)",
    "get_job_progress": "select public.get_job_progress(%s)",
}


@pytest.mark.parametrize("call", CALLS)
def test_functions_know_no_jobs_but_those_of_ones_organisations(db: Session, call: str) -> None:
    cast = settle(db)
    for user in cast.everybody():
        for org in (cast.org_a, cast.org_b):
            job = new_job(db, org)
            before = db.execute("select * from public.jobs where id = %s", [job]).fetchall()
            expected = "42501" if user is None else "ok" if org in cast.orgs_of(user) else "PT404"
            with acting(db, user):
                assert outcome(db, CALLS[call], [job]) == expected
            if expected != "ok":
                assert db.execute("select * from public.jobs where id = %s", [job]).fetchall() == before
    with db.as_service_role():
        assert outcome(db, CALLS[call], [new_job(db, cast.org_a)]) == "ok"


@pytest.mark.parametrize("call", CALLS)
def test_a_foreign_job_and_one_that_is_not_there_are_told_in_the_same_words(db: Session, call: str) -> None:
    cast = settle(db)
    foreign, nowhere = new_job(db, cast.org_b), uuid4()
    words = []
    for job in (foreign, nowhere):
        with db.as_user(cast.member_a), pytest.raises(Exception, match="not found") as caught:
            db.execute(CALLS[call].encode(), [job])
        diag = caught.value.diag  # type: ignore[attr-defined]
        words.append(
            [str(text).replace(str(job), "…") for text in (diag.sqlstate, diag.message_primary, diag.message_detail)]
        )
    assert words[0] == words[1]


FORGED = [
    {"role": "service_role"},
    {"user_metadata": {"org_id": "…"}, "app_metadata": {}},
    {},
    {"sub": ""},
    {"role": "supabase_admin", "is_super_admin": True},
]


@pytest.mark.parametrize("claims", FORGED)
def test_claims_without_a_subject_give_nothing(db: Session, claims: dict[str, Any]) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute("select public.refresh_job_metrics()")
    with db.as_role("authenticated", claims):
        for table in ("jobs", "job_metrics", "job_tasks"):
            assert one(db, f"select count(*) from public.{table}") == 0
        for call in CALLS.values():
            assert outcome(db, call, [job]) == "PT404"
        assert outcome(db, INSERTS["jobs"], {"org": cast.org_a}) == "42501"


@pytest.mark.parametrize("claims", ['{"sub": "no uuid"}', "not json", '{"sub": 7}'])
def test_malformed_claims_are_an_error_and_give_nothing(db: Session, claims: str) -> None:
    cast = settle(db)
    new_job(db, cast.org_a)
    with db.as_role("authenticated", claims):
        assert outcome(db, "select * from public.jobs") == "22P02"


def test_refreshing_is_for_service_role_and_the_owner(db: Session) -> None:
    cast = settle(db)
    for user in cast.everybody():
        with acting(db, user):
            assert outcome(db, "select public.refresh_job_metrics()") == "42501"
    with db.as_service_role():
        assert outcome(db, "select public.refresh_job_metrics()") == "ok"
    assert outcome(db, "select public.refresh_job_metrics()") == "ok"


def test_a_users_own_condition_sees_no_foreign_row_of_the_view(db: Session) -> None:
    """``security_barrier``: a cheap function of the reader's is not run before the filter."""
    cast = settle(db)
    new_job(db, cast.org_a, "ours")
    new_job(db, cast.org_b, "theirs")
    db.execute("select public.refresh_job_metrics()")
    db.execute("grant create on schema public to authenticated")
    # without an index, so that the planner is free to choose which condition comes first
    db.execute("set local enable_indexscan = off; set local enable_bitmapscan = off")
    seen: list[str | None] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        seen.append(diagnostic.message_primary)

    db.add_notice_handler(note)
    try:
        with db.as_user(cast.member_a):
            db.execute(
                "create function public.peek(text) returns boolean language plpgsql cost 0.0000001 "
                "as $$ begin raise notice '%', $1; return true; end $$"
            )
            db.execute("select * from public.job_metrics where public.peek(name)")
    finally:
        db.remove_notice_handler(note)
    assert seen == ["ours"]
