"""Identity: a caller with a token, as PostgREST hands it to the database: a role, and claims in a setting."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

CLAIMS = "request.jwt.claims"
"""The setting that has the claims of the token, as JSON."""
_TOKEN_SECONDS = 3600
_KEY_SECONDS = 10 * 365 * 24 * 3600
_SESSIONS = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
_ISSUER = "http://127.0.0.1:54321/auth/v1"


@dataclass(frozen=True)
class Identity:
    """Whom a statement runs as: a role, and the claims of its JWT as the JSON text that the API would hand over.

    ``sent`` is what the caller sends besides, as JSON: headers and cookies, by the names of their settings.
    """

    role: str
    claims: str
    sent: str = "{}"

    @classmethod
    def user(cls, user_id: UUID | str, **claims: Any) -> Identity:
        """A signed-in user: the role ``authenticated``, and the claims of a token of Supabase Auth.

        ``claims`` replace these or come besides, as ``email="a@b.c"`` or ``aal="aal2"``; those in ``app_metadata``
        come beside the provider that every token has there.
        """
        now = int(time.time())
        methods = ["password", "totp"] if claims.get("aal") == "aal2" else ["password"]
        usual: dict[str, Any] = {
            "iss": _ISSUER,
            "sub": str(user_id),
            "aud": "authenticated",
            "exp": now + _TOKEN_SECONDS,
            "iat": now,
            "email": "",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": method, "timestamp": now} for method in methods],
            "session_id": str(uuid5(_SESSIONS, str(user_id))),
            "is_anonymous": False,
        }
        if isinstance(of_platform := claims.get("app_metadata"), dict):
            claims["app_metadata"] = {**usual["app_metadata"], **of_platform}
        return cls.of("authenticated", {**usual, **claims})

    @classmethod
    def anon(cls, **claims: Any) -> Identity:
        """A caller who has not signed in: the role ``anon``, and the claims of the project's key for it."""
        return cls.of("anon", {**_of_a_key(), **claims})

    @classmethod
    def service_role(cls, **claims: Any) -> Identity:
        """The application's own back end: the role ``service_role``, which row level security does not hold."""
        return cls.of("service_role", {**_of_a_key(), **claims})

    @classmethod
    def of(cls, role: str, claims: dict[str, Any]) -> Identity:
        """Any role with these claims, and a claim ``role``."""
        return cls(role, json.dumps({"role": role, **claims}))

    @cached_property
    def texts(self) -> frozenset[str]:
        """What stands in the headers and cookies that the caller sends."""
        return frozenset(_texts(json.loads(self.sent)))

    @cached_property
    def given(self) -> dict[str, Any]:
        """The claims as values."""
        found: dict[str, Any] = json.loads(self.claims)
        return found

    @cached_property
    def request(self) -> dict[str, str]:
        """What PostgREST sets for a request besides the claims: method, path, headers and cookies."""
        parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), self.claims, "not a signature"]
        token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        sent = json.loads(self.sent)
        headers = {
            "host": "127.0.0.1:54321",
            "user-agent": "pgassay",
            "accept": "*/*",
            "content-type": "application/json",
            "authorization": f"Bearer {token}",
            "apikey": token,
            "x-client-info": "supabase-js/2.0.0",
            "x-forwarded-for": "203.0.113.7, 203.0.113.7",
            "x-real-ip": "203.0.113.7",
        }
        return {
            "request.method": "POST",
            "request.path": "/",
            "request.headers": json.dumps({**headers, **sent.get("request.headers", {})}),
            "request.cookies": json.dumps(sent.get("request.cookies", {})),
        }

    @property
    def settings(self) -> dict[str, str]:
        """All that is set for the caller, besides the role."""
        return {**self.request, CLAIMS: self.claims}


def _texts(value: Any) -> Iterator[str]:
    """The values in JSON."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    else:
        yield str(value)


def _of_a_key() -> dict[str, Any]:
    return {"iss": "supabase", "exp": int(time.time()) + _KEY_SECONDS}
