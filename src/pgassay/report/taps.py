"""The answer of ``pgassay test``: a line a file, and what failed below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from pgassay.pgtap import telling
from pgassay.pgtap.source import Source
from pgassay.pgtap.suite import Outcome
from pgassay.report.visible import visible
from pgassay.wording import count

_SHOWN = 12
"""Lines of what failed in a file, without ``verbose``."""


def report(outcomes: Sequence[Outcome], source: Source, here: Path, *, verbose: bool = False) -> RenderableType:
    """A line for each file, what failed in it, and the sum; with ``verbose`` all that the files printed."""
    lines: list[Text] = []
    for outcome in outcomes:
        lines.append(_file(outcome, here))
        if verbose:
            lines += [Text(f"    {visible(line.text)}", "dim") for line in outcome.output.lines]
        lines += _wrong(outcome, here, verbose=verbose)
    return Group(*lines, Text(), *_sum(outcomes, source))


def _file(outcome: Outcome, here: Path) -> Text:
    style = "green" if outcome.passed else "yellow" if not outcome.judged else "red"
    mark = "ok  " if outcome.passed else "?   " if not outcome.judged else "FAIL"
    said = f"{telling.shown(outcome.path, here)}: {telling.summary(outcome)}"
    return Text.assemble((f"{mark}  ", style), visible(said))


def _wrong(outcome: Outcome, here: Path, *, verbose: bool) -> Iterator[Text]:
    found = [visible(line) for line in telling.details(outcome, here)]
    shown = found if verbose or len(found) <= _SHOWN else found[: _SHOWN - 1]
    yield from (Text(f"      {line}") for line in shown)
    if len(shown) < len(found):
        yield Text(f"      … and {len(found) - len(shown)} more lines with --verbose", "dim")


def _sum(outcomes: Sequence[Outcome], source: Source) -> Iterator[Text]:
    tests = [test for outcome in outcomes for test in outcome.verdict.tests]
    failed = sum(not test.passed for test in tests)
    files = sum(not outcome.passed for outcome in outcomes)
    yield Text(
        f"{count(len(outcomes), 'file')}, {count(len(tests), 'test')}: {len(tests) - failed} passed, {failed} failed"
        + (f"; {count(files, 'file')} did not pass" if files else "")
    )
    yield Text(f"By {source}.", "yellow" if source.ours else "")
