"""Every way in which people apply the migrations ends with the same schema, and docs/applying.md says how it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from pgassay import migrations
from pgassay.checks.snapshot.state import State
from pgassay.identity import Databases
from pgassay.templates import Template
from tests import needs
from tests.harness.operator import COMMANDS, FOLDER, QUERIES, ROOT, Operator, block, by_tcp

PSQL = 'for file in sql/migrations/*.sql; do psql "$DATABASE_URL"'
PUSH = 'supabase db push --remote="$DATABASE_URL" --yes'
PUSH_DRY = 'supabase db push --remote="$DATABASE_URL" --dry-run'
REPAIR, UNREPAIR = "repair --status applied", "repair --status reverted"
APPLY, APPLY_DRY, APPLY_TIMEOUT = 'pgassay apply "$DATABASE_URL"', "pgassay apply --dry-run", "PGOPTIONS"
VERIFICATION, SECURITY, OWNERS = "information_schema.tables", "anon_reads", "tableowner"
UNDO, FORGET, OWNERS_METRICS = "BEGIN;\n\nDROP FUNCTION", "DELETE FROM supabase_migrations", "SELECT * FROM private"
CONTACTS_INDEX = "CREATE INDEX CONCURRENTLY"
REFRESH, BY_HAND, FETCH = "SELECT public.refresh_job_metrics();\n", "INSERT INTO supabase_migrations", "array_to_string"
CRON = [
    "EXTENSION IF NOT EXISTS pg_cron",
    "'refresh job metrics', '*/5",
    "job_run_details ORDER",
    "7 days",
    "unschedule",
]

VERSIONS = [str(script.version) for script in FOLDER.migrations]
NOTHING_LEFT = f"Nothing to apply: {len(VERSIONS)} migrations had been applied before."
New = Callable[[], Operator]
Schema = tuple[State, str]


@pytest.fixture
def new(pg_databases: Databases, tmp_path: Path) -> Iterator[New]:
    """Make an operator with a database of the application, in which the Jobs system is not."""
    application = pg_databases.template(migrations.scripts([ROOT / "sql" / "host"]), ())
    with ExitStack() as stack:

        def new() -> Operator:
            clone = pg_databases.clone(application)
            stack.callback(pg_databases.drop_later, clone)
            stack.callback(clone.close)
            home = tmp_path / clone.name
            home.mkdir()
            return Operator(clone, stack.enter_context(by_tcp(clone)), home)

        yield new


@pytest.fixture
def operator(new: New) -> Operator:
    return new()


@pytest.fixture(scope="session")
def reference(pg_databases: Databases, pg_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Schema:
    """The schema of the database in which all other tests run."""
    with pg_databases.copy(pg_template) as clone, by_tcp(clone) as url:
        schema = Operator(clone, url, tmp_path_factory.mktemp("reference")).schema()
    snapshot, dump = schema
    assert ("view", "public.job_metrics") in snapshot.objects
    assert "CREATE VIEW public.job_metrics" in dump
    return schema


def paste_all(operator: Operator) -> None:
    for script in FOLDER.migrations:
        operator.pastes(script.sql)


def test_pasted_in_the_sql_editor(operator: Operator, reference: Schema) -> None:
    paste_all(operator)
    assert operator.schema() == reference
    with pytest.raises(psycopg.errors.DuplicateSchema, match='schema "private" already exists'):
        operator.pastes(FOLDER.migrations[0].sql)
    assert operator.schema() == reference


def test_a_file_that_is_applied_again_by_hand_says_what_is_there_and_changes_nothing(
    operator: Operator, reference: Schema
) -> None:
    paste_all(operator)
    said = []
    for script in FOLDER.migrations:
        with pytest.raises(psycopg.Error, match="already exists") as caught:
            operator.pastes(script.sql)
        said.append(str(caught.value).splitlines()[0].removeprefix("ERROR:  "))
    assert operator.schema() == reference
    document = (ROOT / "docs" / "applying.md").read_text()
    (heading,) = re.findall(r"^\*\*(`schema .*already exists`)\.\*\*", document, re.MULTILINE)
    patterns = [re.escape(words).replace("…", ".*") for words in re.findall("`(.*?)`", heading)]
    assert all(any(re.fullmatch(pattern, words) for pattern in patterns) for words in said), said
    assert all(any(re.fullmatch(pattern, words) for words in said) for pattern in patterns), patterns


@pytest.mark.parametrize("way", ["psql", "supabase", "pgassay"])
def test_a_failure_in_the_third_file_leaves_the_first_two_and_nothing_of_the_third(new: New, way: str) -> None:
    if way == "supabase":
        needs.npm("supabase")
    first_two, spoilt = new(), new()
    for script in FOLDER.migrations[:2]:
        first_two.pastes(script.sql)
    spoilt.spoils(FOLDER.migrations[2].name)
    done = spoilt.tries(block({"psql": PSQL, "supabase": PUSH, "pgassay": APPLY}[way]))
    assert "division by zero" in done.stdout
    assert done.returncode == {"psql": 0, "supabase": 1, "pgassay": 2}[way], "psql's loop ends with break"
    assert spoilt.schema() == first_two.schema()
    if way != "psql":
        assert spoilt.versions() == VERSIONS[:2]


def test_the_order_of_the_files_is_the_one_of_the_document() -> None:
    document = (ROOT / "docs" / "applying.md").read_text()
    assert re.findall(r"^\d\. `(.*)`$", document, re.MULTILINE) == [script.name for script in FOLDER.migrations]


def test_by_psql_file_by_file(operator: Operator, reference: Schema) -> None:
    operator.runs(block(PSQL))
    assert operator.schema() == reference
    again = operator.tries(block(PSQL)).stdout
    assert 'ERROR:  schema "private" already exists' in again
    assert again.count("ERROR") == 1, "the next files are not tried"
    assert operator.schema() == reference


def test_plain_psql_goes_on_after_an_error_as_the_document_warns(operator: Operator) -> None:
    operator.runs("""psql "$DATABASE_URL" -X -q -c 'create schema private'""")
    done = operator.tries('psql "$DATABASE_URL" -X -q -f sql/migrations/20251103000000_create_jobs_system.sql')
    assert done.returncode == 0
    assert operator.asks("select to_regclass('public.jobs')::text") == [("jobs",)]


def test_by_the_supabase_cli_whose_ledger_makes_a_second_push_a_no_op(operator: Operator, reference: Schema) -> None:
    needs.npm("supabase")
    dry = operator.runs(block(PUSH_DRY))
    assert re.findall(r"\S+\.sql", dry) == [script.name for script in FOLDER.migrations]
    operator.runs(block(PUSH))
    assert operator.schema() == reference
    assert operator.versions() == VERSIONS
    assert "up to date" in operator.runs(block(PUSH))
    assert NOTHING_LEFT in operator.runs(block(APPLY)), "pgassay apply reads that ledger, statements and all"


def test_by_pgassay_apply_whose_ledger_is_the_clis(new: New, reference: Schema) -> None:
    operator = new()
    dry = operator.runs(block(APPLY_DRY))
    assert f"Would apply {len(VERSIONS)} migrations, and has changed nothing" in dry
    operator.runs(block(APPLY))
    assert operator.schema() == reference
    assert NOTHING_LEFT in operator.runs(block(APPLY_TIMEOUT))

    needs.npm("supabase")
    assert "up to date" in operator.runs(block(PUSH))
    pushed = new()
    pushed.runs(block(PUSH))
    ledger = "select * from supabase_migrations.schema_migrations order by version"
    assert operator.asks(ledger) == pushed.asks(ledger)
    columns = (
        "select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull from pg_attribute as a "
        "where a.attrelid = 'supabase_migrations.schema_migrations'::regclass and a.attnum > 0 order by a.attnum"
    )
    assert operator.asks(columns) == pushed.asks(columns)


def test_the_lock_timeout_of_the_document_is_in_force_while_a_migration_is_applied(operator: Operator) -> None:
    with operator.clone.connect() as reader, reader.transaction():
        reader.execute("select from public.kanban_cards")
        done = operator.tries(block(APPLY_TIMEOUT).replace("5s", "50ms"))
    assert done.returncode == 2
    assert "20251103000001_add_job_links.sql" in done.stdout
    assert "canceling statement due to lock timeout" in done.stdout
    assert operator.versions() == VERSIONS[:1]


def test_the_supabase_cli_after_a_hand_needs_what_the_document_says(operator: Operator, reference: Schema) -> None:
    needs.npm("supabase")
    paste_all(operator)
    refused = operator.tries(block(PUSH))
    assert refused.returncode == 1
    assert 'schema "private" already exists' in refused.stdout
    operator.runs(block(REPAIR))
    assert "up to date" in operator.runs(block(PUSH))
    assert NOTHING_LEFT in operator.runs(block(APPLY))
    assert operator.schema() == reference


def test_supabases_own_advisor_says_what_the_document_says_and_nothing_else(operator: Operator) -> None:
    needs.npm("supabase")
    operator.runs(block(APPLY))

    def advice() -> set[tuple[str, str]]:
        said = operator.runs('supabase db advisors --remote="$DATABASE_URL" --type all --output-format json')
        results = json.loads(said[said.index("{") :])["results"]
        of_ours = [
            result for result in results if result["level"] != "INFO" and result["metadata"]["schema"] != "pgassay"
        ]
        return {(result["name"], result["metadata"]["name"]) for result in of_ours}

    assert advice() == {("security_definer_view", "job_metrics")}
    assert "reports as `security_definer_view`" in (ROOT / "docs" / "applying.md").read_text()
    operator.pastes("alter table public.jobs disable row level security")
    assert ("rls_disabled_in_public", "jobs") in advice()


def test_pgassay_apply_after_a_hand_needs_what_the_document_says(operator: Operator, reference: Schema) -> None:
    paste_all(operator)
    refused = operator.tries(block(APPLY))
    assert refused.returncode == 2
    assert 'schema "private" already exists' in refused.stdout
    assert "docs/applying.md" in refused.stdout
    assert operator.versions() == []
    operator.pastes(block(BY_HAND))
    assert NOTHING_LEFT in operator.runs(block(APPLY))
    assert operator.schema() == reference


def test_a_changed_file_is_taught_to_the_ledger_as_the_document_says(operator: Operator) -> None:
    needs.npm("supabase")
    operator.runs(block(APPLY))
    version = VERSIONS[2]
    operator.asks(
        "update supabase_migrations.schema_migrations set statements = array['select 1'] "
        f"where version = '{version}' returning version"
    )
    assert "20251103000002_create_job_metrics_view.sql was changed" in operator.tries(block(APPLY)).stdout
    for status in ("reverted", "applied"):
        operator.runs(f'supabase migration repair --status {status} {version} --remote="$DATABASE_URL" --yes')
    assert NOTHING_LEFT in operator.runs(block(APPLY))


def test_what_the_document_asks_and_expects_after_applying(operator: Operator) -> None:
    operator.runs(block(APPLY))
    document = (ROOT / "docs" / "applying.md").read_text()
    for words in (VERIFICATION, SECURITY):
        expected = document.split(block(words))[1].split("```text\n")[1].split("```")[0].splitlines()
        rows = operator.asks(block(words))
        shown = [" | ".join("t" if v is True else "f" if v is False else str(v) for v in row) for row in rows]
        assert sorted(re.sub(r" +\|", " |", line) for line in expected) == sorted(shown)
    assert {owner for _, owner in operator.asks(block(OWNERS))} == {operator.clone.server.owner}
    assert len(operator.asks(block(FETCH))) == len(VERSIONS)
    before = operator.asks("select refreshed_at from private.job_metrics_refresh")
    operator.asks(block(REFRESH))
    assert operator.asks("select refreshed_at from private.job_metrics_refresh") > before


CAMPAIGN = """
insert into public.organizations (id, name) values ('00000000-0000-4000-8000-00000000000a', 'A');
insert into public.contacts (org_id, email, target_group)
select '00000000-0000-4000-8000-00000000000a', 'a@example.org', 'AMC' from generate_series(1, 3);
set role service_role;
select public.create_job('00000000-0000-4000-8000-00000000000a', 'x', null,
    '{"target_group": "AMC", "cadence": {"day0": true}, "batch_size": 2,
      "templates": {"t": {"subject": "s", "body": "b"}}}');
reset role;
insert into public.kanban_cards (org_id, type, title, job_id, task_id)
select org_id, 'research', 'kept', job_id, id from public.job_tasks;
insert into public.agent_runs (org_id, mode, job_id) select org_id, 'kept', id from public.jobs;
select public.refresh_job_metrics();
"""


def test_what_was_applied_can_be_undone_and_applied_again(operator: Operator, reference: Schema) -> None:
    before = operator.schema()
    paste_all(operator)
    operator.pastes(CAMPAIGN)
    assert len(operator.asks(block(OWNERS_METRICS))) == 1
    operator.pastes(block(UNDO))
    assert operator.schema() == before
    kept = "select (select count(*) from public.kanban_cards), (select count(*) from public.agent_runs)"
    assert operator.asks(kept) == [(2, 1)]
    paste_all(operator)
    assert operator.schema() == reference


def test_an_undo_that_would_take_something_of_ones_own_along_changes_nothing(operator: Operator) -> None:
    paste_all(operator)
    operator.pastes("create view public.mine as select id, name from public.jobs")
    before = operator.schema()
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="view mine depends on table jobs"):
        operator.pastes(block(UNDO))
    assert operator.schema() == before


def test_the_ledger_forgets_what_was_undone(operator: Operator, reference: Schema) -> None:
    operator.runs(block(APPLY))
    operator.pastes(block(UNDO))
    operator.pastes(block(FORGET))
    assert operator.versions() == []
    operator.runs(block(APPLY))
    assert operator.schema() == reference
    assert operator.versions() == VERSIONS


def test_the_supabase_cli_has_its_ledger_forget(operator: Operator) -> None:
    needs.npm("supabase")
    operator.runs(block(APPLY))
    operator.runs(block(UNREPAIR))
    assert operator.versions() == []


def test_applying_locks_what_the_document_says(operator: Operator) -> None:
    """The strongest lock that each file takes on each table of the application."""
    held = (
        "select distinct c.relnamespace::regnamespace || '.' || c.relname, l.mode from pg_locks as l "
        "join pg_class as c on l.relation = c.oid where l.pid = pg_backend_pid() and c.oid = any(%s::regclass[]) "
        "and l.mode in ('ShareRowExclusiveLock', 'AccessExclusiveLock')"
    )
    tables = ["auth.users", "public.organizations", "public.contacts", "public.kanban_cards", "public.agent_runs"]
    found = []
    with operator.clone.connect() as db:
        for script in FOLDER.migrations:
            with db.transaction():
                db.execute(script.sql.encode())
                found.append(set(db.execute(held, [tables]).fetchall()))
    writers, everybody = "ShareRowExclusiveLock", "AccessExclusiveLock"
    assert {(t, writers) for t in ("auth.users", "public.organizations")} == found[0]
    assert {t for t, mode in found[1] if mode == everybody} == {"public.kanban_cards", "public.agent_runs"}
    assert found[2] == found[3] == set()
    assert not any(table == "public.contacts" for locks in found for table, _ in locks)


def test_an_index_on_contacts_can_be_made_before(operator: Operator) -> None:
    before = operator.schema()
    operator.pastes("drop index public.contacts_by_target_group")
    operator.pastes(block(CONTACTS_INDEX))
    assert operator.schema() == before


def test_on_a_server_without_auth_the_document_is_right_about_the_message(
    operator: Operator,
) -> None:
    with operator.clone.connect_as_admin() as admin:
        admin.execute("drop schema auth cascade")
    refused = operator.tries(block(APPLY))
    assert refused.returncode == 2
    assert 'schema "auth" does not exist' in refused.stdout
    assert "Is this the database of a Supabase project?" in refused.stdout


def test_a_link_makes_the_folder_that_the_cli_takes() -> None:
    found = migrations.discover(ROOT / "supabase" / "migrations")
    assert [script.sql for script in found.migrations] == [script.sql for script in FOLDER.migrations]


def test_every_command_and_query_of_the_document_is_run() -> None:
    """Those of pg_cron by test_cron.py."""
    run = [PSQL, PUSH, PUSH_DRY, REPAIR, APPLY, APPLY_DRY, APPLY_TIMEOUT]
    run += [VERIFICATION, SECURITY, OWNERS, REFRESH, BY_HAND, FETCH, UNDO, FORGET, UNREPAIR, OWNERS_METRICS]
    run += [CONTACTS_INDEX, *CRON]
    for found in (*COMMANDS, *QUERIES):
        assert any(words in found for words in run), found
