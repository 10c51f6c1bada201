"""The routes of the API. Each takes one transaction of the caller's, and calls what the schema offers."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from campaigns import cards, contracts, events, jobs, repeating, tasks
from campaigns.callers import ApiCaller
from campaigns.contracts import CardState, CardType, JobStatus, TaskId, TaskStatus
from campaigns.database import Database
from campaigns.paging import MOST
from campaigns.problems import MEDIA_TYPE, Problem

router = APIRouter(prefix="/api/agent", tags=["campaigns"])

After = Annotated[str | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Key = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="A repeated request gives the same job."),
]
CardId = Annotated[UUID, Path()]
Task = Annotated[TaskId, Path()]
JobId = Annotated[UUID, Path()]

_REFUSALS = {
    400: "The request is wrong; `field` says where.",
    401: "No token, or one that is not accepted.",
    403: "The caller may not do this.",
    404: "There is none that the caller may see.",
    409: "The state does not allow it.",
    422: "The Idempotency-Key belongs to another request.",
    413: "The body is too large.",
    429: "Too many streams are open.",
    503: "The database is busy.",
}
_ALWAYS = (400, 401, 403, 503)


def _answers(status: int, model: Any, *refusals: int, headers: tuple[str, ...] = ()) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for the document."""
    described = {name: {"schema": {"type": "string"}} for name in headers}
    answers: dict[int | str, dict[str, Any]] = {status: {"model": model, "headers": described}}
    for refusal in sorted({*_ALWAYS, *refusals}):
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
        answers[refusal] = {"description": _REFUSALS[refusal], "content": content}
        if refusal == 401:
            answers[refusal]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return answers


def _reads(model: Any, *refusals: int) -> dict[int | str, dict[str, Any]]:
    return {**_answers(200, model, *refusals, headers=("ETag",)), 304: {"description": "Not changed since that ETag."}}


def _json(content: Any, status: int = 200, **headers: str) -> Response:
    return Response(to_json(content), status, headers, "application/json")


def _tagged(request: Request, content: Any) -> Response:
    """The content with its ETag, or 304 for who has it already."""
    body = to_json(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


@router.post(
    "/jobs",
    status_code=201,
    responses={**_answers(201, contracts.Job, 409, 413, 422, headers=("Location",)), 200: {"model": contracts.Job}},
)
async def create_job(
    request: Request, caller: ApiCaller, body: contracts.NewJob, idempotency_key: Key = None
) -> Response:
    """Create a job with its first batch of tasks. 200 with the same job for an Idempotency-Key that was used before."""
    if idempotency_key is None:
        async with _database(request).acting_as(caller) as connection:
            job = await jobs.create(connection, body.org_id, body.name, body.description, body.params)
        return _created(job, 201)
    job, is_new = await repeating.create_once(_database(request), caller, idempotency_key, body)
    return _created(job, 201 if is_new else 200)


def _created(job: dict[str, Any], status: int) -> Response:
    return _json(job, status, Location=f"/api/agent/jobs/{job['id']}")


@router.get("/jobs", responses=_reads(contracts.JobPage))
async def list_jobs(
    request: Request, caller: ApiCaller, status: JobStatus | None = None, after: After = None, limit: Limit = MOST
) -> Response:
    """The caller's jobs, newest first."""
    async with _database(request).acting_as(caller) as connection:
        page = await jobs.listed(connection, status, after, limit)
    return _tagged(request, page.document())


@router.get("/jobs/{job_id}", responses=_reads(contracts.Job, 404))
async def get_job(request: Request, caller: ApiCaller, job_id: JobId) -> Response:
    """A job."""
    async with _database(request).acting_as(caller) as connection:
        return _tagged(request, await jobs.find(connection, job_id))


@router.get("/jobs/{job_id}/tasks", responses=_reads(contracts.TaskPage, 404))
async def list_tasks(
    request: Request,
    caller: ApiCaller,
    job_id: JobId,
    status: TaskStatus | None = None,
    after: After = None,
    limit: Limit = MOST,
) -> Response:
    """A job's tasks in the order of their batches and steps."""
    async with _database(request).acting_as(caller) as connection:
        page = await tasks.listed(connection, job_id, status, after, limit)
    return _tagged(request, page.document())


@router.get("/jobs/{job_id}/cards", responses=_reads(contracts.CardPage, 404))
async def list_cards(
    request: Request,
    caller: ApiCaller,
    job_id: JobId,
    state: CardState | None = None,
    card_type: Annotated[CardType | None, Query(alias="type")] = None,
    after: After = None,
    limit: Limit = MOST,
) -> Response:
    """A job's cards, newest first."""
    async with _database(request).acting_as(caller) as connection:
        page = await cards.listed(connection, job_id, state, card_type, after, limit)
    return _tagged(request, page.document())


@router.get("/jobs/{job_id}/progress", responses=_reads(contracts.Progress, 404))
async def get_progress(request: Request, caller: ApiCaller, job_id: JobId) -> Response:
    """The live progress of a job."""
    async with _database(request).acting_as(caller) as connection:
        return _tagged(request, await jobs.progress(connection, job_id))


@router.get("/jobs/{job_id}/metrics", responses=_reads(contracts.Metrics, 404, 409))
async def get_metrics(request: Request, caller: ApiCaller, job_id: JobId) -> Response:
    """The metrics of a job as of their last refresh. 404 where that was before the job was created."""
    async with _database(request).acting_as(caller) as connection:
        row = await jobs.metrics(connection, job_id)
    if row is None:
        raise Problem(404, "There are no metrics of this job yet.", hint="They come with the next refresh.")
    return _tagged(request, row)


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={
        **_answers(200, None, 404, 429),
        200: {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    },
)
async def follow_job(
    request: Request, caller: ApiCaller, job_id: JobId, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """Server-sent events: `progress` when it has changed, and `end` with the reason."""
    stream = await events.begin(
        _database(request), request.app.state.streams, caller, job_id, last_event_id, request.is_disconnected
    )
    return StreamingResponse(stream, headers={"Cache-Control": "no-store"}, media_type="text/event-stream")


@router.post("/jobs/{job_id}/transition", responses=_answers(200, contracts.Job, 404, 409, 413))
async def transition_job(request: Request, caller: ApiCaller, job_id: JobId, body: contracts.Transition) -> Response:
    """Move a job to another status."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await jobs.transition(connection, job_id, body.status))


@router.post("/jobs/{job_id}/cancel", responses=_answers(200, contracts.Job, 404, 409))
async def cancel_job(request: Request, caller: ApiCaller, job_id: JobId) -> Response:
    """Cancel a job. A job that is cancelled already stays so."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await jobs.cancel(connection, job_id))


@router.post("/jobs/{job_id}/plan", responses=_answers(200, contracts.Planned, 404, 409))
async def plan_job(request: Request, caller: ApiCaller, job_id: JobId) -> Response:
    """Make a job's next batch of tasks."""
    async with _database(request).acting_as(caller) as connection:
        return _json({"planned": await jobs.plan(connection, job_id)})


@router.post("/jobs/{job_id}/claim", responses=_answers(200, contracts.ClaimedTasks, 404, 409, 413))
async def claim_tasks(request: Request, caller: ApiCaller, job_id: JobId, body: contracts.Claim) -> Response:
    """Take pending tasks of a running job. Nobody else gets them."""
    async with _database(request).acting_as(caller) as connection:
        return _json({"items": await tasks.claim(connection, job_id, body.limit)})


@router.post("/tasks/{task_id}/finish", responses=_answers(200, contracts.Task, 404, 409, 413))
async def finish_task(request: Request, caller: ApiCaller, task_id: Task, body: contracts.Finish) -> Response:
    """End a running task as done."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await tasks.finish(connection, task_id, body.output))


@router.post("/tasks/{task_id}/fail", responses=_answers(200, contracts.Task, 404, 409, 413))
async def fail_task(request: Request, caller: ApiCaller, task_id: Task, body: contracts.Fail) -> Response:
    """End a running task as error."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await tasks.fail(connection, task_id, body.error))


@router.post("/tasks/{task_id}/retry", responses=_answers(200, contracts.Task, 404, 409))
async def retry_task(request: Request, caller: ApiCaller, task_id: Task) -> Response:
    """Make a failed task pending again."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await tasks.retry(connection, task_id))


@router.post("/cards/{card_id}/{decision}", responses=_answers(200, contracts.Card, 404, 409))
async def decide_card(
    request: Request, caller: ApiCaller, card_id: CardId, decision: Literal["approve", "reject"]
) -> Response:
    """Approve or reject a card."""
    async with _database(request).acting_as(caller) as connection:
        return _json(await cards.decide(connection, card_id, cards.DECISIONS[decision]))
