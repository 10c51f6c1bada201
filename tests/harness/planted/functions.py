"""Faults of the functions and triggers of migrations 1, 2 and 4, and of the indexes."""

from __future__ import annotations

from tests.harness.planted import counters, indexes, parameters, planning, statuses, working

FAULTS = [
    *statuses.FAULTS,
    *counters.FAULTS,
    *parameters.FAULTS,
    *planning.FAULTS,
    *working.FAULTS,
    *indexes.FAULTS,
]
