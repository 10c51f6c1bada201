"""How much of a long list of like cases is tried: all of them in the profile thorough, fewer where time is short.

Which ones is another sample with each commit, so that as many commits in a row as cases are left out try all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


def some(cases: Iterable[T], *, dev: int, ci: int = 1) -> list[T]:
    """Every so manieth of them in the profiles ``dev`` and ``ci``, beginning at the commit's `offset`.

    At least one, where there are any: of a list that is shorter than the steps are long, every commit tries something.
    """
    every = list(cases)
    step = min({"dev": dev, "ci": ci}.get(settings.get_current_profile_name(), 1), max(1, len(every)))
    return every[offset(ROOT) % step :: step]


@cache
def offset(folder: Path) -> int:
    """The number of commits that the one checked out in ``folder`` comes after; 0 where git does not tell."""
    command = ["git", "-C", str(folder), "rev-list", "--count", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(answer.stdout)
