"""The users of sample.sql, for development."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns import tokens
from campaigns.tokens import Caller

SESSION_SECONDS = 12 * 3600
"""How long a development login lasts."""


@dataclass(frozen=True)
class SampleUser:
    """A user of sample.sql, and what the login page says of them."""

    id: str
    email: str
    about: str


USERS = (
    SampleUser("a0000000-0000-4000-8000-000000000001", "ada@northwind.example", "Northwind Trails"),
    SampleUser("a0000000-0000-4000-8000-000000000002", "ben@harbor.example", "Harbor Books"),
    SampleUser("a0000000-0000-4000-8000-000000000003", "cleo@agency.example", "both organisations"),
)
FIRST = USERS[0]


def named(email: str) -> SampleUser | None:
    """The sample user with that email."""
    return next((user for user in USERS if user.email == email), None)


def token(user: SampleUser, secret: str) -> str:
    """A token for that user."""
    return tokens.sign(secret, role="authenticated", seconds=SESSION_SECONDS, subject=user.id, email=user.email)


def caller(user: SampleUser, secret: str) -> Caller:
    """That user as a caller."""
    return tokens.verify(token(user, secret), secret)
