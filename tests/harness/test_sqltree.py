"""What the parse tree and the scanner say of SQL, without a server."""

from __future__ import annotations

import pytest

from pgassay import sqltree
from pgassay.checks.snapshot import entries
from pgassay.schema.narrowing import filtered
from pgassay.sqltree import trees, words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("'a'\n  'b'", "ab"),
        (r"E'a\\b'", r"a\b"),
        ("$x$it's$x$", "it's"),
        ("''", ""),
        ("''''", "'"),
    ],
)
def test_a_constant_is_what_it_stands_for(text: str, value: str) -> None:
    assert [word.value for word in words.said(f"select {text}") if word.is_text] == [value]


def test_words_are_found_where_no_statement_is() -> None:
    assert [word.text for word in words.said("if a then -- why\n{b} /* c */ 1.5")] == [
        "if", "a", "then", "{", "b", "}", "1.5",
    ]  # fmt: skip
    assert words.scanned("'open") is None


def test_the_body_of_a_trigger_is_read() -> None:
    definition = """create function f() returns trigger language plpgsql as $$
    begin insert into public.log (name) values (new.name); return new; end $$"""
    assert [sqltree.kind(node) for node in sqltree.body(definition)][:1] == ["InsertStmt"]


def test_a_statement_is_told_by_its_kind() -> None:
    assert trees.only("select 1", "SelectStmt") is not None
    assert trees.only("select 1; select 2", "SelectStmt") is None
    assert trees.only("create table t ()", "SelectStmt") is None
    assert (trees.parsed(""), trees.parsed("selec 1")) == ([], None)
    assert trees.choice(trees.only("drop policy p on t", "DropStmt"), "remove_type") == "OBJECT_POLICY"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select t.org_id as o from t where t.a", "SELECT t.org_id AS o FROM t WHERE t.a AND t.org_id = 1"),
        ("select t.a + 1 as o from t", None),
        ("select t.o from t union select u.o from u", None),
        ("select t.a from t", None),
    ],
)
def test_a_query_is_held_to_a_condition_on_what_it_shows(query: str, expected: str | None) -> None:
    assert filtered(query, "o = 1") == expected


def test_an_entry_of_a_snapshot_is_read_as_what_it_says() -> None:
    lines = ('as restrictive for update to app, "Odd, one"', "using", "    a = 'x", "with check (y)'", "with check b")
    policy = entries.policy("\n".join(lines))
    assert policy is not None
    assert (policy.restrictive, policy.commands, policy.roles) == (
        True,
        frozenset(("update",)),
        frozenset(("app", '"Odd, one"')),
    )
    compared = sqltree.comparison(policy.using)
    assert compared is not None
    assert sqltree.constant(compared[2][0]) == "x\nwith check (y)"
    assert sqltree.deparsed(policy.check) == "b"
    assert entries.policy("<<<<<<< ours") is None
    column = entries.column("timestamp with time zone not null default now()")
    assert column == entries.Column("timestamp with time zone", True, True, False)
    trigger = entries.trigger("before insert or update of a, b on public.t for each row execute function f()\ndisabled")
    assert trigger is not None
    assert trigger.is_off
    assert {tuple(sorted(event.columns)) for event in trigger.events} == {(), ("a", "b")}
    assert [*entries.calls("begin execute 'select app.f(1)'; perform g (2); end")] == ["app.f", "g"]


@pytest.mark.parametrize(
    "text", ["a = any (array[]::text[])", "a = any ('{}'::text[])", "not a = any (array[]::uuid[])"]
)
def test_an_empty_list_is_no_list_of_values(text: str) -> None:
    """``in ()`` is no SQL, and libpg_query ends the process where it is to write that."""
    tree = sqltree.expression(text)
    assert tree is not None
    written = sqltree.normalised(tree)
    assert written is not None
    assert "IN (" not in written
