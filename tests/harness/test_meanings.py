"""Conditions, bodies and statements about roles are read for what they mean, and nothing is proved that is not so."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from pgassay import sqltree
from pgassay.checks.snapshot import bodies, grading, layout, reading, roles, state
from pgassay.checks.snapshot.state import Object
from pgassay.identity import Databases
from pgassay.schema.implying import implies
from pgassay.sqltree import canonical
from tests.harness.schemas import script

SHOWN = [
    ("a > 5", "a > 3"),
    ("a = 5", "a > 3"),
    ("a in (1, 2)", "a in (1, 2, 3)"),
    ("a between 2 and 3", "a >= 2"),
    ("a in (1, 2) and a <> 2", "a = 1"),
    ("a < b", "a <= b"),
    ("a < b", "b <> a"),
    ("s = 'x'::text", "s <> 'y'::text"),
    ("s not in ('a'::text, 'b'::text)", "s <> 'a'::text"),
    ("at > '2024-01-02'::date", "at > '2024-01-01'::date"),
    ("n like 'x/y/%'", "n like 'x/%'"),
    ("exists (select 1 from m where m.o = t.o and m.r = 'a')", "exists (select 1 from m as k where k.o = t.o)"),
    (
        "not exists (select 1 from m where m.o = t.o)",
        "not exists (select 1 from m as k where k.o = t.o and k.r = 'a')",
    ),
    ("o in (select m.o from m where m.u = 1 and m.x)", "o = any (array(select k.o from m as k where k.u = 1))"),
    ("case when a then b else false end", "a and b"),
    ("a and b", "case when a then b else false end"),
    ("coalesce(a, false)", "a is true"),
    ("s in ('a', 'b')", "s = 'a' or (s = 'b' and true)"),
]
IN_TRUTH = [
    ("a = 1", "a is not null"),
    ("a < 3 and a > 5", "b"),
    ("a and not a", "b"),
    ("a is null and a > 1", "b"),
    ("not a", "a is not null"),
]
"""What NULL does not show."""
NOT_SHOWN = [
    ("a > 3", "a > 5"),
    ("a >= 3", "a > 3"),
    ("a <> 3", "a > 3"),
    ("s = 'x'::text", "s <> 'X'::text"),
    ("s = 'x'::app.odd", "s <> '1'::app.odd"),
    ("a = '0.1'::real", "a = '0.1'::double precision"),
    ("s < 'a'::text", "s < 'b'::text"),
    ("a operator(app.=) 1", "a operator(app.>) 0"),
    ("a operator(app.=) 1", "a is not null"),
    ("n like 'x/%'", "n like 'x/y/%'"),
    ("n like 'x_%'", "n like 'xy%'"),
    ("not (n like 'x/y/%')", "not (n like 'x/%')"),
    ("exists (select 1 from m where m.o = t.o)", "exists (select 1 from m as k where k.o = t.o and k.r = 'a')"),
    ("not exists (select 1 from m where m.r = 'a')", "not exists (select 1 from m)"),
    ("1 in (select count(*) from m where m.u = 1 and m.x)", "1 in (select count(*) from m where m.u = 1)"),
    ("o in (select m.o from m where m.x limit 1)", "o in (select m.o from m limit 1)"),
    ("not (o in (select m.o from m))", "o is not null"),
    ("a is distinct from 1", "a is not null"),
    ("coalesce(a, true)", "a"),
    ("a is not false", "a"),
    (
        "exists (select 1 from m where exists (select 1 from m as k where k.o = k.p))",
        "exists (select 1 from m where exists (select 1 from m as k where k.o = m.p))",
    ),
]


@pytest.mark.parametrize(("narrower", "wider"), SHOWN)
def test_what_is_narrower_is_shown(narrower: str, wider: str) -> None:
    one, other = map(sqltree.expression, (narrower, wider))
    assert implies(one, other)
    assert implies(one, other, nulls_pass=True) or "null" in wider or "coalesce" in narrower or "case" in wider


@pytest.mark.parametrize(("narrower", "wider"), IN_TRUTH)
def test_a_check_that_null_passes_shows_less(narrower: str, wider: str) -> None:
    one, other = map(sqltree.expression, (narrower, wider))
    assert (implies(one, other), implies(one, other, nulls_pass=True)) == (True, False)


@pytest.mark.parametrize(("narrower", "wider"), NOT_SHOWN)
def test_what_is_not_so_is_not_shown(narrower: str, wider: str) -> None:
    one, other = map(sqltree.expression, (narrower, wider))
    assert one is not None is not other
    assert not implies(one, other)


DIFFERENT = [
    ("a = 1", "a operator(app.=) 1"),
    ("exists (select from m where m.o = m.p)", "exists (select from m where m.o = p)"),
    ("'a'::varchar(1)::text", "'a'::text"),
    ("'{a,\"b,c\"}'::text[]", "array['a', 'b,c']"),
    ("'{a,null}'::text[]", "array['a', 'null']::text[]"),
    ("exists (select count(*) from m)", "exists (select 1 from m)"),
    ("a in (select m.o from m)", "a in (select k.p from m as k)"),
    (
        "exists (select from m, m as k where m.o = k.p)",
        "exists (select from m, m as k where k.o = m.p)",
    ),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_something_else_has_another_key(one: str, other: str) -> None:
    assert None is not canonical.key(one) != canonical.key(other) is not None


BODY = """declare a int[]; begin
if exists (select from t as k where k.x = new.y) then return new; end if;
a[1] := 5; perform app.note('b = a'); return null; end"""
CHANGES = [
    ("return new", "return old"),
    ("return null", "return new"),
    ("a[1]", "a[2]"),
    ("exists", "not exists"),
    ("'b = a'", "'a = b'"),
    (":= 5", ":= 6"),
    ("as k", "as k, t as other"),
]


def function(body: str) -> Object:
    said = {"arguments": "", "returns": "trigger", "language": "plpgsql", "body": layout.body(body, "plpgsql")}
    return Object("function", "app.f()", said)


def test_a_body_in_plpgsql_is_the_same_whatever_tables_are_called() -> None:
    assert bodies.same(
        function(BODY), function(BODY.replace("as k", "as mine").replace("k.x = new.y", "new.y = mine.x"))
    )


@pytest.mark.parametrize(("words", "others"), CHANGES)
def test_a_body_in_plpgsql_that_does_something_else_is_not_the_same(words: str, others: str) -> None:
    assert words in BODY
    assert not bodies.same(function(BODY), function(BODY.replace(words, others)))


ROLES = [
    ("create role a", {"a": {}}),
    ("create user a", {"a": {"login": "yes"}}),
    ("create role a with login nosuperuser noinherit connection limit 5", None),
    ("create role a; create role b in role a", {"a": {}, "b": {"member of a": ""}}),
    ("create role a role authenticated", {"a": {}, "authenticated": {"member of a": ""}}),
    ("create role a; drop role a", {}),
    ("create role a; create role b; grant a to b; alter role a rename to c", {"c": {}, "b": {"member of c": ""}}),
    ("do $$ begin if true then create role a bypassrls; end if; end $$", {"a": {"bypassrls": "yes"}}),
    ("create role a; alter role a set work_mem = '1MB'; alter role a reset all", {"a": {}}),
    ("revoke anon from authenticator", {"authenticator": {"member of anon": "no"}}),
    ("grant anon to postgres with admin option", {"owner": {"member of anon": "with admin true"}}),
    ("create role a; grant a to b with inherit false", {"a": {}, "b": {"member of a": "with inherit false"}}),
    ("grant select on public.a to anon; comment on role anon is 'x'", {}),
]


@pytest.mark.parametrize(("text", "expected"), ROLES)
def test_roles_are_what_statements_make_of_them(text: str, expected: dict[str, dict[str, str]] | None) -> None:
    found = {thing.name: dict(thing.entries) for thing in roles.since([], [script(text)]).objects.values()}
    if expected is None:
        expected = {"a": {"connection limit": "5", "inherit": "no", "login": "yes"}}
    assert found == expected


def test_roles_that_were_there_before_are_told_in_part() -> None:
    before, after = script("create role a; grant a to anon"), script("alter role a bypassrls; revoke a from anon")
    found = {
        str(thing): (dict(thing.entries), thing.partial) for thing in roles.since([before], [after]).objects.values()
    }
    assert found == {
        "role a": ({"bypassrls": "yes"}, True),
        "role anon": ({"without member of a": ""}, True),
    }


def test_a_label_that_is_dropped_loosens(pg_databases: Databases) -> None:
    with pg_databases.copy(pg_databases.template((), ())) as clone, clone.connect_as_admin() as admin:
        admin.execute("create table public.people (id integer, email text)")
        # no provider of labels is loaded, and SECURITY LABEL wants one
        admin.execute("set allow_system_table_mods = on")
        admin.execute(
            "insert into pg_catalog.pg_seclabel values "
            "('public.people'::regclass, 'pg_catalog.pg_class'::regclass, 2, 'anon', 'MASKED WITH VALUE NULL')"
        )
        labelled = reading.read(admin)
        admin.execute("delete from pg_catalog.pg_seclabel")
        found = grading.compare(labelled, reading.read(admin))
    assert [(str(difference.object), difference.grade.word) for difference in found] == [
        ("security label on table column public.people.email", "loosens")
    ]


def test_what_another_template_of_the_run_made_of_roles_is_not_told(pg_databases: Databases) -> None:
    with pg_databases.copy(pg_databases.template((), ())) as clone, clone.connect() as session:
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            session.execute("create role another_projects")
        found = state.since(reading.read(session), state.state([]))
    assert "another_projects" not in str(found)
