"""The application: its routes, and what becomes of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from campaigns import api, logs, panel, problems
from campaigns.contracts import ProblemDocument
from campaigns.database import Database
from campaigns.events import Streams
from campaigns.middleware import Requests
from campaigns.problems import Problem
from campaigns.settings import Settings

LOOPBACK = ["localhost", "127.0.0.1"]
"""The hosts that development serves: a name that somebody else points at this machine is refused."""


def create(settings: Settings) -> FastAPI:
    """The application with those settings. It connects when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await app.state.database.open()
        try:
            yield
        finally:
            await app.state.database.close()

    middleware = [Middleware(Requests, body_bytes=settings.body_bytes)]
    if settings.dev:
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK))
    app = FastAPI(
        title="Campaigns",
        version="1",
        summary="Campaigns of an organisation: create them, work on them, watch them.",
        lifespan=lifespan,
        middleware=middleware,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.streams = Streams(settings.streams, settings.streams_per_caller)
    app.state.database = Database(
        settings.database,
        size=settings.pool_size,
        wait=settings.pool_wait,
        statement_seconds=settings.statement_seconds,
    )
    app.include_router(api.router)
    app.include_router(panel.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_api_route("/healthz", _health, methods=["GET"], include_in_schema=False)
    app.exception_handler(RequestValidationError)(_invalid)
    for kind in (Problem, HTTPException, psycopg.Error, PoolTimeout, PoolClosed, UnicodeEncodeError, Exception):
        app.exception_handler(kind)(_refused)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _health(request: Request) -> Response:
    """Whether the database answers."""
    await request.app.state.database.is_alive()
    return Response("ok\n", media_type="text/plain")


async def _invalid(request: Request, error: Exception) -> Response:
    """What the declared shape of a request says against it."""
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]), "message": each["msg"]}
        for each in error.errors()
    ]
    first = found[0]
    return _answer(request, Problem(400, f"{first['field']}: {first['message']}", field=first["field"], errors=found))


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return _answer(request, error)
    if isinstance(error, HTTPException):
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return _answer(request, Problem(error.status_code, str(error.detail), headers=headers))
    problem = problems.of(error)
    if problem is None:
        if isinstance(error, psycopg.Error):  # any other is raised again, and logged by the server
            logs.failure("defect", method=request.method, path=request.url.path)
        problem = Problem(500, "Something went wrong on our side.")
    elif problem.status >= 500:
        logs.warning("unavailable", method=request.method, path=request.url.path, error=str(error))
    return _answer(request, problem)


def _allowed(request: Request) -> str:
    """All methods of a path: several routes may share one."""
    methods: set[str] = set()
    for route in (*api.router.routes, *panel.router.routes):
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods)) or "GET, HEAD"


def _answer(request: Request, problem: Problem) -> Response:
    if panel.is_page(request):
        return panel.refusal(request, problem)
    return problem.response()


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. FastAPI's own errors are left out: a request of a wrong shape is a 400 here."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        for operations in document["paths"].values():
            for operation in operations.values():
                refused = operation["responses"].get("422", {})
                if "application/json" in refused.get("content", {}):
                    del operation["responses"]["422"]
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
