"""What the command loads before it does anything."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.measuring import TIMES, Figure, Track, in_turn, middle, ratio, seconds

ROUNDS = 15
VERSION_LIMIT = 10.0
"""Times an interpreter that does nothing."""
_PROGRAMS = {
    "pgassay --version": ("-m", "pgassay", "--version"),
    "loading pgassay check": ("-c", "import pgassay.cli.check"),
    "python -c pass": ("-c", "pass"),
}


def measure(track: Track) -> list[Figure]:
    """The command and what it loads, against an interpreter that does nothing, each a process of its own."""
    programs = {name: partial(seconds, partial(_run, arguments)) for name, arguments in _PROGRAMS.items()}
    version, check, nothing = in_turn(track("loading the command", ROUNDS), programs).values()
    against = f"python -c pass: {middle(nothing)}"
    return [
        Figure("pgassay --version", middle(version), against, ratio(version, nothing), TIMES, VERSION_LIMIT),
        Figure("loading pgassay check", middle(check), against, ratio(check, nothing), TIMES),
    ]


def _run(arguments: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
