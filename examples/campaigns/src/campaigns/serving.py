"""The server: one process, on a socket that was bound before anything else was begun."""

from __future__ import annotations

import socket

import uvicorn

from campaigns import app, logs
from campaigns.events import Streams
from campaigns.settings import Settings, SettingsError

BACKLOG = 128
GRACE_SECONDS = 5
"""How long requests have to end once the server is told to stop."""


class Server(uvicorn.Server):
    """A server that ends its streams when it is told to stop, and then waits for the other requests."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and log that it has."""
        await super().startup(sockets)
        logs.note("ready")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, and end those that are there."""
        self._streams.close()
        await super().shutdown(sockets)


def bound(settings: Settings) -> socket.socket:
    """The socket to serve on; who connects early waits. Raises `SettingsError` where somebody else has the port.

    It names its protocol: asyncio sends at once what is written (TCP_NODELAY) on sockets alone that do. On others each
    answer in two parts waits for the client's delayed acknowledgement, 40 ms.
    """
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Nothing can be served on {settings.host}:{settings.port}: {error.strerror}. PORT= names another port."
        ) from None
    return listener


def server(settings: Settings) -> Server:
    """The server of the application."""
    application = app.create(settings)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
    )
    return Server(config, application.state.streams)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    server(settings).run(sockets=[listener])
