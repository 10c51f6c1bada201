"""Logs: a line of JSON for each event. No header, query or body is in one, so no token is."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_GIVEN = "given"


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, _GIVEN, {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def begin(level: int = logging.INFO) -> None:
    """Log to standard error, from that level on. What libraries say below a warning is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("campaigns").setLevel(level)


def note(event: str, **given: object) -> None:
    """Log an event."""
    logging.getLogger("campaigns").info(event, extra={_GIVEN: given})


def failure(event: str, **given: object) -> None:
    """Log the exception at hand."""
    logging.getLogger("campaigns").exception(event, extra={_GIVEN: given})


def warning(event: str, **given: object) -> None:
    """Log what went wrong outside of our hands."""
    logging.getLogger("campaigns").warning(event, extra={_GIVEN: given})
