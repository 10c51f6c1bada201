"""The command ``pgassay`` in a process of its own, as ``python -m pgassay`` is, but for the time that importing takes.

One process of a test run has imported it, and forks for each of hundreds of commands: this module, run as a script.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pgassay import cli

_ROOT = Path(__file__).parents[2]


def run(
    *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``pgassay`` with ``arguments`` to its end; ``environment`` is this process's by default."""
    forker = _forker()
    assert forker.stdin is not None
    assert forker.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / name for name in ("stdout", "stderr")]
        order = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "environment": dict(os.environ if environment is None else environment),
            "outputs": [str(output) for output in outputs],
        }
        print(json.dumps(order), file=forker.stdin, flush=True)
        code = int(forker.stdout.readline())
        stdout, stderr = (output.read_text(encoding="utf-8") for output in outputs)
    return subprocess.CompletedProcess(["pgassay", *order["arguments"]], code, stdout, stderr)


@functools.cache
def _forker() -> subprocess.Popen[str]:
    forker = subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def end() -> None:
        forker.communicate()

    atexit.register(end)
    return forker


def _become(order: dict[str, Any]) -> None:
    """Turn this process, which was forked, into ``python -m pgassay``."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    files = [os.open(os.devnull, os.O_RDONLY)]
    files += [os.open(output, os.O_WRONLY | os.O_CREAT, 0o600) for output in order["outputs"]]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["pgassay", *order["arguments"]]
    runpy.run_module("pgassay", run_name="__main__", alter_sys=True)


def _fork() -> None:
    for module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        importlib.import_module(module.name)  # so that no child has to
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            return _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


if __name__ == "__main__":
    _fork()
