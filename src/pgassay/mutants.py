"""Mutants: the schema with one fault put in, to see that a test notices."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from pgassay.errors import PgassayError
from pgassay.fixtures import OwnDatabase, stage
from pgassay.identity import Clone, Databases
from pgassay.templates import Template

Test = Callable[..., None]

_SHOWN = 60
_EXAMPLES = 200
_STEPS = 40
"""At the least: a fault is noticed at the first example that fails, so that many cost little."""

_DEFINITION = "select pg_catalog.pg_get_functiondef(%s::pg_catalog.regproc)"


@dataclass(frozen=True)
class Edit:
    """A change of a function's definition: each place where ``old`` stands gets ``new``."""

    function: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """What is broken, the change that breaks it, and the test that must notice.

    ``change`` is SQL, an `Edit`, or several of these. ``noticed_by`` is a test, or a `functools.partial` of one with
    values for its parameters; it takes no other fixtures than ``db``, ``example``, ``clone`` and ``interleave``.
    ``remark`` goes into the table of faults, as the name of a second layer that had to be taken away too.
    """

    name: str
    change: str | Edit | tuple[str | Edit, ...]
    noticed_by: Test
    remark: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def test_name(self) -> str:
        """The test's name, with the values of its parameters, of long ones the beginning."""
        if not isinstance(self.noticed_by, partial):
            return self.noticed_by.__name__
        texts = map(str, self.noticed_by.keywords.values())
        values = "-".join(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…" for text in texts)
        return f"{self.noticed_by.func.__name__}[{values}]"


@contextmanager
def make(databases: Databases, template: Template, fault: Fault) -> Iterator[Template]:
    """A copy of ``template`` with the fault in it, dropped after the block.

    Raises `PgassayError` when an `Edit` finds nothing to change.
    """
    with databases.copy(template) as clone:
        with clone.connect() as owner:
            changes = fault.change if isinstance(fault.change, tuple) else (fault.change,)
            for change in changes:
                owner.execute((change if isinstance(change, str) else _edited(clone, change)).encode())
        yield Template(clone.name)


def _edited(clone: Clone, edit: Edit) -> str:
    with clone.connect() as owner:
        row = owner.execute(_DEFINITION, [edit.function]).fetchone()
    assert row is not None
    before = str(row[0])
    if edit.old not in before:
        raise PgassayError(f"The fault cannot be planted: {edit.function} has no {edit.old!r} in it.")
    return before.replace(edit.old, edit.new)


def is_noticed(test: Test, databases: Databases, mutant: Template) -> bool:
    """Whether ``test`` fails on that schema. Raises `PgassayError` for a test that asks for more than can be given."""
    import pytest

    with _until_noticed(test):
        try:
            run(test, databases, mutant)
        except PgassayError:
            raise
        except (Exception, pytest.fail.Exception):
            return True
    return False


def run(test: Test, databases: Databases, template: Template) -> None:
    """Run ``test`` with fixtures on that template. Raises `PgassayError` if it asks for more than can be given."""
    with ExitStack() as stack:

        @cache
        def own() -> OwnDatabase:
            return stack.enter_context(OwnDatabase(databases, template))

        givers: dict[str, Callable[[], Any]] = {
            "db": lambda: stack.enter_context(own().example()),
            "example": lambda: own().example,
            "clone": lambda: stack.enter_context(databases.copy(template)),
            "interleave": lambda: partial(stage, databases, template),
        }
        wanted = inspect.signature(test).parameters.values()
        missing = [p.name for p in wanted if p.name not in givers and p.default is p.empty]
        if missing:
            raise PgassayError(f"{test} takes {', '.join(missing)}, which a mutant cannot give.")
        test(**{p.name: givers[p.name]() for p in wanted if p.name in givers})


@contextmanager
def _until_noticed(test: Test) -> Iterator[None]:
    """Have Hypothesis stop at the first example that fails: a planted fault is neither shrunk nor remembered."""
    from hypothesis import Phase, is_hypothesis_test, settings

    loaded = settings.get_current_profile_name()
    default = settings()
    planted = settings(
        default,
        max_examples=max(default.max_examples, _EXAMPLES),
        stateful_step_count=max(default.stateful_step_count, _STEPS),
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
    )
    settings.register_profile("pgassay-planted", planted)
    settings.load_profile("pgassay-planted")  # for state machines, which look it up when they are run
    inner: Any = test.func if isinstance(test, partial) else test
    looked_up = None
    try:
        if is_hypothesis_test(inner):  # which has looked it up when it was decorated
            looked_up, inner._hypothesis_internal_use_settings = inner._hypothesis_internal_use_settings, planted
        yield
    finally:
        if looked_up is not None:
            inner._hypothesis_internal_use_settings = looked_up
        settings.load_profile(loaded)
