"""Jobs over HTTP: created, listed, moved and watched; each refusal is a problem document."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from . import documented
from .worlds import PARAMS, World

JOBS = "/api/agent/jobs"
BODY: dict[str, Any] = {"name": "Campaign", "params": PARAMS}


@pytest.fixture
def member(world: World) -> httpx.Client:
    return world.client(world.member)


def test_a_job_is_created_with_its_first_batch(world: World, member: httpx.Client) -> None:
    world.contacts(7)
    answer = member.post(JOBS, json=BODY)
    assert answer.status_code == 201
    job = answer.json()
    documented.check(world.site, answer)
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    assert (job["status"], job["total_tasks"], job["org_id"]) == ("pending", 5, str(world.org))
    assert job["params"] == PARAMS
    assert member.get(answer.headers["location"]).json() == job


def test_a_member_of_several_says_which(world: World) -> None:
    client = world.client(world.both)
    refused = client.post(JOBS, json=BODY)
    assert refused.status_code == 400
    listed = {each["id"]: each["name"] for each in refused.json()["organisations"]}
    assert listed == {str(world.org): "Ours", str(world.other_org): "Theirs"}
    named = client.post(JOBS, json={**BODY, "org_id": str(world.other_org)})
    assert (named.status_code, named.json()["org_id"]) == (201, str(world.other_org))


@pytest.mark.parametrize("org", ["other", "unknown"])
def test_another_organisation_is_refused(world: World, member: httpx.Client, org: str) -> None:
    wanted = str(world.other_org if org == "other" else uuid4())
    answer = member.post(JOBS, json={**BODY, "org_id": wanted})
    assert answer.status_code == 403
    assert answer.json()["sqlstate"] == "42501"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": 7}, "name"),
    ({"surplus": 1}, "surplus"),
    ({"org_id": "none"}, "org_id"),
    ({"params": []}, "params"),
    ({"params": {**PARAMS, "batch_size": 0}}, "params.batch_size"),
    ({"params": {**PARAMS, "batch_size": "5"}}, "params.batch_size"),
    ({"params": {**PARAMS, "cadence": {}}}, "params.cadence"),
    ({"params": {**PARAMS, "cadence": {"day0": "no such"}}}, "params.cadence"),
    ({"params": {**PARAMS, "target_group": None}}, "params.target_group"),
    ({"params": {**PARAMS, "templates": {"intro": {}}}}, "params.templates"),
    ({"params": {**PARAMS, "surplus": 1}}, "params.surplus"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_what_is_wrong_is_named(member: httpx.Client, change: dict[str, Any], field: str) -> None:
    answer = member.post(JOBS, json={**BODY, **change})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["field"] == field
    assert problem["title"] == "Bad Request"
    assert problem["detail"]


BROKEN = [b"", b"{", b"[]", b'{"name": "\\ud800", "params": {}}', b'{"name": "a\\u0000", "params": {}}', b"[" * 50_000]


@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_is_none_is_400(member: httpx.Client, body: bytes) -> None:
    answer = member.post(JOBS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", [float("nan"), "\ud800", "\0"])
def test_json_that_postgresql_does_not_take_is_400(world: World, member: httpx.Client, value: Any) -> None:
    body = json.dumps({**BODY, "params": {**PARAMS, "target_group": value}})
    answer = member.post(JOBS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_more_than_a_megabyte_is_413(member: httpx.Client, chunked: bool) -> None:
    text = json.dumps({**BODY, "description": "x" * 1_000_000}).encode()
    content = iter([text[:500_000], text[500_000:]]) if chunked else text
    answer = member.post(JOBS, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["title"] == "Content Too Large" or answer.json()["title"] == "Request Entity Too Large"


def test_a_form_is_no_body(member: httpx.Client) -> None:
    answer = member.post(JOBS, content=json.dumps(BODY), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400


def test_a_repeated_request_gives_the_same_job(world: World, member: httpx.Client) -> None:
    headers = {"Idempotency-Key": "key"}
    first = member.post(JOBS, json=BODY, headers=headers)
    second = member.post(JOBS, json=dict(reversed(BODY.items())), headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(member.get(JOBS).json()["items"]) == 1
    another = member.post(JOBS, json={**BODY, "name": "Another"}, headers=headers)
    assert another.status_code == 422
    for answer in (first, second, another, member.get(JOBS)):
        documented.check(world.site, answer)
    # a key is its user's own
    theirs = world.client(world.both).post(JOBS, json={**BODY, "org_id": str(world.org)}, headers=headers)
    assert theirs.status_code == 201


def test_requests_at_once_with_one_key_make_one_job(world: World, member: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: member.post(JOBS, json=BODY, headers={"Idempotency-Key": "k"}), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(member.get(JOBS).json()["items"]) == 1


def test_a_key_is_free_again_once_its_job_is_deleted(world: World, member: httpx.Client) -> None:
    headers = {"Idempotency-Key": "key"}
    job = member.post(JOBS, json=BODY, headers=headers).json()["id"]
    world.site.owner.execute("delete from public.jobs where id = %s", [job])
    assert member.post(JOBS, json=BODY, headers=headers).status_code == 201


def test_pages_give_each_job_once_newest_first(world: World, member: httpx.Client) -> None:
    made = [world.job(name=f"Job {n}")["id"] for n in range(7)]
    # of one moment: the key settles their order
    world.site.owner.execute("update public.jobs set created_at = now() where id = any(%s)", [made[:4]])
    seen: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = member.get(JOBS, params={"limit": 2, **({"after": after} if after else {})}).json()
        seen += page["items"]
        after = page["next"]
        if after is None:
            break
    assert sorted(each["id"] for each in seen) == sorted(made)
    keys = [(each["created_at"], each["id"]) for each in seen]
    assert keys == sorted(keys, reverse=True)


def test_jobs_are_filtered_by_status(world: World, member: httpx.Client) -> None:
    kept, cancelled = world.job()["id"], world.job()["id"]
    assert member.post(f"{JOBS}/{cancelled}/cancel").json()["status"] == "cancelled"
    for status, wanted in [("pending", [kept]), ("cancelled", [cancelled]), ("running", [])]:
        assert [each["id"] for each in member.get(JOBS, params={"status": status}).json()["items"]] == wanted


@pytest.mark.parametrize("after", ["x", "ä", "W10=", "WzEsMl0=", "bnVsbA==", "=", "eyJhIjoxfQ=="])
@pytest.mark.parametrize("path", ["", "/{job}/tasks", "/{job}/cards"])
def test_a_cursor_of_somebody_elses_making_is_400(world: World, member: httpx.Client, path: str, after: str) -> None:
    answer = member.get(JOBS + path.format(job=world.job()["id"]), params={"after": after})
    if path.endswith("tasks") and after == "WzEsMl0=":  # [1,2] is a place among tasks
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["field"]) == (400, "after")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=none"])
def test_a_query_that_is_none_is_400(member: httpx.Client, query: str) -> None:
    answer = member.get(f"{JOBS}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, query.partition("=")[0])


def test_tasks_are_paged_and_filtered(world: World, member: httpx.Client) -> None:
    world.contacts(5)
    job = world.job()["id"]
    member.post(f"{JOBS}/{job}/transition", json={"status": "running"})
    claimed = member.post(f"{JOBS}/{job}/claim", json={"limit": 2}).json()["items"]
    assert [each["org_id"] for each in claimed] == [str(world.org)] * 2
    first = member.get(f"{JOBS}/{job}/tasks", params={"limit": 3}).json()
    rest = member.get(f"{JOBS}/{job}/tasks", params={"limit": 3, "after": first["next"]}).json()
    assert [each["step"] for each in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    assert rest["next"] is None
    running = member.get(f"{JOBS}/{job}/tasks", params={"status": "running"}).json()["items"]
    assert [each["id"] for each in running] == [each["id"] for each in claimed]


def test_cards_are_paged_and_filtered(world: World, member: httpx.Client) -> None:
    job = world.job()["id"]
    cards = {str(world.card(job, card_type=kind)) for kind in ("send_email", "research", "research")}
    first = member.get(f"{JOBS}/{job}/cards", params={"limit": 2}).json()
    rest = member.get(f"{JOBS}/{job}/cards", params={"limit": 2, "after": first["next"]}).json()
    assert {each["id"] for each in first["items"] + rest["items"]} == cards
    assert len(member.get(f"{JOBS}/{job}/cards", params={"type": "research"}).json()["items"]) == 2
    assert member.get(f"{JOBS}/{job}/cards", params={"state": "done"}).json()["items"] == []


@pytest.mark.parametrize("path", ["", "/{job}", "/{job}/tasks", "/{job}/cards", "/{job}/progress", "/{job}/metrics"])
def test_who_has_the_etag_is_told_that_nothing_changed(world: World, member: httpx.Client, path: str) -> None:
    job = world.job()["id"]
    member.post(f"{JOBS}/{job}/cancel")  # a duration that does not run
    world.site.owner.execute("select public.refresh_job_metrics()")
    address = JOBS + path.format(job=job)
    first = member.get(address)
    again = member.get(address, headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert member.get(address, headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_etag_changes_with_the_job(world: World, member: httpx.Client) -> None:
    job = world.job()["id"]
    tag = member.get(f"{JOBS}/{job}").headers["etag"]
    member.post(f"{JOBS}/{job}/transition", json={"status": "running"})
    assert member.get(f"{JOBS}/{job}", headers={"If-None-Match": tag}).status_code == 200


def test_a_transition_that_is_not_allowed_is_409_with_what_is(world: World, member: httpx.Client) -> None:
    job = world.job()["id"]
    answer = member.post(f"{JOBS}/{job}/transition", json={"status": "succeeded"})
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["detail"] == "invalid transition: a job cannot go from pending to succeeded"
    assert problem["hint"] == "From pending a job can go to: cancelled, running."
    assert problem["sqlstate"] == "PT409"


def test_a_job_is_worked_off_by_the_api_alone(world: World, member: httpx.Client) -> None:
    world.contacts(7)
    job = world.job()["id"]
    assert member.post(f"{JOBS}/{job}/transition", json={"status": "running"}).json()["status"] == "running"
    while True:
        for task in member.post(f"{JOBS}/{job}/claim", json={"limit": 3}).json()["items"]:
            done = member.post(f"/api/agent/tasks/{task['id']}/finish", json={"output": {"ok": True}}).json()
            assert (done["status"], done["output"]) == ("done", {"ok": True})
        progress = member.get(f"{JOBS}/{job}/progress").json()
        if not progress["tasks_by_status"].get("pending") and not member.post(f"{JOBS}/{job}/plan").json()["planned"]:
            break
    assert member.get(f"{JOBS}/{job}/progress").json()["tasks_by_status"] == {"done": 7}
    assert member.post(f"{JOBS}/{job}/transition", json={"status": "succeeded"}).json()["status"] == "succeeded"


def test_a_failed_task_is_retried(world: World, member: httpx.Client) -> None:
    world.contacts(1)
    job = world.job()["id"]
    member.post(f"{JOBS}/{job}/transition", json={"status": "running"})
    (task,) = member.post(f"{JOBS}/{job}/claim", json={}).json()["items"]
    failed = member.post(f"/api/agent/tasks/{task['id']}/fail", json={"error": "mail server away"}).json()
    assert (failed["status"], failed["error_message"]) == ("error", "mail server away")
    again = member.post(f"/api/agent/tasks/{task['id']}/retry").json()
    assert (again["status"], again["retry_count"], again["error_message"]) == ("pending", 1, None)
    assert member.post(f"/api/agent/tasks/{task['id']}/retry").status_code == 409


def test_a_card_is_decided_once(world: World, member: httpx.Client) -> None:
    job = world.job()["id"]
    card = world.card(job)
    assert member.post(f"/api/agent/cards/{card}/approve").json()["state"] == "approved"
    refused = member.post(f"/api/agent/cards/{card}/reject")
    assert (refused.status_code, refused.json()["detail"]) == (409, "a card that is approved cannot become rejected")
    assert member.get(f"{JOBS}/{job}").json()["cards_approved"] == 1


def test_metrics_come_with_the_refresh(world: World, member: httpx.Client) -> None:
    job = world.job()["id"]
    assert member.get(f"{JOBS}/{job}/metrics").status_code == 404
    world.site.owner.execute("select public.refresh_job_metrics()")
    metrics = member.get(f"{JOBS}/{job}/metrics").json()
    assert (metrics["job_id"], metrics["name"]) == (job, "Campaign")
    assert metrics["refreshed_at"]


@pytest.mark.parametrize("path", ["/api/agent/nothing", "/nothing", "/api/agent/jobs/x", "/api/agent/tasks/x/retry"])
def test_what_is_not_there_is_a_problem_document(member: httpx.Client, path: str) -> None:
    answer = member.get(path)
    assert answer.status_code in (400, 404, 405)
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_a_strict_policy(member: httpx.Client) -> None:
    for path in ("/healthz", "/openapi.json", "/login", "/static/panel.css", JOBS, "/nothing"):
        headers = member.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_the_server_is_healthy(member: httpx.Client) -> None:
    assert member.get("/healthz").text == "ok\n"
