"""A finding: a fact that a user must act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found by ``rule`` at ``object``: what was ``observed``, and how to ``mend`` it."""

    rule: str
    object: str
    observed: str
    mend: str
