"""The JSON of the API: what a request holds, and what an answer does, for `/openapi.json`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

JobStatus = Literal["pending", "running", "paused", "succeeded", "failed", "cancelled"]
TaskStatus = Literal["pending", "running", "done", "error", "skipped"]
CardState = Literal["suggested", "in_review", "approved", "executing", "done", "blocked", "rejected"]
CardType = Literal["send_email", "create_task", "schedule_call", "research", "follow_up", "create_deal"]
TaskId = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""A whole number that every client of JSON can hold."""

_PARAMS: dict[str, JsonValue] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["target_group", "cadence", "templates", "batch_size"],
    "properties": {
        "target_group": {"type": "string"},
        "cadence": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 366,
            "description": "Days, as day0: the name of a template, or true for the template of that name or the only "
            "one, or false for a day that is left out.",
            "patternProperties": {"^day(0|[1-9][0-9]{0,3})$": {"type": ["string", "boolean"]}},
            "additionalProperties": False,
        },
        "templates": {
            "type": "object",
            "maxProperties": 100,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["subject", "body"],
                "properties": {"subject": {"type": "string"}, "body": {"type": "string"}},
            },
        },
        "review_mode": {"type": "boolean"},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 1000},
    },
}
GUIDE: dict[str, JsonValue] = {
    "name": "Test Job",
    "description": "First test job",
    "params": {
        "target_group": "AMC",
        "cadence": {"day0": True},
        "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "Test email"}},
        "review_mode": True,
        "batch_size": 5,
    },
}
"""The body of the guide's first job."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewJob(_Request):
    """A job to be created. The database checks the name and the params."""

    model_config = ConfigDict(json_schema_extra={"examples": [GUIDE]})

    name: str = Field(json_schema_extra={"minLength": 1, "maxLength": 200})
    params: Any = Field(json_schema_extra=_PARAMS)
    description: str | None = None
    org_id: Annotated[UUID, Field(strict=False)] | None = Field(
        None, description="Left out by a member of one organisation."
    )


class Transition(_Request):
    """The status that a job is to go to."""

    status: JobStatus


class Claim(_Request):
    """How many tasks a worker takes at most."""

    limit: int = Field(1, ge=1, le=100)


class Finish(_Request):
    """What came of a task."""

    output: Any = Field(None, description="Any JSON.")


class Fail(_Request):
    """What went wrong with a task."""

    error: str


class JobSummary(BaseModel):
    """A job in a list."""

    id: UUID
    org_id: UUID
    name: str
    status: JobStatus
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_run_at: datetime | None
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    cards_created: int
    cards_approved: int
    cards_executed: int
    emails_sent: int
    errors_count: int


class Job(JobSummary):
    """A job."""

    description: str | None
    params: dict[str, Any]
    owner_id: UUID | None


class Task(BaseModel):
    """A task of a job."""

    id: int
    job_id: UUID
    batch: int
    step: int
    kind: str
    status: TaskStatus
    input: Any
    output: Any
    error_message: str | None
    retry_count: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ClaimedTask(Task):
    """A task that the caller has to do. Contacts are looked up by their id and this organisation."""

    org_id: UUID


class Card(BaseModel):
    """A card of a job."""

    id: UUID
    type: CardType
    title: str
    state: CardState
    priority: int
    contact_id: UUID | None
    task_id: int | None
    created_at: datetime


class Progress(BaseModel):
    """The live progress of a job."""

    status: JobStatus
    total_tasks: int
    tasks_by_status: dict[TaskStatus, int]
    completion_rate: float | None
    total_cards: int
    by_state: dict[CardState, int]
    by_type: dict[CardType, int]


class Metrics(JobSummary):
    """The metrics of a job as of `refreshed_at`."""

    id: UUID = Field(alias="job_id")
    task_completion_rate: float | None
    approval_rate: float | None
    cards_suggested: int
    cards_in_review: int
    cards_approved_pending: int
    cards_executing: int
    cards_done: int
    cards_blocked: int
    cards_rejected: int
    email_cards: int
    task_cards: int
    call_cards: int
    research_cards: int
    followup_cards: int
    deal_cards: int
    total_runs: int
    last_run_ended_at: datetime | None
    duration_seconds: float | None
    refreshed_at: datetime | None


class JobPage(BaseModel):
    """A page of jobs; `next` is null on the last one."""

    items: list[JobSummary]
    next: str | None


class TaskPage(BaseModel):
    """A page of tasks; `next` is null on the last one."""

    items: list[Task]
    next: str | None


class CardPage(BaseModel):
    """A page of cards; `next` is null on the last one."""

    items: list[Card]
    next: str | None


class ClaimedTasks(BaseModel):
    """The tasks that the caller has claimed."""

    items: list[ClaimedTask]


class Planned(BaseModel):
    """How many tasks the next batch has; 0 when nothing is left to plan."""

    planned: int


class ProblemDocument(BaseModel):
    """A problem document (RFC 9457)."""

    title: str
    status: int
    detail: str
    hint: str | None = None
    field: str | None = None
    sqlstate: str | None = None
