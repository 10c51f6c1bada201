"""What a mend leaves, judged as a whole in copies in which it is carried out: more than that one hole is closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pgassay.catalog import Function
from pgassay.checks.finding import ERROR
from pgassay.checks.isolation.controls import Controls
from pgassay.checks.isolation.functions import Calls
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.truth import Tables
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.world import World
from pgassay.identity import Clone, Databases
from pgassay.templates import Template


@dataclass(frozen=True)
class Rehearsal:
    """Carries out mends in copies of ``filled``, and of ``empty``, in which nobody but tenant A has anything.

    Nobody is connected to these. ``everybody`` are those whom policies hold, ``actors`` those who try doors.
    """

    databases: Databases
    filled: Template
    empty: Template | None
    world: World
    everybody: Sequence[Actor]
    actors: Sequence[Actor]
    functions: Sequence[Function]

    def is_of_use(self, statement: str, relation: str, policy: str) -> bool:
        """Whether each condition of that policy is still true for somebody, or it holds nobody but the back end.

        One that is true for nobody would be a door that nobody can judge.
        """
        with self._copy(self.filled, statement) as clone:
            ways = Ways(self.world.elsewhere(clone.connect_as_owner()), [*self.everybody])
            mended = [each for each in ways.policies if (each.relation, each.name) == (relation, policy)]
            mended = [each for each in mended if ways.roles_of(each)]
            ways.truth = Tables(ways.world, clone, mended).fill(self.everybody)
            return all(
                any(ways.is_taken(each, branch) for branch in branches)
                for each in mended
                for branches in each.branches.values()
            )

    def is_sound(self, statement: str, signature: str) -> bool:
        """Whether that function is judged still, and nothing is found of it."""
        functions = [function for function in self.functions if function.signature == signature]
        with ExitStack() as stack:
            clone = stack.enter_context(self._copy(self.filled, statement))
            other = stack.enter_context(self._copy(self.empty, statement)) if self.empty else None
            calls = Calls(self.world.elsewhere(clone.connect_as_owner()), clone, other, Controls())
            found = [*calls.try_all(functions, self.actors, lambda _: None)]
        errors = [finding for finding, _ in found if finding.severity == ERROR]
        return not errors and not calls.unjudged

    @contextmanager
    def _copy(self, template: Template, statement: str) -> Iterator[Clone]:
        with self.databases.copy(template) as clone:
            with clone.connect_as_admin() as admin:
                admin.execute(statement.encode())
            yield clone
