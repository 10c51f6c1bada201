"""Each sentence of the specification stands in `sentences.md` with the tests that hold it, and each test holds one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HERE = TESTS / "jobs"
TABLE = HERE / "sentences.md"
ROW = re.compile(r"\| *(\d+)\.(\d+) *\|(.*)\|(.*)\| *")


def names_of(folder: Path) -> set[str]:
    """The test functions of a folder's modules, as the table names them: ``test_rights.test_x``.

    Those of ``tests/harness`` have the folder's name before: ``harness/test_cron.test_x``.
    """
    before = "" if folder == HERE else f"{folder.name}/"
    return {
        f"{before}{module.stem}.{node.name}"
        for module in folder.glob("test_*.py")
        if module.stem != Path(__file__).stem
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def faults_of(text: str, jobs: set[str], others: set[str]) -> list[str]:
    """What is wrong with a table of sentences, given the tests of ``tests/jobs`` and of other folders."""
    faults: list[str] = []
    named: Counter[str] = Counter()
    section, last = 0, (0, 0)
    for line in text.splitlines():
        heading = re.fullmatch(r"## Section (\d+)", line)
        if heading:
            section = int(heading[1])
        if not line.startswith("|") or re.fullmatch(r"\|[-| ]+\|", line) or line.startswith("| id "):
            continue
        row = ROW.fullmatch(line)
        if row is None:
            faults.append(f"no row with an id, a claim and tests: {line}")
            continue
        number, claim, held_by = (int(row[1]), int(row[2])), row[3].strip(), row[4].strip()
        name = f"{row[1]}.{row[2]}"
        if number[0] != section:
            faults.append(f"{name} stands in section {section}")
        if number <= last:
            faults.append(f"{name} comes after {last[0]}.{last[1]}")
        last = number
        if not claim:
            faults.append(f"{name} claims nothing")
        tests = [test.strip() for test in held_by.split(",") if test.strip()]
        if not tests:
            faults.append(f"{name} is held by no test")
        named.update(tests)
        faults += [f"{name} names a test that there is not: {test}" for test in tests if test not in jobs | others]
    return faults + [f"{test} holds no sentence" for test in sorted(jobs - set(named))]


def test_each_sentence_is_held_by_a_test_and_each_test_holds_a_sentence() -> None:
    faults = faults_of(TABLE.read_text(), names_of(HERE), names_of(TESTS / "harness"))
    assert not faults, "\n".join(faults)


GOOD = """
## Section 1

| id | claim | held by |
| --- | --- | --- |
| 1.1 | a | test_a.test_x |
| 1.10 | b | test_a.test_x, harness/test_b.test_y |

## Section 3

| 3.1 | c | test_a.test_z |
"""
KNOWN = {"test_a.test_x", "test_a.test_z"}, {"harness/test_b.test_y"}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("1.10", "1.1", "1.1 comes after 1.1"),
        ("1.10", "1.0", "1.0 comes after 1.1"),
        ("1.10", "3.10", "3.10 stands in section 1"),
        ("3.1 ", "2.1 ", "2.1 stands in section 3"),
        ("c | test_a.test_z", "c | ", "3.1 is held by no test"),
        ("c | test_a.test_z", "c | test_a.test_x", "test_a.test_z holds no sentence"),
        ("test_a.test_x |", "test_a.test_q |", "1.1 names a test that there is not: test_a.test_q"),
        ("harness/test_b.test_y", "test_b.test_y", "1.10 names a test that there is not: test_b.test_y"),
        ("| a |", "| |", "1.1 claims nothing"),
        ("| 3.1 |", "| three |", "no row with an id, a claim and tests: | three | c | test_a.test_z |"),
    ],
)
def test_a_table_with_a_fault_is_refused(old: str, new: str, fault: str) -> None:
    assert faults_of(GOOD, *KNOWN) == []
    assert fault in faults_of(GOOD.replace(old, new, 1), *KNOWN)
