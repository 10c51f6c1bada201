"""The backend ``container``: any PostgreSQL image, through testcontainers.

When the run is over, the watchdog calls `remove`.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from pgassay.config import Config
from pgassay.errors import Unavailable
from pgassay.servers.guard import Guard
from pgassay.servers.server import ADMIN, MAINTENANCE, SETTINGS, Server, free_the_name_postgres, new_token

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer

DEFAULT_MAJOR = 17
START_SECONDS = 120
_LABEL = "pgassay.run"
_DATA = "/pgassay"
_SOCKETS = ("/var/run/docker.sock", "~/.docker/run/docker.sock", "~/.docker/desktop/docker.sock")
_POLL_SECONDS = 0.02


@contextmanager
def start(config: Config) -> Iterator[Server]:
    """Run a container of the wanted image; it and its volumes are removed when the block is left.

    Raises `Unavailable` when no container engine answers, the image cannot be had, or the container does not come up.
    """
    image = config.pg_image or f"postgres:{config.pg_version or config.project_version or DEFAULT_MAJOR}"
    _find_engine()
    run = new_token()
    with Guard() as guard:
        guard.run_at_end([sys.executable, "-c", f"import {__name__} as c; c.remove(input())"], run + "\n")
        container = _define(image, run)
        with closing(container.get_docker_client().client):
            _start(container, image)
            server = _await_ready(container, image, run)
        if config.pg_version not in (None, server.major):
            raise Unavailable(f"PostgreSQL {config.pg_version} is wanted, the image {image} has {server.release}")
        yield server


def _find_engine() -> None:
    """Raise `Unavailable` unless a container engine answers."""
    hint = "Start Docker (or Podman with DOCKER_HOST set), or choose another backend with --pg."
    signs = (*_SOCKETS, "~/.testcontainers.properties")  # a user without a home has no ~ that could be expanded
    if "DOCKER_HOST" not in os.environ and not any(os.path.exists(os.path.expanduser(path)) for path in signs):
        raise Unavailable("no container engine is running here", hint=hint)  # without the import of docker: 0.2 s
    try:
        import testcontainers.core.config  # noqa: F401 - is the extra installed?
    except ImportError as error:
        raise Unavailable(
            "testcontainers is not installed", hint="Install it: pip install 'pgassay[container]'."
        ) from error
    reason = _why_it_does_not_answer()
    if reason is not None:
        raise Unavailable(f"no container engine answers ({reason})", hint=hint)


def _why_it_does_not_answer() -> str | None:
    import docker
    import docker.errors

    # docker leaves the socket of a connection that failed to the garbage collector. The warning about that would come
    # up in some test of our user's, so it is collected here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env(timeout=10)) as client:
                client.ping()
        except docker.errors.DockerException as error:
            reason = str(error)
        else:
            return None
        gc.collect()
    return reason


def _define(image: str, run: str) -> PostgresContainer:
    from testcontainers.community.postgres import PostgresContainer

    class Quick(PostgresContainer):
        def _connect(self) -> None:
            """Waited for by `_await_ready`, which notices a crash."""

    _keep_the_reaper_if_it_can_be_had()
    settings = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    container = Quick(image, username=ADMIN, password=secrets.token_urlsafe(16), dbname="postgres", driver=None)
    container.with_env("PGDATA", f"{_DATA}/data").with_tmpfs_mount(_DATA, "mode=0755")
    return container.with_command(settings).with_kwargs(labels={_LABEL: run})


def _start(container: PostgresContainer, image: str) -> None:
    import docker.errors

    try:
        container.start()
    except docker.errors.ImageNotFound as error:
        raise Unavailable(f"there is no image {image} ({error.explanation})") from error
    except docker.errors.DockerException as error:
        raise Unavailable(f"the image {image} is not here and cannot be pulled ({_reason(error)})") from error


def _keep_the_reaper_if_it_can_be_had() -> None:
    """Turn testcontainers' reaper off where its image is not to be had: the watchdog does its work in any case."""
    import docker
    import docker.errors
    from testcontainers.core.config import testcontainers_config

    if testcontainers_config.ryuk_disabled:
        return
    client = docker.from_env()
    try:
        client.images.get(testcontainers_config.ryuk_image)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(testcontainers_config.ryuk_image)
        except docker.errors.DockerException:
            testcontainers_config.ryuk_disabled = True
    finally:
        client.close()


def _await_ready(container: PostgresContainer, image: str, run: str) -> Server:
    """Connect as soon as the server answers. An official image's first, temporary server has no TCP."""
    params = {
        "host": container.get_container_host_ip(),
        "port": str(container.get_exposed_port(container.port)),
        "user": container.username,
        "password": container.password,
        "connect_timeout": "5",
    }
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(make_conninfo(**params, dbname="postgres")) as connection:
                version = connection.info.server_version
            break
        except psycopg.OperationalError as error:
            container.reload()
            if container.status not in ("created", "running"):
                log = container.get_wrapped_container().logs(tail=8).decode(errors="replace").strip()
                raise Unavailable(f"a container of {image} ended at once ({container.status}):\n{log}") from error
            if time.monotonic() > deadline:
                raise Unavailable(f"the server in {image} did not answer within {START_SECONDS} s: {error}") from error
            time.sleep(_POLL_SECONDS)
    server = Server(
        backend="container",
        version=version,
        params=params,
        admin=ADMIN,
        maintenance=MAINTENANCE,
        why=f"image {image}",
        run=run,
    )
    free_the_name_postgres(server)
    return server


def _reason(error: Any) -> str:
    return str(getattr(error, "explanation", None) or error)


def remove(run: str) -> None:
    """Remove the containers of a run, with their volumes."""
    import docker

    client = docker.from_env()
    for found in client.containers.list(all=True, filters={"label": f"{_LABEL}={run}"}):
        found.remove(force=True, v=True)
    client.close()
