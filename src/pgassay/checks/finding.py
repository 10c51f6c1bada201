"""A finding: a fact that a user must act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found by ``rule`` at ``object``: what was ``observed``, and how to ``mend`` it.

    ``severity`` is ``error`` or ``warning``. Of an experiment, ``statement`` is what was run as ``identity``.
    """

    rule: str
    object: str
    observed: str
    mend: str
    severity: str = "error"
    identity: str = ""
    statement: str = ""
