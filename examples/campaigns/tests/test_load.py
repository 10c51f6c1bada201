"""Fifty clients and five workers at once: no answer is a 5xx, each counter is exact, and no connection keeps a role.

CAMPAIGNS_LOAD_SECONDS says for how long, 5 if unsaid: `make panel-load` takes 30.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from .pools import NOBODY, left_behind
from .test_worker import worker
from .worlds import PARAMS, Api, Site, World, new_world, serving_site, token_of

SECONDS = float(os.environ.get("CAMPAIGNS_LOAD_SECONDS", "5"))
CLIENTS, WORKERS, POOL = 50, 5, 10
COUNTERS = """
select j.id,
    (j.total_tasks, j.completed_tasks, j.failed_tasks, j.cards_created, j.cards_approved, j.cards_executed,
    j.emails_sent, j.errors_count)::text as kept,
    (t.total, t.done, t.error, c.total, c.approved, c.executed, c.sent, c.blocked)::text as counted
from public.jobs as j
cross join lateral (
    select count(*) as total, count(*) filter (where status = 'done') as done,
        count(*) filter (where status = 'error') as error
    from public.job_tasks where job_id = j.id
) as t
cross join lateral (
    select count(*) as total, count(*) filter (where state in ('approved', 'executing', 'done')) as approved,
        count(*) filter (where state in ('executing', 'done')) as executed,
        count(*) filter (where state = 'done' and type = 'send_email') as sent,
        count(*) filter (where state = 'blocked') as blocked
    from public.kanban_cards where job_id = j.id
) as c
"""
TWICE = "select count(*) from (select from public.kanban_cards group by job_id, task_id having count(*) > 1) as c"
JOBS = "/api/agent/jobs"


class Client:
    """One client, which does what comes to its mind and remembers what it was answered."""

    def __init__(self, number: int, url: str, token: str, orgs: list[str], jobs: list[str]) -> None:
        self._random = random.Random(number)
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._orgs = orgs
        self._jobs = jobs
        self.answers: Counter[tuple[str, int]] = Counter()

    def open(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=2)
        return httpx.AsyncClient(
            base_url=self._url, headers=self._headers, verify=False, trust_env=False, timeout=60, limits=limits
        )

    async def run(self, client: httpx.AsyncClient, deadline: float) -> None:
        async with client:
            while time.monotonic() < deadline:
                await self._act(client, self._random.choice(self._jobs))

    async def _act(self, client: httpx.AsyncClient, job: str) -> None:
        here = f"{JOBS}/{job}"
        match self._random.randrange(11):
            case 0:
                page = await self._ask(client, "GET", JOBS, params={"limit": 5})
                if page.get("next"):
                    await self._ask(client, "GET", JOBS, params={"after": page["next"]})
            case 1 | 2:
                part = self._random.choice(["", "/tasks", "/cards", "/progress", "/metrics"])
                await self._ask(client, "GET", f"{here}{part}")
            case 3:
                body = {"name": "Load", "params": PARAMS, "org_id": self._random.choice(self._orgs)}
                key = {"Idempotency-Key": str(self._random.randrange(5))}
                made = await self._ask(client, "POST", JOBS, json=body, headers=key)
                if "id" in made and made["id"] not in self._jobs:
                    self._jobs.append(made["id"])
            case 4 | 5:
                taken = await self._ask(client, "POST", f"{here}/claim", json={"limit": 2})
                for task in taken.get("items", []):
                    end = self._random.choice(["finish", "fail"])
                    body = {"output": {"n": 1}} if end == "finish" else {"error": "load"}
                    await self._ask(client, "POST", f"/api/agent/tasks/{task['id']}/{end}", json=body)
            case 6:
                failed = await self._ask(client, "GET", f"{here}/tasks", params={"status": "error", "limit": 1})
                for task in failed.get("items", []):
                    await self._ask(client, "POST", f"/api/agent/tasks/{task['id']}/retry")
            case 7:
                cards = await self._ask(client, "GET", f"{here}/cards", params={"state": "suggested", "limit": 3})
                for card in cards.get("items", []):
                    decision = self._random.choice(["approve", "reject"])
                    await self._ask(client, "POST", f"/api/agent/cards/{card['id']}/{decision}")
            case 8:
                await self._ask(client, "POST", f"{here}/plan")
            case 9:
                status = self._random.choice(["paused", "running", "running", "running"])
                await self._ask(client, "POST", f"{here}/transition", json={"status": status})
            case 10:
                async with client.stream("GET", f"{here}/events") as answer:
                    self.answers["events", answer.status_code] += 1

    async def _ask(self, client: httpx.AsyncClient, method: str, path: str, **given: Any) -> dict[str, Any]:
        answer = await client.request(method, path, **given)
        self.answers[f"{method} {path.rpartition('/')[2] if path != JOBS else 'jobs'}", answer.status_code] += 1
        found: dict[str, Any] = answer.json()
        return found


def play(site: Site, world: World, jobs: list[str]) -> Counter[tuple[str, int]]:
    """What all clients were answered."""
    people = [(world.member, [str(world.org)]), (world.other, [str(world.other_org)])]
    people.append((world.both, [str(world.org), str(world.other_org)]))
    clients = []
    for number in range(CLIENTS):
        user, orgs = people[number % len(people)]
        clients.append(Client(number, site.url, token_of(user), orgs, list(jobs)))

    async def run() -> None:
        opened = [client.open() for client in clients]
        deadline = time.monotonic() + SECONDS
        await asyncio.gather(*(client.run(each, deadline) for client, each in zip(clients, opened, strict=True)))

    asyncio.run(run())
    return sum((client.answers for client in clients), Counter())


@pytest.mark.smoke
def test_fifty_clients_and_five_workers(api_database: Api) -> None:
    with serving_site(api_database, pool_size=POOL, pool_wait=30.0, streams_per_caller=50) as site:
        world = new_world(site)
        world.contacts(3000)
        world.contacts(3000, world.other_org)
        jobs = [world.job(params={**PARAMS, "batch_size": 50})["id"] for _ in range(3)]
        for job in jobs:
            world.client(world.member).post(f"{JOBS}/{job}/transition", json={"status": "running"})
        with ExitStack() as stack:
            for _ in range(WORKERS):
                stack.enter_context(worker(site, token_of(None, "service_role")))
            answers = play(site, world, jobs)
        by_status: Counter[int] = Counter()
        for (_, status), count in answers.items():
            by_status[status] += count
        finished = site.owner.execute("select count(*) from public.job_tasks where status = 'done'").fetchone()
        print(
            f"\n{SECONDS:.0f} s: {sum(by_status.values())} answers {dict(sorted(by_status.items()))}, done: {finished}"
        )
        assert [each for each in answers if each[1] >= 500] == []
        assert by_status[200] > by_status[404]
        rows = site.owner.execute(COUNTERS.encode()).fetchall()
        assert len(rows) >= 3
        assert [row for row in rows if row[1] != row[2]] == []
        assert site.owner.execute(TWICE.encode()).fetchone() == (0,)
        database = site.server.config.app.state.database  # type: ignore[union-attr]
        size = database.pool.get_stats()["pool_size"]
        left = asyncio.run_coroutine_threadsafe(left_behind(database, size), site.loop).result(30)
        assert left == [NOBODY] * size
