"""The schema that a command works on, built from its migrations on a server of the command's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pgassay import config, environment, migrations
from pgassay.checks.run import Record
from pgassay.config import Config
from pgassay.errors import ConfigError
from pgassay.identity import Databases, Session
from pgassay.report import terminal
from pgassay.servers import running
from pgassay.templates import Template


@contextmanager
def schema(
    directory: str | None, options: dict[str, Any], say: Callable[..., None], record: Record | None = None
) -> Iterator[tuple[Config, Databases, Template]]:
    """A server with the template of the migrations, its first lines said, and what is known of it in ``record``."""
    record = record or Record()
    record.settings = settings = config.load(directory, **options)
    migrations_folder = folder_of(settings)
    record.before = before = migrations.scripts(settings.before)
    record.folder = folder = migrations.discover(migrations_folder)
    record.seeds = seeds = migrations.scripts(settings.seed)
    with running(settings) as bare:
        say(str(bare))
        record.server = server = environment.prepare(bare, timeout=settings.timeout)
        with Databases(server, Session) as databases:
            scripts = (*folder.migrations, *seeds)
            template = databases.template(before, scripts, on_progress=record.applied.append)
            say(terminal.applied(template.applied, folder, len(before)))
            say()
            yield settings, databases, template


def folder_of(settings: Config) -> Path:
    """The folder of migrations. Raises `ConfigError` where none was named or found."""
    if settings.migrations is None:
        raise ConfigError(
            f"No migrations were found in {Path.cwd()}.",
            hint='Name their folder as DIR, or in pyproject.toml: [tool.pgassay] migrations = "…".',
        )
    return settings.migrations
