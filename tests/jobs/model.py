"""The Jobs system as `jobs-system.md` describes it, in plain Python: what the tests hold the schema to.

Written from the specification, and from nothing under ``sql/``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

# section 4, the table
JOB_STATUSES = ("pending", "running", "paused", "succeeded", "failed", "cancelled")
JOB_TRANSITIONS = {
    ("pending", "running"),
    ("pending", "cancelled"),
    ("running", "paused"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("paused", "running"),
    ("paused", "failed"),
    ("paused", "cancelled"),
}
FINAL = {"succeeded", "failed", "cancelled"}

TASK_STATUSES = ("pending", "running", "done", "error", "skipped")
TASK_TRANSITIONS = {
    ("pending", "running"),
    ("running", "done"),
    ("running", "error"),
    ("error", "pending"),
    ("pending", "skipped"),
}

# section 3
TASK_KINDS = (
    "draft_email",
    "send_email",
    "create_task",
    "schedule_call",
    "check_portal",
    "update_profile",
    "research",
    "follow_up",
    "create_deal",
)
# section 1
CARD_TYPES = ("send_email", "create_task", "schedule_call", "research", "follow_up", "create_deal")
CARD_STATES = ("suggested", "in_review", "approved", "executing", "done", "blocked", "rejected")

COUNTERS = (
    "total_tasks",
    "completed_tasks",
    "failed_tasks",
    "cards_created",
    "cards_approved",
    "cards_executed",
    "emails_sent",
    "errors_count",
)


@dataclass
class Task:
    job: UUID
    status: str = "pending"
    retries: int = 0


@dataclass
class Card:
    job: UUID | None
    type: str
    state: str
    task: int | None = None


@dataclass
class Run:
    job: UUID | None
    ended_at: datetime | None = None


@dataclass
class Board:
    """All tasks, cards and runs that there are."""

    tasks: dict[int, Task] = field(default_factory=dict)
    cards: dict[UUID, Card] = field(default_factory=dict)
    runs: dict[UUID, Run] = field(default_factory=dict)

    def tasks_of(self, job: UUID) -> list[Task]:
        return [task for task in self.tasks.values() if task.job == job]

    def cards_of(self, job: UUID) -> list[Card]:
        return [card for card in self.cards.values() if card.job == job]

    def counters(self, job: UUID) -> dict[str, int]:
        """Section 6, second point."""
        tasks, cards = self.tasks_of(job), self.cards_of(job)
        return {
            "total_tasks": len(tasks),
            "completed_tasks": sum(task.status == "done" for task in tasks),
            "failed_tasks": sum(task.status == "error" for task in tasks),
            "cards_created": len(cards),
            "cards_approved": sum(card.state in ("approved", "executing", "done") for card in cards),
            "cards_executed": sum(card.state in ("executing", "done") for card in cards),
            "emails_sent": sum(card.type == "send_email" and card.state == "done" for card in cards),
            "errors_count": sum(card.state == "blocked" for card in cards),
        }

    def metrics(self, job: UUID) -> dict[str, object]:
        """Section 6, third point: the columns of ``job_metrics`` that follow from tasks, cards and runs."""
        counters = self.counters(job)
        states = Counter(card.state for card in self.cards_of(job))
        types = Counter(card.type for card in self.cards_of(job))
        runs = [run for run in self.runs.values() if run.job == job]
        ended = [run.ended_at for run in runs if run.ended_at is not None]
        return {
            **counters,
            "task_completion_rate": percent(counters["completed_tasks"], counters["total_tasks"]),
            "approval_rate": percent(counters["cards_approved"], counters["cards_approved"] + states["rejected"]),
            "cards_suggested": states["suggested"],
            "cards_in_review": states["in_review"],
            "cards_approved_pending": states["approved"],
            "cards_executing": states["executing"],
            "cards_done": states["done"],
            "cards_blocked": states["blocked"],
            "cards_rejected": states["rejected"],
            "email_cards": types["send_email"],
            "task_cards": types["create_task"],
            "call_cards": types["schedule_call"],
            "research_cards": types["research"],
            "followup_cards": types["follow_up"],
            "deal_cards": types["create_deal"],
            "total_runs": len(runs),
            "last_run_ended_at": max(ended, default=None),
        }

    def progress(self, job: UUID) -> dict[str, object]:
        """Section 6, last point: what ``get_job_progress`` returns."""
        tasks, cards = self.tasks_of(job), self.cards_of(job)
        rate = percent(sum(task.status == "done" for task in tasks), len(tasks))
        return {
            "total_tasks": len(tasks),
            "tasks_by_status": dict(Counter(task.status for task in tasks)),
            "completion_rate": None if rate is None else float(rate),
            "total_cards": len(cards),
            "by_state": dict(Counter(card.state for card in cards)),
            "by_type": dict(Counter(card.type for card in cards)),
        }


def percent(part: int, whole: int) -> Decimal | None:
    if whole == 0:
        return None
    return (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)


Place = tuple[int, str]
"""A cadence day and a contact."""

_START, _END = -1, 2**128
"""Below and above the number of every contact's id."""


def cadence_days(params: dict[str, Any]) -> list[int]:
    """The days of a cadence that are not left out, ascending."""
    return sorted(int(key.removeprefix("day")) for key, value in params["cadence"].items() if value is not False)


@dataclass
class Plan:
    """How far the planning of a job has come. Sections 7 and 9.

    ``day`` is the day at hand, ``last`` the contact of that day that was planned last, ``reached`` the latest day that
    any batch was for.
    """

    day: int | None = None
    last: int = _START
    reached: int | None = None

    def next_batch(self, params: dict[str, Any], contacts: set[str], taken: set[Place]) -> list[Place]:
        """What one call plans, for these contacts of the target group; moves on to there.

        ``taken`` has a place for each task that names a day and a contact.
        """
        days, size = cadence_days(params), params["batch_size"]
        ids = sorted((UUID(contact).int, contact) for contact in contacts)
        if self.reached not in days:
            self.day = self.reached = days[0]
            self.last = _START
        elif self.day not in days:
            self.day, self.last = self.reached, _END
        while True:
            assert self.day is not None
            assert self.reached is not None
            ahead = [(n, c) for n, c in ids if n > self.last and _is_next(self.day, c, days, taken)][:size]
            if ahead:
                self.last = ahead[-1][0]
                return [(self.day, contact) for _, contact in ahead]
            for day in days:
                late = [(n, c) for n, c in ids if day <= self.reached and _is_next(day, c, days, taken)][:size]
                if late:
                    self.day = day
                    self.last = late[-1][0] if len(late) == size else _END
                    return [(day, contact) for _, contact in late]
            following = [day for day in days if day > self.reached]
            if not following:
                self.last = _END  # all is through: who comes now came late
                return []
            self.day = self.reached = following[0]
            self.last = _START


def _is_next(day: int, contact: str, days: list[int], taken: set[Place]) -> bool:
    """Whether the contact has all cadence days before this one, and not this one."""
    return (day, contact) not in taken and all((before, contact) in taken for before in days if before < day)
