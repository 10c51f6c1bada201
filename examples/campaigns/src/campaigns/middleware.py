"""What holds for every request: bounds of its body, headers of its answer, and a line in the log."""

from __future__ import annotations

import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaigns import logs
from campaigns.problems import Problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Requests:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, body_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, read = time.perf_counter(), 500, 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._body_bytes:
                raise HTTPException(413, self._too_large().detail)
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if self._is_too_large(Headers(scope=scope).get("content-length", "")):
                await self._too_large().response()(scope, bounded, answer)
            else:
                await self._app(scope, bounded, answer)
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            logs.note("request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds)

    def _is_too_large(self, length: str) -> bool:
        return length.isascii() and length.isdigit() and int(length) > self._body_bytes

    def _too_large(self) -> Problem:
        return Problem(413, f"The body is longer than {self._body_bytes} bytes.", headers={"Connection": "close"})
