"""The smoke of examples/campaigns, as its own users run it: `make panel-test` has all of its tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.needs import ROOT


def test_the_smoke_of_the_campaign_api(pytestconfig: pytest.Config) -> None:
    options = [f"--pg={pytestconfig.getoption('--pg')}"] if pytestconfig.getoption("--pg") else []
    command = [sys.executable, "-m", "pytest", "-q", "-m", "smoke", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=ROOT / "examples" / "campaigns", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
