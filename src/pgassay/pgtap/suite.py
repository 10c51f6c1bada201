"""The pgTAP files of a project, each run in a copy of the database of its own.

pg_prove runs all of them in one database. So what a file keeps, as a first one that creates extensions does, is there
for the files after it. Here it is there, too, whichever files are run and in whatever order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pgassay import migrations
from pgassay.errors import MigrationError
from pgassay.identity import Clone, Databases
from pgassay.migrations import Statement
from pgassay.pgtap import psql, running, source, tap
from pgassay.pgtap.running import Output
from pgassay.pgtap.source import Source
from pgassay.pgtap.tap import Verdict
from pgassay.templates import Template

ENDINGS = (".sql", ".pg")
"""Of the files that Supabase's CLI hands to pg_prove."""
_INCLUDES = ("i", "include", "ir", "include_relative")
_NOTHING = ("set", "reset", "show")
"""Statements outside of a transaction after which nothing is left in the database."""


@dataclass(frozen=True)
class Outcome:
    """A file that was run: what it printed, and the verdict on it."""

    path: Path
    output: Output
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether pg_prove would say so."""
        return self.verdict.passed

    @property
    def judged(self) -> bool:
        """Whether it failed or passed by itself, and not because pgassay lacks something."""
        return not self.output.unknown


def discover(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The files that ``patterns`` name, below ``root``, each once: in the order of the patterns, then of their paths.

    A folder stands for all files for psql in it and in its folders.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in sorted(_matches(root, pattern)):
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            found |= dict.fromkeys(file for file in files if file.is_file() and file.suffix in ENDINGS)
    return list(found)


def _matches(root: Path, pattern: str) -> list[Path]:
    literal = root / pattern
    if literal.exists() or Path(pattern).is_absolute():
        return [literal] if literal.exists() else []
    return list(root.glob(pattern))


class Suite:
    """Runs the files of a project, of which ``files`` are all, in copies of ``template``. A context manager."""

    def __init__(self, databases: Databases, template: Template, files: Sequence[Path], chosen: Source) -> None:
        self._databases = databases
        self._template = template
        self._files = files
        self._chosen = chosen
        self._keeping = functools.cache(keeps)
        self._outcomes: dict[Path, Outcome] = {}
        self._bases: list[Clone] = []
        """The database before the first file, and then after each of the files that may keep something."""
        self.source: Source | None = None
        """Where pgTAP came from, once a file was run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for clone in self._bases:
            clone.close()
            self._databases.drop_later(clone)

    def run(self, path: Path) -> Outcome:
        """Run a file after those before it that may keep something, and itself once."""
        if not self._bases:
            self._bases.append(self._databases.clone(self._template))
            self.source = source.provide(self._bases[0], self._chosen)
        before = self._files[: self._files.index(path)]
        for number, file in enumerate(filter(self._keeping, before), 1):
            if len(self._bases) == number:
                self._run_and_keep(file)
        if path not in self._outcomes:
            if self._keeping(path):
                self._run_and_keep(path)
            else:
                base = self._bases[sum(map(self._keeping, before))]
                with self._databases.copy_of(base) as clone:
                    self._outcomes[path] = _run(clone, path)
        return self._outcomes[path]

    def _run_and_keep(self, path: Path) -> None:
        base = self._bases[-1]
        clone = self._databases.clone_of(base)
        self._bases.append(clone)
        self._outcomes[path] = _run(clone, path)


def _run(clone: Clone, path: Path) -> Outcome:
    with clone.connect_as_owner() as connection:
        output = running.run(connection, path)
    verdict = tap.read(output.lines)
    if output.aborted is not None:
        verdict.problems.insert(0, output.aborted)
    return Outcome(path, output, verdict)


def keeps(path: Path) -> bool:
    """Whether the file may leave something in the database: it has a statement outside of what it rolls back itself."""
    inside = False
    try:
        for statement in _statements(path, ()):
            if statement is None:
                return True
            if statement.verb in ("begin", "start"):
                inside = True
            elif statement.verb in ("rollback", "abort"):
                inside = inside and "to" in statement.words
            elif statement.ends_transaction or not (inside or statement.verb in _NOTHING):
                return True
    except (MigrationError, OSError):
        return True
    return False


def _statements(path: Path, including: Sequence[Path]) -> Iterator[Statement | None]:
    """The statements of a file and of those that it includes; None for one that cannot be known before it runs."""
    (script,) = migrations.scripts([path])
    for step in psql.steps(script.sql, {}):
        if isinstance(step, Statement):
            yield step
            continue
        if step.statement is not None:
            yield step.statement
        if step.name in _INCLUDES:
            base = path.parent if step.name.startswith(("ir", "include_r")) else Path()
            included = base / "".join(step.arguments[:1])
            yield from [None] if included in including else _statements(included, (*including, path))
