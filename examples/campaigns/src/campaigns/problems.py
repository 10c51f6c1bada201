"""Errors as problem documents (RFC 9457), with what the database said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout
from pydantic_core import to_json
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

_BY_STATE = {
    "42501": 403,  # insufficient privilege
    "23505": 409,  # unique violation
    "40001": 409,  # serialization failure
    "40P01": 409,  # deadlock
    "55P03": 409,  # lock not available
    "55000": 409,  # not in the prerequisite state: metrics that were never refreshed
    "57014": 503,  # a statement took too long
}
_BY_CLASS = {
    "22": 400,  # data exception
    "23": 400,  # integrity constraint violation
    "08": 503,  # connection exception
    "53": 503,  # insufficient resources
    "57": 503,  # operator intervention
}
_OF_POSTGREST = re.compile(r"PT([45]\d\d)")
_FIELD = re.compile(r"(params(?:\.\w+)?|p_\w+)")
_TRY_AGAIN = {"Retry-After": "1"}


class Problem(Exception):
    """What a request ends with if it cannot be done."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.field = field
        self.headers = dict(headers or {})
        self.extra = extra

    @property
    def title(self) -> str:
        """The phrase of the status."""
        return HTTPStatus(self.status).phrase

    def document(self) -> dict[str, Any]:
        """The members of the problem document. `type` is left out, which stands for about:blank."""
        members = {
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "hint": self.hint,
            "field": self.field,
            **self.extra,
        }
        return {name: value for name, value in members.items() if value is not None}

    def response(self) -> Response:
        """The problem as an answer."""
        return Response(to_json(self.document()), self.status, self.headers, MEDIA_TYPE)


def of(error: Exception) -> Problem | None:
    """The problem that an error of the database, or on the way to it, amounts to; None for a defect of ours."""
    if isinstance(error, PoolTimeout | PoolClosed):
        return Problem(503, "The server is busy.", hint="Try again in a second.", headers=_TRY_AGAIN)
    if isinstance(error, UnicodeEncodeError):
        return Problem(400, "A text holds a character that is no Unicode character.")
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is None:
        return _of_the_driver(error)
    status = _status(error.sqlstate)
    if status is None:
        return None
    if status == 503:
        return Problem(503, "The database took too long, or is not there.", headers=_TRY_AGAIN, sqlstate=error.sqlstate)
    message = error.diag.message_primary or HTTPStatus(status).phrase
    field = _FIELD.match(message)
    return Problem(
        status,
        message,
        hint=error.diag.message_hint or error.diag.message_detail,
        field=field[1].removeprefix("p_") if field else None,
        sqlstate=error.sqlstate,
    )


def _of_the_driver(error: psycopg.Error) -> Problem | None:
    if isinstance(error, psycopg.DataError):  # as a NUL in a text
        return Problem(400, f"{error}.")
    if isinstance(error, psycopg.OperationalError):
        return Problem(503, "The database is not there.", headers=_TRY_AGAIN)
    return None


def _status(state: str) -> int | None:
    named = _OF_POSTGREST.fullmatch(state)
    if named:
        return int(named[1])
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
