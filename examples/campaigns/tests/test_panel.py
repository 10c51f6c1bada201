"""The panel without a browser: its session, the tokens of its forms, and what development alone allows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest
from campaigns import sample, tokens

from .worlds import SECRET, Api, Site, World, serving_site, token_of

PAGES = ["/agent/jobs", "/agent/jobs/new", "/agent/jobs/00000000-0000-4000-8000-000000000000"]


@pytest.fixture(scope="module")
def development(api_database: Api) -> Iterator[Site]:
    with serving_site(api_database, sample=True, dev=True) as site:
        yield site


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def logged_in(world: World, user: str | None = None) -> httpx.Client:
    client = world.site.client()
    form = {"csrf": csrf(client.get("/login").text), "token": user or token_of(world.member)}
    cookies(client)
    answer = client.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/agent/jobs"), answer.text
    cookies(client)
    return client


def cookies(client: httpx.Client) -> None:
    """Send secure cookies over HTTP as well, as a browser does to localhost."""
    for cookie in client.cookies.jar:
        cookie.secure = False


@pytest.mark.parametrize("path", PAGES)
def test_who_has_not_logged_in_is_led_to_the_login(world: World, path: str) -> None:
    answer = world.site.client().get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("token", ["", "abc", token_of(None, seconds=-5)])
def test_a_token_that_does_not_count_begins_no_session(world: World, token: str) -> None:
    client = world.site.client()
    form = {"csrf": csrf(client.get("/login").text), "token": token}
    cookies(client)
    answer = client.post("/login", data=form)
    assert answer.status_code == 400
    assert "The token" in answer.text
    assert "campaigns_session" not in answer.cookies


def test_the_sessions_cookie_is_out_of_reach(world: World) -> None:
    client = world.site.client()
    form = {"csrf": csrf(client.get("/login").text), "token": token_of(world.member)}
    cookies(client)
    header = next(h for h in client.post("/login", data=form).headers.get_list("set-cookie") if "session" in h)
    cookie = SimpleCookie(header)["campaigns_session"]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "lax", "/")
    assert cookie["expires"]


def test_a_session_ends_by_logging_out_or_with_its_token(world: World) -> None:
    client = logged_in(world)
    page = client.get("/agent/jobs")
    assert page.status_code == 200
    answer = client.post("/logout", data={"csrf": csrf(page.text)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert client.get("/agent/jobs").status_code == 303
    client.cookies.set("campaigns_session", token_of(world.member, seconds=-1))
    assert client.get("/agent/jobs").status_code == 303


def test_each_form_asks_for_its_token(world: World) -> None:
    world.contacts(1)
    client, job = logged_in(world), world.job()["id"]
    card, here = world.card(job), f"/agent/jobs/{job}"
    other = csrf(logged_in(world).get("/agent/jobs").text)  # of another session
    forms = [
        "/login",
        "/logout",
        "/agent/jobs/new",
        f"{here}/transition/running",
        f"{here}/plan",
        f"{here}/tasks/1/retry",
        f"{here}/cards/{card}/approve",
    ]
    for path in forms:
        for data in ({}, {"csrf": ""}, {"csrf": "ä"}, {"csrf": other}):
            answer = client.post(path, data=data)
            assert answer.status_code == 403, (path, data)
            assert answer.headers["content-type"].startswith("text/html")
    assert client.get(f"/api/agent/jobs/{job}").json()["status"] == "pending"
    token = csrf(client.get(here).text)
    assert client.post(f"{here}/transition/running", data={"csrf": token}).status_code == 303
    assert client.get(f"/api/agent/jobs/{job}").json()["status"] == "running"


def test_what_the_database_refuses_is_told_on_the_page(world: World) -> None:
    client, job = logged_in(world), world.job()["id"]
    here = f"/agent/jobs/{job}"
    answer = client.post(f"{here}/transition/succeeded", data={"csrf": csrf(client.get(here).text)})
    assert answer.status_code == 409
    assert "invalid transition: a job cannot go from pending to succeeded" in answer.text


@pytest.mark.parametrize("query", ["batch=x", "state=none", "cards_after=x", "tasks_after=x"])
def test_a_query_that_is_none_is_a_page_too(world: World, query: str) -> None:
    client = logged_in(world)
    answer = client.get(f"/agent/jobs/{world.job()['id']}?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


def test_a_foreign_job_is_not_found(world: World) -> None:
    client = logged_in(world, token_of(world.other))
    answer = client.get(f"/agent/jobs/{world.job(name='Ours alone')['id']}")
    assert answer.status_code == 404
    assert "Ours alone" not in answer.text


def test_sample_users_are_for_development_alone(world: World) -> None:
    client = world.site.client()
    page = client.get("/login").text
    assert sample.FIRST.email not in page
    cookies(client)
    answer = client.post("/login", data={"csrf": csrf(page), "user": sample.FIRST.email})
    assert answer.status_code == 400


def test_in_development_nobody_is_the_first_sample_user(development: Site) -> None:
    client = development.client()
    assert sample.FIRST.email in client.get("/agent/jobs").text
    made = client.post("/api/agent/jobs", json={"name": "x", "params": {}})
    assert made.status_code == 400  # asked as that user, and not refused
    for token in ("abc", token_of(None, seconds=-1)):
        assert development.client(token).get("/api/agent/jobs").status_code == 401


def test_in_development_a_page_of_another_site_is_nobody(development: Site) -> None:
    client = development.client()
    for site, status in [("cross-site", 401), ("same-site", 401), ("same-origin", 404), ("none", 404)]:
        answer = client.post("/api/agent/tasks/1/retry", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status, site


@pytest.mark.parametrize("user", sample.USERS, ids=lambda user: user.email)
def test_in_development_sample_users_log_in(development: Site, user: sample.SampleUser) -> None:
    client = development.client()
    answer = client.post("/login", data={"csrf": csrf(client.get("/login").text), "user": user.email})
    assert answer.status_code == 303
    cookie = SimpleCookie(answer.headers["set-cookie"])["campaigns_session"]
    assert (cookie["httponly"], cookie["secure"]) == (True, "")
    assert user.email in client.get("/agent/jobs").text


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:9002"])
def test_development_serves_no_other_name(development: Site, host: str) -> None:
    assert development.client().get("/api/agent/jobs", headers={"Host": host}).status_code == 400


def test_a_token_says_what_it_was_signed_with() -> None:
    user = sample.FIRST
    caller = tokens.verify(tokens.sign(SECRET, role="authenticated", seconds=60, subject=user.id), SECRET)
    assert (caller.role, caller.subject, caller.is_expired) == ("authenticated", user.id, False)
    assert 50 < caller.expires - time.time() <= 60
