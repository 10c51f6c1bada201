"""Servers: a running PostgreSQL from one of four backends, gone when its ``with`` block is left.

Each backend is a module with one function ``start(config)``: a context manager that gives a `Server` and stops it at
the end, or raises `Unavailable` with the reason. Whatever a backend starts is watched by `watchdog`, which cleans up
however this process dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

from pgassay.config import OLDEST_MAJOR, Config
from pgassay.errors import Unavailable
from pgassay.servers import container, embedded, system, url
from pgassay.servers.server import Server

__all__ = ["Server", "running"]

Start = Callable[[Config], AbstractContextManager[Server]]

_BACKENDS: dict[str, Start] = {
    "container": container.start,
    "system": system.start,
    "embedded": embedded.start,
}


@contextmanager
def running(config: Config) -> Iterator[Server]:
    """Start the server that ``config`` asks for, and stop it when the block is left.

    ``auto`` takes the first of container, system and embedded that has the major version that the project names, else
    the first that can serve; `Server.why` says why it was this one.
    Raises `Unavailable` when none can, or when the one asked for by name or URL cannot.
    """
    with ExitStack() as stack:
        if config.url is not None:
            server = stack.enter_context(url.start(config))
        elif config.pg != "auto":
            server = stack.enter_context(_BACKENDS[config.pg](config))
        else:
            server = _first_available(config, stack)
        if server.major < OLDEST_MAJOR:
            raise Unavailable(
                f"The {server.backend} server is PostgreSQL {server.release}, which is too old: "
                f"pgassay works with {OLDEST_MAJOR} and later."
            )
        if config.pg_version is None and config.project_version not in (None, server.major):
            server = server.because(f"the project's config.toml names PostgreSQL {config.project_version}")
        yield server


def _first_available(config: Config, stack: ExitStack) -> Server:
    """The first backend that has the project's major version, where one is named; else the first that can serve."""
    reasons: dict[str, str] = {}
    asked = [config]
    if config.project_version is not None and config.pg_version is None and config.pg_image is None:
        asked.insert(0, replace(config, pg_version=config.project_version))
    for wish in asked:
        # an image of that version is what a container would be asked for a second time
        refused = {name: why for name, why in reasons.items() if name == "container"}
        reasons = dict(refused)
        for name, start in _BACKENDS.items():
            if name in refused:
                continue
            try:
                server = stack.enter_context(start(wish))
            except Unavailable as error:
                reasons[name] = error.message
            else:
                return server.because("; ".join(reasons.values()) or "a container engine answers and has the image")
    wanted = f"PostgreSQL {config.pg_version}" if config.pg_version else "PostgreSQL"
    raise Unavailable(
        f"No backend can give {wanted} here:\n" + "\n".join(f"  {name}: {why}" for name, why in reasons.items()),
        hint="Install one of them (pip install 'pgassay[embedded]' is the quickest), or name a server: --pg URL.",
    )
