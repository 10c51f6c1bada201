"""An inferred tenancy for a person at a terminal."""

from __future__ import annotations

import shlex
import textwrap

from rich.console import Group, RenderableType
from rich.text import Text

from pgassay.config import NO_TABLE
from pgassay.report.visible import in_a_line
from pgassay.tenancy import USERS, Inference, written


def assumption(inference: Inference) -> str:
    """What is taken for granted where nothing is declared."""
    tenancy = inference.tenancy
    if tenancy is None:
        return "No tenancy is declared, and the schema does not settle it."
    if tenancy.tenant == USERS:
        whose = f"each user owns rows of their own, by the column {tenancy.column} or foreign keys"
    else:
        to = f"the tenant that {tenancy.column} names" if tenancy.tenant == NO_TABLE else tenancy.tenant
        whose = (
            f"rows belong to {to}, by the column {tenancy.column} or foreign keys; "
            f"who is a member, {written(tenancy.member)} says"
        )
    return f"No tenancy is declared. Assumed: {whose}."


def assumed(inference: Inference) -> RenderableType:
    """The same, and what to do about it."""
    if inference.tenancy is None:
        return Text(in_a_line(assumption(inference)), "bold yellow")
    return Group(Text(in_a_line(assumption(inference))), Text("pgassay init writes this down, for you to confirm."))


def undecided(inference: Inference, command: str = "pgassay init") -> RenderableType:
    """Why nothing could be inferred, and how to say which candidate is meant."""
    lines: list[RenderableType] = [Text(in_a_line(inference.doubt))]
    for candidate in inference.candidates:
        whose = {USERS: "each user", NO_TABLE: "tenants that no table lists"}.get(candidate.tenant, candidate.tenant)
        lines.append(Text.assemble("  ", (in_a_line(whose), "bold"), in_a_line(f": {candidate.evidence}")))
        chosen = f"{command} --tenant {shlex.quote(candidate.tenant)} --member {shlex.quote(candidate.written)}"
        lines.append(Text(f"    {in_a_line(chosen)}", "cyan"))
    if not inference.candidates:
        lines.append(Text("Write it by hand into pyproject.toml or pgassay.toml:"))
        lines.append(Text(textwrap.indent(_BY_HAND, "  "), "cyan"))
    return Group(*lines)


_BY_HAND = """\
[tool.pgassay.tenancy]
tenant = "public.organizations"
member = "public.members(organization_id, user_id)"
column = "organization_id\""""
