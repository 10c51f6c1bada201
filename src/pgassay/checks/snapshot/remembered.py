"""States that were read before: a half of a comparison that has not changed is not built and tried again.

They lie in the user's cache folder, each under a hash of all that it hangs on: the SQL, the server, the configuration,
and pgassay's own files. A cache that cannot be read or written makes a comparison slower, never wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from pgassay import migrations
from pgassay.checks.snapshot import state
from pgassay.checks.snapshot.state import State
from pgassay.config import Config
from pgassay.errors import PgassayError
from pgassay.migrations import Script
from pgassay.platforms import DEFAULT
from pgassay.servers.server import Server

_KEPT = 64
"""So many states are kept, the latest."""
_PACKAGE = Path(__file__).parents[2]


class Memory:
    """What was read under these ``settings``; ``tried`` says whether access is observed, too.

    ``folder`` is where it is kept beyond this run, if anywhere.
    """

    def __init__(self, settings: Config, *, tried: bool, folder: Path | None = None) -> None:
        self._about = [_told(settings), str(tried)]
        self._about += [f"{script.name}\0{script.sql}" for script in migrations.scripts(settings.rows)]
        self._folder = folder
        self._here: dict[str, State] = {}

    def key(self, server: Server, before: Iterable[Script], scripts: Iterable[Script]) -> str:
        """What no two different schemas have in common, nor one schema under another server or configuration."""
        digest = hashlib.sha256()
        parts = [_program(), str(server), server.owner, *sorted(server.extensions()), *self._about]
        for some in (before, scripts):
            parts += ["files", *(part for script in some for part in script.identity)]
        for part in parts:
            digest.update(len(part).to_bytes(8) + part.encode())
        return digest.hexdigest()

    def get(self, key: str) -> State | None:
        """The state that was kept under ``key``."""
        if key not in self._here and self._folder is not None:
            with suppress(PgassayError, OSError):
                self._here[key] = state.read(self._folder / key)
        return self._here.get(key)

    def keep(self, key: str, found: State, *, beyond: bool) -> None:
        """Keep ``found`` for this run, and ``beyond`` it where nothing was left open that a second try may settle."""
        self._here[key] = found
        if self._folder is None or not beyond or found.untold:  # a file does not say what could not be read
            return
        with suppress(PgassayError, OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            state.write(self._folder / key, found)
            kept = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for old in kept[:-_KEPT]:
                old.unlink(missing_ok=True)


def _told(value: Any) -> str:
    """The same text for what is equal, in every run: sets have no order."""
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(_told(getattr(value, field.name)) for field in fields(value))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{_told(key)}: {_told(item)}' for key, item in value.items()))}}}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(_told, value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_told, value))}]"
    return repr(value)


def cache_folder() -> Path | None:
    """Where states are kept for the next run; nowhere for a user without a home."""
    with suppress(RuntimeError, OSError):
        return platformdirs.user_cache_path("pgassay") / "states"
    return None


@cache
def _program() -> str:
    """A hash of pgassay's own files, and of the environment's."""
    digest = hashlib.sha256()
    for file in (*sorted(_PACKAGE.rglob("*.py")), *sorted(DEFAULT.folder.rglob("*.sql"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()
