"""Make docs/campaigns.png, the picture of the README, from the running panel: ``make panel-picture``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

PICTURE = Path(__file__).resolve().parents[3] / "docs" / "campaigns.png"
WIDTH, HEIGHT = 1100, 860
TASKS_DONE = 17
BODY = {
    "name": "Spring trails",
    "description": "Invite the group AMC to the first walks of the season",
    "params": {
        "target_group": "AMC",
        "cadence": {"day0": True},
        "templates": {
            "intro": {
                "subject": "{{first_name}}, the trails are open",
                "body": "Dear {{first_name}},\n\nwould {{company}} like to walk with us?",
            }
        },
        "review_mode": True,
        "batch_size": 6,
    },
}


@contextmanager
def panel() -> Iterator[str]:
    """The panel of `make panel`, and where it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "campaigns", "dev", "--pace", "0.8"]
    with subprocess.Popen(command, env={**os.environ, "PORT": port}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().partition("/agent")[0]
        finally:
            process.send_signal(signal.SIGINT)


def ask(client: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """What the API answers."""
    answer = client.request(method, f"/api/agent{path}", json=body)
    answer.raise_for_status()
    return answer.json()


def main() -> None:
    """Create a campaign, start it, decide some of its cards, and take the picture while it runs."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    with panel() as url, httpx.Client(base_url=url) as client:
        job = ask(client, "POST", "/jobs", BODY)["id"]
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(f"{url}/agent/jobs/{job}")
            ask(client, "POST", f"/jobs/{job}/transition", {"status": "running"})
            done = "return Number(document.getElementById('count-done').textContent)"
            WebDriverWait(browser, 60, 0.1).until(lambda _: browser.execute_script(done) >= TASKS_DONE)
            cards = ask(client, "GET", f"/jobs/{job}/cards?limit=8")["items"]
            for number, card in enumerate(cards[1::2]):
                ask(client, "POST", f"/cards/{card['id']}/{'reject' if number == 1 else 'approve'}")
            approved = "return document.querySelectorAll('#cards .pill.approved').length"
            WebDriverWait(browser, 60, 0.05).until(lambda _: browser.execute_script(approved) >= 3)
            browser.save_screenshot(str(PICTURE))
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
