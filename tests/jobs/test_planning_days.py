"""Sections 7 and 9: campaigns planned batch by batch, each batch written down by hand.

Contacts are numbers here, which are their ids, too. The model of `model.py` plans the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.campaigns import PLAN, create, planned
from tests.jobs.cast import PARAMS, Cast, new_job, one, settle
from tests.jobs.model import Plan

Batch = tuple[int, list[int]]
"""A cadence day and contacts."""

NOTHING: Batch = (-1, [])


def name(number: int) -> UUID:
    """The id of a contact."""
    return UUID(int=number << 64)


@dataclass
class Story:
    """A job and what happens to it."""

    db: Session
    cast: Cast
    job: UUID | None = None
    params: dict[str, Any] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)

    def come(self, *contacts: int, group: str = "AMC") -> None:
        for contact in contacts:
            self.db.execute(
                "insert into public.contacts (id, org_id, email, target_group) values (%s, %s, 'a@b.c', %s)",
                [name(contact), self.cast.org_a, group],
            )

    def move(self, contact: int, group: str) -> None:
        self.db.execute("update public.contacts set target_group = %s where id = %s", [group, name(contact)])

    def begin(self, *days: int, size: int) -> Batch:
        """Create the job; its first batch."""
        self.params = self.with_days(*days, size=size)
        expected = self.modelled()
        with self.db.as_user(self.cast.member_a):
            self.job = create(self.db, self.cast.org_a, self.params)
        batch = self.latest(1)
        assert batch == expected
        return batch

    def change(self, *days: int, size: int) -> None:
        """Somebody writes other parameters."""
        self.params = self.with_days(*days, size=size)
        self.db.execute("update public.jobs set params = %s where id = %s", [Jsonb(self.params), self.job])

    def with_days(self, *days: int, size: int) -> dict[str, Any]:
        return {**PARAMS, "cadence": {f"day{day}": True for day in days}, "batch_size": size}

    def next(self) -> Batch:
        """Plan once; what came of it, which is what the model plans."""
        expected = self.modelled()
        last = one(self.db, "select coalesce(max(batch), 0) from public.job_tasks where job_id = %s", [self.job])
        with self.db.as_user(self.cast.member_a):
            made = one(self.db, PLAN, [self.job])
        batch = self.latest(last + 1)
        assert made == len(batch[1])
        assert batch == expected
        return batch

    def latest(self, number: int) -> Batch:
        assert self.job is not None
        rows = [row for row in planned(self.db, self.job) if row[0] == number]
        assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
        days = {row[2] for row in rows}
        assert len(days) <= 1
        return (days.pop(), [UUID(row[3]).int >> 64 for row in rows]) if days else NOTHING

    def forget(self, day: int, contact: int) -> None:
        """Somebody deletes the task of that day and contact."""
        gone = self.db.execute(
            "delete from public.job_tasks where job_id = %s and input ->> 'day' = %s and input ->> 'contact_id' = %s",
            [self.job, str(day), str(name(contact))],
        )
        assert gone.rowcount == 1

    def modelled(self) -> Batch:
        found = self.db.execute(
            "select id::text from public.contacts where org_id = %s and target_group = 'AMC'", [self.cast.org_a]
        ).fetchall()
        taken = {(row[2], row[3]) for row in planned(self.db, self.job)} if self.job else set()
        places = self.plan.next_batch(self.params, {row[0] for row in found}, taken)
        return (places[0][0], [UUID(contact).int >> 64 for _, contact in places]) if places else NOTHING


def test_each_day_takes_the_contacts_by_their_ids_and_then_comes_the_next_day(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(40, 20, 50, 10, 30)
    assert story.begin(0, 3, size=2) == (0, [10, 20])
    assert [story.next() for _ in range(6)] == [
        *((0, [30, 40]), (0, [50])),
        *((3, [10, 20]), (3, [30, 40]), (3, [50])),
        NOTHING,
    ]
    assert story.next() == NOTHING


def test_a_batch_holds_one_day_and_as_many_contacts_as_there_are(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(1, 2, 3)
    assert story.begin(5, 7, 100, size=3) == (5, [1, 2, 3])
    assert [story.next() for _ in range(3)] == [(7, [1, 2, 3]), (100, [1, 2, 3]), NOTHING]


def test_who_comes_ahead_of_the_last_one_planned_is_planned_on_the_way(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    assert story.begin(0, size=2) == (0, [10, 20])
    story.come(25, 35)
    assert [story.next() for _ in range(3)] == [(0, [25, 30]), (0, [35]), NOTHING]


def test_who_comes_behind_is_planned_when_the_day_at_hand_is_through(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30, 40)
    assert story.begin(0, 3, size=2) == (0, [10, 20])
    story.come(15, 5)
    assert [story.next() for _ in range(3)] == [(0, [30, 40]), (0, [5, 15]), (3, [5, 10])]


def test_who_comes_on_a_later_day_gets_the_days_before_it_first(db: Session) -> None:
    """Seen with a bare cursor: a late contact got day 1 before day 0."""
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.begin(0, 3, 9, size=2)
    assert [story.next() for _ in range(2)] == [(0, [30]), (3, [10, 20])]
    story.come(25, 5)
    assert story.next() == (3, [30]), "25 is ahead, and has no day 0"
    assert [story.next() for _ in range(2)] == [(0, [5, 25]), (3, [5, 25])]
    assert [story.next() for _ in range(4)] == [(9, [5, 10]), (9, [20, 25]), (9, [30]), NOTHING]


def test_more_who_came_late_than_a_batch_holds_go_on_with_the_next_batch(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(50)
    assert story.begin(0, 3, size=2) == (0, [50])
    assert story.next() == (3, [50])
    story.come(10, 20, 30, 40, 60)
    assert [story.next() for _ in range(6)] == [
        *((0, [10, 20]), (0, [30, 40]), (0, [60])),
        *((3, [10, 20]), (3, [30, 40]), (3, [60])),
    ]
    assert story.next() == NOTHING


def test_who_came_late_goes_on_with_a_day_before_those_who_come_later_begin(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(50)
    story.begin(0, 3, size=2)
    assert story.next() == (3, [50])
    story.come(10, 20, 30, 40)
    assert [story.next() for _ in range(3)] == [(0, [10, 20]), (0, [30, 40]), (3, [10, 20])]
    story.come(5)
    assert [story.next() for _ in range(4)] == [(3, [30, 40]), (0, [5]), (3, [5]), NOTHING]


def test_who_comes_when_all_is_through_is_planned_like_everybody_else(db: Session) -> None:
    story = Story(db, settle(db))
    assert story.begin(0, 3, size=5) == NOTHING
    story.come(10)
    assert [story.next() for _ in range(3)] == [(0, [10]), (3, [10]), NOTHING]
    story.come(5, 20)
    assert [story.next() for _ in range(3)] == [(0, [5, 20]), (3, [5, 20]), NOTHING]


@pytest.mark.parametrize("day", [0, 3])
def test_a_task_that_is_gone_is_planned_again(db: Session, day: int) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.begin(0, 3, size=5)
    assert story.next() == (3, [10, 20, 30])
    story.forget(day, 20)
    assert [story.next() for _ in range(2)] == [(day, [20]), NOTHING]


def test_a_task_that_is_gone_before_the_next_day_holds_its_contact_back(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    assert story.begin(0, 3, size=5) == (0, [10, 20, 30])
    story.forget(0, 20)
    assert [story.next() for _ in range(3)] == [(0, [20]), (3, [10, 20, 30]), NOTHING]


def test_the_last_one_planned_is_behind_too(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30, 40)
    assert story.begin(0, size=2) == (0, [10, 20])
    story.forget(0, 20)
    assert [story.next() for _ in range(3)] == [(0, [30, 40]), (0, [20]), NOTHING]


def test_a_task_that_somebody_wrote_counts_like_a_planned_one(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    assert story.begin(0, 3, size=2) == (0, [10, 20])
    for day in (0, 3):
        db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, 0, %s, 'draft_email', %s)",
            [story.job, day, Jsonb({"day": day, "contact_id": str(name(30))})],
        )
    assert [story.next() for _ in range(2)] == [(3, [10, 20]), NOTHING]


def test_an_input_that_is_written_over_is_no_task_for_its_contact_any_more(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20)
    story.begin(0, 3, size=5)
    assert story.next() == (3, [10, 20])
    db.execute(
        "update public.job_tasks set input = '{}', kind = 'research' "
        "where input ->> 'day' = '0' and input ->> 'contact_id' = %s",
        [str(name(10))],
    )
    assert [story.next() for _ in range(2)] == [(0, [10]), NOTHING]


def test_a_task_that_is_moved_to_another_job_is_none_of_this_one(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20)
    story.begin(0, size=5)
    assert story.next() == NOTHING
    other = new_job(db, story.cast.org_a)
    db.execute("update public.job_tasks set job_id = %s where step = 2", [other])
    assert [story.next() for _ in range(2)] == [(0, [20]), NOTHING]


def test_tasks_that_are_all_truncated_are_planned_again(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20)
    story.begin(0, 3, size=5)
    assert story.next() == (3, [10, 20])
    db.execute("truncate public.job_tasks cascade")
    assert [story.next() for _ in range(3)] == [(0, [10, 20]), (3, [10, 20]), NOTHING]


def test_a_later_day_that_somebody_wrote_hides_no_earlier_one(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20)
    story.begin(0, 3, size=5)
    assert [story.next() for _ in range(2)] == [(3, [10, 20]), NOTHING]
    story.come(5)
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, 0, 0, 'draft_email', %s)",
        [story.job, Jsonb({"day": 3, "contact_id": str(name(5))})],
    )
    assert [story.next() for _ in range(2)] == [(0, [5]), NOTHING]


def test_a_day_that_is_added_before_is_made_up_for(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.begin(0, 9, size=2)
    assert [story.next() for _ in range(2)] == [(0, [30]), (9, [10, 20])]
    story.change(0, 4, 9, size=2)
    assert [story.next() for _ in range(4)] == [(4, [10, 20]), (4, [30]), (9, [30]), NOTHING]


def test_a_day_that_is_added_behind_comes_when_the_others_are_through(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20)
    assert story.begin(0, size=1) == (0, [10])
    story.change(0, 4, size=1)
    assert [story.next() for _ in range(4)] == [(0, [20]), (4, [10]), (4, [20]), NOTHING]


def test_a_cadence_that_has_nothing_of_the_old_one_begins_anew(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    assert story.begin(5, size=2) == (5, [10, 20])
    story.change(3, size=5)
    assert story.next() == (3, [10, 20, 30])
    story.come(40)
    story.forget(3, 10)
    assert [story.next() for _ in range(3)] == [(3, [40]), (3, [10]), NOTHING]


def test_a_day_that_is_taken_out_is_passed_over(db: Session) -> None:
    """Both the day at hand, here one that was made up for, and the latest one that was reached."""
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.begin(0, 4, 9, size=3)
    assert [story.next() for _ in range(2)] == [(4, [10, 20, 30]), (9, [10, 20, 30])]
    story.come(5, 6, 7, 8)
    assert [story.next() for _ in range(3)] == [(0, [5, 6, 7]), (0, [8]), (4, [5, 6, 7])]
    story.change(0, 9, size=3)
    assert [story.next() for _ in range(3)] == [(9, [5, 6, 7]), (9, [8]), NOTHING]
    story.change(0, 4, size=3)
    assert [story.next() for _ in range(2)] == [(4, [8]), NOTHING]


def test_who_left_the_group_is_planned_no_more(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.come(15, group="another")
    assert story.begin(0, 3, size=2) == (0, [10, 20])
    story.move(30, "another")
    story.move(10, "another")
    story.move(15, "AMC")
    assert [story.next() for _ in range(3)] == [(0, [15]), (3, [15, 20]), NOTHING]
    story.move(10, "AMC")
    assert [story.next() for _ in range(2)] == [(3, [10]), NOTHING]


def test_who_comes_back_to_the_group_gets_a_day_that_was_taken_away_meanwhile(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10, 20, 30)
    story.begin(0, 5, size=3)
    assert [story.next() for _ in range(2)] == [(5, [10, 20, 30]), NOTHING]
    story.move(20, "another")
    story.forget(0, 20)
    assert story.next() == NOTHING
    story.move(20, "AMC")
    assert [story.next() for _ in range(2)] == [(0, [20]), NOTHING]


def test_who_joins_the_group_with_a_later_day_gets_the_earlier_ones(db: Session) -> None:
    """Somebody wrote that task when no plan had come to its day."""
    story = Story(db, settle(db))
    story.come(10, 20)
    story.come(15, group="another")
    story.job = new_job(db, story.cast.org_a)
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, 0, 0, 'draft_email', %s)",
        [story.job, Jsonb({"day": 5, "contact_id": str(name(15))})],
    )
    story.change(0, 5, size=2)
    assert [story.next() for _ in range(3)] == [(0, [10, 20]), (5, [10, 20]), NOTHING]
    story.move(15, "AMC")
    assert [story.next() for _ in range(2)] == [(0, [15]), NOTHING]


def test_the_least_id_of_all_is_the_first(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(0, 1)
    assert story.begin(0, size=1) == (0, [0])
    assert [story.next() for _ in range(2)] == [(0, [1]), NOTHING]


def test_contacts_of_another_organisation_are_none_of_a_jobs(db: Session) -> None:
    story = Story(db, settle(db))
    story.come(10)
    db.execute(
        "insert into public.contacts (id, org_id, email, target_group) values (%s, %s, 'a@b.c', 'AMC')",
        [name(20), story.cast.org_b],
    )
    assert story.begin(0, size=5) == (0, [10])
    assert story.next() == NOTHING


def test_two_jobs_of_one_group_do_not_count_each_others_tasks(db: Session) -> None:
    cast = settle(db)
    first, second = Story(db, cast), Story(db, cast)
    first.come(10, 20)
    assert first.begin(0, 3, size=1) == second.begin(0, 3, size=1) == (0, [10])
    assert first.next() == (0, [20])
    assert second.next() == (0, [20])
    first.forget(0, 10)
    assert [second.next() for _ in range(2)] == [(3, [10]), (3, [20])]
    assert [first.next() for _ in range(2)] == [(0, [10]), (3, [10])]
