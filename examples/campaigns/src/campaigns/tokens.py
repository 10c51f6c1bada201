"""Bearer tokens: a JWT, signed with HS256, says who calls. What the caller may do is for the database to decide."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from uuid import UUID

import jwt

AUDIENCE = "authenticated"
"""What `aud` must be, as in the tokens of Supabase Auth."""

ANONYMOUS = "anon"
"""The role of a token that names none, as in PostgREST."""

_ALGORITHM = "HS256"


class InvalidToken(Exception):
    """The token is not accepted; the message says why."""


@dataclass(frozen=True)
class Caller:
    """Who calls: the database role, the claims as JSON text, and when the token ends (seconds since 1970)."""

    role: str
    claims: str
    expires: float
    subject: str | None = None
    email: str | None = None

    @property
    def is_expired(self) -> bool:
        """Whether the token has ended."""
        return time.time() >= self.expires


def verify(token: str, secret: str) -> Caller:
    """The caller that a token names. Raises `InvalidToken`."""
    try:
        claims = jwt.decode(
            token, secret, algorithms=[_ALGORITHM], audience=AUDIENCE, options={"require": ["exp", "aud"]}
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except jwt.PyJWTError:
        raise InvalidToken("The token is not valid.") from None
    role, subject, email = claims.get("role", ANONYMOUS), claims.get("sub"), claims.get("email")
    if not isinstance(role, str) or not role or "\0" in role or not (subject is None or _is_uuid(subject)):
        raise InvalidToken("The token names no role or user that can call.")
    return Caller(
        role=role,
        claims=json.dumps(claims),
        expires=float(claims["exp"]),
        subject=subject,
        email=email if isinstance(email, str) else None,
    )


def sign(secret: str, *, role: str, seconds: int, subject: str | None = None, email: str | None = None) -> str:
    """A token for that role and user, which ends after so many seconds."""
    claims: dict[str, object] = {"role": role, "aud": AUDIENCE, "exp": int(time.time()) + seconds}
    if subject is not None:
        claims["sub"] = subject
    if email is not None:
        claims["email"] = email
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def _is_uuid(subject: object) -> bool:
    try:
        return str(UUID(str(subject))) == subject
    except ValueError:
        return False
