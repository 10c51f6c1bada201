"""With which columns a function compares what it is given, and into which it writes that."""

from __future__ import annotations

import pytest

from pgassay import sqltree
from pgassay.schema import ties
from pgassay.schema.sources import Function, Sources
from pgassay.schema.ties import EACH, KEY, VALUE
from pgassay.sqltree import trees

TAKES = "create function public.f(a jsonb, b text, c uuid[])"
SQL = f"{TAKES} returns void language sql as $$ %s $$"
PLPGSQL = f"{TAKES} returns void language plpgsql as $$ declare %s begin %s end $$"


def read(definition: str, *others: str) -> set[tuple[tuple[str, ...], str]]:
    """The places and the columns, with their tables, in the first of some functions."""
    functions = []
    for text in (definition, *others):
        (created,) = sqltree.statements(text)
        name = trees.names(created.funcname)[-1]
        parameters = tuple(part.function_parameter.name for part in created.parameters)
        functions.append(Function("public", name, parameters, text))
    return {(tie.place, f"{tie.table}.{tie.column}") for tie in ties.of(functions[0], Sources(tuple(functions)))}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("select 1 from t where t.id = b::uuid", {(("b",), "t.id")}),
        ("select 1 from t where lower($2) = t.name", {(("b",), "t.name")}),
        ("select 1 from t where t.id = any (c)", {(("c", EACH), "t.id")}),
        ("select 1 from t as x where x.id = (a ->> 'item')::int", {(("a", "item"), "t.id")}),
        ("select 1 from t where id = (a #>> '{line,item}')::int", {(("a", "line", "item"), "t.id")}),
        (
            "update t set n = (l.value ->> 'n')::int from jsonb_array_elements(a) as l "
            "where t.id = (l.value ->> 'id')::int",
            {(("a", EACH, "n"), "t.n"), (("a", EACH, "id"), "t.id")},
        ),
        (
            "insert into t (id, n) select key::uuid, value::int from jsonb_each_text(a)",
            {(("a", KEY), "t.id"), (("a", VALUE), "t.n")},
        ),
        (
            "delete from t using jsonb_to_recordset(a) as r (id uuid, name text) where t.id = r.id and t.name = r.name",
            {(("a", EACH, "id"), "t.id"), (("a", EACH, "name"), "t.name")},
        ),
        (
            "insert into t (name, n) values (coalesce(nullif(b, ''), '-'), - (a ->> 'n')::int)",
            {(("b",), "t.name"), (("a", "n"), "t.n")},
        ),
        ("select 1 from t where name ilike '%' || b || '%'", {(("b",), "t.name")}),
        ("select 1 from t where t.id = t.other", set()),
    ],
)  # fmt: skip
def test_what_sql_compares_and_writes(body: str, expected: set[tuple[tuple[str, ...], str]]) -> None:
    assert read(SQL % body) == expected


@pytest.mark.parametrize(
    ("declared", "body", "expected"),
    [
        (
            "v jsonb;",
            "for v in select jsonb_array_elements(a) loop update t set n = 1 where id = (v ->> 'id')::int; end loop;",
            {(("a", EACH, "id"), "t.id")},
        ),
        (
            "r record;",
            "for r in select * from jsonb_to_recordset(a) as x (id int, n int) loop "
            "insert into t (id, n) values (r.id, r.n); end loop;",
            {(("a", EACH, "id"), "t.id"), (("a", EACH, "n"), "t.n")},
        ),
        ("i uuid;", "foreach i in array c loop delete from t where id = i; end loop;", {(("c", EACH), "t.id")}),
        ("k int := (a ->> 'k')::int;", "perform 1 from t where t.id = k;", {(("a", "k"), "t.id")}),
        ("k text;", "k := trim(b); perform 1 from t where name = k;", {(("b",), "t.name")}),
        (
            "r own.thing; s own.thing[]; constant_one constant own.kind := 'x';",
            "select * into r from own.things as t where t.id = b::int; "
            "update t set n = 2 where id = (a ->> 'id')::int;",
            {(("b",), "things.id"), (("a", "id"), "t.id")},
        ),
    ],
)
def test_what_plpgsql_compares_and_writes(declared: str, body: str, expected: set[tuple[tuple[str, ...], str]]) -> None:
    assert read(PLPGSQL % (declared, body)) == expected


def test_what_is_handed_on_is_tied_where_it_goes() -> None:
    called = "create function public.g(x text, y int) returns void language sql as $$ delete from t where name = x $$"
    assert read(SQL % "select public.g(a ->> 'name', 1)", called) == {(("a", "name"), "t.name")}


@pytest.mark.parametrize(
    "signature",
    [
        "f(a own.thing) returns int",
        "f(a own.thing[]) returns own.thing",
        "f(a thing[]) returns int",
        "f(variadic a text[]) returns int",
        "f(a own.thing.name%type) returns int",
        "f(a extensions.citext default 'x') returns int",
    ],
)
def test_a_function_with_types_of_other_schemas_is_read(signature: str) -> None:
    text = (
        f"create function {signature} language plpgsql as $$ declare v own.thing; w own.thing[] := '{{}}'; "
        "begin delete from t where id = 1; return null; end $$"
    )
    assert [sqltree.kind(tree) for tree in sqltree.body(text)].count("DeleteStmt") == 1
