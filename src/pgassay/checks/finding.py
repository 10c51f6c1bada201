"""A finding: a fact that a user must act on."""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "error"
"""A tenant's rows or a value of theirs reach another, or a right is gained: exit code 1."""
QUESTION = "question"
"""Only the project knows whether it is meant: exit code 2, until the configuration answers it."""
WARNING = "warning"
NOTE = "note"
SEVERITIES = (ERROR, QUESTION, WARNING, NOTE)
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """What was found by ``rule`` at ``object``: what was ``observed``, and how to ``mend`` it.

    ``severity`` is one of `SEVERITIES`. Of a question, ``mend`` has the line that answers it in the configuration with
    yes, and what to do if the answer is no. Of an experiment, ``statement`` is what was run as ``identity`` through
    ``door`` (``select``, ``insert``, ``update``, ``delete``, ``call``, …), ``expected`` what should have come back,
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
