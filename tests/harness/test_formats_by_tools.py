"""What pgassay makes of a folder is what the folder's own tool makes of it; and commands that apply migrations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pgassay import MigrationError, config, migrations
from pgassay.checks import snapshot
from pgassay.checks.snapshot import grading
from pgassay.checks.snapshot.state import State
from pgassay.identity import Databases
from pgassay.migrations import Command, Folder, command
from tests import needs
from tests.harness.command import run
from tests.harness.formats import reading

LEDGERS = ("schema_migrations", "pgmigrations", "alembic_version", "django_migrations")


def by_command(folder: Path, *arguments: object) -> Command:
    text = [str(argument) for argument in arguments]
    return Command(folder, " ".join(text), "", arguments=tuple(text))


def same(databases: Databases, own: Folder, tool: Command) -> None:
    """Both make the same schema, but for the table in which the tool keeps what it has applied."""
    ours = state(databases, own)
    theirs = state(databases, Folder(own.path, (tool,)))
    told = grading.compare(ours, theirs)
    assert len(ours.objects) > len(snapshot.read_template(databases, databases.template((), ())).objects)
    assert [str(each) for each in told if not any(ledger in each.object.name for ledger in LEDGERS)] == []
    assert any(ledger in each.object.name for each in told for ledger in LEDGERS)


def state(databases: Databases, folder: Folder) -> State:
    return snapshot.read_template(databases, databases.template((), folder.migrations))


def test_dbmate(pg_databases: Databases) -> None:
    program = needs.npm("dbmate").parent / ".bin" / "dbmate"
    own = reading.example("dbmate")
    tool = by_command(own.path, program, "--migrations-dir", own.path, "--no-dump-schema", "migrate")
    same(pg_databases, own, tool)


def test_node_pg_migrate(pg_databases: Databases) -> None:
    program = needs.npm("node-pg-migrate").parent / ".bin" / "node-pg-migrate"
    own = reading.example("node-pg-migrate")
    same(pg_databases, own, by_command(own.path, program, "up", "--migrations-dir", own.path))


SCHEMA = """
import { index, integer, pgTable, serial, text } from "drizzle-orm/pg-core";
export const users = pgTable("users", { id: serial("id").primaryKey(), name: text("name") },
  t => [index("users_name").on(t.name)]);
"""
MORE = """
export const posts = pgTable("posts", { id: serial("id").primaryKey(),
  author: integer("author").references(() => users.id) });
"""
APPLY = """
const { drizzle } = require("drizzle-orm/node-postgres");
const { migrate } = require("drizzle-orm/node-postgres/migrator");
const pool = new (require("pg").Pool)({ connectionString: process.env.DATABASE_URL });
migrate(drizzle(pool), {
    migrationsFolder: "drizzle", migrationsSchema: "public", migrationsTable: "schema_migrations" })
  .then(() => pool.end());
"""


def test_drizzle(pg_databases: Databases, tmp_path: Path) -> None:
    """What drizzle-kit writes, applied by Drizzle's own migrator."""
    modules = needs.npm("drizzle-kit").parent
    (tmp_path / "node_modules").symlink_to(modules)
    for schema in (SCHEMA, SCHEMA + MORE):
        reading.write(tmp_path, {"schema.ts": schema, "apply.cjs": APPLY})
        generate = [modules / ".bin" / "drizzle-kit", "generate", "--dialect", "postgresql", "--schema", "schema.ts"]
        done = subprocess.run(
            [str(word) for word in generate], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    own = migrations.discover(tmp_path / "drizzle")
    assert (own.format, len(own.migrations)) == ("drizzle", 2)
    same(pg_databases, own, by_command(tmp_path, "node", "apply.cjs"))


ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
revision, down_revision = "{name}", {after}
from alembic import op
import sqlalchemy as sa
def upgrade():
    {upgrade}
"""


def test_alembic_by_the_command(tmp_path: Path) -> None:
    alembic = needs.migration_tool("alembic")
    table = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.Uuid))'
    reading.write(
        tmp_path,
        {
            "alembic.ini": "[alembic]\nscript_location = migrations\n",
            "migrations/env.py": ENV,
            "migrations/versions/a.py": REVISION.format(name="a", after=None, upgrade=table),
            "migrations/versions/b.py": REVISION.format(
                name="b", after='"a"', upgrade='op.execute("alter table notes enable row level security")'
            ),
            "pgassay.toml": f'[tool.pgassay]\nmigrate = "{alembic} upgrade head"\n'
            'migrate_inputs = ["alembic.ini", "migrations/**/*.py"]\n',
        },
    )
    done = run("snapshot", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    written = (tmp_path / "pgassay.snapshot").read_text()
    assert "public.notes" in written
    assert "public.alembic_version" in written
    done = run("diff", "--pg", "embedded", "pgassay.snapshot", cwd=tmp_path)
    assert (done.returncode, "No difference" in done.stdout) == (0, True), done.stderr


SETTINGS = """
import os
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
    "USER": os.environ["PGUSER"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}}
"""
MODEL = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), ("note", models.TextField())])
    ]
"""


def test_django_by_the_command(pg_databases: Databases, tmp_path: Path) -> None:
    django = needs.migration_tool("django-admin")
    reading.write(
        tmp_path,
        {
            "site_settings.py": SETTINGS,
            "shop/__init__.py": "",
            "shop/migrations/__init__.py": "",
            "shop/migrations/0001_initial.py": MODEL,
        },
    )
    tool = by_command(tmp_path, django, "migrate", "--pythonpath", ".", "--settings", "site_settings")
    found = state(pg_databases, Folder(tmp_path, (tool,)))
    assert {"public.shop_order", "public.django_migrations"} <= {thing.name for thing in found.objects.values()}


def configured(folder: Path, text: str) -> config.Config:
    reading.write(folder, {"pgassay.toml": f"[tool.pgassay]\n{text}\n"})
    return config.load(None, cwd=folder, environ={})


def test_a_command_that_fails_is_told_with_what_it_said(pg_databases: Databases, tmp_path: Path) -> None:
    program = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    with pytest.raises(MigrationError) as caught:
        pg_databases.template((), (by_command(tmp_path, sys.executable, "-c", program),))
    assert "ended with 3. It said:\n\none\ntwo" in caught.value.message.replace("two\none", "one\ntwo")
    with pytest.raises(MigrationError, match="cannot be run in"):
        pg_databases.template((), (by_command(tmp_path, "no-such-program"),))


def test_a_command_finds_the_database_that_is_being_built(
    pg_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each of both ways, as the owner; what the environment says of other databases is not heeded."""
    monkeypatch.setenv("PGDATABASE", "elsewhere")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/")
    program = (
        "import os, psycopg\n"
        "for n, where in enumerate((os.environ['DATABASE_URL'], '')):\n"
        "    with psycopg.connect(where) as c:\n"
        "        c.execute(f'create table public.t{n} as select current_user::text as who')\n"
        "        (name,) = c.execute('select current_database()').fetchone()\n"
        "        assert name == os.environ['PGDATABASE'], name\n"
    )
    template = pg_databases.template((), (by_command(tmp_path, sys.executable, "-c", program),))
    with pg_databases.copy(template) as clone, clone.connect() as session:
        for table in ("t0", "t1"):
            assert session.execute(f"select who from public.{table}".encode()).fetchone() == (
                pg_databases.server.owner,
            )


def test_what_a_template_is_known_by_changes_with_the_inputs(tmp_path: Path) -> None:
    reading.write(tmp_path, {"a.py": "1", "other.py": "1"})
    text = 'migrate = "python a.py"\nmigrate_inputs = ["a.py"]'
    first = command.of(configured(tmp_path, text)).identity
    reading.write(tmp_path, {"other.py": "2"})
    assert command.of(configured(tmp_path, text)).identity == first
    reading.write(tmp_path, {"a.py": "2"})
    assert command.of(configured(tmp_path, text)).identity != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('migrate = "a"\nformat = "dbmate"', "both migrate and format"),
        ('migrate_inputs = ["a"]', "migrate_inputs without migrate"),
        ('migrate = "a"\nmigrate_inputs = ["*.nothing"]', "finds no file"),
        ('migrate = "\'"', "cannot be read"),
        ('migrate = " "', "names no command"),
    ],
)
def test_a_command_that_is_configured_wrongly_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    reading.write(tmp_path, {"pgassay.toml": f"[tool.pgassay]\n{text}\n"})
    done = run("check", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_folder_that_is_named_is_read_and_not_the_command_run(tmp_path: Path) -> None:
    reading.write(tmp_path, {"more/1_a.sql": "select 1;", "pgassay.toml": '[tool.pgassay]\nmigrate = "false"\n'})
    settings = config.load("more", cwd=tmp_path, environ={})
    assert migrations.of(settings).format == "supabase"
    assert migrations.of(config.load(".", cwd=tmp_path, environ={})).format == command.FORMAT
