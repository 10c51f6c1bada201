"""Where reports go: ``--report json=FILE``, checked before the run, written at once after it."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgassay.checks.run import Run
from pgassay.errors import ConfigError
from pgassay.report import github, json, junit, sarif


def _page(run: Run) -> str:
    from pgassay.report import html  # with Jinja, which most runs do not need

    return html.render(run)


FORMATS: Mapping[str, Callable[[Run], str]] = {
    "json": json.render,
    "sarif": sarif.render,
    "html": _page,
    "junit": junit.render,
}
ANNOTATIONS = "github"


@dataclass(frozen=True)
class Destinations:
    """The reports that were asked for: a format for each file, and whether there are ``annotations``."""

    files: Mapping[Path, str]
    annotations: bool

    def write(self, run: Run) -> None:
        """Write all: each file is there as a whole or as it was before. Raises `ConfigError`."""
        if self.annotations:
            print(github.render(run), end="", flush=True)
        for path, kind in self.files.items():
            _write(path, FORMATS[kind](run))

    @contextmanager
    def quoted(self) -> Iterator[None]:
        """Where there are annotations, keep what is printed within the block from being taken for some.

        https://docs.github.com/actions/reference/workflow-commands-for-github-actions: nobody knows the token before.
        """
        token = secrets.token_hex(16)
        if self.annotations:
            print(f"::stop-commands::{token}", flush=True)
        try:
            yield
        finally:
            if self.annotations:
                print(f"::{token}::", flush=True)


def parse(wanted: Iterable[str]) -> Destinations:
    """Read ``json=FILE``, ``sarif=FILE``, ``html=FILE``, ``junit=FILE`` and ``github``.

    Raises `ConfigError` for another word, and for a file that could not be written.
    """
    files: dict[Path, str] = {}
    annotations = False
    for word in wanted:
        kind, _, name = word.partition("=")
        if word == ANNOTATIONS:
            annotations = True
            continue
        if kind not in FORMATS or not name:
            raise ConfigError(
                f"--report {word} is not known.",
                hint=f"Write {', '.join(f'{known}=FILE' for known in FORMATS)} or {ANNOTATIONS}.",
            )
        path = Path(name).resolve()
        if path in files:
            raise ConfigError(f"Two reports are to be written to {name}.")
        _refuse_unwritable(name, path)
        files[path] = kind
    return Destinations(files, annotations)


def _refuse_unwritable(name: str, path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ConfigError(f"The report {name} cannot be written: it is there, and no ordinary file.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(f"The report {name} cannot be written: {path.parent}: {error.strerror}.") from error


def _write(path: Path, text: str) -> None:
    """As a file beside it that takes its name: nobody ever reads half a report."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".pgassay-", delete=False
        ) as file:
            try:
                file.write(text)
                file.close()
                os.chmod(file.name, _mode(path))
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise ConfigError(f"The report {path} cannot be written: {error.strerror}.") from error


def _mode(path: Path) -> int:
    """The rights of the file that is replaced, or those that a new one gets here."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
