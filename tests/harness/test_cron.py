"""The refresh of `job_metrics` by the real pg_cron, as docs/applying.md schedules it."""

from __future__ import annotations

import pytest

from pgassay import Session, environment, migrations
from pgassay.identity import Databases
from pgassay.servers import local
from tests import needs
from tests.harness.operator import FOLDER, ROOT, block
from tests.jobs.cast import new_job, one, settle

DATABASE = "jobs"  # not postgres, which the server renames at its start: pg_cron is connected to it by then
SETTINGS = {
    "shared_preload_libraries": "pg_cron",
    "cron.use_background_workers": "on",
    "cron.database_name": DATABASE,
}
RUNS = "select status, return_message from cron.job_run_details where status in ('succeeded', 'failed')"


@pytest.mark.slow
def test_pg_cron_refreshes_the_metrics() -> None:
    """Every minute here, since pg_cron 1.4 has nothing shorter."""
    with local.start(needs.cron(), backend="system", why="it has pg_cron", settings=SETTINGS) as bare:
        server = environment.prepare(bare)
        with Databases(server, Session) as databases:
            template = databases.template(migrations.scripts([ROOT / "sql" / "host"]), FOLDER.migrations)
            clone = databases.clone(template, name=DATABASE)
            with clone.connect_as_admin() as admin:
                admin.execute("drop schema cron cascade")  # the environment's stand-in
                admin.execute(block("EXTENSION IF NOT EXISTS pg_cron").encode())
                admin.execute("grant usage on schema cron to postgres")
            with clone.connect() as db:
                job = new_job(db, settle(db).org_a)
                db.execute(block("'refresh job metrics', '*/5").replace("*/5", "*").encode())
                runs = wait_for_a_run(db)
                assert runs == [("succeeded", "SELECT 1")]
                assert db.execute(block("job_run_details ORDER").encode()).fetchall()
                assert one(db, "select job_id from private.job_metrics_snapshot") == job
                db.execute(block("7 days").encode())
                db.execute(block("unschedule").encode())
                assert one(db, "select array_agg(jobname) from cron.job") == ["clear cron history"]


def wait_for_a_run(db: Session) -> list[tuple[str, str]]:
    """The next full minute is when it runs, at most 60 s from now."""
    for _ in range(130):
        runs = db.execute(RUNS).fetchall()
        if runs:
            return runs
        db.execute("select pg_sleep(1)")
    pytest.fail(f"no run: {db.execute('select * from cron.job_run_details').fetchall()}")


def test_without_the_extension_the_document_s_statements_are_taken_too(db: Session) -> None:
    """By the environment's stand-in, which records jobs."""
    db.execute(block("'refresh job metrics', '*/5").encode())
    schedule = one(db, "select schedule from cron.job where jobname = 'refresh job metrics'")
    assert schedule == "*/5 * * * *"
