"""Restrictive policies that refuse nothing of what the permissive ones let through: most often not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from pgassay.checks.isolation.ways import Ways
from pgassay.schema.policies import USING, Policy


def notes(ways: Ways) -> Iterator[str]:
    """A sentence for each, by the truth tables of `USING`; of a condition that failed for anybody nothing is said."""
    for policy in ways.policies:
        if not policy.permissive and policy.using is not None and _is_idle(ways, policy):
            yield (
                f'restrictive policy "{policy.name}" on {policy.relation} refused no row and nobody to whom another '
                "policy gives it"
            )


def _is_idle(ways: Ways, policy: Policy) -> bool:
    (branch,) = policy.branches[USING]
    given = 0
    for actor in ways.actors:
        if actor.identity.role not in policy.roles:
            continue
        held = [id(line) for line in ways.truth.held(policy.relation, branch.text, actor)]
        for other in ways.policies:
            if (
                other.permissive
                and other.relation == policy.relation
                and actor.identity.role in other.roles
                and set(other.commands) & set(policy.commands)
            ):
                for let in other.branches.get(USING, ()):
                    lines = [id(line) for line in ways.truth.held(policy.relation, let.text, actor)]
                    given += len(lines)
                    if not set(lines) <= set(held):
                        return False
    return given > 0
