"""The schema that a command works on, built from its migrations on a server of the command's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pgassay import config, environment, migrations
from pgassay.checks.run import Record
from pgassay.cli.steps import Steps
from pgassay.config import Config
from pgassay.errors import ConfigError, MigrationError
from pgassay.identity import Databases, Session
from pgassay.migrations import Applied, Script
from pgassay.report import terminal
from pgassay.servers import running
from pgassay.templates import Template


@contextmanager
def schema(
    directory: str | None, options: dict[str, Any], steps: Steps, record: Record | None = None
) -> Iterator[tuple[Config, Databases, Template]]:
    """A server with the template of the migrations, its first lines printed, and what is known of it in ``record``."""
    record = record or Record()
    record.settings = settings = config.load(directory, **options)
    migrations_folder = folder_of(settings)
    record.before = before = migrations.scripts(settings.before)
    record.folder = folder = migrations.discover(migrations_folder)
    record.seeds = seeds = _seeds(settings, steps)
    scripts = (*before, *folder.migrations, *seeds)

    def begin_next() -> None:
        done = len(record.applied)
        if done < len(scripts):
            steps(f"Applying file {done + 1} of {len(scripts)}: {scripts[done].name}")

    def note(applied: Applied) -> None:
        record.applied.append(applied)
        begin_next()

    steps("Starting a server")
    with running(settings) as bare:
        steps.print(str(bare))
        begin_next()
        record.server = server = environment.prepare(bare, timeout=settings.timeout)
        with Databases(server, Session) as databases:
            try:
                template = databases.template(before, scripts[len(before) :], on_progress=note)
            except MigrationError as error:
                if not settings.seed_is_the_projects or len(record.applied) < len(scripts) - len(seeds):
                    raise
                steps.print(terminal.without_seed(error))
                record.applied.clear()
                record.seeds = ()
                scripts = (*before, *folder.migrations)
                template = databases.template(before, folder.migrations, on_progress=note)
            steps.print(terminal.applied(template.applied, folder, len(before)))
            steps.print()
            yield settings, databases, template


def _seeds(settings: Config, steps: Steps) -> tuple[Script, ...]:
    try:
        return migrations.scripts(settings.seed)
    except MigrationError as error:
        if not settings.seed_is_the_projects:
            raise
        steps.print(terminal.without_seed(error))
        return ()


def folder_of(settings: Config) -> Path:
    """The folder of migrations. Raises `ConfigError` where none was named or found."""
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {Path.cwd()}.",
            hint='Name their folder as DIR, or in pyproject.toml: [tool.pgassay] migrations = "…".',
        )
    return settings.migrations
