"""A stand-in for a pooler in transaction mode: after each transaction, the client has another session of the server.

What a session was told is gone then, and so is what it had prepared. Startup options are refused, as PgBouncer does.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pgassay import Clone

_SSL_REQUESTS = (80877103, 80877104)


@contextmanager
def pooled(clone: Clone, user: str) -> Iterator[tuple[str, list[int]]]:
    """The URL of ``clone`` for ``user`` behind a pooler, and a list with a number for each session of the server."""
    params = clone.server.params
    sessions: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=[listener, params, sessions], daemon=True).start()
        try:
            yield f"postgresql://{user}@127.0.0.1:{listener.getsockname()[1]}/{clone.name}", sessions
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, params: dict[str, str], sessions: list[int]) -> None:
    with suppress(OSError):  # closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=[client, params, sessions], daemon=True).start()


def _serve(client: socket.socket, params: dict[str, str], sessions: list[int]) -> None:
    with client, suppress(OSError, EOFError):
        startup = _startup(client)
        if b"\0options\0" in startup:
            said = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            client.sendall(b"E" + struct.pack("!I", len(said) + 4) + said)
            return
        is_told: socket.socket | None = client
        goes_on = True
        while goes_on:
            with _connect(params, sessions) as server:
                server.sendall(startup)
                _relay_until_ready(server, is_told)
                goes_on = _talk(client, server)
            is_told = None


def _talk(client: socket.socket, server: socket.socket) -> bool:
    """Pass messages on until a transaction has ended; False where the client has gone."""
    while True:
        for source in select.select([client, server], [], [])[0]:
            if source is client:
                data = client.recv(65536)
                if not data:
                    return False
                server.sendall(data)
            elif _relay_until_ready(server, client) == b"I":
                return True


def _relay_until_ready(server: socket.socket, client: socket.socket | None) -> bytes:
    """Pass on what the server says, until it is ready for the next query; the state that it is in."""
    while True:
        head = _exactly(server, 5)
        body = _exactly(server, struct.unpack("!I", head[1:])[0] - 4)
        if client is not None:
            client.sendall(head + body)
        if head[:1] == b"Z":
            return body


def _startup(client: socket.socket) -> bytes:
    while True:
        head = _exactly(client, 4)
        body = _exactly(client, struct.unpack("!I", head)[0] - 4)
        if struct.unpack("!I", body[:4])[0] not in _SSL_REQUESTS:
            return head + body
        client.sendall(b"N")


def _connect(params: dict[str, str], sessions: list[int]) -> socket.socket:
    sessions.append(len(sessions))
    if not params["host"].startswith("/"):
        return socket.create_connection((params["host"], int(params["port"])))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(f"{params['host']}/.s.PGSQL.{params['port']}")
    except OSError:
        server.close()
        raise
    return server


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
