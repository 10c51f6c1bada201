"""Forms of the panel: the token that proves where they come from, and the one that a new job is written in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.requests import Request

from campaigns.callers import SESSION
from campaigns.problems import Problem

NONCE = "campaigns_form"
"""The cookie that a form's token is made from, together with the session."""

FIELD = "csrf"
STEPS = range(1, 4)
"""How many messages the form has room for."""


def nonce(request: Request) -> str:
    """The nonce of this browser; a new one for a browser that has none."""
    if not hasattr(request.state, "nonce"):
        request.state.nonce = request.cookies.get(NONCE) or secrets.token_urlsafe(24)
    found: str = request.state.nonce
    return found


def token(request: Request) -> str:
    """What a form carries. Another site knows neither the cookies nor the secret."""
    secret: str = request.app.state.settings.secret
    text = f"form\n{nonce(request)}\n{request.cookies.get(SESSION, '')}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


async def read(request: Request) -> Mapping[str, str]:
    """The fields of a form that came from a page of ours. Raises `Problem`."""
    given = _texts(await request.form())
    if NONCE not in request.cookies or not hmac.compare_digest(given.get(FIELD, "").encode(), token(request).encode()):
        raise Problem(403, "This form is not one of ours, or is too old.", hint="Load the page again.")
    return given


@dataclass
class NewJobForm:
    """The form of a new job: what stands in its fields, and the problem beside one of them."""

    values: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    @classmethod
    def empty(cls) -> NewJobForm:
        """The form as it is first shown."""
        return cls({"batch_size": "25", "review_mode": "on", "day-1": "0", "template-1": "intro"})

    @property
    def error_at(self) -> str:
        """The name of the field that the problem is about; `form` for none of them."""
        if self.problem is None:
            return ""
        named = (self.problem.field or "form").removeprefix("params.")
        if named in ("cadence", "templates"):
            return "messages"
        return named if named in ("org_id", "name", "description", "target_group", "batch_size") else "form"

    def body(self) -> tuple[UUID | None, str, str | None, dict[str, Any]]:
        """Organisation, name, description and params, as the API's body has them; the database judges them."""
        values = self.values
        days: dict[str, str] = {}
        templates: dict[str, dict[str, str]] = {}
        for step in STEPS:
            day, name, subject, body = (
                values.get(f"{each}-{step}", "") for each in ("day", "template", "subject", "body")
            )
            if subject.strip() or body.strip():
                template = name.strip() or f"message {step}"
                days[f"day{day.strip()}"] = template
                templates[template] = {"subject": subject, "body": body}
        params = {
            "target_group": values.get("target_group", "").strip(),
            "cadence": days,
            "templates": templates,
            "review_mode": "review_mode" in values,
            "batch_size": _number(values.get("batch_size", "")),
        }
        return _uuid(values.get("org_id", "")), values.get("name", ""), values.get("description") or None, params


def _texts(form: FormData) -> dict[str, str]:
    return {name: value.replace("\r\n", "\n") for name, value in form.items() if isinstance(value, str)}


def _number(text: str) -> int | str:
    """The number that was typed; what is none goes to the database as it is, which says what is wanted."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Problem(400, "This is no organisation.", field="org_id") from None
