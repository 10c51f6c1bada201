"""Measurements: seconds, medians of them taken in turn with their baseline, and figures beside their limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")

TIMES = "\N{MULTIPLICATION SIGN}"
"""The unit of a ratio."""

Track = Callable[[str, int], Iterable[int]]
"""Gives the numbers of that many rounds, and shows a person how far the subject of that name has come."""


@dataclass(frozen=True)
class Figure:
    """A line of the result: ``what`` took ``measured``, ``against`` what, hence ``value`` in ``unit``.

    ``unit`` is `TIMES` or ``ms``; ``limit`` is in the same unit, None for a figure that is only told.
    """

    what: str
    measured: str
    against: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def over(self) -> bool:
        """Whether the limit is exceeded."""
        return self.limit is not None and self.value > self.limit


def seconds(action: Callable[[], object]) -> float:
    """How long ``action`` takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def in_turn(rounds: Iterable[int], measured: Mapping[K, Callable[[], T]]) -> dict[K, list[T]]:
    """What each of ``measured`` gave in each round; every other round takes them in the opposite order.

    So whatever slows the machine down for a while, or comes with being first, falls on all of them.
    """
    found: dict[K, list[T]] = {key: [] for key in measured}
    forth = list(measured)
    back = forth[::-1]
    for number in rounds:
        for key in forth if number % 2 == 0 else back:
            found[key].append(measured[key]())
    return found


def ratio(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return median(one / other for one, other in zip(measured, baseline, strict=True))


def middle(samples: Iterable[float]) -> str:
    """The median of ``samples``, which are in seconds, as people write it."""
    taken = median(samples)
    return f"{taken * 1000:.0f} ms" if taken >= 0.1 else f"{taken * 1000:.3g} ms"
