"""The accepted state of the schema is that of its migrations, to the byte, on whatever server these tests run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pgassay import config, migrations
from pgassay.checks import run, snapshot
from pgassay.checks.snapshot import state
from pgassay.identity import Databases
from pgassay.templates import Template

ROOT = Path(__file__).parents[2]
SNAPSHOT = ROOT / "pgassay.snapshot"


def test_the_accepted_snapshot_is_what_this_server_makes_and_what_was_tried_on_it(
    pg_databases: Databases, pg_template: Template
) -> None:
    settings = config.load(ROOT)
    matrix = run.observe(pg_databases, pg_template, settings)
    found = snapshot.take(pg_databases, pg_template, migrations.scripts(settings.before), matrix)
    assert {name for kind, name in found.objects if kind == "access"} >= {"public.jobs", "public.job_tasks"}
    accepted = state.read(SNAPSHOT)
    assert str(replace(found, history=accepted.history)) == SNAPSHOT.read_bytes().decode()
