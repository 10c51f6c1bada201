"""Workers: they work a campaign off, say why a task failed, and end with the task at hand."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from campaigns import tokens
from campaigns.database import Database
from campaigns.worker import Worker

from .worlds import PARAMS, SECRET, Site, World, token_of, until

Process = subprocess.Popen[str]


@contextmanager
def worker(site: Site, token: str, *options: str) -> Iterator[Process]:
    """`campaigns worker` with that token. What it logs is read by `logged`."""
    environment = {
        **os.environ,
        "CAMPAIGNS_DATABASE": site.settings.database,
        "CAMPAIGNS_JWT_SECRET": SECRET,
        "CAMPAIGNS_TOKEN": token,
    }
    command = [sys.executable, "-m", "campaigns", "worker", *options]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)


def logged(process: Process) -> list[dict[str, Any]]:
    assert process.stderr is not None
    return [json.loads(line) for line in process.stderr.read().splitlines()]


def once(world: World, job: str, status: str) -> dict[str, Any]:
    """The job once it has that status."""
    client = world.client(world.member)
    until(client, job, lambda progress: progress["status"] == status)
    found: dict[str, Any] = client.get(f"/api/agent/jobs/{job}").json()
    return found


def start(world: World, job: str) -> None:
    answer = world.client(world.member).post(f"/api/agent/jobs/{job}/transition", json={"status": "running"})
    assert answer.status_code == 200


def test_three_workers_take_a_campaign_from_its_post_to_succeeded(world: World) -> None:
    world.contacts(23, first_name="<b>Mina</b>")
    job = world.job(params={**PARAMS, "cadence": {"day0": "intro", "day3": "intro"}})["id"]
    with ExitStack() as stack:
        for user, role in [(None, "service_role"), (world.member, "authenticated"), (world.both, "authenticated")]:
            stack.enter_context(worker(world.site, token_of(user, role)))
        start(world, job)
        done = once(world, job, "succeeded")
    counts = {name: done[name] for name in ("total_tasks", "completed_tasks", "failed_tasks", "cards_created")}
    assert counts == {"total_tasks": 46, "completed_tasks": 46, "failed_tasks": 0, "cards_created": 46}
    rows = world.site.owner.execute(
        "select contact_id, count(*), min(state), max(payload ->> 'subject') from public.kanban_cards "
        "where job_id = %s group by contact_id",
        [job],
    ).fetchall()
    assert {row[1:] for row in rows} == {(2, "suggested", "Hello &lt;b&gt;Mina&lt;/b&gt;")}
    assert len(rows) == 23


def test_without_review_cards_are_approved(world: World) -> None:
    world.contacts(2)
    job = world.job(params={**PARAMS, "review_mode": False})["id"]
    with worker(world.site, token_of(world.member)):
        start(world, job)
        assert once(world, job, "succeeded")["cards_approved"] == 2


def test_a_task_that_cannot_be_done_says_why_and_waits_for_a_person(world: World) -> None:
    world.contacts(1)
    templates = {"intro": {"subject": "Hello", "body": "{{nick}}"}}
    job = world.job(params={**PARAMS, "templates": templates})["id"]
    client = world.client(world.member)
    with worker(world.site, token_of(world.member)):
        start(world, job)
        until(client, job, lambda progress: progress["tasks_by_status"] == {"error": 1})
        (task,) = client.get(f"/api/agent/jobs/{job}/tasks").json()["items"]
        assert task["error_message"] == "p_template.body has an unknown variable: nick"
        assert client.get(f"/api/agent/jobs/{job}").json()["status"] == "running"
        # mended, and retried
        world.site.owner.execute(
            "update public.jobs set params = jsonb_set(params, '{templates,intro,body}', '\"Hi\"') where id = %s", [job]
        )
        assert client.post(f"/api/agent/tasks/{task['id']}/retry").status_code == 200
        assert once(world, job, "succeeded")["completed_tasks"] == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "This task names no contact."),
        ({"contact_id": None}, "input.contact_id"),
        ({"contact": "gone", "template": "intro"}, "The contact of this task is not there any more."),
        ({"contact": "kept", "template": "other"}, "This task names no template of its campaign."),
        ({"contact": "kept", "template": {"subject": "x"}}, "This task names no template of its campaign."),
    ],
)
def test_members_write_the_input_so_nothing_in_it_is_believed(world: World, given: dict[str, Any], reason: str) -> None:
    owner = world.site.owner
    world.contacts(2)
    kept, gone = (str(row[0]) for row in owner.execute("select id from public.contacts where org_id = %s", [world.org]))
    who = {"kept": kept, "gone": gone}.get(given.pop("contact", ""))
    job = world.job(params={**PARAMS, "target_group": "nobody"})["id"]
    text = json.dumps({**given, **({"contact_id": who} if who else {})})
    insert = "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, 1, 1, 'draft_email', %s)"
    if "contact_id" in given:
        with pytest.raises(Exception, match=reason):
            owner.execute(insert, [job, text])
        return
    owner.execute(insert, [job, text])
    owner.execute("delete from public.contacts where id = %s", [gone])
    client = world.client(world.member)
    with worker(world.site, token_of(None, "service_role")):
        start(world, job)
        until(client, job, lambda progress: progress["tasks_by_status"] == {"error": 1})
    (task,) = client.get(f"/api/agent/jobs/{job}/tasks").json()["items"]
    assert task["error_message"] == reason


def test_a_worker_of_another_organisation_takes_nothing(world: World) -> None:
    world.contacts(1)
    world.contacts(1, world.other_org)
    job = world.job()["id"]
    theirs = world.client(world.other).post("/api/agent/jobs", json={"name": "Theirs", "params": PARAMS}).json()["id"]
    other = world.client(world.other)
    with worker(world.site, token_of(world.other)):
        start(world, job)
        other.post(f"/api/agent/jobs/{theirs}/transition", json={"status": "running"})
        until(other, theirs, lambda progress: progress["status"] == "succeeded")
    assert world.client(world.member).get(f"/api/agent/jobs/{job}").json()["completed_tasks"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_end_finishes_the_task_at_hand(world: World, number: signal.Signals) -> None:
    world.contacts(3)
    job = world.job()["id"]
    client = world.client(world.member)
    with worker(world.site, token_of(world.member), "--pace", "30") as process:
        start(world, job)
        until(client, job, lambda progress: bool(progress["tasks_by_status"].get("running")))
        process.send_signal(number)
        assert process.wait(20) == 0
        last = logged(process)[-1]
    assert (last["event"], last["tasks"]) == ("worker ended", 1)
    assert client.get(f"/api/agent/jobs/{job}/progress").json()["tasks_by_status"] == {"done": 1, "pending": 2}


def test_a_worker_ends_with_its_token(world: World) -> None:
    async def run() -> None:
        caller = tokens.verify(token_of(world.member), SECRET)
        database = Database(world.site.settings.database, size=1, wait=30, statement_seconds=8)
        await database.open()
        await Worker(database, replace(caller, expires=time.time() + 0.3)).run()
        await database.close()

    asyncio.run(run())


@pytest.mark.parametrize("token", ["", "abc", token_of(None, seconds=-1)])
def test_a_worker_without_a_token_is_told_so(site: Site, token: str) -> None:
    with worker(site, token) as process:
        assert process.wait(20) == 2
        assert process.stderr is not None
        said = process.stderr.read()
    assert said.startswith("campaigns: The token ")
    assert said.count("\n") == 1


def test_a_worker_refreshes_the_metrics_if_it_is_asked_to(world: World) -> None:
    job = world.job()["id"]
    client = world.client(world.member)
    deadline = time.monotonic() + 30
    with worker(world.site, token_of(None, "service_role"), "--refresh", "0.1"):
        while client.get(f"/api/agent/jobs/{job}/metrics").status_code != 200:
            assert time.monotonic() < deadline
