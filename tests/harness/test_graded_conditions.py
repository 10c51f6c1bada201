"""Policies whose conditions are changed are graded by what lets in more, which rows and the kind of the change tell."""

from __future__ import annotations

from collections import Counter

import pytest

from pgassay.checks.snapshot import grading, reading
from pgassay.checks.snapshot.grades import UNSHOWN
from pgassay.identity import Databases, Session
from tests.harness import conditions
from tests.harness.conditions import Pair
from tests.sampling import some

COUNT = 200
DRAWN = 330
"""Of so many, enough are left of which rows show the direction as well."""
MOST_UNSHOWN = 0.05
_GAINED = """
select coalesce(bool_or(({after}) is true and ({before}) is not true), false),
    coalesce(bool_or(({before}) is true and ({after}) is not true), false)
from grounds.rows
"""
_GRADES = {"narrower": {"changes"}, "equal": {"nothing"}, "wider": {"loosens"}, "other": {"loosens"}}


@pytest.mark.parametrize("seed", some([1, 2, 3], dev=3, ci=3))
def test_conditions_are_graded_by_what_they_let_in(pg_databases: Databases, seed: int) -> None:
    with pg_databases.copy(pg_databases.template((), ())) as clone, clone.connect() as session:
        changed = _known(session, conditions.pairs(seed, DRAWN))[:COUNT]
        assert len(changed) == COUNT
        session.execute("create schema app")
        for number, pair in enumerate(changed):
            condition = pair.before.format(table=f"t{number}")
            session.execute(conditions.TABLE.format(name=f"app.t{number}").encode())
            session.execute(f"create policy p on app.t{number} using ({condition})".encode())
            session.execute(f"alter table app.t{number} enable row level security".encode())
        before = reading.read(session)
        for number, pair in enumerate(changed):
            condition = pair.after.format(table=f"t{number}")
            session.execute(f"alter policy p on app.t{number} using ({condition})".encode())
        found = {difference.object.name: difference for difference in grading.compare(before, reading.read(session))}
    wrong, unshown = [], []
    for number, pair in enumerate(changed):
        difference = found.get(f"app.t{number}")
        word, what = ("nothing", "") if difference is None else (difference.grade.word, difference.what)
        if UNSHOWN in what and pair.direction != "other":
            unshown.append(pair)
        elif word not in _GRADES[pair.direction] and (pair.direction, word) != ("equal", "changes"):
            wrong.append((pair, what))
    print(
        Counter(pair.direction for pair in changed), f"{len(unshown)} of {COUNT} could not be shown", *unshown, sep="\n"
    )
    assert wrong == []
    assert len(unshown) <= MOST_UNSHOWN * COUNT


def _known(session: Session, drawn: list[Pair]) -> list[Pair]:
    """The pairs of which rows show what their change says, over several contents of the table that is asked.

    Rows never show the opposite: nothing is gained by what narrows.
    """
    session.execute(conditions.GROUNDS.encode())
    found = [(False, False)] * len(drawn)
    for part in range(3):
        session.execute(conditions.MEMBERS.format(part=part).encode())
        for number, pair in enumerate(drawn):
            query = _GAINED.format(before=pair.before.format(table="rows"), after=pair.after.format(table="rows"))
            ((more, less),) = session.execute(query.encode()).fetchall()
            found[number] = (found[number][0] or more, found[number][1] or less)
    words = {(True, True): "other", (True, False): "wider", (False, True): "narrower", (False, False): "equal"}
    for pair, seen in zip(drawn, found, strict=True):
        assert words[seen] in ("equal", pair.direction) or pair.direction == "other", pair
    return [pair for pair, seen in zip(drawn, found, strict=True) if words[seen] == pair.direction]
