"""Calls of functions: what fails in them and what fails before, what they execute, and what they send."""

from __future__ import annotations

import psycopg
import pytest

from pgassay import sqltree
from pgassay.checks.finding import NOTE
from pgassay.checks.isolation.failures import is_broken
from pgassay.checks.isolation.outbound import CHOSEN_REQUEST
from pgassay.identity import Databases
from tests.harness import schemas

FUNCTION = "create function public.f(a uuid, b text) returns text language {} as $$ {} $$;"


def error_of(databases: Databases, statement: str, *texts: str) -> psycopg.Error:
    with schemas.database(databases, *texts) as clone, clone.connect_as_owner() as owner:
        with pytest.raises(psycopg.Error) as raised:
            owner.execute(statement.encode())
        return raised.value


@pytest.mark.parametrize("call", ["public.f('{}'::jsonb, 'x')", "public.f(1)", "public.g()"])
def test_a_call_that_is_none_is_no_fault_of_the_function(pg_databases: Databases, call: str) -> None:
    error = error_of(pg_databases, f"select {call}", FUNCTION.format("plpgsql", "begin return b; end"))
    assert error.sqlstate == "42883"
    assert not is_broken(error)


@pytest.mark.parametrize(
    "body",
    [
        "begin return public.g(b); end",
        "begin return (select colour from pg_catalog.pg_class limit 1); end",
        "begin insert into public.nowhere values (1); return b; end",
        "begin execute 'select 1 from public.nowhere'; return b; end",
    ],
)
def test_what_a_body_names_that_is_not_there_is_a_fault(pg_databases: Databases, body: str) -> None:
    text = FUNCTION.format("plpgsql", body)
    assert is_broken(error_of(pg_databases, "select public.f(null, 'x')", text))


@pytest.mark.parametrize(
    ("language", "body", "executes"),
    [
        ("plpgsql", "begin execute b; return b; end", True),
        ("plpgsql", "begin return query execute b; end", True),
        ("plpgsql", "declare r record; begin for r in execute b loop null; end loop; end", True),
        ("plpgsql", "declare c refcursor; begin open c for execute b; end", True),
        ("plpgsql", "begin return 'execute ' || b; end", False),
        ("plpgsql", "declare r public.t; begin execute b; return b; end", True),
        ("plpgsql", "declare r public.t; begin return 'execute ' || b; end", False),
        ("plpgsql", "declare r record; begin for r in select 1 loop null; end loop; end", False),
        ("sql", "select 'execute ' || b", False),
    ],
)
def test_which_functions_execute_a_text(language: str, body: str, executes: bool) -> None:
    returns = "setof text" if "query" in body else "text"
    definition = FUNCTION.format(language, body).replace("returns text", f"returns {returns}")
    assert sqltree.executes(definition) is executes


def test_what_is_cast() -> None:
    (statement,) = sqltree.statements("select x.a::uuid, (b)::int4, 'c'::text, upper(d)::text from x")
    assert set(sqltree.casts(statement)) == {"a", "b"}


def test_a_request_that_only_reads_is_a_note(pg_databases: Databases) -> None:
    looks_up = """
    create extension if not exists http with schema extensions;
    create function public.look_up(city text) returns integer language plpgsql security definer set search_path = ''
    as $$ begin return (select r.status from extensions.http_get('http://weather.invalid/' || city) as r); end $$;
    """
    matrix = schemas.observe(pg_databases, schemas.ORGANISATIONS, looks_up, tenancy=schemas.TENANCY)
    found = [(f.object, f.rule, f.severity) for f in matrix.findings if f.rule == CHOSEN_REQUEST]
    assert found == [("public.look_up(text)", CHOSEN_REQUEST, NOTE)]
