"""Controls: what those who are entitled to it reach. A mend that takes any of it away is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pgassay.checks.isolation.arguments import Call, tells_something
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Target
from pgassay.identity import Session


@dataclass(frozen=True)
class _Control:
    """Whose rows of a relation ``actor`` reaches by ``operation``, which is right."""

    target: Target
    actor: Actor
    operation: str
    labels: frozenset[str]

    def holds(self, session: Session) -> bool:
        with self.actor.enter(session):
            return self.labels <= self.target.reaches(self.operation, session, self.actor)


@dataclass(frozen=True)
class _CallControl:
    """A call by which ``actor``, who may, is told something or causes something."""

    actor: Actor
    call: Call
    causes: Callable[[Session], bool] | None

    def holds(self, session: Session) -> bool:
        with self.actor.enter(session):
            return tells_something(self.call.answer(session)) if self.causes is None else self.causes(session)


class Controls:
    """The positive controls of a run, by the relation or function that they are of."""

    def __init__(self) -> None:
        self._of: dict[str, list[_Control | _CallControl]] = {}

    def reached(self, target: Target, actor: Actor, reached: Mapping[str, set[str]], *, public: bool) -> None:
        """Keep what somebody reached of a relation, as far as it is one's own, or everybody's to read."""
        for operation, labels in reached.items():
            everybody = actor.may_all or (public and operation == "select")
            right = frozenset(labels if everybody else labels & actor.own) & set(LABELS)
            if right:
                control = _Control(target, actor, operation, right)
                self._of.setdefault(target.relation.full_name, []).append(control)

    def opened(self, target: Target, actor: Actor, operation: str) -> None:
        """Keep what a row opens to whom it names: rows of A."""
        control = _Control(target, actor, operation, frozenset("A"))
        self._of.setdefault(target.relation.full_name, []).append(control)

    def answered(
        self, signature: str, actor: Actor, call: Call, causes: Callable[[Session], bool] | None = None
    ) -> None:
        """Keep a call by which somebody entitled is told something, or ``causes`` something."""
        self._of.setdefault(signature, []).append(_CallControl(actor, call, causes))

    def hold(self, session: Session, names: Iterable[str]) -> bool:
        """Whether all of these is still so, on a superuser's ``session``."""
        return all(control.holds(session) for name in names for control in self._of.get(name, ()))
