"""The sides of a comparison: a folder of migrations, a revision of git, a live database, or a snapshot."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgassay import migrations
from pgassay.checks import isolation, snapshot
from pgassay.checks.snapshot import live, state
from pgassay.checks.snapshot.live import Live
from pgassay.checks.snapshot.remembered import Memory
from pgassay.checks.snapshot.state import State
from pgassay.config import Config, migrations_in
from pgassay.errors import ConfigError
from pgassay.identity import Databases
from pgassay.migrations import Command, Folder, Script
from pgassay.templates import Template

_READ = (".sql", ".plan", ".sum", ".json", ".toml", ".conf")
"""What formats of migrations read, by the ends of names."""
_WHERE = 'Name their folder in pyproject.toml or pgassay.toml: [tool.pgassay] migrations = "…".'

Observe = Callable[[Databases, Template], isolation.Matrix | None]
"""Tries who reaches whose rows in a template; None where no tenancy is declared, or it cannot be tried there."""


@dataclass(frozen=True)
class Source:
    """One side, as it was named: ``kind`` is ``folder``, ``revision``, ``database`` or ``snapshot``."""

    kind: str
    text: str

    def __str__(self) -> str:
        return "the database" if self.kind == "database" else f"{self.kind} {self.text}"

    @property
    def is_applied(self) -> bool:
        """Whether it is migrations, which have to be applied to see what they make."""
        return self.kind in ("folder", "revision")


def sources(arguments: tuple[str, ...], settings: Config) -> tuple[Source, Source]:
    """The two sides that ``arguments`` name. Raises `ConfigError`.

    ``main..HEAD`` is two revisions. One side alone, or a range without an end, as ``main..``, is compared with the
    migrations as they are now, whether they are committed or not.
    """
    root = settings.root
    if len(arguments) == 1 and ".." in arguments[0] and not Path(arguments[0]).exists():
        first, second = arguments[0].split("..", 1)
        if second.startswith("."):
            raise ConfigError(
                f"{arguments[0]} names two revisions with three dots.", hint="Write two: pgassay diff main..HEAD"
            )
        return _revision(first or "HEAD", root), _revision(second, root) if second else _work(settings)
    if len(arguments) == 1:
        return _source(arguments[0], root), _work(settings)
    if len(arguments) != 2:
        raise ConfigError(
            f"Two things are compared, and {len(arguments) or 'none'} {'are' if arguments else 'is'} named.",
            hint="Name two folders, revisions, snapshots or URLs of databases, or two revisions as main..HEAD. One "
            "alone, as main, is compared with the migrations as they are now.",
        )
    first_source, second_source = (_source(argument, root) for argument in arguments)
    return first_source, second_source


def _work(settings: Config) -> Source:
    """The migrations of the project as they are now."""
    if settings.migrate is not None:
        return Source("folder", os.path.relpath(settings.root))
    if settings.migrations is None:
        raise ConfigError("Where the migrations of this project lie is not known.", hint=_WHERE)
    return Source("folder", os.path.relpath(settings.migrations))


def _of_folder(source: Source, settings: Config) -> Folder:
    """The migrations of a folder: those of the project as the configuration says, others by their looks."""
    path = Path(source.text)
    if settings.migrate is not None and path.resolve() == settings.root.resolve():
        return migrations.of(settings)
    return migrations.discover(migrations_in(path), settings.format)


def _source(text: str, root: Path) -> Source:
    if text.startswith(live.URLS):
        return Source("database", text)
    if Path(text).is_dir():
        return Source("folder", text)
    if Path(text).is_file():
        return Source("snapshot", text)
    return _revision(text, root)


def _revision(text: str, root: Path) -> Source:
    try:
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise ConfigError(
            f"{text} is no folder, no file and no URL of a database, and git knows no revision of that name.",
            hint="Compare two folders of migrations, two revisions (main..HEAD), a folder and the URL of a database, "
            "or two snapshots.",
        ) from error
    return Source("revision", text)


def take(
    source: Source, settings: Config, databases: Databases | None, observe: Observe, memory: Memory | None = None
) -> State:
    """The state of the schema that ``source`` names. ``databases`` is needed for all but snapshots.

    Migrations that ``memory`` has are not applied again.
    """
    if source.kind == "snapshot":
        return state.read(Path(source.text))
    assert databases is not None
    if source.kind == "database":
        return live.read(source.text, databases, migrations.scripts(settings.before)).state
    memory = memory or Memory(settings, tried=False, folder=None)
    with _scripts(source, settings) as (before, scripts):
        key = memory.key(databases.server, before, scripts)
        found = memory.get(key)
        if found is None:
            template = databases.template(before, scripts)
            matrix = observe(databases, template)
            found = snapshot.take(databases, template, before, matrix)
            memory.keep(key, found, beyond=matrix is not None and not matrix.unjudged and _is_all_known(scripts))
    return found


def beside(source: Source, settings: Config, databases: Databases, there: Live) -> tuple[State, State]:
    """The state that ``source`` names, and that of the database ``there``, without what only one of them can have."""
    if source.kind == "database":
        other = live.read(source.text, databases, migrations.scripts(settings.before)).state
        return other, there.state
    if source.kind == "snapshot":
        other = live.without_the_platforms(state.read(Path(source.text)))
        return other, live.comparable(there.state, other)
    with _scripts(source, settings) as (before, scripts):
        other = live.beside(databases, databases.template(before, scripts), before, there.unread)
        return other, live.comparable(there.state, other, scripts)


def _is_all_known(scripts: Sequence[Script]) -> bool:
    """Whether what the scripts do depends on nothing but what they say."""
    return not any(isinstance(script, Command) and not script.inputs for script in scripts)


@contextmanager
def _scripts(source: Source, settings: Config) -> Iterator[tuple[tuple[Script, ...], tuple[Script, ...]]]:
    """What goes in before the migrations, and the migrations."""
    if source.kind == "folder":
        folder = _of_folder(source, settings)
        yield migrations.scripts(settings.before), folder.migrations
        return
    if settings.migrate is not None:
        raise ConfigError(
            f"A command applies the migrations ({settings.migrate}), so a revision of them cannot be built alone.",
            hint="Check the revision out (git worktree add), write a snapshot there, and compare the snapshots.",
        )
    if settings.migrations is None:
        raise ConfigError(
            "Where the migrations of a revision lie is not known.",
            hint=_WHERE,
        )
    with tempfile.TemporaryDirectory(prefix="pgassay-") as directory:
        taken = [
            _extract(source.text, path, settings.root, Path(directory) / str(number))
            for number, path in enumerate((settings.migrations, *settings.before))
        ]
        yield migrations.scripts(taken[1:]), migrations.discover(taken[0], settings.format).migrations


def _extract(revision: str, path: Path, root: Path, target: Path) -> Path:
    """Write the file or the SQL of the folder ``path``, as it was at ``revision``, into ``target``."""
    top = Path(_git(root, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    try:
        inside = path.resolve().relative_to(top.resolve()).as_posix()
    except ValueError as error:
        raise ConfigError(f"{path} is not in the repository {top}, so no revision has it.") from error
    listed = _git(top, "ls-tree", "-r", "-z", "--full-tree", revision, "--", f"{inside}/" if path.is_dir() else inside)
    target.mkdir()
    found = 0
    for entry in filter(None, listed.decode().split("\0")):
        about, _, full_name = entry.partition("\t")
        mode, _, blob = about.split()
        if mode in ("100644", "100755") and full_name.endswith(_READ):
            file = target / (Path(full_name).relative_to(inside) if path.is_dir() else Path(full_name).name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_git(top, "cat-file", "blob", blob))
            found += full_name.endswith(".sql")
    if not found:
        raise ConfigError(f"There is no SQL in {inside} at the revision {revision}.")
    return target / path.name if path.is_file() else target


def _git(root: Path, *arguments: str) -> bytes:
    """What git prints; it takes no lock, and nothing of the work tree is touched."""
    return subprocess.run(
        ["git", "-C", root, *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    ).stdout
