"""Attempts: what statements give, of which nothing stays, whether they fail or not and wherever they are made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.sql import Composable

from pgassay import Clone, Session
from pgassay.identity import Identity, Result
from pgassay.patience import Stopped
from tests.jobs.cast import one

USER = UUID("6f5d3a52-3d0e-4a3c-9c0e-1d2f3a4b5c6d")


@pytest.fixture(params=["outside a transaction", "within one", "within a savepoint"])
def session(request: pytest.FixtureRequest, clone: Clone) -> Session:
    """A session with a table of two rows, wherever it is in a transaction."""
    session = clone.connect()
    session.execute('create table public."50% %s" (id bigint primary key, word text)')
    session.execute("""insert into public."50% %s" values (1, 'one'), (2, 'two')""")
    if request.param != "outside a transaction":
        session.execute("begin")
    if request.param == "within a savepoint":
        session.execute("savepoint mine")
    return session


def statement(text: LiteralString) -> Composable:
    return sql.SQL(text).format(sql.Identifier("public", "50% %s"))


def words(session: Session) -> list[str]:
    return [word for (word,) in session.execute('select word from public."50% %s" order by id')]


def test_an_attempt_gives_rows_and_counts_and_leaves_nothing(session: Session) -> None:
    insert = statement("insert into {} values (%s, %s), (%s, %s) returning word")
    count: LiteralString = 'select count(*) from public."50% %s"'
    assert session.attempt(insert, [3, "50%", 4, None], count, "select 1 where false") == [
        Result([("50%",), (None,)], 2),
        Result([(4,)], 1),
        Result([], 0),
    ]
    assert session.attempt(statement("delete from {}")) == [Result([], 2)]
    assert words(session) == ["one", "two"]


def test_of_several_statements_in_an_attempt_the_last_one_counts(session: Session) -> None:
    both = sql.SQL("; ").join([statement("delete from {} where id = 1"), statement("select word from {}")])
    assert session.attempt(both, [], "select 3") == [Result([("two",)], 1), Result([(3,)], 1)]
    assert words(session) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "values", "then", "error"),
    [
        ("insert into {} values (%s, 'x')", [1], [], psycopg.errors.UniqueViolation),
        ("update {} set word = 'x'", [], ["select 1 / 0"], psycopg.errors.DivisionByZero),
        ("select from {}, nowhere", [], [], psycopg.errors.UndefinedTable),
        ("select time '24:00' from {}", [], [], psycopg.DataError),  # of which Python has no value
    ],
)
def test_an_attempt_that_fails_raises_and_leaves_nothing(
    session: Session, text: LiteralString, values: Sequence[Any], then: list[LiteralString], error: type[Exception]
) -> None:
    before = session.info.transaction_status
    with pytest.raises(error):
        session.attempt(statement(text), values, *then)
    assert session.info.transaction_status == before
    assert words(session) == ["one", "two"]


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_a_moment_that_python_has_no_value_for_is_its_text(session: Session, kind: str) -> None:
    """Rows have such moments where a time is NOT NULL and long ago, and are read all the same."""
    texts = ["infinity", "-infinity"]
    moments = sql.SQL(", ").join(sql.SQL("{}::{}").format(text, sql.SQL(kind)) for text in texts)
    assert session.attempt(sql.SQL("select {}").format(moments))[0].rows == [tuple(texts)]
    (moment,) = session.attempt(sql.SQL("select '2020-02-02'::{}").format(sql.SQL(kind)))[0].rows[0]
    assert (moment.year, moment.month) == (2020, 2)


def test_an_attempt_that_takes_too_long_leaves_nothing(session: Session) -> None:
    before, session.patience = session.info.transaction_status, 0.2
    with pytest.raises(Stopped, match=r"It was: select pg_sleep\(20\)\n"):
        session.attempt(sql.SQL("select pg_sleep({})").format(20))
    assert session.info.transaction_status == before
    assert words(session) == ["one", "two"]


def test_of_several_attempts_none_sees_another(session: Session) -> None:
    insert = (statement("insert into {} values (%s, %s) returning id"), [3, "three"])
    wrong = (statement("insert into {} values (%s, %s)"), [1, "again"])
    before = session.info.transaction_status
    (made, refused, again, refused_too), stopped = session.attempts([insert, wrong, insert, wrong])
    assert stopped is None
    assert made == again == Result([(3,)], 1)
    assert isinstance(refused, psycopg.errors.UniqueViolation)
    assert isinstance(refused_too, psycopg.errors.UniqueViolation)
    assert session.info.transaction_status == before
    assert words(session) == ["one", "two"]
    assert session.attempts([]) == ([], None)


@pytest.mark.parametrize("place", [0, 1])
def test_several_attempts_end_with_one_that_takes_too_long(session: Session, place: int) -> None:
    insert = (statement("insert into {} values (%s, %s) returning id"), [3, "three"])
    before, session.patience = session.info.transaction_status, 0.2
    results, stopped = session.attempts([*[insert] * place, (sql.SQL("select pg_sleep(20)"), []), insert])
    assert results == [Result([(3,)], 1)] * place
    assert "It was: select pg_sleep(20)" in str(stopped)
    assert session.info.transaction_status == before
    assert words(session) == ["one", "two"]


def test_one_who_poses_is_oneself_again_and_leaves_nothing(session: Session) -> None:
    session.execute("select set_config('lock_timeout', '7s', false)")
    with session.posing_as(Identity.user(USER)):
        who = "select array[current_user, session_user, auth.uid()::text]"
        assert one(session, who) == ["authenticated", "authenticator", str(USER)]
        assert session.attempt(sql.SQL(who))[0].rows == [(["authenticated", "authenticator", str(USER)],)]
        session.execute("set local lock_timeout = '9s'")
    assert one(session, "select current_user = session_user and auth.uid() is null") is True
    assert one(session, "show lock_timeout") == "7s"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), session.posing_as(Identity.anon()):
        session.attempt(sql.SQL("select * from auth.users"))
    assert words(session) == ["one", "two"]


def test_values_go_in_as_what_they_are(db: Session) -> None:
    values = [USER, 5, -(2**40), Decimal("1.5"), None, True, [USER], "it's 100%", "\\", b"\x00"]
    text = sql.SQL("select {}").format(sql.SQL(", ").join(sql.Placeholder() * len(values)))
    assert db.attempt(text, values)[0].rows == [tuple(values)]
