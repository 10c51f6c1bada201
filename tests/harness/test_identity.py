"""Running as somebody: who one is in a block, that nothing gets out of it, and that one is oneself again afterwards."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from pgassay import Clone, Session
from pgassay.fixtures import Example
from pgassay.identity import Databases, EndedTransaction
from tests.jobs.cast import one, outcome

USER = UUID("6f5d3a52-3d0e-4a3c-9c0e-1d2f3a4b5c6d")
WHO = (
    "select array[current_user, session_user, current_setting('role'), current_setting('statement_timeout'), "
    "current_setting('lock_timeout'), coalesce(current_setting('request.jwt.claims', true), '')]"
)

Block = Callable[[Session], AbstractContextManager[Session]]

BLOCKS: dict[str, Block] = {
    "user": lambda session: session.as_user(USER),
    "anon": lambda session: session.as_anon(),
    "service role": lambda session: session.as_service_role(),
    "raw claims": lambda session: session.as_role("authenticated", "not even json"),
}
every_block = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)


@pytest.fixture(params=["in the transaction of a test", "in a session that commits"])
def session(request: pytest.FixtureRequest) -> Session:
    """Both kinds of session that tests have."""
    if request.param == "in the transaction of a test":
        found: Session = request.getfixturevalue("db")
        return found
    clone: Clone = request.getfixturevalue("clone")
    return clone.connect()


def test_a_signed_in_user_is_authenticated_with_an_id(session: Session) -> None:
    with session.as_user(USER, email="a@b.example", app_metadata={"org_id": "7"}):
        assert session.execute("select current_user, session_user, auth.uid(), auth.role()").fetchone() == (
            "authenticated",
            "authenticator",
            USER,
            "authenticated",
        )
        claims = one(session, "select auth.jwt()")
        assert set(claims) == {
            "iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata", "role", "aal", "amr",
            "session_id", "is_anonymous",
        }  # fmt: skip
        assert (claims["sub"], claims["aud"], claims["role"]) == (str(USER), "authenticated", "authenticated")
        assert (claims["email"], claims["phone"], claims["is_anonymous"]) == ("a@b.example", "", False)
        assert claims["app_metadata"] == {"provider": "email", "providers": ["email"], "org_id": "7"}
        assert claims["exp"] - claims["iat"] == 3600
        assert abs(claims["iat"] - time.time()) < 600
        assert (claims["aal"], [method["method"] for method in claims["amr"]]) == ("aal1", ["password"])
        assert one(session, "select auth.email()") == "a@b.example"


def test_a_caller_who_has_not_signed_in_is_anon_without_an_id(session: Session) -> None:
    with session.as_anon():
        assert session.execute("select current_user, session_user, auth.uid(), auth.role()").fetchone() == (
            "anon",
            "authenticator",
            None,
            "anon",
        )
        claims = one(session, "select auth.jwt()")
        assert (set(claims), claims["role"]) == ({"role", "iss", "exp"}, "anon")
        assert claims["exp"] > time.time()


def test_a_second_factor_is_among_the_methods_and_claims_that_are_given_win(session: Session) -> None:
    with session.as_user(USER, aal="aal2"):
        assert [method["method"] for method in one(session, "select auth.jwt() -> 'amr'")] == ["password", "totp"]
    with session.as_user(USER, aal="aal2", amr=["oauth"], sub="somebody", is_anonymous=True, own={"a": 1}):
        found = one(session, "select auth.jwt()")
        assert (found["amr"], found["sub"], found["is_anonymous"], found["own"]) == (
            ["oauth"],
            "somebody",
            True,
            {"a": 1},
        )


def test_a_request_has_its_method_path_headers_and_cookies(session: Session) -> None:
    with session.as_user(USER):
        found = session.execute(
            "select current_setting('request.method'), current_setting('request.path'), "
            "current_setting('request.cookies')::json, "
            "current_setting('request.headers')::json ->> 'authorization', "
            "split_part(current_setting('request.headers')::json ->> 'x-forwarded-for', ',', 1)::inet is not null"
        ).fetchone()
        assert found is not None
        assert found[:3] == ("POST", "/", {})
        assert found[4]
        scheme, _, token = found[3].partition(" ")
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert (scheme, claims) == ("Bearer", one(session, "select auth.jwt()"))


def test_the_path_is_of_the_schemas_that_postgrest_exposes(pg_databases: Databases) -> None:
    """Where the project says so for the role that logs in; here in one database, since others share the role."""
    if not pg_databases.server.superuser:
        pytest.skip("the user of this server is no superuser")
    with pg_databases.copy(pg_databases.template((), ())) as place:
        with place.connect_as_admin() as admin:
            admin.execute(
                sql.SQL("alter role authenticator in database {} set pgrst.db_schemas = 'api, public'").format(
                    sql.Identifier(place.name)
                )
            )
        with place.connect() as owner:
            with owner.as_user(USER):
                assert one(owner, "select current_setting('search_path')") == "api, public, public, extensions"
            assert one(owner, "select current_setting('search_path')") == '"$user", public, extensions'


@pytest.mark.parametrize("how", ["commit", "rollback"])
def test_a_test_that_would_end_its_transaction_is_told_what_to_take_instead(clone: Clone, how: str) -> None:
    session = clone.connect()
    with session.example():
        session.execute("create table public.made (id int)")
        with pytest.raises(EndedTransaction, match="would end the transaction") as caught:
            getattr(session, how)()
        assert "clone" in (caught.value.hint or "")
    assert session.ended_transaction is False
    assert one(session, "select to_regclass('public.made') is null")
    getattr(session, how)()


def test_the_back_end_is_service_role(session: Session) -> None:
    with session.as_service_role():
        assert session.execute("select current_user, session_user, auth.uid(), auth.role()").fetchone() == (
            "service_role",
            "authenticator",
            None,
            "service_role",
        )


def test_claims_can_be_any_text(session: Session) -> None:
    with session.as_role("authenticated", '{"sub": ""}'):
        assert one(session, "select auth.uid()") is None
    with session.as_role("authenticated", "nonsense"):
        assert outcome(session, "select auth.uid()") == "22P02"


@pytest.mark.parametrize(
    ("block", "timeout"), [(BLOCKS["anon"], "3s"), (BLOCKS["user"], "8s"), (BLOCKS["service role"], "8s")]
)
def test_the_settings_of_the_role_apply_and_those_of_the_login_where_it_has_none(
    session: Session, block: Block, timeout: str
) -> None:
    before = one(session, WHO)
    with block(session):
        assert one(session, "show statement_timeout") == timeout
        assert one(session, "show lock_timeout") == "8s"
    assert one(session, WHO) == before


def test_a_setting_that_only_one_role_has_does_not_reach_a_block_within(session: Session) -> None:
    with session.as_service_role():
        outside = one(session, WHO)
        with session.as_anon():
            assert one(session, "show statement_timeout") == "3s"
        assert one(session, WHO) == outside


@every_block
def test_whoever_leaves_a_block_is_who_they_were(session: Session, block: Block) -> None:
    before = one(session, WHO)
    with block(session):
        assert one(session, WHO) != before
    assert one(session, WHO) == before


@every_block
def test_so_they_are_after_an_error(session: Session, block: Block) -> None:
    before = one(session, WHO)
    with pytest.raises(LookupError), block(session):
        raise LookupError
    assert one(session, WHO) == before
    with pytest.raises(psycopg.errors.DivisionByZero), block(session):
        session.execute("select 1 / 0")
    assert one(session, WHO) == before


@every_block
def test_so_they_are_after_an_error_that_was_caught_inside(session: Session, block: Block) -> None:
    """The block ends normally, but in a transaction that is aborted."""
    before = one(session, WHO)
    with block(session), pytest.raises(psycopg.errors.DivisionByZero):
        session.execute("select 1 / 0")
    assert one(session, WHO) == before


@every_block
def test_so_they_are_when_the_block_changed_it_itself(session: Session, block: Block) -> None:
    before = one(session, WHO)
    with block(session):
        session.execute("select set_config('request.jwt.claims', '{}', true), set_config('lock_timeout', '1s', true)")
        session.execute("reset role")
        session.execute("set local role anon")
    assert one(session, WHO) == before


def test_blocks_can_be_nested_in_any_order(session: Session) -> None:
    seen = [one(session, WHO)]
    with session.as_user(USER):
        seen.append(one(session, WHO))
        with session.as_anon():
            seen.append(one(session, WHO))
            with session.as_service_role():
                assert one(session, "select current_user") == "service_role"
            assert one(session, WHO) == seen[2]
            with pytest.raises(LookupError), session.as_user(uuid4()):
                raise LookupError
            assert one(session, WHO) == seen[2]
        assert one(session, WHO) == seen[1]
    assert one(session, WHO) == seen[0]
    assert [who[0] for who in seen[1:]] == ["authenticated", "anon"]


def test_a_function_cannot_get_back_to_the_owner(session: Session, clone: Clone) -> None:
    """On an owner's session with ``set local role`` alone, it can: the reason for the session user."""
    owner = clone.server.owner
    session.execute(
        "create function public.get_out() returns name language plpgsql as $$ begin "
        f"perform set_config('role', '{owner}', true); return current_user; end $$".encode()
    )
    with session.transaction(force_rollback=True):
        session.execute("set local role authenticated")
        assert one(session, "select public.get_out()") == owner
    for block in BLOCKS.values():
        with block(session):
            assert outcome(session, "select public.get_out()") == "42501"
            assert outcome(session, f"set local session authorization {owner}") in ("42501", "ok")


def test_what_a_block_did_is_kept(session: Session) -> None:
    session.execute("create table public.notes (note text)")
    with session.as_user(USER):
        session.execute("insert into public.notes values ('kept')")
    assert session.execute("select note from public.notes").fetchall() == [("kept",)]


def test_in_a_session_that_commits_it_is_committed(clone: Clone) -> None:
    first, second = clone.connect(), clone.connect()
    first.execute("create table public.notes (note text)")
    with first.as_user(USER):
        first.execute("insert into public.notes values ('committed')")
        assert one(second, "select count(*) from public.notes") == 0
    assert one(second, "select count(*) from public.notes") == 1


def test_what_a_block_did_before_an_error_is_undone(session: Session) -> None:
    session.execute("create table public.notes (note text)")
    with pytest.raises(LookupError), session.as_user(USER):
        session.execute("insert into public.notes values ('undone')")
        raise LookupError
    with session.as_user(USER), pytest.raises(psycopg.errors.DivisionByZero):
        session.execute("insert into public.notes values ('undone too')")
        session.execute("select 1 / 0")
    assert one(session, "select count(*) from public.notes") == 0


def test_a_session_that_logged_in_as_the_api_does_can_be_its_users_alone(clone: Clone) -> None:
    with clone.connect_as_authenticator() as session:
        with session.as_user(USER):
            assert session.execute("select current_user, session_user, auth.uid()").fetchone() == (
                "authenticated",
                "authenticator",
                USER,
            )
        assert outcome(session, f"set role {clone.server.owner}") == "42501"
        assert outcome(session, f"set session authorization {clone.server.owner}") == "42501"


def test_the_row_factory_of_the_session_does_not_matter(session: Session) -> None:
    changed: Any = session  # of which the type says that rows are tuples
    changed.row_factory = dict_row
    with session.example(), session.as_user(USER), session.as_anon():
        row: Any = session.execute("select current_user::text as name").fetchone()
    assert row == {"name": "anon"}


def test_an_example_undoes_what_it_did(session: Session) -> None:
    session.execute("create table public.notes (note text)")
    for _ in range(3):
        with session.example():
            session.execute("insert into public.notes values ('undone')")
            with session.as_user(USER):
                session.execute("insert into public.notes values ('undone too')")
            assert one(session, "select count(*) from public.notes") == 2
    assert one(session, "select count(*) from public.notes") == 0


def test_an_example_that_fails_is_undone_and_the_error_goes_on(session: Session) -> None:
    session.execute("create table public.notes (note text)")
    with pytest.raises(LookupError), session.example():
        session.execute("insert into public.notes values ('undone')")
        raise LookupError
    with session.example(), pytest.raises(psycopg.errors.DivisionByZero):
        session.execute("insert into public.notes values ('undone')")
        session.execute("select 1 / 0")
    assert one(session, "select count(*) from public.notes") == 0


def test_an_example_within_the_fixtures_transaction_is_a_savepoint(db: Session, example: Example) -> None:
    db.execute("create table public.notes (note text)")
    with example() as session:
        assert session is db
        session.execute("insert into public.notes values ('undone')")
    assert one(db, "select count(*) from public.notes") == 0


def test_a_deferred_constraint_is_checked_when_an_example_ends(session: Session) -> None:
    session.execute("create table public.a (id int constraint once unique deferrable initially deferred)")
    with pytest.raises(psycopg.errors.UniqueViolation, match="once"), session.example():
        session.execute("insert into public.a values (1), (1)")
    with session.example():
        session.execute("insert into public.a values (1), (1)")
        session.execute("delete from public.a")
    assert one(session, "select count(*) from public.a") == 0


@pytest.mark.parametrize("statements", [["commit"], ["rollback"], ["commit", "begin"], ["rollback", "begin"]])
def test_an_example_that_ended_its_transaction_is_reported(clone: Clone, statements: list[str]) -> None:
    session = clone.connect()
    with pytest.raises(EndedTransaction) as caught, session.example():
        for statement in statements:
            session.execute(statement.encode())
    assert "fixture clone" in str(caught.value)
    assert one(session, "select 1") == 1
    assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@every_block
def test_so_it_is_when_a_user_ended_it(clone: Clone, block: Block) -> None:
    session = clone.connect()
    with pytest.raises(EndedTransaction), session.example(), block(session):
        session.execute("commit")


def test_a_block_can_be_entered_again_at_once(session: Session) -> None:
    for _ in range(3):
        with session.as_user(USER):
            assert one(session, "select auth.uid()") == USER
        with session.as_anon():
            assert one(session, "select auth.uid()") is None
