"""The ways of one object, and who took each, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from pgassay.checks import ways
from pgassay.checks.run import Run
from pgassay.checks.ways import Way
from pgassay.report.causes import named
from pgassay.report.visible import in_a_line

_NAMED = 6


def explanation(run: Run, name: str) -> Group:
    """Each way of the object ``name``, or that there is none."""
    found = [way for way in run.ways if way.object == name]
    if not found:
        why = next((door.why for door in run.doors if door.name == name), "The migrations do not make it.")
        return Group(Text(in_a_line(f"No ways lead to {name}. {why}".strip())))
    return Group(
        Text(in_a_line(f"{name}: {ways.share(found)}"), "bold"), *(line for way in found for line in _told(run, way))
    )


def _told(run: Run, way: Way) -> Iterator[Text]:
    yield Text(in_a_line(f"  {way.name}"))
    if way.takers:
        yield Text(in_a_line(f"    taken by {named(way.takers, _NAMED)}: {way.how}"), "green")
    elif way.waived:
        yield Text(in_a_line(f"    not taken, and waived: {way.waived}"))
    else:
        yield Text(in_a_line(f"    not taken: {way.why or run.unjudged.get(way.object, 'it is not judged')}"), "yellow")
