"""Sign-ups: which keys of the metadata a schema reads, and that what is shown of a sign-up runs as it is shown."""

from __future__ import annotations

import tomllib

import psycopg
import pytest

from pgassay import catalog, sqltree
from pgassay.checks import isolation
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness import schemas
from tests.harness.test_corpus import CORPUS

PLPGSQL = """
create function public.f() returns trigger language plpgsql as $$
declare
    meta jsonb := new.raw_user_meta_data;
    found record;
begin
    {}
    return new;
end $$
"""


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("if meta ->> 'org' is not null then null; end if;", ("org",)),
        ("new.org := (meta -> 'org' ->> 'id')::uuid;", ("org", "id")),
        ("new.org = ((select meta) -> 'org')::jsonb ->> 'id';", ("org", "id")),
        ("insert into public.members (org) values ((meta #>> '{org,id}')::uuid);", ("org", "id")),
        ("perform public.join(pg_catalog.jsonb_extract_path_text(meta, 'org', 'id'));", ("org", "id")),
        ("for found in select 1 where meta ->> 'org' = 'x' loop null; end loop;", ("org",)),
        ("select meta ->> 'org' into found;", ("org",)),
    ],
)
def test_keys_are_read_from_the_statements_of_a_trigger(statement: str, path: tuple[str, ...]) -> None:
    trees = sqltree.body(PLPGSQL.replace("{}", statement, 1))
    assert {found for tree in trees for found in sqltree.keys(tree)} == {path}


def test_keys_are_read_from_functions_in_sql_however_their_body_is_written() -> None:
    for body in (
        "as $$ select u.data ->> 'org' from t as u $$",
        "begin atomic select u.data ->> 'org' from t as u; end",
    ):
        trees = sqltree.body(f"create function public.f() returns text language sql {body}")
        assert {found for tree in trees for found in sqltree.keys(tree)} == {("org",)}


def test_what_cannot_be_parsed_has_no_keys() -> None:
    assert sqltree.body("create function nonsense") == []
    assert sqltree.body(PLPGSQL.replace("{}", "if then", 1)) == []


def test_what_is_shown_of_a_sign_up_runs_as_shown(pg_databases: Databases) -> None:
    """By a superuser: nobody else can do what Supabase Auth does, and then become who has signed up."""
    case = tomllib.loads((CORPUS / "sign_ups.toml").read_text(encoding="utf-8"))
    with schemas.database(pg_databases, case["schema"], case["hole"][0]["sql"]) as clone:
        relations = catalog.read(clone.connect_as_owner())
        clone.close()
        matrix = isolation.observe(pg_databases, Template(clone.name), relations, (), schemas.TENANCY, keep=True)
        (finding,) = [finding for finding in matrix.findings if finding.object == "public.join_at_signup()"]
        with psycopg.connect(pg_databases.server.conninfo(matrix.kept), autocommit=True) as session:
            before, read, _ = matrix.script(finding).removesuffix("rollback;\n").rsplit(";\n", 2)
            session.execute(before.encode())
            assert session.execute(read.encode()).fetchall() != []
