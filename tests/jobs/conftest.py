"""The same tests on a schema that was dumped and restored: ``make test ARGS="tests/jobs --restored schema"``."""

from __future__ import annotations

import pytest

from pgassay.identity import Databases
from pgassay.templates import Template
from tests.jobs.dumping import restored


@pytest.fixture(scope="session")
def pg_template(
    request: pytest.FixtureRequest,
    pg_databases: Databases,
    pg_template: Template,
    tmp_path_factory: pytest.TempPathFactory,
) -> Template:
    """The template of the plugin, or what pg_dump and psql make of it."""
    what = request.config.getoption("--restored")
    if what is None:
        return pg_template
    with pg_databases.copy(pg_template) as clone:
        return restored(pg_databases, clone, what, tmp_path_factory.mktemp("dump"))
