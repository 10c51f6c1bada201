"""Differences between two states of a schema, for a person at a terminal; plain text where the output is none."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pgassay.checks.snapshot import Difference, Grade
from pgassay.checks.snapshot.state import entry_lines
from pgassay.report.visible import visible

_STYLES = {Grade.LOOSENS: "bold red", Grade.BREAKS: "bold magenta", Grade.CHANGES: "bold yellow", Grade.ADDS: "green"}
_NOUNS = {Grade.LOOSENS: "loosening", Grade.BREAKS: "break", Grade.CHANGES: "change", Grade.ADDS: "addition"}
_CONTEXT = 2
"""Lines around a change, of an entry that has many."""
_WHOLE = 40
"""Of an object that is new or gone, no more lines than these are shown."""


def differences(
    found: Sequence[Difference], first: str = "the snapshot", second: str = "what the migrations make"
) -> RenderableType:
    """Each difference with its grade, and its lines as a unified diff has them; last, how many there are of each."""
    if not found:
        return Text(f"No difference between {first} and {second}.", "bold green")
    lines = [Text(f"- {first}", "red"), Text(f"+ {second}", "green"), Text()]
    above = None
    for difference in found:
        if difference.object.key != above:
            lines.append(Text(visible(str(difference.object)), "bold"))
        above = difference.object.key
        lines.append(
            Text.assemble("  ", (difference.grade.word, _STYLES[difference.grade]), visible(f"  {difference.what}"))
        )
        lines += [Text(visible(f"    {line}"), _colour(line)) for line in _changed(difference)]
    counted = Counter(difference.grade for difference in found)
    words = ", ".join(_counted(counted[grade], grade) for grade in sorted(counted, reverse=True))
    return Group(
        *lines, Text(), Text(f"{len(found)} difference{'s' * (len(found) > 1)}: {words}", _STYLES[max(counted)])
    )


def lacking(rights: Sequence[str]) -> RenderableType:
    """What a user of a live database may not read, which was left out of the comparison."""
    if not rights:
        return Group()
    lines = [Text("Not compared is what the user of the database may not read. It would have needed:", "yellow")]
    return Group(*lines, *(Text(visible(f"  {right}"), "yellow") for right in rights))


def _counted(number: int, grade: Grade) -> str:
    return f"{number} {_NOUNS[grade]}{'' if number == 1 else 's'}"


def _changed(difference: Difference) -> Iterator[str]:
    before, after = (_lines(difference.key, text) for text in (difference.before, difference.after))
    if not difference.key and len(before or after) > _WHOLE:
        left = len(before or after) - _WHOLE
        before, after = before[:_WHOLE], after[:_WHOLE]
    else:
        left = 0
    for line in list(difflib.unified_diff(before, after, lineterm="", n=_CONTEXT))[2:]:
        if not line.startswith("@@"):
            yield line
    if left:
        yield f" … and {left} line{'s' * (left > 1)} more"


def _lines(key: str, text: str | None) -> list[str]:
    if text is None:
        return []
    return [line.removeprefix("    ") for line in entry_lines(key, text)] if key else text.split("\n")


def _colour(line: str) -> str:
    return {"-": "red", "+": "green"}.get(line[:1], "dim")
