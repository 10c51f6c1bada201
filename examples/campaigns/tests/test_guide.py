"""The guide's steps, word for word, and `make panel` from its first line to its last process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from campaigns import sample
from campaigns.contracts import GUIDE as GUIDES_BODY

from pgassay import Session

from .worlds import SAMPLE, until

ROOT = Path(__file__).parents[3]
CHECK = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_name IN ('jobs', 'job_tasks', 'job_metrics');
"""
CURL = """
curl -X POST http://localhost:9002/api/agent/jobs \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Test Job",
    "description": "First test job",
    "params": {
      "target_group": "AMC",
      "cadence": {"day0": true},
      "templates": {
        "intro": {"subject": "Hello {{first_name}}", "body": "Test email"}
      },
      "review_mode": true,
      "batch_size": 5
    }
  }'
"""

Development = subprocess.Popen[str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def development(config: pytest.Config, port: int, *options: str, ignoring: bool = False) -> Iterator[Development]:
    """`campaigns dev`, as `make panel` runs it; ``ignoring`` as in the background, where SIGINT is ignored."""
    environment = {**os.environ, "PORT": str(port)}
    if config.getoption("--pg"):
        environment["PGASSAY_PG"] = config.getoption("--pg")
    command = [sys.executable, "-m", "campaigns", "dev", *options]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignoring else None
    try:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def first_line(process: Development) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    return line


def test_the_operators_check_lists_all_three(db: Session) -> None:
    rows = db.execute(CHECK.encode()).fetchall()
    assert sorted(name for (name,) in rows) == ["job_metrics", "job_tasks", "jobs"]


@pytest.mark.smoke
def test_the_guides_command_creates_a_job_that_three_workers_finish(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    port = free_port()
    with development(pytestconfig, port, "--pace", "0", ignoring=True) as process:
        line = first_line(process)
        assert line.startswith(f"http://localhost:{port}/agent/jobs ")
        assert all(user.email in line for user in sample.USERS)
        # the command stays as it is: curl is told where localhost:9002 is today
        (tmp_path / ".curlrc").write_text(f'silent\nconnect-to = "localhost:9002:127.0.0.1:{port}"\n')
        environment = {**os.environ, "CURL_HOME": str(tmp_path)}
        printed = subprocess.run(["bash", "-c", CURL], env=environment, capture_output=True, text=True, check=True)
        job = json.loads(printed.stdout)
        assert (job["name"], job["status"], job["total_tasks"]) == ("Test Job", "pending", 5)
        with httpx.Client(base_url=f"http://localhost:{port}", timeout=30) as client:
            assert "Test Job" in client.get("/agent/jobs").text
            started = client.post(f"/api/agent/jobs/{job['id']}/transition", json={"status": "running"})
            assert started.status_code == 200
            until(client, job["id"], lambda progress: progress["status"] == "succeeded")
            done = client.get(f"/api/agent/jobs/{job['id']}").json()
        assert (done["status"], done["completed_tasks"], done["cards_created"]) == ("succeeded", 30, 30)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) > 5
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all in the foreground
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        psutil.wait_procs(family, timeout=20)
        assert [each for each in family if each.is_running()] == []


def test_sigterm_ends_all_of_it_while_it_starts(pytestconfig: pytest.Config) -> None:
    with development(pytestconfig, free_port()) as process:
        parent = psutil.Process(process.pid)
        while not parent.children():
            assert process.poll() is None
        family = parent.children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        psutil.wait_procs(family, timeout=20)
        assert [each for each in family if each.is_running()] == []


@pytest.mark.parametrize(("port", "sentence"), [("taken", "Address already in use"), ("0", "must be a number from 1")])
def test_a_port_that_cannot_be_had_is_told_in_a_sentence(pytestconfig: pytest.Config, port: str, sentence: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        wanted = holder.getsockname()[1] if port == "taken" else int(port)
        with development(pytestconfig, wanted) as process:
            assert process.wait(30) == 2
            assert process.stderr is not None
            said = process.stderr.read()
    assert said.startswith("campaigns: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_the_documentation_has_the_guides_command() -> None:
    assert CURL.strip() in (ROOT / "docs" / "campaigns.md").read_text(encoding="utf-8")
    body: dict[str, Any] = json.loads(CURL[CURL.index("'") + 1 : CURL.rindex("'")])
    assert body == GUIDES_BODY


def test_the_sample_has_the_users_that_the_login_offers(db: Session) -> None:
    db.execute(SAMPLE.read_bytes())
    rows = db.execute("select id::text, email from auth.users").fetchall()
    assert set(rows) == {(user.id, user.email) for user in sample.USERS}
    with db.as_user(sample.FIRST.id):  # of one organisation, so that the guide's body is enough
        assert db.execute("select count(*) from public.organizations").fetchone() == (1,)
