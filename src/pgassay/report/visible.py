"""Names and values of a schema that nobody has read, made fit to be shown."""

from __future__ import annotations

import re

# C0 and C1 controls but tab and newline, and what turns the direction of writing: they fake what is there.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""``text`` with control characters as escapes: ``\x1b`` for what would begin a colour."""
    return _HIDDEN.sub(lambda match: ascii(match[0])[1:-1], text)


def in_a_line(text: str) -> str:
    """The same, with newlines and tabs shown too."""
    return visible(text).replace("\n", r"\n").replace("\t", r"\t")
