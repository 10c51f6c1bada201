"""Section 5: users see and change only rows of the organisations that they are members of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from pgassay import Clone, Session
from pgassay.fixtures import Example
from tests.jobs.cast import (
    PARAMS,
    Cast,
    Parameters,
    acting,
    listening,
    new_campaign,
    new_card,
    new_contacts,
    new_job,
    new_tasks,
    one,
    outcome,
    settle,
    words_of,
)

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


LINKED_CARD: LiteralString = """
insert into public.kanban_cards (org_id, type, title, job_id, task_id) values (%s, 'research', 'x', %s, %s)
"""
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
    card = LINKED_CARD
    run = "insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s)"
    with blocks[role]:
        assert outcome(db, card, [cast.org_a, job_b, None]) == "23503"
        assert outcome(db, card, [cast.org_a, job_a, task_b]) == "23503", "a task of another job"
        assert outcome(db, card, [cast.org_a, None, task_b]) == "23514", "a task without its job"
        assert outcome(db, run, [cast.org_a, job_b]) == "23503"
        assert outcome(db, card, [cast.org_b, job_b, task_b]) == "ok"
        assert outcome(db, run, [cast.org_a, job_a]) == "ok"


CALLS = {
    "transition_job_status": "select public.transition_job_status(%(job)s, 'paused')",
    "cancel_job": "select public.cancel_job(%(job)s)",
    "get_job_cards": "select * from public.get_job_cards(%(job)s)",
    "get_job_progress": "select public.get_job_progress(%(job)s)",
    "plan_next_batch": "select public.plan_next_batch(%(job)s)",
    "claim_tasks": "select * from public.claim_tasks(%(job)s, 5)",
    "finish_task": "select public.finish_task(%(running)s, '{}')",
    "fail_task": "select public.fail_task(%(running)s, 'x')",
    "retry_task": "select public.retry_task(%(failed)s)",
}
CREATE = "select (public.create_job(%(org)s, 'Campaign', null, %(params)s)).id"
NOWHERE = {"job": uuid4(), "running": 0, "failed": 0}


def everything(db: Session) -> list[Any]:
    return [db.execute(f"select * from public.{table} order by id".encode()).fetchall() for table in TABLES]


@pytest.mark.parametrize("call", CALLS)
def test_functions_know_no_jobs_and_tasks_but_those_of_ones_organisations(db: Session, call: str) -> None:
    cast = settle(db)
    for user in cast.everybody():
        for org in (cast.org_a, cast.org_b):
            campaign = new_campaign(db, org)
            before = everything(db)
            expected = "42501" if user is None else "ok" if org in cast.orgs_of(user) else "PT404"
            with acting(db, user):
                assert outcome(db, CALLS[call], campaign) == expected
            if expected != "ok":
                assert everything(db) == before
    with db.as_service_role():
        assert outcome(db, CALLS[call], campaign) == "ok"


@pytest.mark.parametrize("call", CALLS)
def test_what_is_foreign_and_what_is_not_there_are_told_in_the_same_words(db: Session, call: str) -> None:
    cast = settle(db)
    words = []
    # first one that is not compared: PL/pgSQL words the context of an expression's first evaluation in another way
    for target in (NOWHERE, new_campaign(db, cast.org_b), NOWHERE):
        with (
            listening(db) as heard,
            db.as_user(cast.member_a),
            pytest.raises(psycopg.Error, match="not found") as caught,
        ):
            db.execute(CALLS[call].encode(), target)
        asked_for = r"(?<=^job ){job}|(?<=^task )({running}|{failed})".format_map(target)
        words.append(
            (caught.value.sqlstate, re.sub(asked_for, "…", str(caught.value)), words_of(caught.value.diag)[5:], heard)
        )
    assert words[1] == words[2]


def test_jobs_are_created_in_ones_own_organisations_and_no_others(db: Session) -> None:
    cast = settle(db)
    for user in cast.everybody():
        for org in (cast.org_a, cast.org_b, uuid4()):
            before = everything(db)
            expected = "ok" if org in cast.orgs_of(user) else "42501"
            with db.example(), acting(db, user):
                assert outcome(db, CREATE, {"org": org, "params": Jsonb(PARAMS)}) == expected
            assert everything(db) == before
    with db.as_service_role():
        assert outcome(db, CREATE, {"org": cast.org_b, "params": Jsonb(PARAMS)}) == "ok"
        assert outcome(db, CREATE, {"org": uuid4(), "params": Jsonb(PARAMS)}) == "42501"


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
    campaign = new_campaign(db, cast.org_a)
    db.execute("select public.refresh_job_metrics()")
    with db.as_role("authenticated", claims):
        for table in ("jobs", "job_metrics", "job_tasks"):
            assert one(db, f"select count(*) from public.{table}") == 0
        for call in CALLS.values():
            assert outcome(db, call, campaign) == "PT404"
        assert outcome(db, CREATE, {**campaign, "params": Jsonb(PARAMS)}) == "42501"
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


SPIED_ON = """
select format(
    'create domain pg_temp.%%I as %%s check (pg_temp.spy())', t.typname,
    case when t.typtype = 'b' then format('pg_catalog.%%I', t.typname) else 'pg_catalog.text' end
)
from pg_type as t
where t.typnamespace = 'pg_catalog'::regnamespace and t.typname = any(%s)
"""
TYPES = ["text", "uuid", "jsonb", "json", "timestamptz", "timestamp", "date", "record", "name", "int4", "int8", "bool"]


def test_no_type_that_a_caller_makes_is_used_with_the_owners_rights(clone: Clone) -> None:
    """With ``search_path = ''``, types are looked up in pg_temp first: a domain's check would run as the owner."""
    with clone.connect() as owner:
        cast = settle(owner)
        new_contacts(owner, cast.org_a, 1)
        owner.execute("select public.refresh_job_metrics()")
        domains = [row[0] for row in owner.execute(SPIED_ON, [TYPES]).fetchall()]
    assert len(domains) == len(TYPES)
    ran_as: set[str | None] = set()
    with clone.connect() as db, db.as_user(cast.member_a):
        db.add_notice_handler(lambda notice: ran_as.add(notice.message_primary))
        db.execute(
            "create function pg_temp.spy() returns pg_catalog.bool language plpgsql "
            "as $$ begin raise notice '%', current_user; return true; end $$"
        )
        for statement in domains:
            db.execute(statement.encode())
        db.execute("select 'x'::text")
        assert ran_as == {"authenticated"}, "the spy works"
        job = one(db, CREATE, {"org": cast.org_a, "params": Jsonb(PARAMS)})
        (task,) = one(db, "select array_agg(id) from public.job_tasks")
        calls: list[tuple[str, Parameters]] = [
            (LINKED_CARD, [cast.org_a, job, task]),
            ("update public.kanban_cards set state = 'done', title = 'y'", []),
            ("delete from public.kanban_cards", []),
            ("select public.transition_job_status(%s, 'running')", [job]),
            ("select public.claim_tasks(%s, 5)", [job]),
            ("select public.fail_task(%s, 'x')", [task]),
            ("select public.retry_task(%s)", [task]),
            ("select public.claim_tasks(%s, 5)", [job]),
            ("select public.finish_task(%s, '{}')", [task]),
            ("select public.plan_next_batch(%s)", [job]),
            ("select public.get_job_cards(%s)", [job]),
            ("select public.get_job_progress(%s)", [job]),
            ("select * from public.job_metrics", []),
            (INSERTS["job_tasks"], {"job": job}),
            ("update public.job_tasks set step = step + 1", []),
            ("delete from public.job_tasks", []),
            ("select public.cancel_job(%s)", [job]),
            ("delete from public.jobs", []),
        ]
        for statement, parameters in calls:
            assert outcome(db, statement, parameters) == "ok", statement
    assert ran_as == {"authenticated"}


def test_a_card_that_is_gone_before_its_link_is_checked_touches_no_foreign_job(clone: Clone) -> None:
    """A foreign key is not checked for a row that is dead by then, but triggers see it."""
    with clone.connect() as owner, clone.connect() as db:
        cast = settle(owner)
        jobs = {"foreign": new_job(owner, cast.org_b, "secret"), "nowhere": uuid4()}
        kept = new_job(owner, cast.org_b)
        new_card(owner, cast.org_b, kept)
        before = owner.execute("select j.*, j.xmin, j.ctid from public.jobs as j order by id").fetchall()
        insert = "insert into public.kanban_cards (org_id, type, title, job_id{}) {} "
        own_contact = one(
            owner, "insert into public.contacts (org_id, email) values (%s, 'a@b.c') returning id", [cast.org_a]
        )
        ways = {
            "deleted": insert.format("", "values (%(org)s, 'research', 'x', %(job)s) returning pg_temp.forget(id)"),
            "without a contact": "with d as (delete from public.contacts where id = %(contact)s returning id) "
            + insert.format(", contact_id", "select %(org)s, 'research', 'x', %(job)s, id from d"),
        }
        with db.as_user(cast.member_a):
            db.execute(
                "create function pg_temp.forget(uuid) returns int language sql "
                "as 'delete from public.kanban_cards where id = $1; select 1'"
            )
            with owner.transaction():
                owner.execute("select from public.jobs for update")  # whoever touches one of them would wait
                db.execute("set local lock_timeout = '1s'")
                for way, statement in ways.items():
                    told = {
                        name: outcome(db, statement, {"org": cast.org_a, "job": job, "contact": own_contact})
                        for name, job in {**jobs, "with a card": kept}.items()
                    }
                    assert len(set(told.values())) == 1, (way, told)
                    assert "55P03" not in told.values(), "waited for a foreign row"
        assert owner.execute("select j.*, j.xmin, j.ctid from public.jobs as j order by id").fetchall() == before


def look_at_the_task_first(owner: Session) -> None:
    """Put the two foreign keys of a card into the order in which the one on the task is checked first.

    PostgreSQL fires them by the names of their triggers, which end in an oid: as texts, so that 100003 is before 99998.
    Made anew, in order, they are in order, unless the oids get another digit just between: then the second time.
    """
    keys = ["kanban_cards_task_of_same_job", "kanban_cards_job_in_same_organisation"]
    for _ in range(2):
        for key in keys:
            definition = one(
                owner,
                "select pg_get_constraintdef(oid) from pg_constraint "
                "where conname = %s and conrelid = 'public.kanban_cards'::regclass",
                [key],
            )
            statement = sql.SQL(
                "alter table public.kanban_cards drop constraint {key}, add constraint {key} {definition}"
            )
            owner.execute(statement.format(key=sql.Identifier(key), definition=sql.SQL(definition)))
        firing = owner.execute(
            "select c.conname from pg_trigger as t join pg_constraint as c on c.oid = t.tgconstraint "
            "where t.tgrelid = 'public.kanban_cards'::regclass and c.conname = any(%s) "
            'group by c.conname order by min(t.tgname collate "C")',
            [keys],
        ).fetchall()
        if firing == [(key,) for key in keys]:
            return
    raise AssertionError(firing)


def test_a_foreign_job_is_refused_before_its_task_is_looked_at(clone: Clone) -> None:
    """Which foreign key comes first hangs on oids: see `look_at_the_task_first`."""
    with clone.connect() as owner, clone.connect() as db:
        cast = settle(owner)
        job = new_job(owner, cast.org_b)
        (task,) = new_tasks(owner, job, [(0, 0)])
        look_at_the_task_first(owner)
        told = set()
        with db.as_user(cast.member_a):
            for candidate in (task, task + 1):
                with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught, db.transaction():
                    db.execute(LINKED_CARD, [cast.org_a, job, candidate])
                diag = caught.value.diag
                told.add((diag.constraint_name, diag.message_primary, diag.message_detail, diag.context))
        assert len(told) == 1
