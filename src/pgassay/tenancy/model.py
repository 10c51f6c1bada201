"""The tenancy that is inferred: candidates, questions, and the evidence for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgassay.config import Claim, Membership, Tenancy
from pgassay.platforms import DEFAULT

USERS = DEFAULT.users.table


@dataclass(frozen=True)
class Question:
    """What only a person can say of ``object``.

    ``path`` leads from its rows to the tenant, ``share`` names its columns for a row and a user, as the configuration
    has them. Without either, the object may be everybody's.
    """

    object: str
    text: str
    path: str = ""
    share: str = ""


@dataclass(frozen=True)
class Candidate:
    """A tenancy that may be meant: its tenants, who belongs to them, and what speaks for it."""

    tenant: str
    member: Membership | Claim | None
    evidence: str

    @property
    def written(self) -> str:
        """``member`` as the configuration has it."""
        return written(self.member)


@dataclass(frozen=True)
class Found:
    """A candidate with the tables whose policies bear it out, and whether it may as well be something else.

    With ``by_name``, its name alone says that it is the table of tenants.
    """

    tenant: str
    member: Membership | Claim | None
    support: frozenset[str]
    pair: bool = False
    unsure: str = ""
    is_share: bool = False
    by_name: bool = False


@dataclass(frozen=True)
class Inference:
    """What was inferred. ``tenancy`` is None where the schema does not settle it: then ``doubt`` says why.

    ``evidence`` has a sentence for each of ``tenant``, ``member`` and ``column``; ``users`` are the tables whose rows
    are a user's and no tenant's. ``questions`` do not stand in the way, but what they ask about is not judged.
    ``openings`` ask whether what is a tenant's is open to others on purpose; until that is said, it is not.
    ``forgeable`` is what a claim tells that users write themselves, where nothing else tells anything: whoever takes
    that claim reaches what is held by it.
    """

    tenancy: Tenancy | None
    evidence: Mapping[str, str] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    openings: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    doubt: str = ""
    candidates: tuple[Candidate, ...] = ()
    forgeable: Tenancy | None = None


def written(member: Membership | Claim | None) -> str:
    """``member`` as the configuration has it."""
    match member:
        case Membership():
            return f"{member.table}({member.tenant}, {member.user})"
        case Claim():
            return f"claim:{'.'.join(member.path)}"
    return "self"
