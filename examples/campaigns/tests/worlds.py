"""A running server on a database of its own, and organisations with their members."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from campaigns import serving, tokens
from campaigns.settings import Settings

from pgassay import Session
from pgassay.fixtures import ApiDatabase

SECRET = "a secret of the tests, of 32 bytes and more"
SAMPLE = Path(__file__).parents[1] / "sample.sql"
PARAMS: dict[str, Any] = {
    "target_group": "AMC",
    "cadence": {"day0": True},
    "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "Test email"}},
    "review_mode": True,
    "batch_size": 5,
}

PATIENCE = 60

Api = Callable[[], AbstractContextManager[ApiDatabase]]


def token_of(user: UUID | None, role: str = "authenticated", seconds: int = 600) -> str:
    return tokens.sign(SECRET, role=role, seconds=seconds, subject=None if user is None else str(user))


@dataclass
class Site:
    """A server, and the owner's session on its database."""

    url: str
    owner: Session
    server: serving.Server
    settings: Settings
    loop: asyncio.AbstractEventLoop
    clients: list[httpx.Client] = field(default_factory=list)
    known: dict[tuple[UUID | None, str], httpx.Client] = field(default_factory=dict)

    def client(self, token: str | None = None) -> httpx.Client:
        """A client with that token; it follows no redirect."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False, trust_env=False)
        self.clients.append(client)
        return client


@contextmanager
def serving_site(api: Api, *, sample: bool = False, **given: Any) -> Iterator[Site]:
    """A server in a thread, until the block is left."""
    with api() as database:
        owner = database.clone.connect()
        if sample:
            owner.execute(SAMPLE.read_bytes())
        configured = Settings(database=database.url, secret=SECRET, port=0, **given)
        listener = serving.bound(configured)
        server = serving.server(configured)
        begun: Future[asyncio.AbstractEventLoop] = Future()

        async def serve() -> None:
            begun.set_result(asyncio.get_running_loop())
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=asyncio.run, args=[serve()])
        thread.start()
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}", owner, server, configured, begun.result(30))
        try:
            assert site.client().get("/healthz").status_code == 200  # who connects early waits
            yield site
        finally:
            for client in site.clients:
                client.close()
            server.should_exit = True
            thread.join(30)
            listener.close()
            assert not thread.is_alive()


@dataclass(frozen=True)
class World:
    """Two organisations; a member of each, and one of both."""

    site: Site
    org: UUID
    other_org: UUID
    member: UUID
    other: UUID
    both: UUID

    def client(self, user: UUID | None, role: str = "authenticated") -> httpx.Client:
        """The client of that user, the same one each time."""
        known = self.site.known
        if (user, role) not in known:
            known[user, role] = self.site.client(token_of(user, role, 3600))
        return known[user, role]

    def contacts(self, count: int, org: UUID | None = None, **given: str) -> None:
        """So many contacts of the group AMC."""
        self.site.owner.execute(
            "insert into public.contacts (org_id, email, first_name, last_name, company, target_group) "
            "select %s, n || '@example.org', %s, %s, %s, 'AMC' from generate_series(1, %s) as n",
            [
                org or self.org,
                given.get("first_name", "Mina"),
                given.get("last_name", "Okafor"),
                given.get("company", "Acme"),
                count,
            ],
        )

    def job(self, **given: Any) -> dict[str, Any]:
        """A new job of the member's organisation, made by the API."""
        body = {"name": "Campaign", "params": PARAMS, **given}
        answer = self.client(self.member).post("/api/agent/jobs", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def card(self, job: str, state: str = "suggested", title: str = "Hello", card_type: str = "send_email") -> UUID:
        row = self.site.owner.execute(
            "insert into public.kanban_cards (org_id, job_id, type, title, state) values (%s, %s, %s, %s, %s) "
            "returning id",
            [self.org, job, card_type, title, state],
        ).fetchone()
        assert row is not None
        return UUID(str(row[0]))


def new_world(site: Site) -> World:
    org, other_org, member, other, both = (uuid4() for _ in range(5))
    owner = site.owner
    with owner.cursor() as cursor:
        cursor.executemany("insert into auth.users (id) values (%s)", [(member,), (other,), (both,)])
        cursor.executemany(
            "insert into public.organizations (id, name) values (%s, %s)", [(org, "Ours"), (other_org, "Theirs")]
        )
        cursor.executemany(
            "insert into public.organization_members (organization_id, user_id) values (%s, %s)",
            [(org, member), (other_org, other), (org, both), (other_org, both)],
        )
    return World(site, org, other_org, member, other, both)


def until(client: httpx.Client, job: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Read the events of a job until its progress is as wanted; nothing is polled here."""
    deadline = time.monotonic() + PATIENCE
    with client.stream("GET", f"/api/agent/jobs/{job}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith('data: {"status"') and holds(json.loads(line[6:])):
                return
            assert time.monotonic() < deadline, line  # a comment comes at least, as long as the stream lives
    raise AssertionError("the stream has ended before")
