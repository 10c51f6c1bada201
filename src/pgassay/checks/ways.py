"""Ways: what a schema leaves open, each of which somebody has to take before anything is called isolated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

POLICY = "policy"
RIGHT = "right"
VIEW = "view"
FUNCTION = "function"
TRIGGER = "trigger"


@dataclass(frozen=True)
class Way:
    """A way to ``object``, and who took it.

    ``what`` says which one. Of a policy's condition, ``branch`` is the SQL of the one branch, ``key`` the same text
    however it is written, and ``is_one_of_several`` whether there are others. ``takers`` are the identities that took
    it, and ``how`` is what shows that of the first. ``why`` says why nobody did. It is empty where the whole object is
    not judged, which has a reason of its own. ``waived`` is the reason of a waiver for a way that nobody took.
    """

    kind: str
    object: str
    what: str
    branch: str = ""
    key: str = ""
    is_one_of_several: bool = False
    takers: tuple[str, ...] = ()
    how: str = ""
    why: str = ""
    waived: str = ""

    @property
    def name(self) -> str:
        """What it is called where it is not judged; no other way has the same name."""
        if not self.branch:
            return self.what
        return f"{self.what}: {'… or ' if self.is_one_of_several else ''}{self.branch}"

    @property
    def policy(self) -> str:
        """The policy that opens it, as a waiver names it."""
        return self.what.rpartition(", ")[0] if self.kind == POLICY else ""


@dataclass(frozen=True)
class Share:
    """How many ways were taken ``of`` those that count; what is waived does not."""

    taken: int
    of: int

    def __str__(self) -> str:
        """The count and the share, in words."""
        percent = 100 if self.taken == self.of else min(99, 100 * self.taken // self.of)
        return f"{self.taken} of {self.of} ways taken ({percent} %)"


def share(ways: Iterable[Way]) -> Share:
    """What was taken of the ways."""
    counted = [way for way in ways if not way.waived]
    return Share(sum(bool(way.takers) for way in counted), len(counted))


def untaken(ways: Iterable[Way]) -> dict[str, str]:
    """The ways that nobody took and nothing waives, and why, by their names; those of what is judged at all."""
    return {way.name: way.why for way in ways if way.why and not way.takers and not way.waived}


def is_waived(way: Way, name: str, key: str) -> bool:
    """Whether a waiver for a branch of that object or policy is for this way: nobody takes it."""
    return not way.takers and name in (way.object, way.policy) and key in (way.key, way.what)
