"""The evidence for what was inferred, in sentences."""

from __future__ import annotations

from pgassay.config import Claim, Membership
from pgassay.hints import Column
from pgassay.platforms import DEFAULT
from pgassay.tenancy.model import USERS, Candidate, Found
from pgassay.tenancy.observed import Observed
from pgassay.wording import count


def shown(schema: Observed, candidate: Found) -> Candidate:
    """The candidate as a person is shown it."""
    return Candidate(candidate.tenant, candidate.member, of_member(schema, candidate))


def of_member(schema: Observed, candidate: Found) -> str:
    """What speaks for it that this says who belongs to whom."""
    looks = count(len(candidate.support), "table")
    match candidate.member:
        case Membership() as member:
            text = f"Its foreign keys join {USERS} with {candidate.tenant}"
            if member.tenant not in schema.tables[member.table].referring:
                others = sorted({other.relation for other in schema.joined_with(Column(member.table, member.tenant))})
                text = f"Policies and functions compare its {member.tenant} with that of {', '.join(others)}"
            elif not any(key.columns[0][0] == member.user for key in schema.tables[member.table].foreign_keys):
                text = f"It joins the caller's id with {candidate.tenant}"
            if {member.user} in schema.unique(member.table):
                text += ", one for each user"
            elif candidate.pair:
                text += ", one row for each pair"
            if candidate.support:
                text += f"; the policies of {looks} look the caller up in it"
            elif Column(member.table, member.user) in schema.hints.elsewhere.callers:
                text += "; views or functions look the caller up in it"
            return text + "."
        case Claim():
            return (
                f"The policies of {looks} compare it with the tenant."
                if candidate.support
                else ("Views or functions compare it with the tenant.")
            )
    if candidate.support:
        caller = f"{DEFAULT.words.user}()"
        return f"No table says who belongs to a tenant; the policies of {looks} compare a column with {caller}."
    return "No table says who belongs to a tenant, and tables have a column for their user."


def of_column(number: int) -> str:
    """How many tables have the column for the tenant."""
    if not number:
        return "No other table has a column for the tenant."
    return f"{count(number, 'table')} {have(number)} this column."


def have(number: int) -> str:
    """The verb that goes with so many things."""
    return "has" if number == 1 else "have"
