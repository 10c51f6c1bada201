"""Whether an answer is as the OpenAPI document says."""

from __future__ import annotations

import re
from typing import Any

import httpx
import jsonschema

from .worlds import Site


def check(site: Site, answer: httpx.Response) -> None:
    """Compare status, media type, headers and content with what the document has for that operation."""
    document = site.server.config.app.openapi()  # type: ignore[union-attr]
    path = answer.request.url.path
    (operations,) = (each for name, each in document["paths"].items() if re.fullmatch(_pattern(name), path))
    described = operations[answer.request.method.lower()]["responses"][str(answer.status_code)]
    for name in described.get("headers", {}):
        assert name in answer.headers, name
    media_type = answer.headers["content-type"].partition(";")[0]
    schema: dict[str, Any] = described["content"][media_type]["schema"]
    if media_type != "text/event-stream":
        whole = {**schema, "components": document["components"]}
        jsonschema.validate(answer.json(), whole, format_checker=jsonschema.FormatChecker())


def _pattern(name: str) -> str:
    return re.sub(r"\{\w+\}", "[^/]+", name)
