"""TAP, the lines that a pgTAP file gives, and what pg_prove makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_TEST = re.compile(r"(?P<not>not\s+)?ok\b\s*(?:(?P<number>\d+)\b)?\s*(?P<rest>.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"(?P<said>(?:[^\\#]|\\.)*)#\s*(?P<what>skip|todo)\b\s*(?P<why>.*)", re.IGNORECASE | re.DOTALL)
_PLAN = re.compile(r"1\.\.(?P<count>\d+)\s*(?:#\s*(?P<what>skip\S*|todo\b)?\s*(?P<why>.*))?", re.IGNORECASE)
_BAIL_OUT = re.compile(r"\s*Bail out!\s*(?P<why>.*)")


@dataclass(frozen=True)
class Place:
    """The statement of a file that gave a line: the file, the line of its first word, and its text."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True)
class Line:
    """A line of what psql prints, and the statement that gave it."""

    text: str
    place: Place


@dataclass
class Test:
    """A test: its number as it says it, its description, and the lines of diagnosis that its statement gave."""

    number: int
    came_true: bool
    description: str
    directive: Literal["", "skip", "todo"]
    why: str
    place: Place
    planned: bool = True
    diagnosis: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether it counts as passed: one that is skipped or still to be done does, one beyond the plan does not."""
        return self.planned and (self.came_true or self.directive != "")


@dataclass
class Verdict:
    """What pg_prove says of a file: its tests, how many were planned, and what is wrong with the file itself.

    ``planned`` is None where no plan was found. ``skipped`` is why the whole file is skipped, None where it is not.
    """

    tests: list[Test] = field(default_factory=list)
    planned: int | None = None
    skipped: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Test]:
        """The tests that did not pass."""
        return [test for test in self.tests if not test.passed]

    @property
    def passed(self) -> bool:
        """Whether the file passed."""
        return not self.problems and not self.failed


def read(lines: Iterable[Line]) -> Verdict:
    """The verdict on a file that printed ``lines``, and came to its end."""
    verdict = Verdict()
    plans: list[int] = []
    """How many tests had been seen at each plan."""
    for line in lines:
        if (bail := _BAIL_OUT.fullmatch(line.text)) is not None:
            verdict.problems.append(f"Bailed out{f': {why}' if (why := bail['why'].strip()) else ''}")
            return verdict
        if (test := _TEST.fullmatch(line.text)) is not None:
            found = _test(test, len(verdict.tests) + 1, line.place)
            found.planned = verdict.planned is None or found.number <= verdict.planned
            verdict.tests.append(found)
        elif (plan := _PLAN.fullmatch(line.text)) is not None:
            plans.append(len(verdict.tests))
            if len(plans) == 1:
                verdict.planned = int(plan["count"])
                verdict.skipped = (plan["why"] or "") if not verdict.planned and plan["what"] else None
        elif line.text.startswith("#") and verdict.tests and verdict.tests[-1].place == line.place:
            verdict.tests[-1].diagnosis.append(line.text)
    verdict.problems.extend(_problems(verdict, plans))
    return verdict


def _test(found: re.Match[str], expected: int, place: Place) -> Test:
    rest = found["rest"].strip()
    directive = _DIRECTIVE.fullmatch(rest)
    what = directive["what"].lower() if directive else ""
    said = (directive["said"] if directive else rest).strip().removeprefix("- ").removeprefix("-").strip()
    return Test(
        int(found["number"] or expected),
        found["not"] is None,
        said,
        "skip" if what == "skip" else "todo" if what == "todo" else "",
        directive["why"].strip() if directive else "",
        place,
    )


def _problems(verdict: Verdict, plans: list[int]) -> Iterator[str]:
    """What TAP::Parser calls errors of the file."""
    run = len(verdict.tests)
    for expected, test in enumerate(verdict.tests, 1):
        if test.number != expected:
            yield f"Tests out of sequence. Found ({test.number}) but expected ({expected})"
    if verdict.planned is None:
        yield "No plan found in TAP output"
        return
    if len(plans) > 1:
        yield "More than one plan found in TAP output"
    if plans[0] not in (0, run):
        yield f"Plan (1..{verdict.planned}) must be at the beginning or end of the TAP output"
    if verdict.planned != run:
        yield f"Bad plan. You planned {verdict.planned} tests but ran {run}."
