"""An inferred tenancy for a person at a terminal."""

from __future__ import annotations

import shlex

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pgassay.tenancy import USERS, Inference, written


def assumed(inference: Inference) -> RenderableType:
    """What is taken for granted where nothing is declared."""
    tenancy = inference.tenancy
    if tenancy is None:
        return Text("No tenancy is declared, and the schema does not settle it.", "bold yellow")
    if tenancy.tenant == USERS:
        whose = f"each user owns rows of their own, by the column {tenancy.column} or foreign keys"
    else:
        whose = (
            f"rows belong to {tenancy.tenant}, by the column {tenancy.column} or foreign keys; "
            f"who is a member, {written(tenancy.member)} says"
        )
    return Group(
        Text(f"No tenancy is declared. Assumed: {whose}."),
        Text("pgassay init writes this down, for you to confirm."),
    )


def undecided(inference: Inference, command: str = "pgassay init") -> RenderableType:
    """Why nothing could be inferred, and how to say which candidate is meant."""
    lines: list[RenderableType] = [Text(inference.doubt)]
    for candidate in inference.candidates:
        whose = "each user" if candidate.tenant == USERS else candidate.tenant
        lines.append(Text.assemble("  ", (whose, "bold"), f": {candidate.evidence}"))
        chosen = f"{command} --tenant {shlex.quote(candidate.tenant)} --member {shlex.quote(candidate.written)}"
        lines.append(Padding(Text(chosen, "cyan"), (0, 0, 0, 4), expand=False))
    if not inference.candidates:
        lines.append(Text("Write it by hand into pyproject.toml:"))
        lines.append(Padding(Text(_BY_HAND, "cyan"), (0, 0, 0, 2), expand=False))
    return Group(*lines)


_BY_HAND = """\
[tool.pgassay.tenancy]
tenant = "public.organizations"
member = "public.members(organization_id, user_id)"
column = "organization_id\""""
