"""Tests in SQL: files that call pgTAP, run as pg_prove runs them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pgassay.config import Config
from pgassay.errors import ConfigError
from pgassay.pgtap.suite import discover

_PROJECT, _USUAL = "supabase", "tests"
"""The folder of a Supabase project's database, and that of its tests, beside the migrations."""


def is_in_the_usual_place(path: Path) -> bool:
    """Whether a file lies in ``supabase/tests`` of any project."""
    return (_PROJECT, _USUAL) in pairwise(path.parts[:-1])


def files(settings: Config) -> list[Path]:
    """The pgTAP files of a project: those that ``pgtap`` names, else those in ``supabase/tests``.

    Raises `ConfigError` where a pattern that the configuration names matches no such file.
    """
    if settings.pgtap is None:
        folder = None if settings.migrations is None else settings.migrations.parent
        return discover(folder, [_USUAL]) if folder is not None and folder.resolve().name == _PROJECT else []
    for pattern in settings.pgtap:
        if not discover(settings.root, [pattern]):
            raise ConfigError(
                f"[tool.pgassay] pgtap names {pattern!r}, which matches no file that ends in .sql or .pg.",
                hint=f"Patterns are of paths in {settings.root}, as supabase/tests or db/**/*.test.sql.",
            )
    return discover(settings.root, settings.pgtap)
