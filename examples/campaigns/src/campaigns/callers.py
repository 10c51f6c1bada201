"""Who makes a request: the bearer token, the panel's session, or in development the first sample user."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Security
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer

from campaigns import sample, tokens
from campaigns.problems import Problem
from campaigns.settings import Settings
from campaigns.tokens import Caller, InvalidToken

SESSION = "campaigns_session"
"""The cookie that holds the panel's token."""

_SAFE = ("GET", "HEAD")
_OUR_SITE = ("none", "same-origin")
"""What a browser says of a request that no page of another site has made; curl says nothing."""

_documented = HTTPBearer(auto_error=False, bearerFormat="JWT", description="HS256, with exp and aud.")


def of_api(connection: HTTPConnection, _: Annotated[object, Security(_documented)]) -> Caller:
    """The caller of a request to the API. A session's cookie only reads: who changes something shows a token."""
    settings: Settings = connection.app.state.settings
    header = connection.headers.get("authorization")
    cookie = connection.cookies.get(SESSION) if connection.scope["method"] in _SAFE else None
    try:
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise InvalidToken("The header Authorization must hold a bearer token.")
            return tokens.verify(token.strip(), settings.secret)
        if cookie is not None:
            return tokens.verify(cookie, settings.secret)
    except InvalidToken as error:
        raise unauthenticated(str(error), code="invalid_token") from None
    if settings.dev and connection.headers.get("sec-fetch-site", "none") in _OUR_SITE:
        return sample.caller(sample.FIRST, settings.secret)
    raise unauthenticated("A token is needed.")


def of_panel(connection: HTTPConnection) -> Caller | None:
    """The user of the panel; None for somebody who has to log in."""
    settings: Settings = connection.app.state.settings
    cookie = connection.cookies.get(SESSION)
    if cookie is not None:
        try:
            return tokens.verify(cookie, settings.secret)
        except InvalidToken:
            return None
    return sample.caller(sample.FIRST, settings.secret) if settings.dev else None


def unauthenticated(detail: str, code: str | None = None) -> Problem:
    """A 401, which names the way to authenticate (RFC 6750)."""
    challenge = 'Bearer realm="campaigns"' + (f', error="{code}"' if code else "")
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


ApiCaller = Annotated[Caller, Depends(of_api)]
