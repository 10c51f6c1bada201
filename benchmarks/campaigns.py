"""What the campaign API costs on top of the database, and what a list costs among many jobs.

``python -m benchmarks.campaigns``; it needs what ``make .venv/dev`` installs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import click
import psycopg
from campaigns import app, tokens
from campaigns.callers import ApiCaller
from campaigns.settings import Settings
from fastapi import FastAPI, Response
from psycopg.types.json import Jsonb
from rich.table import Table

from benchmarks.measuring import TIMES
from pgassay import config, environment, migrations
from pgassay.identity import Databases, Session
from pgassay.platforms import DEFAULT
from pgassay.report import terminal
from pgassay.servers import running

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "campaigns"
SECRET = "a secret of the benchmark, which is long enough"  # signs tokens that live for an hour
ROUNDS = 200
FEW, MANY, PAGE = 1_000, 100_000, 100
MOST_MS, MOST_TIMES = 2.0, 4
MOST_FOR_LIST = 1.5
PARAMS = {
    "target_group": "AMC",
    "cadence": {"day0": True},
    "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "Test email"}},
    "batch_size": 5,
}


@dataclass(frozen=True)
class Line:
    """A figure, beside what it is held against."""

    what: str
    api: float
    against: float
    said: str
    is_over: bool


class Caller:
    """An application that is asked in this process: what a network costs is none of its cost."""

    def __init__(self, application: FastAPI, token: str) -> None:
        self._application = application
        self._headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]

    async def ask(self, method: str, path: str, body: bytes = b"", query: bytes = b"") -> None:
        """One request. It has to succeed."""
        headers = [*self._headers, *([(b"content-type", b"application/json")] if body else [])]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query, "headers": headers, "root_path": "",
            "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self._application(scope, receive, send)
        assert statuses[0] < 400, (method, path, statuses)


async def _in_turn(rounds: int, *actions: Callable[[], Awaitable[object]]) -> list[float]:
    """The median milliseconds of each, taken in turn."""
    taken: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 10):
        for action, found in zip(actions, taken, strict=True):
            started = time.perf_counter()
            await action()
            if number >= 10:  # connections, plans and caches are warm by then
                found.append((time.perf_counter() - started) * 1000)
    return [median(found) for found in taken]


async def _empty(_: ApiCaller) -> Response:
    return Response()


async def _measured(url: str, small: UUID, large: UUID, org: UUID) -> list[Line]:
    application = app.create(Settings(database=url, secret=SECRET))
    application.add_api_route("/api/empty", _empty, methods=["GET"])
    lines = []
    async with application.router.lifespan_context(application):

        def as_user(user: UUID) -> Caller:
            return Caller(application, tokens.sign(SECRET, role="authenticated", seconds=3600, subject=str(user)))

        caller = as_user(small)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as bare:
            await bare.execute("select set_config('request.jwt.claims', %s, false)", [f'{{"sub": "{small}"}}'])
            await bare.execute("set role authenticated")
            job = await _created(bare, org)

            async def empty() -> None:
                await caller.ask("GET", "/api/empty")

            for what, ask, statement, values in [
                (
                    "progress of a job",
                    lambda: caller.ask("GET", f"/api/agent/jobs/{job}/progress"),
                    "select public.get_job_progress(%s)",
                    [job],
                ),
                (
                    "a job",
                    lambda: caller.ask("GET", f"/api/agent/jobs/{job}"),
                    "select * from public.jobs where id = %s",
                    [job],
                ),
                (
                    "next batch",
                    lambda: caller.ask("POST", f"/api/agent/jobs/{job}/plan"),
                    "select public.plan_next_batch(%s)",
                    [job],
                ),
            ]:

                async def call(statement: str = statement, values: list[Any] = values) -> None:
                    await (await bare.execute(statement.encode(), values)).fetchall()

                api, function, nothing = await _in_turn(ROUNDS, ask, call, empty)
                added, times = api - function, api / nothing
                said = f"+ {added:.2f} ms (at most {MOST_MS:.0f}), {times:.1f} {TIMES} an empty route (or {MOST_TIMES})"
                lines.append(Line(what, api, function, said, added > MOST_MS and times > MOST_TIMES))

        def listing(user: UUID) -> Callable[[], Awaitable[None]]:
            own = as_user(user)
            return lambda: own.ask("GET", "/api/agent/jobs", query=f"limit={PAGE}".encode())

        many, few = await _in_turn(ROUNDS, listing(large), listing(small))
        said = f"{many / few:.2f} {TIMES} (at most {MOST_FOR_LIST})"
        what = f"list of {PAGE} among {MANY:,} jobs, against {FEW:,}"
        lines.append(Line(what, many, few, said, many / few > MOST_FOR_LIST))
    return lines


async def _created(bare: psycopg.AsyncConnection[Any], org: UUID) -> UUID:
    cursor = await bare.execute("select id from public.create_job(%s, 'Measured', null, %s)", [org, Jsonb(PARAMS)])
    row = await cursor.fetchone()
    assert row is not None
    job: UUID = row[0]
    return job


def _organisation(owner: Session, jobs: int) -> tuple[UUID, UUID]:
    """An organisation with so many jobs, and its member."""
    org, user = uuid4(), uuid4()
    owner.execute("insert into auth.users (id) values (%s)", [user])
    owner.execute("insert into public.organizations (id, name) values (%s, 'Measured')", [org])
    owner.execute("insert into public.organization_members (organization_id, user_id) values (%s, %s)", [org, user])
    owner.execute(
        "insert into public.contacts (org_id, email, target_group) "
        "select %s, n || '@example.org', 'AMC' from generate_series(1, 5000) as n",
        [org],
    )
    owner.execute(
        "insert into public.jobs (org_id, name, params, created_at) "
        "select %s, 'Job ' || n, %s, now() - n * interval '1 second' from generate_series(1, %s) as n",
        [org, Jsonb(PARAMS), jobs],
    )
    return org, user


@contextmanager
def _database(pg: str) -> Iterator[tuple[Session, str]]:
    """A database of the example, the owner's session on it, and how the application connects."""
    settings = config.load(None, pg=pg, cwd=EXAMPLE)
    assert settings.migrations is not None
    with running(settings) as bare, Databases(environment.prepare(bare), Session) as databases:
        scripts = migrations.discover(settings.migrations).migrations
        template = databases.template(migrations.scripts(settings.before), scripts)
        with databases.copy(template) as clone:
            yield clone.connect(), clone.server.url(clone.name, user=DEFAULT.roles.login)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pg", default="embedded", show_default=True, help="Where PostgreSQL comes from, as in pgassay.")
def main(pg: str) -> None:
    """Measure the campaign API beside the bare calls of the database."""
    with _database(pg) as (owner, url):
        org, small = _organisation(owner, FEW)
        _, large = _organisation(owner, MANY)
        owner.execute("analyze")
        lines = asyncio.run(_measured(url, small, large, org))
    table = Table("what", "API, p50", "against, p50", "")
    for line in lines:
        table.add_row(line.what, f"{line.api:.2f} ms", f"{line.against:.2f} ms", line.said + (" OVER" * line.is_over))
    terminal.console().print(table)
    sys.exit(any(line.is_over for line in lines))


if __name__ == "__main__":
    main()
