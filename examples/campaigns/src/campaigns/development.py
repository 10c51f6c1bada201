"""All of it on one machine: PostgreSQL by `pgassay up`, the sample, workers, and the server."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click

from campaigns import logs, sample, serving, settings, tokens
from campaigns.contracts import GUIDE
from campaigns.settings import Settings, SettingsError

PROJECT = Path(__file__).resolve().parents[2]
"""The folder of this example."""

_URL = re.compile(r"postgresql://authenticator[^\s']*")
_IS_UP = "The server runs until Ctrl-C."
_PATIENCE = 10
REFRESH_SECONDS = 5


def run(environment: Mapping[str, str], *, workers: int, pace: float) -> None:
    """Serve until SIGINT or SIGTERM; whatever was started has ended then."""
    signal.signal(signal.SIGINT, _interrupt)  # also for a process of the background, in which it is ignored
    signal.signal(signal.SIGTERM, _interrupt)
    port = settings.port(environment)
    listener = serving.bound(Settings(database="", secret="", port=port))
    secret = secrets.token_hex(32)
    with ExitStack() as stack:
        stack.callback(listener.close)
        try:
            database = stack.enter_context(_postgresql())
            given = Settings(database=database, secret=secret, dev=True, port=port)
            token = tokens.sign(secret, role="service_role", seconds=365 * 24 * 3600)
            for number in range(workers):
                refresh = REFRESH_SECONDS if number == 0 else 0
                stack.enter_context(_worker(given, token, "--pace", str(pace), "--refresh", str(refresh)))
            click.echo("\n".join(_greeting(given)))
            logs.begin(logging.WARNING)
            serving.serve(given, listener)
        except KeyboardInterrupt:
            return


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _greeting(given: Settings) -> Iterator[str]:
    users = ", ".join(f"{user.email} ({user.about})" for user in sample.USERS)
    place = f"http://localhost:{given.port}"
    yield f"{place}/agent/jobs  Sample users: {users}"
    yield ""
    yield "Create a campaign:"
    yield f"  curl -X POST {place}/api/agent/jobs \\"
    yield '    -H "Content-Type: application/json" \\'
    yield f'    -H "Authorization: Bearer {sample.token(sample.FIRST, given.secret)}" \\'
    yield f"    -d '{json.dumps(GUIDE)}'"
    yield f"Without the header Authorization it is the campaign of {sample.FIRST.email}. Start it in the panel."
    yield "Ctrl-C ends the server, its workers and PostgreSQL."


@contextmanager
def _postgresql() -> Iterator[str]:
    """A PostgreSQL with the migrations and the sample; how to connect to it as `authenticator`."""
    command = [sys.executable, "-m", "pgassay", "up", str(PROJECT), "--seed", str(PROJECT / "sample.sql")]
    with _child(command, stdout=subprocess.PIPE, ends_by=signal.SIGINT) as process:
        assert process.stdout is not None
        said: list[str] = []
        url = None
        for line in process.stdout:
            said.append(line)
            url = url or _URL.search(line)
            if _IS_UP in line:
                break
        if url is None:
            raise SettingsError("PostgreSQL could not be started:\n" + "".join(said))
        threading.Thread(target=_drain, args=[process.stdout], daemon=True).start()
        yield url[0]


def _drain(stream: IO[str]) -> None:
    for _ in stream:
        pass


@contextmanager
def _worker(given: Settings, token: str, *options: str) -> Iterator[None]:
    environment = {
        "CAMPAIGNS_DATABASE": given.database,
        "CAMPAIGNS_JWT_SECRET": given.secret,
        "CAMPAIGNS_TOKEN": token,
    }
    command = [sys.executable, "-m", "campaigns", "worker", *options]
    with _child(command, env=environment, stderr=subprocess.DEVNULL, ends_by=signal.SIGTERM):
        yield


@contextmanager
def _child(
    command: list[str],
    *,
    ends_by: signal.Signals,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, so that Ctrl-C ends all in order, and not all at once."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(ends_by)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
