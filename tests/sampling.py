"""How much of a long list of like cases is tried: all of them in the profile thorough, fewer where time is short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def some(cases: Iterable[T], *, dev: int, ci: int = 1) -> list[T]:
    """Every so manieth of them in the profiles ``dev`` and ``ci``."""
    return list(cases)[:: {"dev": dev, "ci": ci}.get(settings.get_current_profile_name(), 1)]
