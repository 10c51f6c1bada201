"""Sections 6 and 9: the refresh of ``job_metrics``, also where a dump without data was restored."""

from __future__ import annotations

from pgassay import Clone, Session
from pgassay.fixtures import Interleave
from pgassay.identity import Identity
from tests.jobs.campaigns import refusal
from tests.jobs.cast import new_job, one, settle
from tests.jobs.test_metrics_columns import REFRESH

EMPTIED = "refresh materialized view private.job_metrics_snapshot with no data; delete from private.job_metrics_refresh"


def test_metrics_that_were_never_filled_are_an_error_until_the_first_refresh(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute(EMPTIED)
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            assert refusal(db, "select * from public.job_metrics")[0] == "55000"
    with db.as_service_role():
        db.execute(REFRESH)
        assert one(db, "select job_id from public.job_metrics") == job
        first = one(db, "select refreshed_at from public.job_metrics")
        db.execute(REFRESH)
        assert one(db, "select refreshed_at from public.job_metrics") > first
    assert one(db, "select count(*) from private.job_metrics_refresh") == 1


def test_metrics_are_shown_also_when_nobody_knows_of_when(db: Session) -> None:
    """The row of a private table is data: a restore may lack it."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute(REFRESH)
    db.execute("delete from private.job_metrics_refresh")
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            assert db.execute("select job_id, refreshed_at from public.job_metrics").fetchall() == [(job, None)]


def test_two_first_refreshes_at_once_do_not_fail(interleave: Interleave) -> None:
    parts = {name: [REFRESH, "commit"] for name in "ab"}
    with interleave() as stage:
        settle(stage.owner)
        for schedule in (["a", "b", "a", "b"], ["a", "a", "b", "b"]):
            stage.owner.execute(EMPTIED)
            history = stage.play(parts, schedule, identities={name: Identity.service_role() for name in parts})
            assert {result.outcome for result in history.results} == {"ok"}
            assert one(stage.owner, "select count(*) from private.job_metrics_refresh") == 1


def test_refreshed_at_is_when_the_refresh_began_by_the_clock(clone: Clone) -> None:
    """Not when its transaction began."""
    with clone.connect() as db:
        new_job(db, settle(db).org_a)
        with db.transaction():
            before = one(db, "select clock_timestamp()")
            db.execute(REFRESH)
            after = one(db, "select clock_timestamp()")
        assert before <= one(db, "select refreshed_at from private.job_metrics_refresh") <= after
