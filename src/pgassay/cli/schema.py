"""The schema that a command works on, built from its migrations on a server of the command's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.text import Text

from pgassay import config, environment, migrations
from pgassay.checks.run import Record
from pgassay.cli.steps import Steps
from pgassay.config import Config
from pgassay.errors import ConfigError, MigrationError
from pgassay.identity import Databases, Session
from pgassay.migrations import Applied, Script
from pgassay.report import terminal
from pgassay.report.visible import in_a_line
from pgassay.servers import running
from pgassay.templates import Template

_FAR = 3
"""From so many steps up on, a path is written from the root."""


@contextmanager
def schema(
    directory: str | None,
    options: dict[str, Any],
    steps: Steps,
    record: Record | None = None,
    *,
    names: bool = False,
) -> Iterator[tuple[Config, Databases, Template]]:
    """A server with the template of the migrations, its first lines printed, and what is known of it in ``record``.

    With ``names``, each migration has a line.
    """
    record = record or Record()
    record.settings = settings = config.load(directory, **options)
    record.before = before = migrations.scripts(settings.before)
    folder_of(settings)
    record.folder = folder = migrations.of(settings)
    record.seeds = seeds = _seeds(settings, steps)
    scripts = (*before, *folder.migrations, *seeds)

    def begin_next() -> None:
        done = len(record.applied)
        if done < len(scripts):
            steps(f"Applying file {done + 1} of {len(scripts)}: {scripts[done].name}")

    def note(applied: Applied) -> None:
        record.applied.append(applied)
        begin_next()

    for line in origin(settings, Path.cwd(), named=directory is not None):
        steps.print(line)
    steps("Starting a server")
    with running(settings) as bare:
        steps.print(str(bare))
        begin_next()
        record.server = server = environment.prepare(
            bare, settings.platform, timeout=settings.timeout, settings=settings.api
        )
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
            place = shown(folder.path, Path.cwd())
            steps.print(terminal.applied(template.applied, folder, len(before), place=place, names=names))
            steps.print()
            yield settings, databases, template


def origin(settings: Config, here: Path, *, named: bool) -> Iterator[Text]:
    """Which folder is checked and which file says how, where that is not the current folder's own, and what is not."""
    taken = settings.migrations
    if taken is None:
        return
    elsewhere = settings.root.resolve() != here.resolve()
    another = settings.configured is not None and settings.configured.resolve() != taken.resolve()
    if elsewhere or another:
        by = "without configuration"
        if settings.file is not None:
            by = f"configured by {shown(settings.file, here)}"
        if another and settings.configured is not None:
            by += f", whose own migrations are {shown(settings.configured, here)}"
        yield Text(in_a_line(f"Migrations of {shown(taken, here)}, {by}"))
    if settings.passed_over is not None and not named:
        passed = shown(settings.passed_over, here)
        yield Text(in_a_line(f"Those of {passed} are passed over; to take them: pgassay … {passed}"), "yellow")


def shown(path: Path, here: Path) -> str:
    """``path`` as a person in the folder ``here`` would write it."""
    path, here = path.resolve(), here.resolve()
    if path == here:
        return "."
    near = Path(os.path.relpath(path, here))
    return (near if near.parts.count("..") < _FAR else path).as_posix()


def _seeds(settings: Config, steps: Steps) -> tuple[Script, ...]:
    try:
        return migrations.scripts(settings.seed)
    except MigrationError as error:
        if not settings.seed_is_the_projects:
            raise
        steps.print(terminal.without_seed(error))
        return ()


def folder_of(settings: Config) -> Path:
    """The folder of migrations, or that of the command that applies them. Raises `ConfigError` where none is known."""
    if settings.migrate is not None:
        return settings.root
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {Path.cwd()}.",
            hint='Name their folder as DIR, or in pyproject.toml or pgassay.toml: [tool.pgassay] migrations = "…".',
        )
    return settings.migrations.parent if settings.migrations.is_file() else settings.migrations
