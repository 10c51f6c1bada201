"""The bench: the server, the template with all migrations, and clones that are gone before the next measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.measuring import Track
from pgassay.identity import Clone, Databases
from pgassay.templates import Template


@dataclass(frozen=True)
class Bench:
    """What a subject is measured on; ``admin`` is connected to the maintenance database."""

    databases: Databases
    template: Template
    admin: psycopg.Connection[Any]
    track: Track

    @contextmanager
    def clone(self) -> Iterator[Clone]:
        """A fresh clone, dropped when the block is left: not in the background, where the next one would feel it."""
        made = self.databases.clone(self.template)
        try:
            yield made
        finally:
            made.close()
            self.drop(made.name)

    def drop(self, database: str) -> None:
        """Drop a database."""
        self.admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))
