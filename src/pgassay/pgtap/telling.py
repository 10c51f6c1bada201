"""What is said of a pgTAP file that was run, as plain text: for pytest and for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pgassay.pgtap.suite import Outcome
from pgassay.pgtap.tap import Test


def summary(outcome: Outcome) -> str:
    """The verdict in a few words, as ``12 tests`` or ``2 of 12 tests failed``."""
    verdict = outcome.verdict
    count = len(verdict.tests)
    tests = f"{count} test{'s' * (count != 1)}"
    if not outcome.judged:
        return "not judged"
    if verdict.skipped is not None:
        return f"skipped{f': {verdict.skipped}' if verdict.skipped else ''}"
    said = [f"{len(verdict.failed)} of {tests} failed" if verdict.failed else tests]
    if outcome.output.aborted is not None:
        said.append("it did not come to its end")
    elif verdict.problems:
        said.append("it is not as planned")
    for what in ("skip", "todo"):
        found = [test for test in verdict.tests if test.directive == what]
        said += [f"{len(found)} {what}"] if found else []
    return ", ".join(said)


def details(outcome: Outcome, here: Path) -> Iterator[str]:
    """A line for each thing that is wrong: tests with place, statement and diagnosis, then what is wrong with the file.

    Tests that passed although they are marked as still to be done are named, too. Paths are told from ``here`` on.
    """
    for test in outcome.verdict.tests:
        if not test.passed:
            yield from _failed(test, here)
        elif test.directive == "todo" and test.came_true:
            yield f"TODO passed: {test.number}{_named(test)}"
    yield from (line for problem in outcome.verdict.problems for line in _near(problem, outcome, here).splitlines())


def _failed(test: Test, here: Path) -> Iterator[str]:
    beyond = "" if test.planned else " (not in the plan)"
    yield f"{'ok' if test.came_true else 'not ok'} {test.number}{_named(test)}{beyond}"
    yield f"    {shown(test.place.path, here)}:{test.place.line}: {test.place.text}"
    yield from (f"    {line}" for line in test.diagnosis)


def _named(test: Test) -> str:
    return f" - {test.description}" if test.description else ""


def _near(problem: str, outcome: Outcome, here: Path) -> str:
    return problem.replace(str(outcome.path), shown(outcome.path, here))


def shown(path: Path, here: Path) -> str:
    """``path`` as a person in the folder ``here`` would write it."""
    return Path(os.path.relpath(path, here)).as_posix()
