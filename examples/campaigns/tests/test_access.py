"""Every route, as everybody: who has no token that counts gets 401, and a foreign row is as one that is not there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from . import documented
from .worlds import PARAMS, SECRET, World, token_of

BODY = {"name": "Campaign", "params": PARAMS}

Made = dict[str, Any]
Route = tuple[str, str, Any]

ROUTES: dict[str, Callable[[Made], Route]] = {
    "GET job": lambda made: ("GET", f"/jobs/{made['job']}", None),
    "GET tasks": lambda made: ("GET", f"/jobs/{made['job']}/tasks", None),
    "GET cards": lambda made: ("GET", f"/jobs/{made['job']}/cards", None),
    "GET progress": lambda made: ("GET", f"/jobs/{made['job']}/progress", None),
    "GET events": lambda made: ("GET", f"/jobs/{made['job']}/events", None),
    "GET metrics": lambda made: ("GET", f"/jobs/{made['job']}/metrics", None),
    "transition": lambda made: ("POST", f"/jobs/{made['job']}/transition", {"status": "paused"}),
    "cancel": lambda made: ("POST", f"/jobs/{made['job']}/cancel", None),
    "plan": lambda made: ("POST", f"/jobs/{made['job']}/plan", None),
    "claim": lambda made: ("POST", f"/jobs/{made['job']}/claim", {"limit": 1}),
    "finish": lambda made: ("POST", f"/tasks/{made['running']}/finish", {"output": {"a": 1}}),
    "fail": lambda made: ("POST", f"/tasks/{made['running']}/fail", {"error": "no"}),
    "retry": lambda made: ("POST", f"/tasks/{made['failed']}/retry", None),
    "approve": lambda made: ("POST", f"/cards/{made['card']}/approve", None),
    "reject": lambda made: ("POST", f"/cards/{made['card']}/reject", None),
}
each_route = pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))


@pytest.fixture
def made(world: World) -> Made:
    """A running job with a task of each state that can be acted on, and a card; its metrics are there."""
    world.contacts(5)
    client = world.client(world.member)
    job = world.job()["id"]
    assert client.post(f"/api/agent/jobs/{job}/transition", json={"status": "running"}).status_code == 200
    running, failed = (
        each["id"] for each in client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 2}).json()["items"]
    )
    assert client.post(f"/api/agent/tasks/{failed}/fail", json={"error": "no"}).status_code == 200
    card = world.card(job)
    world.site.owner.execute("select public.refresh_job_metrics()")
    return {"job": job, "running": running, "failed": failed, "card": card}


def call(client: httpx.Client, route: Route) -> httpx.Response:
    method, path, body = route
    with client.stream(method, f"/api/agent{path}", json=body) as answer:
        if answer.headers["content-type"].startswith("text/event-stream"):
            return answer
        answer.read()
        return answer


@each_route
def test_members_are_answered_and_others_find_nothing(world: World, made: Made, route: Callable[[Made], Route]) -> None:
    wanted = route(made)
    refused = call(world.client(world.other), wanted)
    assert refused.status_code == 404
    assert refused.headers["content-type"] == "application/problem+json"
    unknown = {"job": uuid4(), "running": 2**40, "failed": 2**40, "card": uuid4()}
    missing = call(world.client(world.member), route(unknown))
    assert missing.status_code == 404
    assert without_ids(refused.text) == without_ids(missing.text)
    answered = call(world.client(world.member), wanted)
    assert answered.status_code == 200
    for answer in (refused, missing, answered):
        documented.check(world.site, answer)


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|task \d+", "…", text)


@each_route
def test_a_member_of_both_is_answered(world: World, made: Made, route: Callable[[Made], Route]) -> None:
    assert call(world.client(world.both), route(made)).status_code == 200


@each_route
def test_service_role_is_answered(world: World, made: Made, route: Callable[[Made], Route]) -> None:
    assert call(world.client(None, "service_role"), route(made)).status_code == 200


@each_route
def test_the_role_anon_is_refused(world: World, made: Made, route: Callable[[Made], Route]) -> None:
    assert call(world.client(None, "anon"), route(made)).status_code == 403


def forged(user: object) -> dict[str, str | None]:
    """Tokens that do not count, by what is wrong with them."""
    now = int(time.time())
    claims = {"role": "authenticated", "sub": str(user), "aud": "authenticated", "exp": now + 600}
    other_key = "another secret of 32 bytes and some more"
    return {
        "none": None,
        "expired": jwt.encode({**claims, "exp": now - 1}, SECRET, algorithm="HS256"),
        "unsigned": jwt.encode(claims, None, algorithm="none"),
        "of another key": jwt.encode(claims, other_key, algorithm="HS256"),
        "of another algorithm": jwt.encode(claims, SECRET * 2, algorithm="HS512"),
        "for others": jwt.encode({**claims, "aud": "others"}, SECRET, algorithm="HS256"),
        "for nobody": jwt.encode({k: v for k, v in claims.items() if k != "aud"}, SECRET, algorithm="HS256"),
        "without end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, SECRET, algorithm="HS256"),
        "of no user": jwt.encode({**claims, "sub": "' or true --"}, SECRET, algorithm="HS256"),
        "of no role": jwt.encode({**claims, "role": 7}, SECRET, algorithm="HS256"),
        "no token": "abc",
    }


@each_route
def test_a_token_that_does_not_count_is_401(world: World, made: Made, route: Callable[[Made], Route]) -> None:
    for name, token in forged(world.member).items():
        answer = call(world.site.client(token), route(made))
        assert answer.status_code == 401, name
        assert answer.headers["www-authenticate"].startswith("Bearer "), name
        assert answer.headers["content-type"] == "application/problem+json", name
        documented.check(world.site, answer)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_collection_asks_for_a_token_as_well(world: World, method: str) -> None:
    for name, token in forged(world.member).items():
        assert call(world.site.client(token), (method, "/jobs", BODY)).status_code == 401, name


@pytest.mark.parametrize(
    "role", ["postgres", "supabase_admin", "authenticator", "none", "no_such_role", "pg_read_all_data"]
)
def test_a_role_that_the_api_cannot_become_is_refused(world: World, role: str) -> None:
    assert call(world.site.client(token_of(world.member, role)), ("GET", "/jobs", None)).status_code in (400, 403)


def test_each_sees_its_own_jobs_alone(world: World) -> None:
    ours = world.job(name="Ours")["id"]
    answer = world.client(world.other).post("/api/agent/jobs", json={**BODY, "name": "Theirs"})
    theirs = answer.json()["id"]
    seen = {
        name: {each["id"] for each in world.client(user).get("/api/agent/jobs").json()["items"]}
        for name, user in [("member", world.member), ("other", world.other), ("both", world.both)]
    }
    assert seen == {"member": {ours}, "other": {theirs}, "both": {ours, theirs}}


def test_a_cookie_reads_and_changes_nothing(world: World, made: Made) -> None:
    client = world.site.client()
    client.cookies.set("campaigns_session", token_of(world.member))
    assert call(client, ("GET", f"/jobs/{made['job']}", None)).status_code == 200
    assert call(client, ("POST", f"/jobs/{made['job']}/cancel", None)).status_code == 401


def test_whoever_has_left_finds_nothing(world: World, made: Made) -> None:
    world.site.owner.execute("delete from public.organization_members where user_id = %s", [world.member])
    assert call(world.client(world.member), ("GET", f"/jobs/{made['job']}", None)).status_code == 404
    assert call(world.client(world.member), ("POST", "/jobs", BODY)).status_code == 403
