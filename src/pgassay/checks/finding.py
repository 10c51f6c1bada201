"""A finding: a fact that a user must act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found by ``rule`` at ``object``: what was ``observed``, and how to ``mend`` it.

    ``severity`` is ``error`` or ``warning``. Of an experiment, ``statement`` is what was run as ``identity`` through
    ``door`` (``select``, ``insert``, ``update``, ``delete``, ``call``, …), ``expected`` what should have come back, and
    ``culprit`` the policy, grant or function that let it through, and ``script`` what psql runs to see it. ``location``
    is ``file:line`` of the object where there is one, and ``culprit_location`` that of a policy that is the culprit.
    """

    rule: str
    object: str
    observed: str
    mend: str
    severity: str = "error"
    identity: str = ""
    statement: str = ""
    door: str = ""
    expected: str = ""
    culprit: str = ""
    location: str = ""
    script: str = ""
    culprit_location: str = ""
