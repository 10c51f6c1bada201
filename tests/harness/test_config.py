"""The configuration of a run: who wins, what DIR means, and a sentence for everything that makes no sense."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pgassay import ConfigError
from pgassay.config import NO_TABLE, NULL, Claim, Config, Membership, Published, Share, Tenancy, load, read_tenancy
from pgassay.within import Roles, State, Within

TENANCY = """
[tool.pgassay.tenancy]
tenant = "public.organizations"
member = "public.organization_members(organization_id, user_id)"
column = "org_id"
"""


def write_pyproject(directory: Path, text: str = "") -> None:
    (directory / "pyproject.toml").write_text(text, encoding="utf-8")


def read(directory: Path, named: str | None = None, environ: Mapping[str, str] | None = None, **options: Any) -> Config:
    """The configuration of a run in ``directory``, whose environment has nothing but ``environ``."""
    if not (directory / "pyproject.toml").exists():
        write_pyproject(directory)
    return load(named, cwd=directory, environ=environ or {}, **options)


def refusal(directory: Path, named: str | None = None, **options: Any) -> str:
    """What the user is told about a configuration that is refused."""
    with pytest.raises(ConfigError) as caught:
        read(directory, named, **options)
    return str(caught.value)


VALUES = [
    ("pg", ("container", "auto", "system"), ("container", "auto", "system")),
    ("pg_version", ("18", "17", "16"), (18, 17, 16)),
    ("pg_image", ("postgres:18", "postgres:17", "postgres:16"), ("postgres:18", "postgres:17", "postgres:16")),
    ("timeout", ("1", "2.5", "300"), (1.0, 2.5, 300.0)),
]


@pytest.mark.parametrize(("key", "given", "read_as"), VALUES)
def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, key: str, given: tuple[str, str, str], read_as: tuple[object, object, object]
) -> None:
    on_command_line, in_environment, in_file = given
    write_pyproject(tmp_path, f'[tool.pgassay]\n{key} = "{in_file}"')
    environ = {f"PGASSAY_{key.upper()}": in_environment}
    results = (
        read(tmp_path, environ=environ, **{key: on_command_line}),
        read(tmp_path, environ=environ),
        read(tmp_path),
    )
    assert tuple(getattr(result, key) for result in results) == read_as


def test_without_a_word_the_backend_is_auto_and_any_version_will_do(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    assert read(tmp_path) == Config(root=root, snapshot=root / "pgassay.snapshot", file=root / "pyproject.toml")


def test_an_environment_variable_that_is_empty_says_nothing(tmp_path: Path) -> None:
    write_pyproject(tmp_path, '[tool.pgassay]\npg = "system"\npg_version = 17')
    found = read(tmp_path, environ={"PGASSAY_PG": "", "PGASSAY_PG_VERSION": "", "PGASSAY_PG_IMAGE": ""})
    assert (found.pg, found.pg_version, found.pg_image) == ("system", 17, None)


@pytest.mark.parametrize("url", ["postgresql://me@host:5433/postgres", "postgres://host"])
def test_a_backend_can_be_a_url(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, pg=url).url == url
    assert read(tmp_path, pg="system").url is None


@pytest.mark.parametrize("inside", [".", "migrations", "supabase/migrations", "sql/migrations"])
@pytest.mark.parametrize("how", ["DIR", "the file", "the current directory"])
def test_a_folder_stands_for_itself_or_for_the_usual_folder_in_it(tmp_path: Path, inside: str, how: str) -> None:
    folder = tmp_path / "database" / inside
    folder.mkdir(parents=True)
    (folder / "1_first.sql").touch()
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "database"' if how == "the file" else "")
    if how == "DIR":
        found = read(tmp_path, "database")
    elif how == "the file":
        found = read(tmp_path)
    else:
        found = load(cwd=tmp_path / "database", environ={})
    assert found.migrations is not None
    assert found.migrations.resolve() == folder.resolve()


def test_dir_wins_over_the_folder_that_the_file_names(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    (tmp_path / "other").mkdir()
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "usual"')
    assert read(tmp_path, "other").migrations == tmp_path / "other"


def test_no_folder_named_and_none_found_is_left_to_the_command_to_judge(tmp_path: Path) -> None:
    assert read(tmp_path).migrations is None


def test_the_file_is_the_nearest_one_at_or_above_dir_and_its_paths_count_from_there(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "supabase" / "migrations").mkdir(parents=True)
    (project / "host").mkdir()
    write_pyproject(tmp_path, '[tool.pgassay]\npg = "container"')
    write_pyproject(project, '[tool.pgassay]\npg = "system"\nbefore = ["host"]')
    found = load("project/supabase/migrations", cwd=tmp_path, environ={})
    assert (found.pg, found.root, found.before) == ("system", project.resolve(), (project.resolve() / "host",))


def migrations(folder: Path) -> Path:
    """A folder with a migration in it."""
    folder.mkdir(parents=True)
    (folder / "1_first.sql").touch()
    return folder


@pytest.mark.parametrize("inside", ["supabase/migrations", "sql/migrations", "migrations", "ddl"])
@pytest.mark.parametrize("named", ["the project", "the migrations"])
def test_without_a_file_nothing_is_taken_from_the_current_folder(tmp_path: Path, inside: str, named: str) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    folder = migrations(other / inside)
    here.mkdir()
    write_pyproject(here, '[tool.pgassay]\npg = "system"\nfail_on = "loosens"' + TENANCY)
    (here / "pgassay.snapshot").touch()
    if inside == "ddl":  # nothing tells the project that such a folder belongs to
        other = folder
    given = other if named == "the project" else folder
    found = load(given, cwd=here, environ={})
    assert found == Config(root=other, migrations=folder, snapshot=other / "pgassay.snapshot")


def test_the_file_at_or_above_dir_is_taken_and_not_that_of_the_current_folder(tmp_path: Path) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    folder = migrations(other / "db" / "migrations")
    here.mkdir()
    write_pyproject(here, '[tool.pgassay]\npg = "system"')
    write_pyproject(other, '[tool.pgassay]\npg = "container"')
    found = load(folder, cwd=here, environ={})
    assert (found.pg, found.root, found.file) == ("container", other, other / "pyproject.toml")
    assert found.snapshot == other / "pgassay.snapshot"


def test_the_snapshot_lies_beside_the_project_that_it_is_of(tmp_path: Path) -> None:
    own = migrations(tmp_path / "db" / "migrations")
    another = migrations(tmp_path / "apps" / "shop" / "supabase" / "migrations")
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "db/migrations"\nsnapshot = "db/accepted"')
    assert read(tmp_path).snapshot == read(tmp_path, str(own)).snapshot == tmp_path / "db" / "accepted"
    assert read(tmp_path, str(another)).snapshot == tmp_path / "apps" / "shop" / "pgassay.snapshot"


def test_migrations_of_the_current_folder_that_the_file_passes_over_are_known(tmp_path: Path) -> None:
    migrations(tmp_path / "db" / "migrations")
    own = migrations(tmp_path / "apps" / "shop" / "migrations")
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "db"\nseed = ["seeds"]')
    seeds = migrations(tmp_path / "seeds")
    here = tmp_path / "apps" / "shop"
    assert load(cwd=here, environ={}).passed_over == own
    assert load("migrations", cwd=here, environ={}).passed_over is None
    assert load(cwd=tmp_path, environ={}).passed_over is None
    assert load(cwd=tmp_path / "db", environ={}).passed_over is None
    assert load(cwd=seeds, environ={}).passed_over is None
    assert load(cwd=tmp_path / "apps", environ={}).passed_over is None


def test_a_project_that_is_no_python_has_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pgassay.toml").write_text('[tool.pgassay]\npg = "system"')
    found = load(cwd=tmp_path, environ={})
    assert (found.pg, found.file) == ("system", tmp_path / "pgassay.toml")
    write_pyproject(tmp_path, "[project]")  # which says nothing of pgassay
    assert load(cwd=tmp_path, environ={}).pg == "system"
    write_pyproject(tmp_path, '[tool.pgassay]\npg = "container"')
    assert "pgassay.toml and pyproject.toml" in refusal(tmp_path)
    (tmp_path / "pgassay.toml").write_text('pg = "system"')
    assert "pg stands outside of [tool.pgassay]" in refusal(tmp_path)


def test_the_tenancy_is_read_whole(tmp_path: Path) -> None:
    write_pyproject(tmp_path, TENANCY + 'public = ["public.plans"]')
    assert read(tmp_path).tenancy == Tenancy(
        tenant="public.organizations",
        member=Membership("public.organization_members", "organization_id", "user_id"),
        column="org_id",
        public=frozenset({"public.plans"}),
    )


def test_names_may_stand_in_the_quotes_of_sql(tmp_path: Path) -> None:
    quoted = """
    [tool.pgassay.tenancy]
    tenant = 'public."Network"'
    member = 'public."Seat"("networkId", "userId")'
    column = '"networkId"'
    shared = ['public."Link"("showId")']
    published = ['public."Episode".status = LIVE']
    tables = { 'public."Show"' = '"networkId"' }
    [tool.pgassay.roles]
    column = 'public."Seat".kind'
    order = ["EDITOR", "HOST"]
    [tool.pgassay.roles.tables]
    'public."ApiKey"' = { EDITOR = 'own:"userId"' }
    [tool.pgassay.states]
    'public."Show"' = { hidden = '"deletedAt" is not null' }
    """
    write_pyproject(tmp_path, quoted)
    tenancy = read(tmp_path).tenancy
    assert tenancy is not None
    assert (tenancy.tenant, tenancy.column) == ("public.Network", "networkId")
    assert tenancy.member == Membership("public.Seat", "networkId", "userId")
    assert [share.written for share in tenancy.shared] == ["public.Link(showId)"]
    assert [(one.table, one.column, one.value) for one in tenancy.published] == [("public.Episode", "status", "LIVE")]
    assert tenancy.tables == {"public.Show": "networkId"}
    assert tenancy.within.roles is not None
    assert tenancy.within.roles.columns == (("public.Seat", "kind"),)
    assert tenancy.within.roles.owner_in("public.ApiKey") == "userId"
    assert [(one.table, one.expression) for one in tenancy.within.states] == [
        ("public.Show", '"deletedAt" is not null')
    ]


@pytest.mark.parametrize(
    ("member", "read_as"),
    [
        ("claim:app_metadata.org_id", Claim(("app_metadata", "org_id"))),
        ("claim:org_id", Claim(("org_id",))),
        ("self", None),
    ],
)
def test_members_can_be_told_by_a_claim_or_be_tenants_themselves(
    tmp_path: Path, member: str, read_as: Claim | None
) -> None:
    write_pyproject(tmp_path, TENANCY.replace("public.organization_members(organization_id, user_id)", member))
    tenancy = read(tmp_path).tenancy
    assert tenancy is not None
    assert tenancy.member == read_as


@pytest.mark.parametrize("member", ["claim:user_metadata.org_id", "claim:", "claim:a..b", "members", "members(a)"])
def test_a_member_that_says_nothing_or_that_users_write_themselves_is_refused(tmp_path: Path, member: str) -> None:
    write_pyproject(tmp_path, TENANCY.replace("public.organization_members(organization_id, user_id)", member))
    assert "member" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "unknown", "meant"),
    [
        ('[tool.pgassay]\nmigration = "sql"', "'migration'", "Did you mean 'migrations'?"),
        ("[tool.pgassay]\npgversion = 17", "'pgversion'", "Did you mean 'pg_version'?"),
        ("[tool.pgassay]\nqwertz = 1", "'qwertz'", "Known keys are: migrations, "),
        (TENANCY + 'colum = "org_id"', "'colum'", "Did you mean 'column'?"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(
    tmp_path: Path, text: str, unknown: str, meant: str
) -> None:
    write_pyproject(tmp_path, text)
    said = refusal(tmp_path)
    assert "pyproject.toml" in said
    assert unknown in said
    assert meant in said


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[tool.pgassay]\nmigrations = 1", "migrations must be a string"),
        ("[tool.pgassay]\npg = true", "pg must be a string"),
        ("[tool.pgassay]\npg_image = 15", "pg_image must be a string"),
        ('[tool.pgassay]\nbefore = "sql/host"', "before must be a list of strings"),
        ("[tool.pgassay]\nrelations = [1]", "relations must be a list of strings"),
        ('[tool.pgassay]\nrelations = ["jobs"]', "'jobs' must be written schema.name"),
        ("[tool.pgassay]\ntenancy = 1", "must be a table"),
        (TENANCY.replace('"org_id"', "7"), "column must be a string"),
        (TENANCY.replace("public.organizations", "organizations"), "'organizations' must be written schema.name"),
        (TENANCY + 'public = "public.plans"', "public must be a list of strings"),
        (TENANCY + 'secret = "public.users.key"', "secret must be a list of strings"),
        (TENANCY + 'secret = ["users.key"]', "'users.key' must be written schema.table.column"),
        ("[tool]\npgassay = 1", "tool.pgassay in "),
        ("tool = 1", "pyproject.toml"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(tmp_path: Path, text: str, key: str) -> None:
    write_pyproject(tmp_path, text)
    assert key in refusal(tmp_path)


def test_a_backend_that_there_is_not_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    said = refusal(tmp_path, pg="docker")
    assert "'docker' is no backend" in said
    assert "auto, container, embedded, system" in said
    assert "postgresql://" in said


@pytest.mark.parametrize(
    "text",
    ["postgresql+psycopg://me:s3cret@host/db", "mysql://me:s3cret@host", "host=h password=s3cret", "jdbc:s3cret"],
)
def test_what_may_hold_a_password_and_is_no_backend_is_not_shown(tmp_path: Path, text: str) -> None:
    assert "s3cret" not in refusal(tmp_path, pg=text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:a@host/db", "postgresql://me:…@host/db"),
        ("'postgresql+asyncpg://me:a%20b@host:1/db?x=1' is", "'postgresql+asyncpg://me:…@host:1/db?x=1' is"),
        ("x postgres:/me:a@b/c@host y", "x postgres:/me:…@host y"),
        ("postgres://me:a b@host", "postgres://me:…@host"),
        ("postgres://me:secret", "postgres://me:…"),
        ("postgres://:secret@host", "postgres://:…@host"),
        ("postgres://host/db?user=me&password=a%26b&x=1", "postgres://host/db?user=me&password=…&x=1"),
        ("host=h password='a b' user=me", "host=h password=… user=me"),
        ("PASSWORD = ab, sslpassword=cd", "PASSWORD = … sslpassword=…"),
        ("postgresql://me@host:5433/postgres", "postgresql://me@host:5433/postgres"),
        (
            "postgresql://host:5433/postgres and https://host/a:b",
            "postgresql://host:5433/postgres and https://host/a:b",
        ),
        (
            "written postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            "written postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        ),
    ],
)
def test_no_error_shows_a_password(text: str, shown: str) -> None:
    error = ConfigError(text, hint=text)
    assert (error.message, error.hint, error.args) == (shown, shown, (shown,))


@pytest.mark.parametrize("version", ["latest", "17.5", "", "-17", 17.5, True])
def test_what_is_no_major_version_is_refused(tmp_path: Path, version: object) -> None:
    written = f'"{version}"' if isinstance(version, str) else str(version).lower()
    write_pyproject(tmp_path, f"[tool.pgassay]\npg_version = {written}")
    assert "is no major version of PostgreSQL" in refusal(tmp_path)


def test_a_version_that_is_too_old_is_refused_with_the_oldest_that_is_not(tmp_path: Path) -> None:
    said = refusal(tmp_path, pg_version="14")
    assert "PostgreSQL 14 is too old" in said
    assert "15 and later" in said


@pytest.mark.parametrize("backend", ["embedded", "system", "postgresql://host"])
def test_an_image_without_a_container_is_refused(tmp_path: Path, backend: str) -> None:
    assert "postgres:17" in refusal(tmp_path, pg=backend, pg_image="postgres:17")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refusal(tmp_path, "nowhere")
    assert "nowhere does not exist" in said
    assert "supabase/migrations/" in said


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "schema.txt").touch()
    assert "schema.txt is a file" in refusal(tmp_path, "schema.txt")


def test_a_folder_of_the_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "nowhere"')
    said = refusal(tmp_path)
    assert "'nowhere'" in said
    assert "does not exist" in said


def test_a_file_in_place_of_the_files_folder_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "schema.txt").touch()
    write_pyproject(tmp_path, '[tool.pgassay]\nmigrations = "schema.txt"')
    said = refusal(tmp_path)
    assert "schema.txt" in said
    assert "does not exist" not in said


@pytest.mark.parametrize("timeout", ["0", "-1", "inf", "nan", "soon"])
def test_what_is_no_timeout_is_named(tmp_path: Path, timeout: str) -> None:
    assert f"{timeout!r} is no timeout" in refusal(tmp_path, timeout=timeout)


@pytest.mark.parametrize("key", ["before", "seed", "rows"])
def test_sql_that_is_to_be_applied_and_is_not_there_is_named(tmp_path: Path, key: str) -> None:
    write_pyproject(tmp_path, f'[tool.pgassay]\n{key} = ["host.sql"]')
    assert "host.sql" in refusal(tmp_path)


@pytest.mark.parametrize(
    "member", ["public.members", "public.members(organization_id)", "public.members(a, b, c)", "(a, b)", ""]
)
def test_a_malformed_member_is_answered_with_one_that_is_not(tmp_path: Path, member: str) -> None:
    write_pyproject(tmp_path, TENANCY.replace("public.organization_members(organization_id, user_id)", member))
    said = refusal(tmp_path)
    assert repr(member) in said
    assert "public.members(organization_id, user_id)" in said


def test_tenants_that_no_table_lists_and_roles_that_may_all() -> None:
    table = {"tenant": "none", "member": "claim:org_id", "column": "org_id", "trusted": ["worker"]}
    found = read_tenancy(table, "[tool.pgassay]")
    assert found == Tenancy(NO_TABLE, Claim(("org_id",)), "org_id", trusted=frozenset({"worker"}))
    with pytest.raises(ConfigError, match='member is "self"'):
        read_tenancy({**table, "member": "self"}, "[tool.pgassay]")


def test_a_column_is_needed_where_nothing_else_names_tenants() -> None:
    table = {"tenant": "auth.users", "member": "self", "tables": {"public.notes": "author_id"}}
    assert read_tenancy(table, "[tool.pgassay]").column == ""
    with pytest.raises(ConfigError, match="lacks column"):
        read_tenancy({"tenant": "none", "member": "claim:org_id"}, "[tool.pgassay]")


def test_what_refers_to_a_published_row() -> None:
    written = ["public.posts.is_published", "public.comments.post_id.is_published", "public.notes.page.state = live"]
    table = {"tenant": "auth.users", "member": "self", "column": "user_id", "published": written}
    found = read_tenancy(table, "[tool.pgassay]")
    assert [each.written for each in (*found.published, *found.following)] == written
    assert [each.key for each in found.following] == ["post_id", "page"]


@pytest.mark.parametrize("missing", ["tenant", "member"])
def test_a_tenancy_that_lacks_a_key_is_refused(tmp_path: Path, missing: str) -> None:
    kept = [line for line in TENANCY.splitlines() if not line.startswith(f"{missing} ")]
    write_pyproject(tmp_path, "\n".join(kept))
    assert f"lacks {missing}" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"[tool.pgassay\n", b"[tool.pgassay]\npg = \xff\n"], ids=["syntax", "encoding"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    said = refusal(tmp_path)
    assert "pyproject.toml" in said
    assert "not valid TOML" in said


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("[db]\nmajor_version = 17", 17),
        ("[db]\nmajor_version = 15.8", 15),
        ('[db]\nmajor_version = "15.8.1.085"', 15),
        ("[db]", None),
        ("[api]", None),
    ],
)
def test_supabases_config_toml_names_the_version_of_the_project(tmp_path: Path, text: str, version: int | None) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text(text)
    found = read(tmp_path)
    assert (found.project_version, found.pg_version) == (version, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[db", "not a valid config.toml"),
        ('[db]\nmajor_version = "new"', "[db] major_version is 'new'"),
        ("[db]\nmajor_version = true", "[db] major_version is True"),
        ("[db]\nmajor_version = 14.2", "PostgreSQL 14 is too old"),
        ("db = 1", "[db] must be a table"),
        ("[db]\nseed = 1", "[db.seed] must be a table"),
        ('[db.seed]\nsql_paths = "seed.sql"', "[db.seed] sql_paths must be a list"),
        ("api = 1", "[api] must be a table"),
        ('[api]\nschemas = "public"', "[api] schemas must be a list of strings"),
        ('[api]\nschemas = ["public"]\nextra_search_path = [1]', "[api] extra_search_path must be a list of strings"),
    ],
)
def test_a_config_toml_that_makes_no_sense_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text(text)
    words = refusal(tmp_path)
    assert said in words
    assert f"supabase{os.sep}config.toml" in words


@pytest.mark.parametrize(
    ("text", "api"),
    [
        ("[db]", {}),
        ("[api]\nenabled = true", {}),
        ('[api]\nschemas = ["public", "api"]', {"pgrst.db_schemas": "public,api"}),
        (
            '[api]\nschemas = ["public", "api"]\nextra_search_path = ["public", "extensions", "x"]',
            {"pgrst.db_schemas": "public,api", "pgrst.db_extra_search_path": "extensions,x"},
        ),
    ],
)
def test_supabases_config_toml_says_what_the_api_exposes(tmp_path: Path, text: str, api: dict[str, str]) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text(text)
    assert read(tmp_path).api == api


def test_the_seed_of_config_toml_is_the_seed_unless_another_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "supabase"
    (folder / "migrations").mkdir(parents=True)
    (folder / "seeds").mkdir()
    for name in ("seeds/b.sql", "seeds/a.sql", "last.sql", "../own.sql"):
        (folder / name).write_text("select 1;")
    patterns = '["./seeds/*.sql", "./seed.sql", "last.sql", "seeds/a.sql"]'
    (folder / "config.toml").write_text(f"[db.seed]\nenabled = true\nsql_paths = {patterns}")
    found = read(tmp_path)
    assert [path.name for path in found.seed] == ["a.sql", "b.sql", "last.sql"]
    assert found.seed_is_the_projects
    named = read(tmp_path, seed=["own.sql"])
    assert ([path.name for path in named.seed], named.seed_is_the_projects) == (["own.sql"], False)
    (folder / "config.toml").write_text(f"[db.seed]\nenabled = false\nsql_paths = {patterns}")
    assert read(tmp_path).seed == ()
    (folder / "config.toml").write_text('[db.seed]\nsql_paths = ["../own.sql"]')
    assert [path.name for path in read(tmp_path).seed] == ["own.sql"]


def test_links_and_what_is_published_are_read_and_written_alike(tmp_path: Path) -> None:
    shared = ["public.links(document_id)", "public.shares(document_id, user_id)"]
    published = ["public.posts.is_published", "public.pages.state = in review", "public.talks.held_at = null"]
    lines = ["[tool.pgassay.tenancy]", 'tenant = "auth.users"', 'member = "self"', 'column = "user_id"']
    lines += [f"shared = {shared!r}", f"published = {published!r}"]
    (tmp_path / "pyproject.toml").write_text("\n".join(lines))
    tenancy = load(cwd=tmp_path, environ={}).tenancy
    assert tenancy is not None
    assert tenancy.shared == (Share("public.links", "document_id"), Share("public.shares", "document_id", "user_id"))
    assert tenancy.published == (
        Published("public.posts", "is_published"),
        Published("public.pages", "state", "in review"),
        Published("public.talks", "held_at", NULL),
    )
    assert [each.is_null for each in tenancy.published] == [False, False, True]
    assert [share.written for share in tenancy.shared] == shared
    assert [each.written for each in tenancy.published] == published


def test_rules_for_single_relations_and_tables_of_shares_are_read(tmp_path: Path) -> None:
    write_pyproject(
        tmp_path,
        '[tool.pgassay.tenancy]\ntenant = "auth.users"\nmember = "self"\ncolumn = "owner_id"\n'
        'shared = ["public.shares(document_id, user_id)"]\n'
        'tables = { "public.tasks" = "project_id.org_id", "public.notes" = "author" }',
    )
    tenancy = read(tmp_path).tenancy
    assert tenancy is not None
    assert tenancy.shared == (Share("public.shares", "document_id", "user_id"),)
    assert [tenancy.column_of(name) for name in ("public.tasks", "public.notes", "public.other")] == [
        "",
        "author",
        "owner_id",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('shared = ["public.shares"]', "shared names 'public.shares'"),
        ('shared = ["public.shares()"]', r"shared names 'public.shares\(\)'"),
        ('published = ["public.posts"]', "published names 'public.posts'"),
        ('published = ["public.posts.state ="]', "published names 'public.posts.state ='"),
        ("published = true", "published must be a list of strings"),
        ('tables = ["a"]', "tables must be a table"),
        ('tables = { "public.a" = "b..c" }', "rule of public.a"),
        ('tables = { "public.a" = 1 }', "rule of public.a"),
        ('tables = { "a" = "b" }', "schema.name"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(tmp_path: Path, line: str, words: str) -> None:
    write_pyproject(
        tmp_path, f'[tool.pgassay.tenancy]\ntenant = "auth.users"\nmember = "self"\ncolumn = "owner_id"\n{line}'
    )
    with pytest.raises(ConfigError, match=words):
        read(tmp_path)


ROLES = """
[tool.pgassay.roles]
column = "public.members.role"
order = ["viewer", "member", "admin"]
roles = ["billing"]
"""


def roles_of(directory: Path, text: str) -> Roles:
    write_pyproject(directory, text)
    roles = read(directory).within.roles
    assert roles is not None
    return roles


def test_a_role_may_what_those_before_it_may(tmp_path: Path) -> None:
    roles = roles_of(
        tmp_path,
        ROLES
        + """
[tool.pgassay.roles.tables]
"public.invoices" = { viewer = "select", admin = "insert, update", billing = ["select", "delete"] }
"public.drafts" = { member = "own:author_id", admin = "all" }
""",
    )
    assert roles.all == ("viewer", "member", "admin", "billing")
    assert {role: roles.right(role, "public.invoices").written for role in roles.all} == {
        "viewer": "select",
        "member": "select",
        "admin": "select, insert, update",
        "billing": "select, delete",
    }
    assert {role: roles.right(role, "public.drafts").written for role in roles.all} == {
        "viewer": "none",
        "member": "own:author_id",
        "admin": "all",
        "billing": "none",
    }
    assert (roles.owner_in("public.drafts"), roles.owner_in("public.invoices")) == ("author_id", "")


def test_roles_stand_in_several_columns_and_a_table_may_name_a_role_itself(tmp_path: Path) -> None:
    roles = roles_of(
        tmp_path,
        """
[tool.pgassay.roles]
column = ["public.members.role", "public.profiles.role"]
order = ["viewer"]
tables = { "public.invoices" = { billing = "all" } }
""",
    )
    assert roles.columns == (("public.members", "role"), ("public.profiles", "role"))
    assert roles.all == ("viewer", "billing")


def test_states_are_conditions_on_rows(tmp_path: Path) -> None:
    write_pyproject(
        tmp_path,
        """
[tool.pgassay.states]
"public.shares" = { open = "not revoked" }
"public.folders" = { hidden = "deleted_at is not null", stays = ["public.colours"] }
"public.papers" = { hidden = "folder_id" }
""",
    )
    assert read(tmp_path).within == Within(
        None,
        (
            State("public.shares", "open", "not revoked"),
            State("public.folders", "hidden", "deleted_at is not null", ("public.colours",)),
            State("public.papers", "hidden", "folder_id"),
        ),
    )


def test_a_declared_tenancy_has_what_is_declared_of_roles(tmp_path: Path) -> None:
    write_pyproject(tmp_path, TENANCY + ROLES)
    found = read(tmp_path)
    assert found.tenancy is not None
    assert found.tenancy.within == found.within != Within()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('roles = "viewer"', "[tool.pgassay.roles] in pyproject.toml must be a table."),
        ('roles = { order = ["a"] }', "lacks column"),
        ('roles = { column = "role" }', "'role' must be written schema.table.column."),
        ('roles = { column = "a.b.c", orders = ["a"] }', "unknown key 'orders'"),
        ('roles = { column = "a.b.c", order = ["a", "b"], roles = ["b"] }', "names the role 'b' twice"),
        ('roles = { column = "a.b.c", tables = { "a.b" = "all" } }', "the rights in a.b are 'all'"),
        ('roles = { column = "a.b.c", tables = { b = { x = "all" } } }', "'b' must be written schema.name."),
        ('roles = { column = "a.b.c", tables = { "a.b" = { x = "read" } } }', "the unknown word 'read'"),
        ('roles = { column = "a.b.c", tables = { "a.b" = { x = "all:id" } } }', "the unknown word 'all:id'"),
        ('roles = { column = "a.b.c", tables = { "a.b" = { x = 1 } } }', "must be a string or a list, not 1"),
        ('roles = { column = "a.b.c", tables = { "a.b" = { x = [] } } }', "must be a string or a list, not []"),
        ('roles = { column = "a.b.c", tables = { "a.b" = { x = "none, select" } } }', "is none and something else"),
        (
            'roles = { column = "a.b.c", tables = { "a.b" = { x = "own:u", y = "own:v" } } }',
            "name several owner columns: u, v",
        ),
        ('states = "open"', "[tool.pgassay.states] in pyproject.toml must be a table."),
        ('states = { "a.b" = "open" }', "the states of a.b are 'open'"),
        ('states = { "a.b" = { closed = "x" } }', "unknown key 'closed'"),
        ('states = { "a.b" = { open = " " } }', "a.b has an empty open"),
        ('states = { b = { open = "x" } }', "'b' must be written schema.name."),
        ('states = { "a.b" = { open = "x", stays = ["a.c"] } }', "has stays, and no hidden beside it"),
        ('states = { "a.b" = { hidden = "x", stays = ["c"] } }', "'c' must be written schema.name."),
    ],
)
def test_a_wrong_declaration_of_roles_or_states_is_told_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    write_pyproject(tmp_path, f"[tool.pgassay]\n{text}")
    assert told in refusal(tmp_path)
