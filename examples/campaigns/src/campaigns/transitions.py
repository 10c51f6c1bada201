"""The buttons of a job: each status change that is possible from here, and no other.

The database holds the table of status changes and refuses all else; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Move:
    """A change of a job's status, and what its button says. ``ends`` is said of one that cannot be taken back."""

    to: str
    label: str
    ends: bool = False


_PAUSE = Move("paused", "Pause")
_SUCCEED = Move("succeeded", "Mark as succeeded", ends=True)
_FAIL = Move("failed", "Mark as failed", ends=True)
_CANCEL = Move("cancelled", "Cancel", ends=True)

MOVES = {
    "pending": (Move("running", "Start"), _CANCEL),
    "running": (_PAUSE, _SUCCEED, _FAIL, _CANCEL),
    "paused": (Move("running", "Resume"), _FAIL, _CANCEL),
}
PLANNABLE = ("pending", "running")
"""The statuses in which the next batch can be planned."""


def of(progress: dict[str, Any]) -> list[Move]:
    """The moves of a job with that progress. It does not succeed while a task is pending or running."""
    tasks = progress["tasks_by_status"]
    is_busy = bool(tasks.get("pending") or tasks.get("running"))
    return [move for move in MOVES.get(progress["status"], ()) if not (is_busy and move.to == "succeeded")]
