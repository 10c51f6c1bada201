"""Conditions of policies as branches: what each means is asked of the server."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgassay import Clone, sqltree
from pgassay.fixtures import Example
from pgassay.identity import Databases
from pgassay.schema import policies
from pgassay.schema.narrowing import narrowed
from tests.harness import schemas
from tests.harness.test_corpus import CORPUS
from tests.sampling import some

LEAVES = ["a", "b", "c", "n = 1", "n > 0", "s in ('x', 'y')", "a is null", "b is not true", "true", "false"]
LEAVES += ["(select a)", "exists (select from pg_class where false)", "n between 0 and 1", "s like 'x%%'"]
LEAVES += ["null::boolean"]  # without its type it is a text within CASE and SELECT, which PostgreSQL refuses


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Conditions made of smaller ones."""
    return st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("(case when {} then {} when {} then {} else {} end)".format, *[inner] * 5),
        st.builds("(case when {} then {} end)".format, inner, inner),
        st.builds("(({}) is {})".format, inner, st.sampled_from(["true", "false", "not true", "unknown"])),
        st.builds("(select {})".format, inner),
    )


CONDITIONS = st.recursive(st.sampled_from(LEAVES), compound, max_leaves=10)

ROWS = """
create temp table docs (a bool, b bool, c bool, n int, s varchar(9));
insert into docs select a, b, c, n, s
from unnest('{t,f,null}'::bool[]) a, unnest('{t,f,null}'::bool[]) b, unnest('{t,f,null}'::bool[]) c,
unnest('{0,1,null}'::int[]) n, unnest('{x,z,null}'::text[]) s
"""


@given(condition=CONDITIONS)
def test_a_condition_is_true_where_one_of_its_branches_is(example: Example, condition: str) -> None:
    with example() as db:
        db.execute(ROWS.encode())
        db.execute(f"create policy p on docs using ({condition})".replace("%%", "%").encode())
        (shown,) = (
            db.execute("select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'p'").fetchone() or ()
        )
        for text in (condition.replace("%%", "%"), shown):
            found = policies.branches(text, "docs")
            assert len(found) <= policies.MOST
            ways = " or ".join(f"({branch.text})" for branch in found) or "false"
            differing = db.execute(
                f"select count(*) from docs where (({ways}) is true) <> (({text}) is true)".encode()
            ).fetchone()
            assert differing == (0,), [branch.text for branch in found]


@given(condition=CONDITIONS)
def test_the_key_of_a_branch_is_what_it_says(example: Example, condition: str) -> None:
    text = condition.replace("%%", "%")
    with example() as db:
        db.execute(ROWS.encode())
        key = policies.whole(text, "docs").key
        same = db.execute(f"select count(*) from docs where ({key}) is distinct from ({text})".encode()).fetchone()
        assert same == (0,), key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b", ["a", "b"]),
        ("a and (b or c)", ["a AND b", "a AND c"]),
        ("not (a and b)", ["NOT a", "NOT b"]),
        ("not (a or b)", ["NOT (a OR b)"]),
        ("coalesce(a, b)", ["a", "a IS NULL AND b"]),
        ("coalesce(a = 1, false)", ["COALESCE(a = 1, false)"]),
        ("case when a then b else c end", ["a AND b", "a IS NOT TRUE AND c"]),
        ("(select a or b)", ["a", "b"]),
        ("(a or b) is true", ["a", "b"]),
        ("a or a", ["a"]),
        ("a or true", ["a", "true"]),
        ("false", []),
        ("a and false", []),
        ("exists (select from t where x or y)", ["EXISTS (SELECT FROM t WHERE x OR y)"]),
        ("this is no SQL at all (", ["this is no SQL at all ("]),
    ],
)
def test_branches(text: str, expected: list[str]) -> None:
    assert [branch.text for branch in policies.branches(text, "docs")] == expected


@given(text=CONDITIONS, asked=st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3))
def test_a_narrowed_condition_is_true_where_both_are(example: Example, text: str, asked: list[str]) -> None:
    text, condition = (each.replace("%%", "%") for each in (text, " and ".join(f"({leaf})" for leaf in asked)))
    with example() as db:
        db.execute(ROWS.encode())
        both = f"({text}) and {condition}"
        differing = f"select ({both}) is true, ({narrowed(text, condition)}) is true from docs"
        assert [row for row in db.execute(differing.encode()) if row[0] is not row[1]] == []


@pytest.mark.parametrize(
    ("text", "condition", "expected"),
    [
        ("a = 1 or a is null", "a = b", "(a = 1) and a = b"),
        ("a = 1 or not (a is not null)", "a in (select m.a from m)", "(a = 1) and a in (select m.a from m)"),
        ("a = 1 or b", "c and a = 1", "c and a = 1"),
        ("coalesce(a = (select auth.uid()), true)", "auth.uid() = a", "auth.uid() = a"),
        ("a is null and d or b is null", "a = 1 and c", "(b is null) and a = 1 and c"),
        ("a is null", "a = 1", "(a is null) and a = 1"),  # nobody's: there is nothing to be left
        ("a or b", "c", "(a or b) and c"),
        ("true", "c", "c"),
    ],
)
def test_what_a_condition_makes_superfluous_is_left_out(text: str, condition: str, expected: str) -> None:
    assert narrowed(text, condition).lower() == expected


def test_a_condition_of_too_many_branches_is_one() -> None:
    text = " and ".join(f"(a{n} or b{n})" for n in range(12))
    (branch,) = policies.branches(text, "docs")
    assert branch.text.count(" OR ") == 12


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("role = 'admin'", "((role)::text = 'admin'::text)"),
        ("role in ('b', 'a')", "(role = ANY (ARRAY['a'::text, 'b'::text]))"),
        ("auth.uid() = user_id", "user_id = (select auth.uid())"),
        ("a and b", "b and a"),
        ("a and (b and c)", "(c and a) and b"),
        ("n > 1", "1 < n"),
        ("pg_catalog.lower(s) = 'x'", "lower(s) = 'x'"),
        ("exists (select 1 from t where t.a = 'x')", "EXISTS ( SELECT 1 FROM t WHERE (t.a = 'x'::text))"),
    ],
)
def test_a_key_does_not_hang_on_how_a_condition_is_written(one: str, other: str) -> None:
    assert policies.key_of(one) == policies.key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a = 'x'", "a = 'y'"), ("a and b", "a or b"), ("n > 1", "n < 1"), ("n - 1 = m", "1 - n = m"), ("not a", "a")],
)
def test_another_condition_has_another_key(one: str, other: str) -> None:
    assert policies.key_of(one) != policies.key_of(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(SELECT auth.uid() AS uid) IS NOT NULL", False),
        ("true", False),
        ("org_id = 1", True),
        ("EXISTS (SELECT 1 FROM members m WHERE m.org_id = docs.org_id)", True),
        ("EXISTS (SELECT 1 FROM members m WHERE m.user_id = auth.uid())", False),
        ("org_id IN (SELECT m.org_id FROM members m)", True),
        ("f(docs.*)", True),
    ],
)
def test_whether_a_column_of_the_row_is_read(text: str, expected: bool) -> None:
    assert policies.whole(text, "docs").reads_row is expected


def test_a_node_is_never_changed_for_somebody_else() -> None:
    node = sqltree.expression("b and 'x'::text = a")
    before = sqltree.deparsed(node)
    sqltree.normalised(node)
    assert sqltree.deparsed(node) == before


@pytest.mark.parametrize("file", some(sorted(CORPUS.glob("*.toml")), dev=30, ci=10), ids=lambda file: file.stem)
def test_branches_of_the_corpus_can_be_read_again(pg_databases: Databases, file: object) -> None:
    assert hasattr(file, "read_text")
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    with schemas.database(pg_databases, content["schema"]) as clone:
        assert not unread(clone)


def unread(clone: Clone) -> list[str]:
    """The branches of its policies that the server does not take."""
    session = clone.connect_as_owner()
    session.execute("set search_path = pg_catalog")
    failed = []
    for policy in policies.read(lambda query, values: session.execute(query, values).fetchall()):
        for found in policy.branches.values():
            for branch in found:
                try:
                    with session.transaction(force_rollback=True):
                        table = f'"{policy.schema}"."{policy.table}"'
                        session.execute(f"create policy pgassay on {table} using ({branch.text})".encode())
                except Exception as error:
                    failed.append(f"{policy.relation}: {branch.text}: {error}")
    return failed
