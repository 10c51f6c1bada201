"""Interleavings: what a schedule says is what happens, and PostgreSQL is asked who waits."""

from __future__ import annotations

from math import factorial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import IsolationLevel

from pgassay import Identity, Stage, every_schedule, schedules
from pgassay.fixtures import Interleave
from pgassay.interleavings import DEADLOCK, SERIALIZATION_FAILURE
from tests.jobs.cast import one

UPDATE_1 = "update public.notes set text = text || 'x' where id = 1"
UPDATE_2 = "update public.notes set text = text || 'y' where id = 2"


def write_notes(stage: Stage) -> None:
    stage.owner.execute("create table public.notes (id int primary key, text text)")
    stage.owner.execute("insert into public.notes values (1, ''), (2, '')")


@given(sizes=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_every_schedule_is_every_order_that_keeps_each_sessions_own(sizes: list[int]) -> None:
    parts = {name: ["select 1"] * size for name, size in zip("abc", sizes, strict=False)}
    found = list(every_schedule(parts))
    count = factorial(sum(sizes))
    for size in sizes:
        count //= factorial(size)
    assert len(found) == len(set(found)) == count
    assert all(schedule.count(name) == len(steps) for schedule in found for name, steps in parts.items())
    assert found[0] == tuple(name for name, steps in parts.items() for _ in steps), "a serial one first"


@given(data=st.data())
def test_a_drawn_schedule_is_one_of_these(data: st.DataObject) -> None:
    parts = {"a": ["x", "x"], "b": ["x"]}
    assert data.draw(schedules(parts)) in set(every_schedule(parts))


def test_a_session_that_waits_keeps_its_place_and_the_others_go_on(interleave: Interleave) -> None:
    parts = {"a": [UPDATE_1, "commit"], "b": [UPDATE_1, "select text from public.notes where id = 1", "commit"]}
    with interleave() as stage:
        write_notes(stage)
        history = stage.play(parts, "abbab")
        assert [result.session for result in history.results] == ["a", "a", "b", "b", "b"]
        assert history.of("b")[0].waited_for == ("a",)
        assert history.of("b")[1].rows == (("xx",),)
        assert history.of("a")[1].tag == "COMMIT"
        serial = stage.play(parts, "aabbb")
        assert not any(result.waited_for for result in serial.results)


def test_the_same_schedule_gives_the_same_history(interleave: Interleave) -> None:
    parts = {"a": [UPDATE_1, UPDATE_2, "commit"], "b": [UPDATE_1, "commit"], "c": [UPDATE_2, "rollback"]}
    with interleave() as stage:
        write_notes(stage)
        for schedule in list(every_schedule(parts))[::5]:
            first, second = (stage.play(parts, schedule) for _ in range(2))
            assert str(first) == str(second)


@pytest.mark.parametrize("schedule", ["abab", "abba", "baab", "baba"])
def test_a_deadlock_is_reported_and_the_other_session_goes_on(interleave: Interleave, schedule: str) -> None:
    with interleave() as stage:
        write_notes(stage)
        parts = {"a": [UPDATE_1, UPDATE_2, "commit"], "b": [UPDATE_2, UPDATE_1, "commit"]}
        history = stage.play(parts, schedule + "ab")
        (victim,) = history.failures(DEADLOCK)
        winner = "b" if victim.session == "a" else "a"
        assert history.outcomes(winner) == ["ok"] * 3
        assert history.of(victim.session)[-1].tag == "ROLLBACK"


def test_a_serialization_failure_is_reported(interleave: Interleave) -> None:
    with interleave() as stage:
        write_notes(stage)
        parts = {"a": ["select 1 from public.notes", UPDATE_1, "commit"], "b": [UPDATE_1, "commit"]}
        history = stage.play(parts, "abbaa", isolation_level=IsolationLevel.REPEATABLE_READ)
        assert history.outcomes("a") == ["ok", SERIALIZATION_FAILURE, "ok"]
        assert stage.play(parts, "abbaa").outcomes("a") == ["ok"] * 3


def test_a_transaction_that_is_open_at_its_sessions_end_is_rolled_back_and_lets_others_go_on(
    interleave: Interleave,
) -> None:
    with interleave() as stage:
        write_notes(stage)
        history = stage.play({"a": [UPDATE_1], "b": [UPDATE_1, "commit"]}, "abb")
        assert history.outcomes("b") == ["ok", "ok"]
        assert one(stage.owner, "select text from public.notes where id = 1") == "x"


def test_each_session_is_whom_it_is_said_to_be(interleave: Interleave) -> None:
    who = "select current_user::text, session_user::text, coalesce(auth.uid()::text, 'nobody')"
    someone = "11111111-1111-4111-8111-111111111111"
    identities = {"user": Identity.user(someone), "anon": Identity.anon()}
    with interleave() as stage:
        history = stage.play(
            {"owner": [who], "user": [who, "commit", who], "anon": [who]},
            ["owner", "user", "anon", "user", "user"],
            identities=identities,
        )
        owner = stage.clone.server.owner
        assert history.of("owner")[0].rows == ((owner, owner, "nobody"),)
        assert {history.of("user")[n].rows for n in (0, 2)} == {(("authenticated", "authenticator", someone),)}
        assert history.of("anon")[0].rows == (("anon", "authenticator", "nobody"),)


def test_a_history_can_be_read_and_is_attached_to_the_failure(interleave: Interleave) -> None:
    with pytest.raises(AssertionError) as caught, interleave() as stage:
        write_notes(stage)
        stage.play({"a": [UPDATE_1, "commit"], "b": [("select %s::int / 0", [1])]}, "aba")
        raise AssertionError
    (note,) = caught.value.__notes__
    assert note == (
        "schedule=('a', 'b', 'a')\n"
        f"a: {UPDATE_1}\n    UPDATE 1\n"
        "b: select %s::int / 0\n    22012 division by zero\n"
        "b: (end)\n    ROLLBACK\n"
        "a: commit\n    COMMIT"
    )


@pytest.mark.parametrize("schedule", ["", "a", "aab", "ac", "abc"])
def test_a_schedule_that_does_not_fit_is_refused(interleave: Interleave, schedule: str) -> None:
    with interleave() as stage, pytest.raises(ValueError, match="does not name each session"):
        stage.play({"a": ["select 1"], "b": ["select 1"]}, schedule)


def test_a_failing_schedule_shrinks_to_the_one_nearest_to_one_session_after_the_other(interleave: Interleave) -> None:
    """A lost update: b writes between a's reading and its writing."""
    parts = {
        "a": [
            "select text from public.notes where id = 1",
            "update public.notes set text = 'a' where id = 1",
            "commit",
        ],
        "b": [UPDATE_1, "commit"],
    }
    failed: list[tuple[str, ...]] = []

    with interleave() as stage:
        write_notes(stage)

        def is_lost(schedule: tuple[str, ...]) -> bool:
            stage.owner.execute("update public.notes set text = '' where id = 1")
            history = stage.play(parts, schedule)
            return history.of("a")[0].rows == (("",),) and one(stage.owner, "select max(text) from public.notes") == "a"

        @settings(database=None, derandomize=True, max_examples=100)
        @given(schedule=schedules(parts))
        def nothing_is_lost(schedule: tuple[str, ...]) -> None:
            if is_lost(schedule):
                failed.append(schedule)
                raise AssertionError

        with pytest.raises(AssertionError):
            nothing_is_lost()
        assert failed[-1] == next(schedule for schedule in every_schedule(parts) if is_lost(schedule))
