"""Server-sent events: what is sent, when a stream ends, and that it holds no connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from .worlds import PATIENCE, Api, World, new_world, serving_site, token_of

Event = dict[str, Any]


@contextmanager
def stream(client: httpx.Client, job: str, **headers: str) -> Iterator[Iterator[Event]]:
    """The events of a job, as they come; a comment is an event of that name."""
    with client.stream("GET", f"/api/agent/jobs/{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    found: Event = {}
    deadline = time.monotonic() + PATIENCE
    for line in lines:
        assert time.monotonic() < deadline
        name, _, value = line.partition(": ")
        if not line and found:
            yield found
            found = {}
        elif line:
            found[name or "comment"] = json.loads(value) if name == "data" else value


def progress(found: Iterator[Event]) -> Event:
    return next(each for each in found if each.get("event") == "progress")


def test_progress_is_sent_when_it_changes_and_the_end_with_its_reason(world: World) -> None:
    world.contacts(2)
    client, job = world.client(world.member), world.job()["id"]
    with stream(client, job) as found:
        assert progress(found)["data"]["status"] == "pending"
        client.post(f"/api/agent/jobs/{job}/transition", json={"status": "running"})
        assert progress(found)["data"]["status"] == "running"
        client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 1})
        assert progress(found)["data"]["tasks_by_status"] == {"pending": 1, "running": 1}
        client.post(f"/api/agent/jobs/{job}/cancel")
        assert progress(found)["data"]["status"] == "cancelled"
        assert next(found) == {"event": "end", "data": {"reason": "finished"}}
        assert list(found) == []


def test_whoever_knows_the_last_event_is_not_told_it_again(world: World) -> None:
    client, job = world.client(world.member), world.job()["id"]
    with stream(client, job) as found:
        last = progress(found)["id"]
    client.post(f"/api/agent/jobs/{job}/cancel")
    with stream(client, job) as found:
        final = progress(found)["id"]
    assert final != last
    with stream(client, job, **{"Last-Event-ID": final}) as found:
        assert [each.get("event") for each in found] == [None, "end"]


def test_a_stream_ends_with_the_membership(world: World) -> None:
    client, job = world.client(world.member), world.job()["id"]
    with stream(client, job) as found:
        progress(found)
        world.site.owner.execute("delete from public.organization_members where user_id = %s", [world.member])
        assert next(found) == {"event": "end", "data": {"reason": "gone"}}


def test_a_stream_ends_with_the_job(world: World) -> None:
    client, job = world.client(world.member), world.job()["id"]
    with stream(client, job) as found:
        progress(found)
        world.site.owner.execute("delete from public.jobs where id = %s", [job])
        assert next(found) == {"event": "end", "data": {"reason": "gone"}}


def test_a_stream_ends_with_the_token(world: World) -> None:
    job = world.job()["id"]
    client = world.site.client(token_of(world.member, seconds=2))
    with stream(client, job) as found:
        progress(found)
        assert next(found) == {"event": "end", "data": {"reason": "expired"}}


def test_a_stream_that_has_nothing_to_say_shows_that_it_lives(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.events.HEARTBEAT_SECONDS", 0.3)
    with stream(world.client(world.member), world.job()["id"]) as found:
        progress(found)
        assert next(found) == {"comment": "still here"}


def test_streams_hold_no_connection_and_are_bounded(api_database: Api) -> None:
    with serving_site(api_database, pool_size=2, streams=6, streams_per_caller=4) as site:
        world = new_world(site)
        job = world.job()["id"]
        client, other = world.client(world.member), world.client(world.both)
        opened = [stream(client, job) for _ in range(4)] + [stream(other, job) for _ in range(2)]
        begun = [each.__enter__() for each in opened]
        for found in begun:
            progress(found)
        # six streams on a pool of two, and there is room for others
        assert client.get(f"/api/agent/jobs/{job}").status_code == 200
        for each in (client, other):
            with each.stream("GET", f"/api/agent/jobs/{job}/events") as refused:
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        opened[0].__exit__(None, None, None)
        gone = threading.Event()
        streams = site.server.config.app.state.streams  # type: ignore[union-attr]
        while streams.count > 5:  # the server notices at the next poll
            gone.wait(0.05)
        with stream(client, job) as found:
            progress(found)
        # those that are left end with the server, at once


def test_a_stream_of_a_foreign_job_is_not_begun(world: World) -> None:
    answer = world.client(world.other).get(f"/api/agent/jobs/{world.job()['id']}/events")
    assert answer.status_code == 404
