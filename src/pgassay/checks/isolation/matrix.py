"""What came of the probes: the access matrix, verdicts, and how each finding can be shown again."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg import sql

from pgassay.checks.finding import Finding
from pgassay.checks.ways import Way
from pgassay.config import Published, Share
from pgassay.errors import PgassayError
from pgassay.identity import Identity, Session
from pgassay.platforms.tokens import CLAIMS

OPERATIONS = ("select", "insert", "update", "delete")


class Reach(enum.Enum):
    """Whose rows an identity reaches. `SOME` are others' than its own, but not everybody's."""

    NONE = "none"
    OWN = "own"
    ALL = "all"
    SOME = "some"


class Verdict(enum.Enum):
    """What the probes of one identity at one door came to, the worst last."""

    ISOLATED = "isolated"
    VACUOUS = "vacuous"
    NOT_JUDGED = "not judged"
    REVEALS_EXISTENCE = "reveals existence"
    MOVES_ACROSS = "moves across"
    WRITES_ACROSS = "writes across"
    LEAKS = "leaks"

    @property
    def rule(self) -> str:
        """The rule of a finding with this verdict; a `KeyError` for a verdict that is none."""
        return _RULES[self]


_RULES = {
    Verdict.REVEALS_EXISTENCE: "tenant-existence",
    Verdict.MOVES_ACROSS: "tenant-move",
    Verdict.WRITES_ACROSS: "tenant-write",
    Verdict.LEAKS: "tenant-leak",
}
RULES = tuple(_RULES.values())
"""The rules of the findings of this check."""


@dataclass(frozen=True)
class Actor:
    """Who tries: somebody who belongs to the tenants ``own``. ``shown`` has a column of its own in the matrix.

    ``forged`` is somebody who claims what users write themselves.
    """

    name: str
    own: frozenset[str]
    identity: Identity
    user: UUID | None = None
    may_all: bool = False
    shown: bool = True
    forged: bool = False

    def enter(self, session: Session) -> AbstractContextManager[Session]:
        """Be this actor on ``session`` within the block, which is undone."""
        return session.posing_as(self.identity)


@dataclass(frozen=True)
class Access:
    """One line of the matrix: for a relation and an identity, the reach of each operation."""

    relation: str
    identity: str
    reach: dict[str, Reach]


@dataclass(frozen=True)
class Probe:
    """How a finding is shown again: ``holds`` says whether it is still so for ``actor``, whom the session is.

    ``before`` is what whoever logged in does first, as to take away a key that is in the way of its statement;
    ``arranged`` is what the owner of the rows does first. ``mends`` are changes that are likely to close it, of the
    relation that it ``touches`` besides. ``answer`` is the declaration by which it is meant. ``cause`` is what lets it
    be, where that is known: in words, the table, and the statement that takes it away.
    """

    actor: Actor
    holds: Callable[[Session], bool]
    before: str = ""
    arranged: str = ""
    mends: tuple[str, ...] = ()
    touches: str = ""
    answer: Published | Share | None = None
    cause: tuple[str, str, str] | None = None

    def script(self, statement: str, settings: Iterable[str] = ()) -> str:
        """The statement as psql runs it for somebody who logged in as authenticator, or may become the role.

        Where the platform itself does something first, as a sign-up, a superuser has to run it. ``settings`` are those
        of the request that the schema reads besides the claims.
        """
        identity = self.actor.identity
        values = {CLAIMS: identity.claims, **{name: identity.request[name] for name in settings}}
        become = f"set local role {sql.Identifier(identity.role).as_string(None)};\n" + "".join(
            f"set local {name} = {sql.Literal(value).as_string(None)};\n" for name, value in values.items()
        )
        before = self.before or (f"{self.arranged};\n" if self.arranged else "")
        return f"begin;\n{before}{become}{statement};\nrollback;\n"

    def shows(self, session: Session) -> bool:
        """Whether the hole is still there, tried on an owner's or a superuser's session. Nothing stays of it."""
        try:
            with session.transaction(force_rollback=True):
                if self.arranged:
                    session.execute(self.arranged.encode())
                with self.actor.enter(session):
                    return self.holds(session)
        except (psycopg.Error, PgassayError):
            if session.closed:
                raise
            return False


@dataclass(frozen=True)
class Matrix:
    """The whole matrix, the findings, what could not be judged (object → reason), and how many probes were run.

    ``vacuous`` names the doors at which there was nothing to be found, ``skipped`` those that were not tried;
    ``demonstrations`` are for findings; ``notes`` are facts that nobody must act on. ``ways`` are those that the schema
    leaves open, with who took each; ``unjudged`` has those that nobody took. ``kept`` is the database in which the rows
    are, if it was to be kept. ``rights`` say of each role in each declared table what it reaches of its own tenant: all
    rows, those in its own name, or none. ``of_roles`` are lines of members by each role and flag that a membership can
    have, declared or not. ``settings`` are those of a request that the schema reads, besides the claims.
    """

    lines: tuple[Access, ...]
    findings: tuple[Finding, ...]
    unjudged: dict[str, str]
    probes: int
    vacuous: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    demonstrations: Mapping[Finding, Probe] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    kept: str = ""
    rights: tuple[Access, ...] = ()
    settings: tuple[str, ...] = ()
    of_roles: tuple[Access, ...] = ()

    @property
    def identities(self) -> list[str]:
        """The identities in the order in which they were tried."""
        return list(dict.fromkeys(line.identity for line in self.lines))

    def script(self, finding: Finding) -> str:
        """What a person runs in psql, on a copy with the same rows, to see it."""
        return self.demonstrations[finding].script(finding.statement, self.settings)

    def verdict(self, door: str, identity: str) -> Verdict:
        """The verdict for an object and an identity."""
        if door in self.unjudged:
            return Verdict.VACUOUS if door in self.vacuous else Verdict.NOT_JUDGED
        of_rule = {rule: verdict for verdict, rule in _RULES.items()}
        found = [
            of_rule[finding.rule]
            for finding in self.findings
            if finding.object == door and finding.identity == identity and finding.rule in of_rule
        ]
        order = list(Verdict)
        return max(found, key=order.index, default=Verdict.ISOLATED)
