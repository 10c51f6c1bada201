"""pgTAP files as items of pytest: an item a file, since its lines are not known before it runs.

A plan may be computed, a statement may give many lines, and one test cannot run without those before it. So what fails
is told line by line, and what is chosen, repeated or handed to a worker is the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgassay.errors import PgassayError
from pgassay.pgtap import telling
from pgassay.pgtap.suite import Outcome, Suite


class TapFailed(Exception):
    """A file that did not pass."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(telling.summary(outcome))
        self.outcome = outcome


class TapFile(pytest.File):
    """A file that pytest collects; ``suite`` gives what runs it, and is called when it is run."""

    def __init__(self, *, suite: Callable[[], Suite], **options: Any) -> None:
        super().__init__(**options)
        self.suite = suite

    def collect(self) -> Iterator[pytest.Item]:
        """Its one item."""
        yield TapItem.from_parent(self, name="pgtap", suite=self.suite)


class TapItem(pytest.Item):
    """The item of a file."""

    def __init__(self, *, suite: Callable[[], Suite], **options: Any) -> None:
        super().__init__(**options)
        self._suite = suite

    def runtest(self) -> None:
        """Run the file. Raises `TapFailed`, or `PgassayError` where there is no database to run it in."""
        suite = self._suite()
        outcome = suite.run(self.path.resolve())
        self.user_properties.append(("pgtap_tests", len(outcome.verdict.tests)))
        self.user_properties.append(("pgtap_failed", len(outcome.verdict.failed)))
        self.add_report_section("call", "pgTAP", "\n".join(line.text for line in outcome.output.lines))
        if not outcome.passed:
            raise TapFailed(outcome)
        if outcome.verdict.skipped is not None:
            pytest.skip(outcome.verdict.skipped or "the file says so")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What failed, line by line, without a traceback."""
        if isinstance(excinfo.value, TapFailed):
            outcome, here = excinfo.value.outcome, Path.cwd()
            wrong = [f"  {line}" for line in telling.details(outcome, here)]
            return "\n".join([f"{telling.shown(self.path, here)}: {telling.summary(outcome)}", *wrong])
        if isinstance(excinfo.value, PgassayError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is, and what it is called in the heading of a failure."""
        return self.path, None, telling.shown(self.path, self.config.rootpath)
