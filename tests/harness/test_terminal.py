"""What a person sees at a terminal while a command is at work, and what is left of it there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.harness.test_cli import PGASSAY, SCHEMA, TENANCY, heed_ctrl_c

LEAK = "alter table public.notes disable row level security;"
SPINNER = re.compile("[\u2800-\u28ff]")
SPEAK_OF_TERMINALS = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}  # pytest-xdist sets the last two
TOKEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_notes.sql").write_text(SCHEMA)
    (tmp_path / "migrations" / "2_leak.sql").write_text(LEAK)
    (tmp_path / "pyproject.toml").write_text(TENANCY)
    return tmp_path


def at_a_terminal(project: Path, *arguments: str, interrupted_at: str = "", width: int = 80) -> tuple[str, int]:
    """All that the command writes to its terminal, and its exit code; Ctrl-C is pressed when a word is seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def take_the_terminal() -> None:
        heed_ctrl_c()
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    command = [*PGASSAY, *arguments, "--pg", "embedded"]
    environment = {name: value for name, value in os.environ.items() if name not in SPEAK_OF_TERMINALS}
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=take_the_terminal,
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
                if interrupted_at and interrupted_at.encode() in said:
                    os.write(ours, b"\x03")
                    interrupted_at = ""
        except OSError:
            pass  # Linux says so when the other side is closed
    os.close(ours)
    return said.decode(), process.returncode


def screen(said: str) -> list[str]:
    """The lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for token in TOKEN.findall(said):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif token.startswith("\x1b"):
            if token.endswith("A"):
                row -= int(token[2:-1] or 1)
            elif token.endswith("2K"):
                lines[row] = ""
        else:
            lines[row] = lines[row].ljust(column)[:column] + token + lines[row][column + len(token) :]
            column += len(token)
    return lines


def test_each_step_of_a_check_is_shown_and_none_stays(project: Path) -> None:
    said, code = at_a_terminal(project, "check")
    assert code == 1
    for step in ("Starting a server", "Applying file 1 of 2: 1_notes.sql", "Making rows"):
        assert step in said
    assert re.search(r"Trying door \d of 3: public\.\w+", said)
    assert "Looking for culprits" in said
    left = "\n".join(screen(said))
    assert not SPINNER.search(left)
    assert left.startswith("PostgreSQL 18")
    assert "public.notes: anon can select every tenant's rows" in left
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h"), "the cursor is shown again"


@pytest.mark.parametrize("command", [["init", "--print"], ["lint"], ["snapshot"], ["diff", "migrations", "migrations"]])
def test_other_commands_that_take_long_show_theirs(project: Path, command: list[str]) -> None:
    said, _ = at_a_terminal(project, *command)
    assert "Starting a server" in said
    assert not SPINNER.search("\n".join(screen(said)))


def test_a_step_takes_one_line_of_a_narrow_terminal(project: Path) -> None:
    name = "a_table_whose_name_does_not_fit_beside_the_rest_of_it"
    (project / "migrations" / "2_leak.sql").write_text(f"create table public.{name} ();")
    said, _ = at_a_terminal(project, "check", width=40)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert "Trying door" in shown
    wide = [line for line in re.split(r"[\r\n]+", shown) if SPINNER.search(line) and len(line) > 40]
    assert wide == []


@pytest.mark.parametrize("step", ["Starting a server", "Applying file", "Trying door"])
def test_ctrl_c_leaves_the_terminal_clean(project: Path, step: str) -> None:
    said, code = at_a_terminal(project, "check", interrupted_at=step)
    assert code == 130
    left = screen(said)
    assert not SPINNER.search("\n".join(left))
    assert left[-2:] == ["pgassay: interrupted; what it had started is stopped.", ""]
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is shown again"


def test_ctrl_c_ends_a_function_that_would_not_return(project: Path) -> None:
    """It has 600 s by the option, and catches that it is cancelled."""
    forever = "begin loop begin perform pg_sleep(1); exception when query_canceled then null; end; end loop; end"
    text = "create function public.f() returns int language plpgsql as $$ " + forever + " $$;"
    text += "alter role authenticated set statement_timeout = 0; alter role authenticator set statement_timeout = 0;"
    (project / "migrations" / "3_function.sql").write_text(text)
    began = time.monotonic()
    _, code = at_a_terminal(project, "check", "--timeout", "600", interrupted_at="public.members")
    assert code == 130
    assert time.monotonic() - began < 60, "it is not waited for"


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "colours forced"])
def test_nothing_of_it_is_piped(project: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*PGASSAY, "check", "--pg", "embedded"],
        cwd=project,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert not SPINNER.search(done.stdout)
    assert ("\x1b[" in done.stdout) is bool(environment)
    assert "\x1b[2K" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []
