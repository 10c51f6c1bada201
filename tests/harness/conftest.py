"""Fixtures of several tests of the harness."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgassay import Session
from pgassay.identity import Databases


@pytest.fixture(scope="module")
def session(pg_databases: Databases) -> Iterator[Session]:
    """The owner's, in a database with the environment and nothing else."""
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        yield clone.connect()
