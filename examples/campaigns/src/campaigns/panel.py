"""The pages of the panel. Each form is answered by a redirect, or by its page with what was wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.templating import Jinja2Templates

from campaigns import callers, cards, forms, jobs, previews, problems, sample, tasks, tokens, transitions
from campaigns.callers import SESSION
from campaigns.contracts import CardState, CardType, JobStatus, TaskId
from campaigns.database import Connection, Database
from campaigns.forms import NewJobForm
from campaigns.problems import Problem
from campaigns.tokens import Caller, InvalidToken

router = APIRouter(include_in_schema=False)

SHOWN_JOBS = 25
SHOWN_BATCHES = 20
SHOWN_TASKS = 50
SHOWN_CARDS = 10
SHOWN_FAILED = 10
HOME = "/agent/jobs"
_PAGES = ("/agent/", "/login", "/logout")

Batch = Annotated[int | None, Query(ge=0, le=2**31 - 1)]

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


def is_page(request: Request) -> bool:
    """Whether a person waits for the answer."""
    return request.url.path == "/" or request.url.path.startswith(_PAGES)


def refusal(request: Request, problem: Problem) -> Response:
    """A page that says what was wrong; the login for somebody who has not logged in."""
    if problem.status == 401:
        response: Response = RedirectResponse("/login", 303)
        return response
    return _page(request, "error.html", None, problem=problem, status=problem.status, headers=problem.headers)


@router.get("/")
async def home() -> Response:
    """The list of jobs."""
    return RedirectResponse(HOME, 303)


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Log in with a token, or in development as a sample user."""
    return _page(request, "login.html", None)


@router.post("/login")
async def login(request: Request) -> Response:
    """Begin a session."""
    settings = request.app.state.settings
    given = await forms.read(request)
    user = sample.named(given.get("user", "")) if settings.dev else None
    token = sample.token(user, settings.secret) if user else given.get("token", "").strip()
    try:
        caller = tokens.verify(token, settings.secret)
    except InvalidToken as error:
        return _page(request, "login.html", None, problem=Problem(400, str(error)), status=400)
    response = RedirectResponse(HOME, 303)
    ends = datetime.fromtimestamp(caller.expires, UTC)
    response.set_cookie(SESSION, token, expires=ends, httponly=True, samesite="lax", secure=not settings.dev)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session."""
    await forms.read(request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION, httponly=True, samesite="lax", secure=not request.app.state.settings.dev)
    return response


@router.get("/agent/jobs")
async def list_page(request: Request, status: JobStatus | None = None, after: str | None = None) -> Response:
    """The caller's jobs."""
    caller = _caller(request)
    async with _database(request).acting_as(caller) as connection:
        page = await jobs.listed(connection, status, after, SHOWN_JOBS)
        organisations = await jobs.organisations(connection)
    return _page(
        request,
        "jobs.html",
        caller,
        page=page,
        status_filter=status,
        after=after,
        statuses=jobs.STATUSES,
        organisations={each["id"]: each["name"] for each in organisations},
    )


@router.get("/agent/jobs/new")
async def new_page(request: Request) -> Response:
    """The form of a new job."""
    return await _new_page(request, _caller(request), NewJobForm.empty())


@router.post("/agent/jobs/new")
async def create(request: Request) -> Response:
    """Create the job of the form."""
    caller = _caller(request)
    form = NewJobForm(dict(await forms.read(request)))
    try:
        async with _database(request).acting_as(caller) as connection:
            job = await jobs.create(connection, *form.body())
    except Exception as error:
        form.problem = _told(error)
        return await _new_page(request, caller, form)
    return RedirectResponse(f"{HOME}/{job['id']}", 303)


@router.get("/agent/jobs/{job_id}")
async def job_page(
    request: Request,
    job_id: UUID,
    batch: Batch = None,
    batches_before: Batch = None,
    tasks_after: str | None = None,
    state: CardState | None = None,
    card_type: Annotated[CardType | None, Query(alias="type")] = None,
    cards_after: str | None = None,
) -> Response:
    """The Control Panel of a job."""
    wanted = {
        "batch": batch,
        "batches_before": batches_before,
        "tasks_after": tasks_after,
        "state": state,
        "type": card_type,
        "cards_after": cards_after,
    }
    return await _job_page(request, _caller(request), job_id, wanted)


@router.post("/agent/jobs/{job_id}/transition/{status}")
async def transition(request: Request, job_id: UUID, status: JobStatus) -> Response:
    """Move the job to another status."""
    if status == "cancelled":
        return await _done(request, job_id, "job", lambda connection: jobs.cancel(connection, job_id))
    return await _done(request, job_id, "job", lambda connection: jobs.transition(connection, job_id, status))


@router.post("/agent/jobs/{job_id}/plan")
async def plan(request: Request, job_id: UUID) -> Response:
    """Plan the next batch."""
    return await _done(request, job_id, "tasks", lambda connection: jobs.plan(connection, job_id))


@router.post("/agent/jobs/{job_id}/tasks/{task_id}/retry")
async def retry(request: Request, job_id: UUID, task_id: TaskId) -> Response:
    """Retry a failed task."""
    return await _done(request, job_id, "failed", lambda connection: tasks.retry(connection, task_id))


@router.post("/agent/jobs/{job_id}/cards/{card_id}/{decision}")
async def decide(request: Request, job_id: UUID, card_id: UUID, decision: Literal["approve", "reject"]) -> Response:
    """Approve or reject a card."""
    state = cards.DECISIONS[decision]
    return await _done(request, job_id, "cards", lambda connection: cards.decide(connection, card_id, state))


async def _done(request: Request, job_id: UUID, part: str, act: Callable[[Connection], Awaitable[object]]) -> Response:
    """Do what a button says, and show the job again at that part of its page."""
    caller = _caller(request)
    await forms.read(request)
    try:
        async with _database(request).acting_as(caller) as connection:
            await act(connection)
    except Exception as error:
        return await _job_page(request, caller, job_id, {}, _told(error))
    return RedirectResponse(f"{HOME}/{job_id}#{part}", 303)


def _told(error: Exception) -> Problem:
    """What a person is told beside the form; any other error goes on."""
    problem = error if isinstance(error, Problem) else problems.of(error)
    if problem is None or problem.status >= 500:
        raise error
    return problem


async def _new_page(request: Request, caller: Caller, form: NewJobForm) -> Response:
    async with _database(request).acting_as(caller) as connection:
        organisations = await jobs.organisations(connection)
    return _page(
        request,
        "new.html",
        caller,
        form=form,
        organisations=organisations,
        steps=forms.STEPS,
        status=form.problem.status if form.problem else 200,
    )


async def _job_page(
    request: Request, caller: Caller, job_id: UUID, wanted: dict[str, Any], problem: Problem | None = None
) -> Response:
    async with _database(request).acting_as(caller) as connection:
        job = await jobs.find(connection, job_id)
        shown = await _shown(connection, job, wanted)

    def link(part: str, **changes: object) -> str:
        """The address of this page with other values of its query."""
        values = {name: value for name, value in {**wanted, **changes}.items() if value is not None}
        return f"{HOME}/{job_id}?{urlencode(values)}#{part}"

    status = problem.status if problem else 200
    return _page(
        request, "job.html", caller, job=job, wanted=wanted, link=link, problem=problem, status=status, **shown
    )


async def _shown(connection: Connection, job: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What stands on the page of a job."""
    job_id = job["id"]
    progress = await jobs.progress(connection, job_id)
    batches = await tasks.batches(connection, job_id, wanted.get("batches_before"), SHOWN_BATCHES + 1)
    batches, has_older = batches[:SHOWN_BATCHES], len(batches) > SHOWN_BATCHES
    batch = wanted.get("batch")
    if batch is None and batches:
        batch = batches[0]["batch"]
    try:
        async with connection.transaction():
            metrics = await jobs.metrics(connection, job_id)
    except psycopg.errors.ObjectNotInPrerequisiteState:  # never refreshed
        metrics = None
    return {
        "progress": progress,
        "moves": transitions.of(progress),
        "can_plan": job["status"] in transitions.PLANNABLE,
        "is_final": job["status"] in jobs.FINAL,
        "batches": batches,
        "has_older": has_older,
        "batch": batch,
        "task_page": await tasks.listed(connection, job_id, None, wanted.get("tasks_after"), SHOWN_TASKS, batch),
        "failed": await tasks.listed(connection, job_id, "error", None, SHOWN_FAILED),
        "card_page": await cards.listed(
            connection, job_id, wanted.get("state"), wanted.get("type"), wanted.get("cards_after"), SHOWN_CARDS
        ),
        "card_states": cards.STATES,
        "card_types": cards.TYPES,
        "undecided": cards.UNDECIDED,
        "metrics": metrics,
        "previews": await previews.preview(connection, job),
        "organisation": next(
            (each["name"] for each in await jobs.organisations(connection) if each["id"] == job["org_id"]), None
        ),
    }


def _caller(request: Request) -> Caller:
    caller = callers.of_panel(request)
    if caller is None:
        raise callers.unauthenticated("Log in first.")
    return caller


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _page(request: Request, template: str, caller: Caller | None, status: int = 200, **shown: Any) -> Response:
    """A page, with the token of its forms."""
    settings = request.app.state.settings
    headers = shown.pop("headers", {})
    context = {
        "caller": caller or callers.of_panel(request),
        "csrf": forms.token(request),
        "dev": settings.dev,
        "sample_users": sample.USERS,
        "problem": None,
        **shown,
    }
    response = _templates.TemplateResponse(request, template, context, status, headers)
    if forms.NONCE not in request.cookies:
        response.set_cookie(forms.NONCE, forms.nonce(request), httponly=True, samesite="lax", secure=not settings.dev)
    return response


def _when(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def _percent(part: int, whole: int) -> str:
    return "" if not whole else f"{100 * part / whole:.0f} %"


def _words(name: str) -> str:
    return name.replace("_", " ")


_templates.env.filters.update(when=_when, words=_words)
_templates.env.globals.update(percent=_percent)
