"""The README says what is true: its pictures are made from the thing itself, and its commands are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pgassay import Session, cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def block(name: str) -> str:
    match = re.search(rf"<!-- begin: {re.escape(name)} -->\n```\w+\n(.*?)```\n<!-- end -->", README, re.DOTALL)
    assert match is not None, name
    return match[1]


def test_the_picture_of_a_run_is_what_the_command_prints() -> None:
    command = [sys.executable, "-m", "pgassay", "check", "--pg", "embedded"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGASSAY_")}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert timeless(printed) == timeless(block("pgassay check --pg embedded")), printed


def timeless(text: str) -> list[str]:
    """Without what differs from run to run: seconds, made-up ids, the embedded release; nor the number of probes."""
    changing = r"\d+\.\d+ s|\d+ probes|PostgreSQL \d+\.\d+|name \d+|[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}"
    return [re.sub(changing, "…", line).rstrip() for line in text.splitlines()]


def test_the_leaky_project_is_told_what_the_readme_says() -> None:
    command = [sys.executable, "-m", "pgassay", "check", "examples/leaky", "--pg", "embedded"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGASSAY_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    printed = timeless(done.stdout)
    holes = printed[next(n for n, line in enumerate(printed) if line.startswith("error")) :]
    assert holes == timeless(block("pgassay check examples/leaky --pg embedded")), done.stdout


@pytest.mark.parametrize("name", ["20251103000001_invoices.sql", "20251103000002_totals.sql"])
def test_the_holes_of_the_leaky_project_are_those_that_the_readme_shows(name: str) -> None:
    text = (ROOT / "examples" / "leaky" / "supabase" / "migrations" / name).read_text(encoding="utf-8")
    (shown,) = re.findall(rf"```sql\n-- {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    for statement in filter(None, map(str.strip, shown.split("…"))):
        assert statement in text


def test_the_diagram_is_the_transition_table(db: Session) -> None:
    rows = db.execute("select from_status, to_status from private.job_status_transitions()").fetchall()
    final = {to for _, to in rows} - {start for start, _ in rows}
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [f"    {start} --> {to}" for start, to in rows]
    lines += [f"    {status} --> [*]" for status in sorted(final)]
    assert block("transitions").splitlines() == lines, "\n".join(lines)


def test_the_example_of_a_test_passes(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    for number, source in enumerate(EXAMPLE.findall(README)):
        (tmp_path / f"test_example_{number}.py").write_text(source)
    options = [f"--pg={pytestconfig.getoption('--pg')}"] if pytestconfig.getoption("--pg") else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *options]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(EXAMPLE.findall(README)) + 3} passed" in done.stdout


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"pgassay {command}" in README


FIXTURES = ["db", "example", "clone", "interleave", "plant", "pg_template", "pg_databases", "pg_server"]


@pytest.mark.parametrize("fixture", FIXTURES)
def test_every_fixture_is_documented(fixture: str) -> None:
    assert f"| `{fixture}` |" in README


def test_every_target_of_make_is_listed_by_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE)) - {"help"}
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^make (\w+)", listed, re.MULTILINE)) == targets
