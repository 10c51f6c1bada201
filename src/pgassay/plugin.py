"""The pytest plugin: fixtures that give every test a real database with the migrations applied."""

from __future__ import annotations

import json
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import pytest

from pgassay import config, environment, migrations
from pgassay.config import Config
from pgassay.errors import PgassayError
from pgassay.identity import EndedTransaction, Session
from pgassay.servers import Server, running
from pgassay.templates import Clone, Databases, Template

_CONFIG = pytest.StashKey[Config]()
_SERVER_LINE = pytest.StashKey[str]()
_SHARED = pytest.StashKey["SharedServer"]()
_KEPT = pytest.StashKey[list[str]]()
_FAILED = pytest.StashKey[bool]()

Example = Callable[[], AbstractContextManager[Session]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pgassay", "PostgreSQL for tests of the schema")
    group.addoption("--pg", metavar="BACKEND", help="auto, container, embedded, system, or the URL of a server")
    group.addoption("--pg-version", metavar="MAJOR", help="major version of PostgreSQL that is wanted, as 17")
    group.addoption("--pg-image", metavar="IMAGE", help="image for the backend container, as postgres:17")
    group.addoption(
        "--pg-keep",
        action="store_true",
        help="keep the clones of failed tests, print their URLs, and hold the server until Ctrl-C",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("dsession"):  # pytest-xdist, in the process that controls the workers
        config.stash[_SHARED] = SharedServer(lambda: _config(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SHARED in config.stash:
        config.stash[_SHARED].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to ask for the server."""
    node.workerinput["pgassay"] = node.config.stash[_SHARED].address


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    shared = config.stash.get(_SHARED, None)
    server = config.stash.get(_SERVER_LINE, None) or (shared.described if shared is not None else None)
    if server is not None:
        terminalreporter.write_line(server)
    kept = [
        url
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, url in getattr(report, "user_properties", ())
        if name == "pgassay_kept"
    ]
    if kept and config.getoption("--pg-keep"):
        terminalreporter.section("databases of failed tests")
        for url in dict.fromkeys(kept):
            terminalreporter.write_line(f"psql '{url}'")


class SharedServer:
    """One server for all workers of pytest-xdist: started by the controlling process when the first worker asks."""

    def __init__(self, read_config: Callable[[], Config]) -> None:
        self._read_config = read_config
        self._stack = ExitStack()
        self._answer: dict[str, Any] | None = None
        self.described: str | None = None
        directory = Path(tempfile.mkdtemp(prefix="pgassay-", dir="/tmp"))  # noqa: S108 - short: it holds a socket
        key = secrets.token_hex(16)
        self._listener = Listener(str(directory / "s"), family="AF_UNIX", authkey=key.encode())
        self._directory = directory
        self.address = {"socket": str(directory / "s"), "key": key}
        self._thread = threading.Thread(target=self._serve, name="pgassay-server", daemon=True)
        self._thread.start()
