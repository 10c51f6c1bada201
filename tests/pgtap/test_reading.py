"""How files for psql and lines of TAP are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay.migrations import Statement
from pgassay.pgtap import psql, tap
from pgassay.pgtap.psql import Command
from pgassay.pgtap.tap import Line, Place

PLACE = Place(Path("a.sql"), 1, "select 1;")


def read(text: str, **variables: str) -> list[Statement | Command]:
    return list(psql.steps(text, variables))


def verdict(*lines: str) -> tap.Verdict:
    return tap.read(Line(line, PLACE) for line in lines)


@pytest.mark.parametrize(
    "statement",
    [
        "select 'a;b\\';",
        "select e'it\\'s;', 1;",
        'select 1 as "a;\\b";',
        "select $$ ; \\d $$, $x$ $$;$$ \\ $x$;",
        "select 1 -- ; \\\n;",
        "select 1 /* ; /* \\ */ ; */;",
        "create rule r as on insert to a do (select 1; select 2);",
        "create function f() returns int language sql begin atomic select 1; select 2; end;",
        "select '2'::int, a[1:2];",
        "select :unset, ':a', $$ :a $$;",
    ],
)
def test_a_statement_ends_at_a_semicolon_of_its_own(statement: str) -> None:
    found = read(f"{statement} select 2;", a="x")
    assert [step.text for step in found if isinstance(step, Statement)] == [statement, "select 2;"]


def test_each_statement_knows_the_line_of_its_first_word() -> None:
    found = read("\\set A 1\n-- a\n\nselect $$\n\n$$;\n/* b\n */ select 2;\n")
    assert [step.code_line for step in found if isinstance(step, Statement)] == [4, 8]


def test_variables_are_put_in_as_text_as_a_literal_and_as_a_name() -> None:
    (found,) = read("select :a, :'b', :\"c\";", a="1 + 1", b="it's", c='a "b"')
    assert isinstance(found, Statement)
    assert found.text == 'select 1 + 1, \'it\'\'s\', "a ""b""";'


def test_a_line_of_psqls_has_arguments_in_quotes_and_from_variables() -> None:
    (found,) = read("\\set name 'o''x\\n' :a-b  \n", a="y")
    assert isinstance(found, Command)
    assert (found.name, found.arguments) == ("set", ("name", "o'x\n", "y-b"))


def test_gset_has_the_statement_before_it() -> None:
    found = read("select 1 as a \\gset\nselect 2;")
    assert isinstance(found[0], Command)
    assert found[0].statement is not None
    assert found[0].statement.text == "select 1 as a "
    assert len(found) == 2


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (["1..1", "ok 1"], []),
        (["ok 1 - a", "1..1"], []),
        (["1..1", "not ok 1 # TODO later"], []),
        (["1..1", "ok 1 # SKIP why"], []),
        (["1..0 # SKIP no server"], []),
        (["ok 1"], ["No plan found in TAP output"]),
        ([], ["No plan found in TAP output"]),
        (["1..2", "ok 1"], ["Bad plan. You planned 2 tests but ran 1."]),
        (["1..1", "ok 2"], ["Tests out of sequence. Found (2) but expected (1)"]),
        (["1..1", "ok 1", "1..1"], ["More than one plan found in TAP output"]),
        (["ok 1", "1..2", "ok 2"], ["Plan (1..2) must be at the beginning or end of the TAP output"]),
        (["1..2", "Bail out! no more"], ["Bailed out: no more"]),
        (["1..1", "    not ok 1 - of a subtest", "    1..3", "ok 1"], []),
    ],
)
def test_what_is_wrong_with_a_file_is_what_tap_parser_says(lines: list[str], problems: list[str]) -> None:
    found = verdict(*lines)
    assert found.problems == problems
    assert found.passed == (not problems)


def test_a_test_has_its_diagnosis_its_directive_and_its_description() -> None:
    found = verdict("1..3", "not ok 1 - a \\# b", "# have: 1", "ok 2 - c # skip d", "not ok 3 - e # TODO f")
    assert [(test.description, test.directive, test.why) for test in found.tests] == [
        ("a \\# b", "", ""),
        ("c", "skip", "d"),
        ("e", "todo", "f"),
    ]
    assert found.tests[0].diagnosis == ["# have: 1"]
    assert found.failed == [found.tests[0]]


def test_a_file_may_be_skipped_as_a_whole() -> None:
    assert verdict("1..0 # SKIP no server").skipped == "no server"
    assert verdict("1..0").skipped is None


def test_a_test_beyond_the_plan_does_not_pass() -> None:
    assert [test.number for test in verdict("1..1", "ok 1", "ok 2").failed] == [2]
    assert verdict("ok 1", "ok 2", "1..1").failed == []


def test_what_another_statement_says_is_no_diagnosis_of_a_test() -> None:
    other = Place(Path("a.sql"), 2, "select * from finish();")
    found = tap.read([Line("1..1", PLACE), Line("not ok 1", PLACE), Line("# a", PLACE), Line("# b", other)])
    assert found.tests[0].diagnosis == ["# a"]
