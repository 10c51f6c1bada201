"""``pgassay init``: what it writes, what it leaves alone, and that `pgassay check` goes by it."""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgassay import ConfigError, PgassayError, declaration
from pgassay.config import Membership, Tenancy, load
from pgassay.tenancy import Inference, Question
from tests.harness.test_cli import SCHEMA, run

LEAK = "alter table public.notes disable row level security;"
OF_USERS = """
create table public.lists (
    id uuid primary key default gen_random_uuid(), name text not null,
    owner_id uuid not null default auth.uid() references auth.users (id) on delete cascade
);
create table public.items (
    id uuid primary key default gen_random_uuid(), text text not null,
    list_id uuid not null references public.lists (id) on delete cascade
);
create table public.colours (name text primary key check (name in ('red', 'green')));
alter table public.lists enable row level security;
alter table public.items enable row level security;
alter table public.colours enable row level security;
create policy own on public.lists to authenticated using (owner_id = (select auth.uid()));
create policy own on public.items to authenticated using (list_id in (select l.id from public.lists as l));
create policy everybody on public.colours for select using (true);
"""
TWO_WAYS = (
    SCHEMA
    + """
create policy claimed on public.notes to authenticated
using (org_id = (select auth.jwt() -> 'app_metadata' ->> 'org_id')::uuid);
"""
)

GOLDEN_OF_ORGS = """\
[tool.pgassay]
migrations = "supabase/migrations"

# Who owns which rows, as pgassay init read it from the schema: confirm each line.
[tool.pgassay.tenancy]
# 1 of 1 other table has a column for it.
tenant = "public.orgs"
# Its foreign keys join auth.users with public.orgs, one row for each pair; the policies of 2 tables
# look the caller up in it.
member = "public.members(org_id, user_id)"
# 1 table has this column.
column = "org_id"
"""
GOLDEN_OF_USERS = """\
[tool.pgassay]
migrations = "supabase/migrations"

# Who owns which rows, as pgassay init read it from the schema: confirm each line.
[tool.pgassay.tenancy]
# 1 of 3 tables has a column for the user, and 1 more leads to it by foreign keys.
tenant = "auth.users"
# No table says who belongs to a tenant; the policies of 1 table compare a column with auth.uid().
member = "self"
# 1 table has this column.
column = "owner_id"
# Question: Is public.colours meant for everybody? Its policy "everybody" lets everybody read it, and
# it does not belong to a tenant.
# public = ["public.colours"]

# Tables with another column, or with foreign keys instead, and what leads from each to its user.
[tool.pgassay.tenancy.tables]
"public.items" = "list_id.owner_id"
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """A project of Supabase with these migrations, and a pyproject.toml only if its text is given."""

    def make(*migrations: str, pyproject: str | None = None) -> Path:
        folder = tmp_path / "supabase" / "migrations"
        folder.mkdir(parents=True)
        for number, text in enumerate(migrations, 1):
            (folder / f"{number}_part.sql").write_text(text)
        if pyproject is not None:
            (tmp_path / "pyproject.toml").write_text(pyproject, newline="")
        return tmp_path

    return make


def read(root: Path, file: str = "pgassay.toml") -> str:
    return (root / file).read_bytes().decode()


@pytest.mark.parametrize(
    ("schema", "golden"), [(SCHEMA, GOLDEN_OF_ORGS), (OF_USERS, GOLDEN_OF_USERS)], ids=["organisations", "users"]
)
def test_what_is_written(project: Callable[..., Path], schema: str, golden: str) -> None:
    root = project(schema)
    done = run("init", "--pg", "embedded", cwd=root)
    assert done.returncode == 0, done.stderr
    assert read(root) == golden
    assert load(cwd=root, environ={}).migrations == root / "supabase" / "migrations"
    assert done.stdout.rstrip().endswith("and run: pgassay check")


def test_check_goes_by_what_was_written(project: Callable[..., Path]) -> None:
    root = project(SCHEMA)
    assert run("init", "--pg", "embedded", cwd=root).returncode == 0
    clean = run("check", "--verbose", "--pg", "embedded", cwd=root)
    assert (clean.returncode, "Assumed" in clean.stdout) == (0, False), clean.stdout
    (root / "supabase" / "migrations" / "2_leak.sql").write_text(LEAK)
    leaky = run("check", "--verbose", "--pg", "embedded", cwd=root)
    assert leaky.returncode == 1
    assert "public.notes: anon can select every tenant's rows" in leaky.stdout


def test_check_without_a_declared_tenancy_says_what_it_assumes(project: Callable[..., Path]) -> None:
    root = project(SCHEMA)
    clean = run("check", "--verbose", "--pg", "embedded", cwd=root)
    assert clean.returncode == 0
    assert "No tenancy is declared. Assumed: rows belong to public.orgs, by the column org_id" in clean.stdout
    assert "pgassay init writes this down" in clean.stdout
    (root / "supabase" / "migrations" / "2_leak.sql").write_text(LEAK)
    assert run("check", "--verbose", "--pg", "embedded", cwd=root).returncode == 1
    assert [path.name for path in root.iterdir()] == ["supabase"]


def test_a_question_that_is_open_is_not_judged(project: Callable[..., Path]) -> None:
    written = "create policy adding on public.colours for insert to authenticated with check (true);"
    done = run("check", "--verbose", "--pg", "embedded", cwd=project(OF_USERS, written))
    assert done.returncode == 2, done.stdout
    assert "not judged  public.colours: Is public.colours meant for everybody?" in done.stdout


def test_a_table_of_reference_is_a_note(project: Callable[..., Path]) -> None:
    done = run("check", "--verbose", "--pg", "embedded", cwd=project(OF_USERS))
    assert done.returncode == 0, done.stdout
    assert 'public = ["public.colours"] in [tool.pgassay.tenancy]' in done.stdout


def test_what_the_schema_does_not_settle_is_asked(project: Callable[..., Path]) -> None:
    root = project(TWO_WAYS)
    checked = run("check", "--verbose", "--pg", "embedded", cwd=root)
    assert checked.returncode == 2
    assert "not judged  isolation: no tenancy is declared, and the schema does not settle it. Who belongs to" in (
        checked.stdout
    )
    done = run("init", "--pg", "embedded", cwd=root)
    assert done.returncode == 2
    assert [path.name for path in root.iterdir()] == ["supabase"]
    commands = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("pgassay init")]
    assert [command.split("--member ")[1] for command in commands] == [
        "'public.members(org_id, user_id)'",
        "claim:app_metadata.org_id",
    ]
    again = run(*shlex.split(commands[1])[1:], "--pg", "embedded", cwd=root)
    assert again.returncode == 0
    assert tomllib.loads(read(root))["tool"]["pgassay"]["tenancy"]["member"] == "claim:app_metadata.org_id"


def test_a_tenancy_that_is_there_is_left_alone_and_the_other_one_shown(project: Callable[..., Path]) -> None:
    there = '[tool.pgassay.tenancy]\ntenant = "auth.users"\nmember = "self"\ncolumn = "id" # mine\n'
    root = project(SCHEMA, pyproject=there)
    done = run("init", "--pg", "embedded", cwd=root)
    assert done.returncode == 2
    assert "has [tool.pgassay.tenancy] already; it was left as it is" in done.stderr
    assert 'tenant = "public.orgs"' in done.stdout
    assert read(root, "pyproject.toml") == there


@pytest.mark.parametrize("file", ["pyproject.toml", "pgassay.toml"])
def test_it_is_written_into_the_file_that_is_there(project: Callable[..., Path], file: str) -> None:
    root = project(SCHEMA)
    there = '[project]\nname = "x"\n' if file == "pyproject.toml" else "# ours\n"
    (root / file).write_text(there)
    done = run("init", "--pg", "embedded", cwd=root)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in root.iterdir()) == [file, "supabase"]
    assert read(root, file) == f"{there}\n{GOLDEN_OF_ORGS}"


def test_print_prints_configuration_and_writes_nothing(project: Callable[..., Path]) -> None:
    root = project(SCHEMA)
    done = run("init", "--print", "--pg", "embedded", cwd=root)
    assert done.returncode == 0
    assert tomllib.loads(done.stdout)["tool"]["pgassay"]["tenancy"]["tenant"] == "public.orgs"
    assert sorted(path.name for path in root.iterdir()) == ["supabase"]


@pytest.mark.parametrize(
    "text",
    [
        "[tool.pgassay\n",
        '[tool.pgassay]\nmigration = "x"\n',
    ],
    ids=["no TOML", "an unknown key"],
)
def test_a_file_that_is_wrong_is_said_so_and_left(project: Callable[..., Path], text: str) -> None:
    root = project(SCHEMA, pyproject=text)
    done = run("init", "--pg", "embedded", cwd=root)
    assert done.returncode == 2
    assert "pyproject.toml" in done.stderr
    assert read(root, "pyproject.toml") == text


@pytest.mark.parametrize(
    ("directory", "file"),
    [
        ("app", "app/pgassay.toml"),
        ("app/supabase/migrations", "app/pgassay.toml"),
        ("plain", "pgassay.toml"),
        (None, "pgassay.toml"),
    ],
)
def test_the_file_is_made_where_the_project_is(tmp_path: Path, directory: str | None, file: str) -> None:
    (tmp_path / "app" / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    (tmp_path / "migrations").mkdir()
    settings = load(directory, cwd=tmp_path, environ={})
    assert declaration.place(settings, directory, tmp_path) == tmp_path / file
    (tmp_path / "pyproject.toml").touch()
    settings = load(directory, cwd=tmp_path, environ={})
    assert declaration.place(settings, directory, tmp_path) == tmp_path / "pyproject.toml"


# what is put into a text that is there

TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
EVIDENCE = {"tenant": "a", "member": "b", "column": "c"}
BLOCK = declaration.lines(Inference(TENANCY, EVIDENCE))


def added(text: str) -> dict[str, Any]:
    result = tomllib.loads(declaration.joined(text, "db", BLOCK))["tool"]["pgassay"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        '[project]\nname = "x"   # odd   spacing\n\n\n[tool.ruff]\nline-length=100',
        'tool.ruff.line-length = 100\n[project]\nname = "x"\n',
        '[tool]\n[tool.ruff]\n[project]\nname = "é"\n',
        "[tool.other]\na = 1\n\n[[tool.other.b]]\nc = 1\n",
    ],
)
def test_what_was_there_stays_to_the_letter(text: str) -> None:
    assert declaration.joined(text, "db", BLOCK).startswith(text)
    assert added(text) == {"migrations": "db", "tenancy": tomllib.loads(BLOCK)["tool"]["pgassay"]["tenancy"]}


def test_a_section_that_is_there_is_added_to() -> None:
    waiver = '[[tool.pgassay.waive]]\nobject = "a"\nreason = "b" # why\n'
    text = f'[tool.pgassay] # ours\npg = "system"\n\n{waiver}\n[tool.x]\n'
    result = declaration.joined(text, "db", BLOCK)
    assert [line for line in text.splitlines() if line not in result.splitlines()] == []
    assert added(text) | {"tenancy": None} == {
        "pg": "system", "migrations": "db", "waive": [{"object": "a", "reason": "b"}], "tenancy": None,
    }  # fmt: skip
    named = '[tool.pgassay]\nmigrations = "mine"\n'
    assert declaration.joined(named, "db", BLOCK) == f"{named}\n{BLOCK}"


def test_line_ends_of_windows_stay() -> None:
    result = declaration.joined("[tool.x]\r\na = 1\r\n", "db", BLOCK)
    assert result.count("\n") == result.count("\r\n") > 5


@pytest.mark.parametrize("text", ["tool = { x = 1 }\n", '[tool]\npgassay = { migrations = "db" }\n'])
def test_a_table_that_cannot_be_added_to_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be put"):
        declaration.joined(text, "db", BLOCK)


def test_names_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    odd = Tenancy('public.a "b" \\ c', Membership("public.m: é\n#", "x y", "user"), "c\td", tables={'public."': "a b"})
    evidence = {"tenant": "of\nlines", "member": "\x00\x1b", "column": "#", 'public."': 'a"\nb = "'}
    (tmp_path / "pyproject.toml").write_text(declaration.lines(Inference(odd, evidence)))
    assert load(cwd=tmp_path, environ={}).tenancy == odd
    for name in ("public.a.b", "public.a(b)"):
        with pytest.raises(PgassayError, match="cannot be written"):
            declaration.lines(Inference(Tenancy(name, Membership(name, "x", "y"), "x"), EVIDENCE))


def test_questions_stand_with_the_line_that_answers_them() -> None:
    openings = (
        Question("public.window", "Is it for everybody?"),
        Question("public.guests", "Does it open rows?", share="public.guests(doc_id, user_id)"),
    )
    unsaid = declaration.lines(
        Inference(TENANCY, EVIDENCE, questions=(Question("public.c", "Is it?"),), openings=openings)
    )
    assert unsaid == BLOCK + (
        "# Question: Does it open rows?\n"
        '# shared = ["public.guests(doc_id, user_id)"]\n'
        "# Question: Is it?\n"
        "# Question: Is it for everybody?\n"
        '# public = ["public.c", "public.window"]\n'
    )


# the file itself


def test_the_mode_stays_and_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "real.toml", tmp_path / "pyproject.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    declaration.write(link, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode), link.is_symlink()) == ("new", 0o640, True)
    assert [path.name for path in file.parent.iterdir()] == ["real.toml"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    declaration.write(tmp_path / "pyproject.toml", "new")
    assert stat.S_IMODE((tmp_path / "pyproject.toml").stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_what_cannot_be_written_is_said_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ConfigError, match="No space left on device") as raised:
        declaration.write(file, "new")
    assert "Nothing was changed" in raised.value.message
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("pyproject.toml", "old")]
    with pytest.raises(ConfigError, match="cannot be written"):
        declaration.write(tmp_path / "nowhere" / "pyproject.toml", "new")
