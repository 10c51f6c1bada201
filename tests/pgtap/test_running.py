"""Files with tests in SQL: run by the command, and collected by pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import command

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
NOTES = "create table public.notes (note text);"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, "supabase/migrations/1_notes.sql", NOTES)
    write(tmp_path, "pgassay.toml", "")
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def ask(project: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of ``pgassay test``, and what it says without what it says of the server and the migrations."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGASSAY_")}
    done = command.run("test", *arguments, "--pg", "embedded", cwd=project, environment=environment)
    lines = done.stdout.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("Applied")), -1)
    return done.returncode, [line.rstrip() for line in [*lines[start + 1 :], *done.stderr.splitlines()] if line.strip()]


def file(*lines: str) -> str:
    return "\n".join(["begin;", *lines, "select * from finish();", "rollback;", ""])


def test_each_file_has_a_line_and_each_failure_its_place_and_its_diagnosis(project: Path) -> None:
    write(project, "supabase/tests/a.sql", file("select plan(2);", "select pass('a');", "select has_table('notes');"))
    write(
        project,
        "supabase/tests/more/b.pg",
        file("select plan(3);", "select ok(true);", "-- two", "select is(", "    1, 2, 'one');", "select todo('c', 1);",
             "select fail();"),
    )  # fmt: skip
    write(project, "supabase/tests/readme.md", "no test")
    code, said = ask(project)
    assert code == 1
    assert said[:-1] == [
        "ok    supabase/tests/a.sql: 2 tests",
        "FAIL  supabase/tests/more/b.pg: 1 of 3 tests failed, 1 todo",
        "      not ok 2 - one",
        "          supabase/tests/more/b.pg:5: select is( 1, 2, 'one');",
        '          # Failed test 2: "one"',
        "          #         have: 1",
        "          #         want: 2",
        "2 files, 5 tests: 4 passed, 1 failed; 1 file did not pass",
    ]


def test_a_file_that_breaks_off_or_has_another_plan_fails(project: Path) -> None:
    write(project, "supabase/tests/a.sql", file("select plan(2);", "select pass();", "select 1 / 0;"))
    write(project, "supabase/tests/b.sql", file("select plan(2);", "select pass();"))
    write(project, "supabase/tests/c.sql", "select 1;")
    code, said = ask(project)
    assert code == 1
    assert said[:6] == [
        "FAIL  supabase/tests/a.sql: 1 test, it did not come to its end",
        "      supabase/tests/a.sql:4: ERROR: division by zero",
        "      Bad plan. You planned 2 tests but ran 1.",
        "FAIL  supabase/tests/b.sql: 1 test, it is not as planned",
        "      Bad plan. You planned 2 tests but ran 1.",
        "FAIL  supabase/tests/c.sql: 0 tests, it is not as planned",
    ]


def test_what_pgassay_does_not_know_is_said_by_name_and_is_no_verdict(project: Path) -> None:
    write(project, "supabase/tests/a.sql", "\\copy notes from 'a.csv'\n" + file("select plan(1);", "select pass();"))
    code, said = ask(project)
    assert code == 2
    assert said[:2] == [
        "?     supabase/tests/a.sql: not judged",
        "      supabase/tests/a.sql:1: \\copy notes from 'a.csv': pgassay does not know this command of psql.",
    ]


def test_psqls_variables_and_included_files_work(project: Path) -> None:
    write(project, "supabase/tests/helpers/note.psql", "insert into notes values (:'said');\n")
    write(
        project,
        "supabase/tests/a.sql",
        "\\set QUIET 1\n\\pset format unaligned\n\\set said 'it''s'\n"
        + file("select plan(2);", "\\ir helpers/note.psql", "select count(*) as n from notes \\gset",
               "select is(:n, 1);", "select is((select note from notes), :'said');", "\\echo '# done'"),
    )  # fmt: skip
    assert ask(project)[0] == 0


def test_an_error_ends_the_file_unless_its_variables_say_otherwise(project: Path) -> None:
    goes_on = "\\set ON_ERROR_STOP 0\n\\set ON_ERROR_ROLLBACK 1\n"
    tests = file("select plan(2);", "select pass();", "select 1 / 0;", "select pass();")
    write(project, "supabase/tests/a.sql", goes_on + tests)
    write(project, "supabase/tests/b.sql", "\\ir missing.sql\n")
    write(project, "supabase/tests/c.sql", file("select plan(1);", "\\i supabase/tests/c.sql"))
    code, said = ask(project)
    assert code == 1
    assert said[0] == "ok    supabase/tests/a.sql: 2 tests"
    assert said[2] == f"      {project}/supabase/tests/missing.sql: No such file or directory"
    assert said[4].startswith("FAIL  supabase/tests/c.sql")


def test_a_file_that_is_no_text_is_told_as_such(project: Path) -> None:
    write(project, "supabase/tests/a.sql", "")
    (project / "supabase/tests/a.sql").write_bytes(b"select '\xff';")
    code, said = ask(project)
    assert code == 1
    assert said[1] == "      supabase/tests/a.sql is not UTF-8: invalid start byte at byte 8."


def test_what_a_file_keeps_is_there_for_those_after_it_and_nothing_else_is(project: Path) -> None:
    write(project, "supabase/tests/000-setup.sql", "create function seven() returns int return 7;\n" + file(
        "select plan(1);", "insert into notes values ('a');", "select isnt_empty('select * from notes');"))  # fmt: skip
    for name in ("a", "b"):
        write(project, f"supabase/tests/{name}.sql", file(
            "select plan(2);", "select is(seven(), 7);", "select is_empty('select * from notes');",
            "insert into notes values ('b');"))  # fmt: skip
    assert ask(project)[0] == 0


def test_the_helpers_that_public_projects_install_first_are_there(project: Path) -> None:
    write(project, "supabase/migrations/2_owner.sql", "alter table notes add owner uuid default auth.uid();"
          "alter table notes enable row level security;"
          "create policy own on notes to authenticated using (owner = auth.uid());")  # fmt: skip
    write(project, "supabase/tests/000-setup-tests-hooks.sql",
          "create extension if not exists pgtap with schema extensions;"
          "create extension if not exists pg_tle; create extension \"supabase-dbdev\";"
          "select dbdev.install('basejump-supabase_test_helpers');"
          "create extension if not exists \"basejump-supabase_test_helpers\" version '0.0.6';"
          + file("select plan(1);", "select ok(true, 'set up');"))  # fmt: skip
    write(project, "supabase/tests/010-notes.sql", file(
        "select plan(7);",
        "select tests.rls_enabled('public');",
        "select tests.rls_enabled('public', 'notes');",
        "select tests.create_supabase_user('ann', 'ann@example.com');",
        "select tests.create_supabase_user('bob');",
        "select tests.authenticate_as('ann');",
        "select is(auth.uid(), tests.get_supabase_uid('ann'));",
        "select lives_ok($$ insert into notes values ('a') $$);",
        "select isnt_empty('select * from notes');",
        "select tests.authenticate_as('bob');",
        "select is_empty('select * from notes');",
        "select tests.clear_authentication();",
        "select tests.freeze_time('2001-01-01 00:00:00+00');",
        "select is(now(), '2001-01-01 00:00:00+00'::timestamptz);"))  # fmt: skip
    code, said = ask(project)
    assert (code, said[:-1]) == (
        0,
        [
            "ok    supabase/tests/000-setup-tests-hooks.sql: 1 test",
            "ok    supabase/tests/010-notes.sql: 7 tests",
            "2 files, 8 tests: 8 passed, 0 failed",
        ],
    )


def test_rows_of_the_seed_are_there(project: Path) -> None:
    write(project, "supabase/config.toml", '[db.seed]\nsql_paths = ["./seed.sql"]\n')
    write(project, "supabase/seed.sql", "insert into public.notes values ('seeded');")
    write(project, "supabase/tests/a.sql", file("select plan(1);", "select is((select note from notes), 'seeded');"))
    assert ask(project)[0] == 0


def test_files_are_where_the_configuration_says(project: Path) -> None:
    code, said = ask(project)
    assert code == 2
    assert said[0].startswith("pgassay: No pgTAP files were found.")
    write(project, "pgassay.toml", '[tool.pgassay]\npgtap = ["db/*.test.sql"]\n')
    code, said = ask(project)
    assert code == 2
    assert "matches no file" in said[0]
    write(project, "db/a.test.sql", file("select plan(1);", "select pass();"))
    write(project, "db/other.sql", "select 1 / 0;")
    code, said = ask(project)
    assert code == 0
    assert said[0] == "ok    db/a.test.sql: 1 test"


def test_pytest_has_an_item_for_each_file_and_tells_what_failed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PGASSAY_")]:
        monkeypatch.delenv(name)
    home = pytester.path
    write(home, "pgassay.toml", "")
    write(home, "supabase/migrations/1_notes.sql", NOTES)
    write(home, "supabase/config.toml", '[db.seed]\nsql_paths = ["./seed.sql"]\n')
    write(home, "supabase/seed.sql", "insert into public.notes values ('seeded');")
    write(home, "supabase/tests/000.sql", "create table kept (a int);\n" + file("select plan(1);", "select pass();"))
    write(home, "supabase/tests/a.sql", file("select plan(1);", "select isnt_empty('select * from notes');"))
    write(home, "supabase/tests/b.sql", file("select plan(2);", "select has_table('kept');", "select is(1, 2, 'one');"))
    write(home, "supabase/tests/c.sql", "select '1..0 # SKIP no need';")
    write(home, "test_a.py", "def test_a(db): assert db.execute('select * from notes').fetchall() == []")
    done = pytester.runpytest_subprocess("--pg", "embedded", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=3, failed=1, skipped=1)
    done.stdout.fnmatch_lines(
        [
            "supabase/tests/b.sql: 1 of 2 tests failed",
            "  not ok 2 - one",
            "      supabase/tests/b.sql:4: select is(1, 2, 'one');",
            "      #         have: 1",
        ]
    )
    alone = pytester.runpytest_subprocess("--pg", "embedded", "-n", "2", "supabase/tests/b.sql")
    alone.assert_outcomes(failed=1)
    alone.stdout.fnmatch_lines(["supabase/tests/b.sql: 1 of 2 tests failed"])


def test_a_wrong_configuration_fails_the_tests_in_sql_and_no_others(pytester: pytest.Pytester) -> None:
    write(pytester.path, "pgassay.toml", "[tool.pgassay]\nmigration = 1\n")
    write(pytester.path, "supabase/tests/a.sql", "select 1;")
    write(pytester.path, "supabase/migrations/1_notes.sql", NOTES)
    write(pytester.path, "test_a.py", "def test_a(): pass")
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*has the unknown key 'migration'.", "Did you mean 'migrations'[?]"])


def test_pytest_says_what_is_wrong_with_where_tests_in_sql_are(pytester: pytest.Pytester) -> None:
    write(pytester.path, "pgassay.toml", '[tool.pgassay]\npgtap = ["nowhere"]\n')
    write(pytester.path, "test_a.py", "def test_a(): pass")
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["pgassay: *pgtap names 'nowhere', which matches no file*"])


def test_pytest_says_which_tests_in_sql_it_was_not_told_of(pytester: pytest.Pytester) -> None:
    write(pytester.path, "supabase/migrations/1_notes.sql", NOTES)
    write(pytester.path, "supabase/tests/a.sql", "select 1;")
    write(pytester.path, "tests/test_a.py", "def test_a(): pass")
    write(pytester.path, "pytest.ini", "[pytest]\ntestpaths = tests")
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["pgassay: testpaths leaves out tests for pgTAP in supabase/tests: 1 file"])


def test_the_example_is_told_as_the_document_says() -> None:
    document = (ROOT / "docs" / "pgtap.md").read_text(encoding="utf-8")
    _, _, shown = document.partition("$ pgassay test examples/leaky\n")
    code, said = ask(ROOT, "examples/leaky")
    assert code == 1
    assert said[:-1] == [line for line in shown.partition("```")[0].splitlines() if line]
