"""`campaigns serve`: settings in sentences, a clean end, logs without tokens, and a database that is slow or away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
from campaigns import serving, settings
from campaigns.settings import SettingsError

from .test_guide import free_port
from .worlds import SECRET, Api, Site, World, new_world, serving_site, token_of

GOOD = {"CAMPAIGNS_DATABASE": "dbname=x", "CAMPAIGNS_JWT_SECRET": SECRET}
BAD: list[tuple[dict[str, str], str]] = [
    ({"CAMPAIGNS_DATABASE": ""}, "CAMPAIGNS_DATABASE is not set."),
    ({"CAMPAIGNS_JWT_SECRET": ""}, "CAMPAIGNS_JWT_SECRET is not set."),
    ({"CAMPAIGNS_JWT_SECRET": "short"}, "CAMPAIGNS_JWT_SECRET must have at least 32 bytes."),
    ({"CAMPAIGNS_DEV": "yes"}, "CAMPAIGNS_DEV is 'yes', and must be 0 or 1."),
    ({"PORT": "x"}, "PORT is 'x', and must be a number from 1 to 65535."),
    ({"PORT": "65536"}, "PORT is '65536', and must be a number from 1 to 65535."),
]


@contextmanager
def campaigns(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "campaigns", *arguments]
    given = {**os.environ, **environment}
    with subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_settings_have_defaults() -> None:
    found = settings.read(GOOD)
    assert (found.host, found.port, found.dev) == ("127.0.0.1", 9002, False)


@pytest.mark.parametrize(("change", "sentence"), BAD)
def test_a_setting_that_is_wrong_is_told_in_a_sentence(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as told:
        settings.read({**GOOD, **change})
    assert str(told.value) == sentence


def test_an_answer_is_sent_at_once() -> None:
    """Seen before: each answer took 40 ms more, because its second part waited for an acknowledgement of the first."""
    sent_at_once: list[bool] = []

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            sent_at_once.append(bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
            cast("asyncio.Transport", transport).close()

    async def one_connection() -> None:
        listener = serving.bound(settings.read({**GOOD, "PORT": str(free_port())}))
        server = await asyncio.get_running_loop().create_server(Connection, sock=listener)
        async with server:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(one_connection())
    assert sent_at_once == [True]


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_database_that_is_not_there_is_told_in_a_sentence(command: str) -> None:
    environment = {**GOOD, "CAMPAIGNS_DATABASE": "host=127.0.0.1 port=1", "PORT": str(free_port())}
    environment["CAMPAIGNS_TOKEN"] = token_of(None, "service_role")
    with campaigns(command, **environment) as process:
        _, said = process.communicate(timeout=90)
    assert process.returncode == 2
    assert said.startswith("campaigns: The database of CAMPAIGNS_DATABASE does not answer: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_cleanly_and_its_log_has_no_token(world: World, number: signal.Signals) -> None:
    port, token, job = free_port(), token_of(world.member), world.job()["id"]
    environment = {**GOOD, "CAMPAIGNS_DATABASE": world.site.settings.database, "PORT": str(port)}
    with campaigns("serve", **environment) as process:
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["event"] == "ready"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
            headers = {"Authorization": f"Bearer {token}"}
            assert client.get("/healthz").text == "ok\n"
            assert client.get("/api/agent/jobs?after=secret", headers=headers).status_code == 400
            assert client.post("/api/agent/jobs", headers=headers, json={"name": "secret"}).status_code == 400
            with client.stream("GET", f"/api/agent/jobs/{job}/events", headers=headers) as answer:
                lines = answer.iter_lines()
                next(lines)
                process.send_signal(number)
                assert "event: end" not in list(lines)  # the stream ends at once, and its client comes back
        said = process.stderr.read()
        process.wait(60)
    assert process.returncode in (0, -number)
    logged = [json.loads(line) for line in said.splitlines()]
    assert [(each["path"], each["status"]) for each in logged if each["event"] == "request"][:3] == [
        ("/healthz", 200),
        ("/api/agent/jobs", 400),
        ("/api/agent/jobs", 400),
    ]
    for hidden in (token, token.split(".")[1], "Bearer", "secret", SECRET):
        assert hidden not in said


def test_a_token_is_printed_that_the_server_takes(site: Site) -> None:
    with campaigns("token", "--role", "service_role", CAMPAIGNS_JWT_SECRET=SECRET) as process:
        printed, _ = process.communicate(timeout=60)
    assert site.client(printed.strip()).get("/api/agent/jobs").status_code == 200
    with campaigns("token", "--user", "nobody", CAMPAIGNS_JWT_SECRET=SECRET) as process:
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "campaigns: The token names no role or user that can call.\n")


def test_who_finds_no_connection_is_told_to_come_back(api_database: Api) -> None:
    with serving_site(api_database, pool_size=1) as site:
        client = new_world(site).client(None, "service_role")
        database = site.server.config.app.state.database  # type: ignore[union-attr]
        database.pool.timeout = 0.2  # once it is open: it is how long a connection may take as well
        held, free = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with database.pool.connection():
                held.set()
                await free.wait()

        future = asyncio.run_coroutine_threadsafe(hold(), site.loop)
        asyncio.run_coroutine_threadsafe(held.wait(), site.loop).result(30)
        answers = [client.get("/api/agent/jobs"), client.get("/healthz")]
        site.loop.call_soon_threadsafe(free.set)
        future.result(30)
        assert [answer.status_code for answer in answers] == [503, 503]
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert client.get("/api/agent/jobs").status_code == 200


def test_a_statement_that_takes_too_long_is_ended(api_database: Api) -> None:
    with serving_site(api_database, statement_seconds=0.3) as site:
        world = new_world(site)
        job = world.job()["id"]
        client = world.client(world.member)
        with site.owner.transaction():
            site.owner.execute("select from public.jobs where id = %s for update", [job])
            answer = client.post(f"/api/agent/jobs/{job}/cancel")
        assert answer.status_code in (409, 503)
        assert answer.json()["sqlstate"] in ("55P03", "57014")
        assert client.post(f"/api/agent/jobs/{job}/cancel").status_code == 200


def test_a_connection_that_was_ended_is_replaced(api_database: Api) -> None:
    with serving_site(api_database, pool_size=1) as site:
        client = new_world(site).client(None, "service_role")
        assert client.get("/api/agent/jobs").status_code == 200
        site.owner.execute(
            "select pg_catalog.pg_terminate_backend(pid, 5000) from pg_catalog.pg_stat_activity "
            "where application_name = 'campaigns' and datname = current_database()"
        )
        statuses: list[Any] = [client.get("/api/agent/jobs").status_code for _ in range(3)]
        assert set(statuses) <= {200, 503}
        assert statuses[-1] == 200


def test_what_is_unforeseen_is_a_problem_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a defect, with a secret in it")

    monkeypatch.setattr("campaigns.jobs.find", broken)
    answer = world.client(world.member).get(f"/api/agent/jobs/{world.member}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
