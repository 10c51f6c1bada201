"""The panel in a real Chromium, on a wide screen and on a phone: each state, each button, the keyboard, and axe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from .worlds import PARAMS, Site, World, new_world, token_of

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
AXE = ROOT / ".tmp" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, PHONE = 1280, 400
BOTH = pytest.mark.parametrize("width", [WIDE, PHONE])
HOSTILE = "</title><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'\"{{7*7}}&amp;"
PATIENCE = 30


def lacks(what: str) -> None:
    message = f"{what} is not here: see .ci/run for what installs it"
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        lacks("Chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture(autouse=True)
def _nothing_of_another_test(browser: webdriver.Chrome) -> None:
    """The browser is every test's: what a page of the one before has logged is not told here."""
    browser.execute(Command.GET_LOG, {"type": "browser"})


class Panel:
    """A browser at the panel of a site."""

    def __init__(self, browser: webdriver.Chrome, site: Site) -> None:
        self.browser = browser
        self.site = site

    def sized(self, width: int, scheme: str = "light") -> Panel:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        return self

    def open(self, path: str) -> Panel:
        self.browser.get(self.site.url + path)
        return self

    def log_in(self, token: str) -> Panel:
        """Begin a session, as the login does: one test takes its form."""
        cookie = {"name": "campaigns_session", "value": token, "url": self.site.url, "httpOnly": True}
        self.browser.execute_cdp_cmd("Network.setCookie", cookie)
        return self

    def leave(self) -> None:
        """End the session, with no page open that would notice."""
        self.browser.delete_all_cookies()
        self.browser.get("about:blank")

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent.trim())"
        found: list[str] = self.browser.execute_script(script, selector)
        return found

    def text(self, selector: str) -> str:
        return next(iter(self.texts(selector)), "")

    def press(self, name: str) -> None:
        """Click where the element is; WebDriver names a node, which an update may replace before the click."""
        wait = WebDriverWait(self.browser, PATIENCE, 0.05, ignored_exceptions=[StaleElementReferenceException])
        wait.until(lambda _: self._pressed(name))

    def _pressed(self, name: str) -> bool:
        self.find(f'[id="{name}"]').click()
        return True

    def write(self, name: str, text: str) -> None:
        self.browser.execute_script(
            "const field = document.getElementById(arguments[0]); field.focus(); field.select();", name
        )
        if text:
            self.browser.execute_cdp_cmd("Input.insertText", {"text": text})
        else:
            self.key("Delete")

    def key(self, key: str) -> None:
        """Press a key where the keyboard is."""
        self.key_down(key)
        self.key_up(key)

    def key_down(self, key: str) -> None:
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"type": "keyDown" if text else "rawKeyDown", **({"text": text} if text else {})}
        self.browser.execute_cdp_cmd("Input.dispatchKeyEvent", {**self._named(key), **down})

    def key_up(self, key: str) -> None:
        self.browser.execute_cdp_cmd("Input.dispatchKeyEvent", {**self._named(key), "type": "keyUp"})

    @staticmethod
    def _named(key: str) -> dict[str, Any]:
        code = {"Tab": 9, "Enter": 13, " ": 32, "Delete": 46}[key]
        return {"key": key, "code": key if key != " " else "Space", "windowsVirtualKeyCode": code}

    def until(self, holds: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: holds())

    def until_status(self, status: str) -> None:
        self.until(lambda: self.text("#status") == status)

    def until_text(self, selector: str, text: str) -> None:
        self.until(lambda: self.text(selector) == text)

    def moves(self) -> list[str]:
        return self.texts("#moves button")

    def complaints(self) -> list[dict[str, Any]]:
        logged: list[dict[str, Any]] = self.browser.execute(Command.GET_LOG, {"type": "browser"})["value"]
        return logged

    def violations(self) -> list[str]:
        """What axe finds that is serious or worse."""
        if not AXE.is_file():
            lacks("axe-core")
        # by the protocol, which the page's policy does not hold for
        self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        found = self.browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        assert found["passes"]
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


LOADED = "return performance.getEntriesByName(location.href, 'resource').some((each) => each.responseEnd > 0)"
"""Whether an update of this page has come. A page itself is no resource."""

HOLD_THE_NEXT = """
const real = window.fetch;
let go;
const gate = new Promise((done) => (go = done));
window.fetch = async (...all) => {
  window.fetch = real;
  const answer = await real(...all);
  await gate;
  return answer;
};
const loaded = load(location.href);
window.late = async () => {
  go();
  await loaded;
  return document.getElementById("status").textContent.trim();
};
"""
"""An update whose answer is kept back until the page says ``late()``, which gives the status that stands there then."""


@pytest.fixture
def panel(browser: webdriver.Chrome, world: World) -> Iterator[Panel]:
    """The panel of a member. Whatever the browser complains of fails the test."""
    panel = Panel(browser, world.site).sized(WIDE)
    panel.complaints()
    panel.log_in(token_of(world.member))
    yield panel
    complaints = panel.complaints()
    panel.leave()
    assert complaints == []


def bring_to(world: World, job: str, status: str) -> None:
    client = world.client(world.member)
    if status in ("running", "paused", "succeeded", "failed"):
        client.post(f"/api/agent/jobs/{job}/transition", json={"status": "running"})
    if status == "succeeded":
        for task in client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 100}).json()["items"]:
            client.post(f"/api/agent/tasks/{task['id']}/finish", json={"output": None})
    if status not in ("pending", "running"):
        answer = client.post(f"/api/agent/jobs/{job}/transition", json={"status": status})
        assert answer.status_code == 200, answer.text


BUTTONS: dict[str, dict[str, str]] = {
    "pending": {"Start": "running", "Cancel": "cancelled"},
    "running": {"Pause": "paused", "Mark as failed": "failed", "Cancel": "cancelled"},
    "paused": {"Resume": "running", "Mark as failed": "failed", "Cancel": "cancelled"},
    "succeeded": {},
    "failed": {},
    "cancelled": {},
}


@BOTH
@pytest.mark.parametrize("status", BUTTONS)
def test_each_state_has_the_buttons_that_are_allowed_and_each_works(
    world: World, panel: Panel, status: str, width: int
) -> None:
    panel.sized(width)
    world.contacts(2)
    plan = ["Plan next batch"] if status in ("pending", "running") else []
    for label, result in BUTTONS[status].items() or [("", status)]:
        job = world.job(name=f"{status} {label}")["id"]
        bring_to(world, job, status)
        panel.open(f"/agent/jobs/{job}")
        assert panel.text("#status") == status
        assert panel.moves() == [*BUTTONS[status], *plan]
        if label:
            panel.press(f"move-{result}")
            panel.until_status(result)
            assert world.client(world.member).get(f"/api/agent/jobs/{job}").json()["status"] == result
        else:
            assert "This campaign is over" in panel.text("#over")


def test_a_job_is_marked_as_succeeded_once_no_task_is_open(world: World, panel: Panel) -> None:
    job = world.job()["id"]
    bring_to(world, job, "running")
    panel.open(f"/agent/jobs/{job}")
    assert "Mark as succeeded" in panel.moves()
    panel.press("move-succeeded")
    panel.until_status("succeeded")


@BOTH
def test_the_next_batch_is_planned(world: World, panel: Panel, width: int) -> None:
    world.contacts(7)
    job = world.job()["id"]
    panel.sized(width).open(f"/agent/jobs/{job}")
    panel.press("plan")
    panel.until(lambda: panel.text("#count-pending") == "7")
    assert panel.texts("#tasks tbody th a") == ["Batch 2", "Batch 1"]
    panel.press("batch-1")
    panel.until(lambda: panel.text("#tasks h3") == "Batch 1")
    assert len(panel.texts("#tasks h3 ~ .card tbody tr")) == 5


def test_all_batches_can_be_reached(world: World, panel: Panel) -> None:
    job = world.job()["id"]
    world.site.owner.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select %s, n, 1, 'research' from generate_series(0, 22) as n",
        [job],
    )
    panel.open(f"/agent/jobs/{job}")
    assert len(panel.texts("#tasks table:first-of-type tbody th a")) == 20
    panel.press("older-batches")
    panel.until(lambda: panel.texts("#tasks tbody th a") == ["Batch 2", "Batch 1", "Batch 0"])
    assert panel.text("#tasks h3") == "Batch 2"


@BOTH
def test_progress_is_live_where_it_stands(world: World, panel: Panel, width: int) -> None:
    world.contacts(4)
    job = world.job()["id"]
    client = world.client(world.member)
    panel.sized(width).open(f"/agent/jobs/{job}")
    panel.browser.execute_script("window.same = true")
    panel.press("move-running")
    panel.until_status("running")
    for done, task in enumerate(client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 4}).json()["items"], 1):
        client.post(f"/api/agent/tasks/{task['id']}/finish", json={"output": None})
        world.card(job, title=f"Card {done}")
        panel.until_text("#count-done", str(done))
        assert panel.find("#job progress").get_property("value") == done
    panel.until(lambda: panel.text("#count-cards") == "4")
    client.post(f"/api/agent/jobs/{job}/transition", json={"status": "succeeded"})
    panel.until_status("succeeded")
    assert panel.text("#progress-text") == "4 of 4 tasks done (100 %)"
    assert panel.browser.execute_script("return window.same")


@BOTH
def test_cards_are_approved_and_rejected(world: World, panel: Panel, width: int) -> None:
    job = world.job()["id"]
    one, other, third = (world.card(job, title=title) for title in ("One", "Other", "Third"))
    panel.sized(width).open(f"/agent/jobs/{job}")
    panel.press(f"approve-{one}")
    panel.until(lambda: panel.text(f'[id="card-{one}"] .pill') == "approved")
    panel.press(f"reject-{other}")
    panel.until(lambda: panel.text(f'[id="card-{other}"] .pill') == "rejected")
    assert panel.texts("#cards button") == ["Approve Third", "Reject Third"]
    panel.browser.execute_script("window.swap = () => {}")  # what somebody else decides is not seen as yet
    world.site.owner.execute("alter table public.kanban_cards disable trigger user")
    world.site.owner.execute("update public.kanban_cards set state = 'done' where id = %s", [third])
    world.site.owner.execute("alter table public.kanban_cards enable trigger user")
    panel.press(f"approve-{third}")
    panel.until(lambda: "cannot become approved" in panel.text("#problem"))
    panel.until(lambda: any("409" in each["message"] for each in panel.complaints()))


@BOTH
def test_cards_are_filtered_by_state_and_type(world: World, panel: Panel, width: int) -> None:
    job = world.job()["id"]
    world.card(job, "suggested", "A")
    world.card(job, "done", "B", "research")
    world.card(job, "done", "C", "follow_up")
    panel.sized(width).open(f"/agent/jobs/{job}")
    states, types = 'nav[aria-label="Cards by state"] a', 'nav[aria-label="Cards by type"] a'
    assert [" ".join(text.split()) for text in panel.texts(states)] == ["All states 3", "Suggested 1", "Done 2"]
    panel.browser.find_element(By.PARTIAL_LINK_TEXT, "Done").click()
    panel.until(lambda: sorted(panel.texts("#cards tbody th")) == ["B", "C"])
    panel.browser.find_element(By.PARTIAL_LINK_TEXT, "Research").click()
    panel.until(lambda: panel.texts("#cards tbody th") == ["B"])
    assert [" ".join(text.split()) for text in panel.texts(f"{types}[aria-current]")] == ["Research 1"]


@BOTH
def test_a_failed_task_is_retried(world: World, panel: Panel, width: int) -> None:
    world.contacts(1)
    job = world.job()["id"]
    client = world.client(world.member)
    bring_to(world, job, "running")
    (task,) = client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 1}).json()["items"]
    panel.sized(width).open(f"/agent/jobs/{job}")
    client.post(f"/api/agent/tasks/{task['id']}/fail", json={"error": "The mail server is away."})
    panel.until(lambda: panel.text("#failed td") == "The mail server is away.")
    panel.press(f"retry-{task['id']}")
    panel.until(lambda: panel.text("#count-pending") == "1")
    assert panel.texts("#failed tbody tr") == []


@BOTH
def test_metrics_say_of_when_they_are(world: World, panel: Panel, width: int) -> None:
    job = world.job()["id"]
    panel.sized(width).open(f"/agent/jobs/{job}")
    assert "No metrics of this campaign yet" in panel.text("#metrics")
    world.site.owner.execute("select public.refresh_job_metrics()")
    panel.open(f"/agent/jobs/{job}")
    row = world.site.owner.execute("select refreshed_at from public.job_metrics limit 1").fetchone()
    assert row is None or row[0] is not None
    assert "As of" in panel.text("#metrics")
    assert panel.text("#refreshed-at")


def fill(panel: Panel, values: dict[str, str] | None = None) -> None:
    given = {
        "name": "From the form",
        "target_group": "AMC",
        "batch_size": "5",
        "subject-1": "Hello {{first_name}}",
        "body-1": "Test email",
        **(values or {}),
    }
    for name, text in given.items():
        panel.write(name, text)


@BOTH
def test_a_campaign_is_created_by_the_form(world: World, panel: Panel, width: int) -> None:
    world.contacts(3)
    panel.sized(width).open("/agent/jobs")
    assert "No campaigns yet" in panel.text("#list h2")
    panel.press("new-job")
    fill(panel)
    panel.press("create")
    panel.until(lambda: panel.text("#job-name") == "From the form")
    (job,) = world.client(world.member).get("/api/agent/jobs").json()["items"]
    params = world.client(world.member).get(f"/api/agent/jobs/{job['id']}").json()["params"]
    assert params == {**PARAMS, "cadence": {"day0": "intro"}}
    assert panel.text("#templates .subject") == "Hello Mina"


WRONG = [
    ({"name": "\u2060"}, "name", "p_name must have 1 to 200 characters"),
    ({"batch_size": "1001"}, "batch_size", "params.batch_size must be a whole number from 1 to 1000"),
    ({"batch_size": "many"}, "batch_size", "params.batch_size must be a whole number from 1 to 1000"),
    ({"subject-1": "", "body-1": ""}, "messages", "params.cadence has no day"),
    ({"day-1": "first"}, "messages", "params.cadence.dayfirst is no day"),
]


@BOTH
@pytest.mark.parametrize(("values", "field", "message"), WRONG)
def test_what_is_wrong_stands_beside_its_field(
    world: World, panel: Panel, values: dict[str, str], field: str, message: str, width: int
) -> None:
    panel.sized(width).open("/agent/jobs/new")
    fill(panel, values)
    panel.press("create")
    panel.until(lambda: message in panel.text(f"#{field}-wrong"))
    described = panel.browser.find_elements(By.CSS_SELECTOR, f'[aria-describedby="{field}-wrong"]')
    assert [each.get_attribute("id") for each in described] == [field]
    # what was typed is still there
    assert panel.find("#target_group").get_property("value") == "AMC"
    panel.complaints()  # a 400 is noted by the browser


@BOTH
def test_a_session_begins_and_ends(browser: webdriver.Chrome, world: World, width: int) -> None:
    panel = Panel(browser, world.site).sized(width).open("/agent/jobs")
    assert panel.text("h1") == "Log in"
    panel.write("token", token_of(world.member))
    panel.press("log-in")
    panel.until(lambda: panel.text("h1") == "Campaigns")
    assert panel.text("#who") == str(world.member)
    panel.press("log-out")
    panel.until(lambda: panel.text("h1") == "Log in")
    panel.open("/agent/jobs")
    assert panel.text("h1") == "Log in"
    assert panel.complaints() == []


def test_a_member_of_several_chooses(world: World, panel: Panel) -> None:
    panel.log_in(token_of(world.both)).open("/agent/jobs/new")
    fill(panel)
    panel.press("create")
    panel.until(lambda: "org_id must name one of your organisations" in panel.text("#org_id-wrong"))
    panel.find(f'#org_id option[value="{world.other_org}"]').click()
    panel.press("create")
    panel.until(lambda: panel.text("#job-name") == "From the form")
    assert "Theirs" in panel.text(".facts")
    panel.complaints()


def test_two_organisations_have_two_panels(world: World, panel: Panel) -> None:
    ours = world.job(name="Ours alone")["id"]
    world.client(world.other).post("/api/agent/jobs", json={"name": "Theirs alone", "params": PARAMS})
    panel.open("/agent/jobs")
    assert panel.texts("#list tbody th a") == ["Ours alone"]
    panel.log_in(token_of(world.other)).open("/agent/jobs")
    assert panel.texts("#list tbody th a") == ["Theirs alone"]
    panel.open(f"/agent/jobs/{ours}")
    assert panel.text("h1") == "Not Found"
    panel.log_in(token_of(world.both)).open("/agent/jobs")
    assert [text.split("\n")[0] for text in panel.texts("#list tbody th a")] == ["Theirs alone", "Ours alone"]
    assert panel.texts("#list tbody th .muted") == ["Theirs", "Ours"]
    panel.complaints()  # the 404


def test_the_list_is_filtered_and_paged(world: World, panel: Panel) -> None:
    for number in range(27):
        world.job(name=f"Job {number:02}")
    bring_to(world, world.job(name="Gone")["id"], "cancelled")
    panel.open("/agent/jobs")
    assert len(panel.texts("#list tbody tr")) == 25
    panel.press("next-page")
    panel.until(lambda: panel.texts("#list tbody th a") == ["Job 02", "Job 01", "Job 00"])
    panel.press("first-page")
    panel.until(lambda: panel.text("#list tbody th a") == "Gone")
    panel.browser.find_element(By.LINK_TEXT, "Cancelled").click()
    panel.until(lambda: panel.texts("#list tbody th a") == ["Gone"])
    panel.browser.find_element(By.LINK_TEXT, "Paused").click()
    panel.until(lambda: panel.text("#list h2") == "No campaign is paused")


def test_the_list_is_live(world: World, panel: Panel) -> None:
    panel.open("/agent/jobs")
    world.job(name="From elsewhere")
    panel.until(lambda: panel.texts("#list tbody th a") == ["From elsewhere"])


@BOTH
def test_hostile_words_are_shown_as_they_are(world: World, panel: Panel, width: int) -> None:
    world.contacts(1, first_name=HOSTILE, last_name=HOSTILE, company=HOSTILE)
    name = HOSTILE[:200]
    templates = {HOSTILE: {"subject": "{{first_name}}" + HOSTILE.replace("{{7*7}}", ""), "body": "{{company}}"}}
    job = world.job(
        name=name, description=HOSTILE, params={**PARAMS, "cadence": {"day0": HOSTILE}, "templates": templates}
    )["id"]
    world.card(job, title=HOSTILE)
    client = world.client(world.member)
    bring_to(world, job, "running")
    (task,) = client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 1}).json()["items"]
    client.post(f"/api/agent/tasks/{task['id']}/fail", json={"error": HOSTILE})
    for path in ("/agent/jobs", f"/agent/jobs/{job}"):
        panel.sized(width).open(path)
        assert name in panel.text("main")
        assert panel.browser.title != "taken"
        assert panel.texts("main img, main script") == []
        assert panel.browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert panel.text("#failed td.bad") == HOSTILE
    assert panel.text("#cards tbody th") == HOSTILE
    panel.open("/agent/jobs/new")
    fill(panel, {"name": HOSTILE, "batch_size": "0"})
    panel.press("create")
    panel.until(lambda: panel.texts("#batch_size-wrong"))
    assert panel.find("#name").get_property("value") == HOSTILE
    assert panel.texts("main img, main script") == []
    panel.complaints()  # the 400


def test_the_policy_stops_a_script_that_is_not_the_pages_own(world: World, panel: Panel) -> None:
    script = "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')"
    panel.open("/agent/jobs").browser.execute_script(script)
    told: list[str] = []

    def is_told() -> bool:
        told.extend(each["message"] for each in panel.complaints())
        return all(any(part in each for each in told) for part in ("404", "Content Security Policy"))

    panel.until(is_told)
    assert panel.browser.title == "Campaigns"


def focused(panel: Panel) -> str:
    name: str = panel.browser.execute_script("return document.activeElement.id")
    return name


def tab_to(panel: Panel, name: str) -> None:
    """Press Tab until that element has the keyboard."""
    for _ in range(80):
        if focused(panel) == name:
            return
        panel.key("Tab")
    raise AssertionError(f"{name} cannot be reached by Tab")


@BOTH
def test_all_is_done_by_the_keyboard_alone(world: World, panel: Panel, width: int) -> None:
    world.contacts(1)
    panel.sized(width).open("/agent/jobs")
    tab_to(panel, "new-job")
    panel.key("Enter")
    panel.until(lambda: panel.texts("#create"))
    for name, text in [("name", "By keys"), ("target_group", "AMC"), ("subject-1", "Hello"), ("body-1", "Body")]:
        tab_to(panel, name)
        panel.browser.execute_cdp_cmd("Input.insertText", {"text": text})
    tab_to(panel, "create")
    panel.key("Enter")
    panel.until(lambda: panel.text("#job-name") == "By keys")
    job = panel.browser.current_url.rpartition("/")[2]
    card = world.card(job)
    for move, status in [("move-running", "running"), ("move-paused", "paused"), ("move-running", "running")]:
        tab_to(panel, move)
        panel.key(" ")
        panel.until_status(status)
        panel.until(lambda: focused(panel))  # the keyboard is not lost with the button
    panel.until(lambda: panel.texts("#cards button"))
    tab_to(panel, f"approve-{card}")
    panel.key("Enter")
    panel.until(lambda: panel.text("#cards .pill") == "approved")
    panel.browser.execute_script("document.getElementById('main').focus()")
    tab_to(panel, "move-cancelled")
    panel.key("Enter")
    panel.until_status("cancelled")


def test_a_press_outlives_an_update(world: World, panel: Panel) -> None:
    """A button that is replaced between the two halves of a press, as another person moves the job, is pressed."""
    job = world.job(name="Held")["id"]
    bring_to(world, job, "running")
    panel.open(f"/agent/jobs/{job}")
    tab_to(panel, "move-failed")
    panel.key_down(" ")
    bring_to(world, job, "paused")
    panel.browser.execute_script("load(location.href)")
    panel.until(lambda: panel.browser.execute_script(LOADED))
    panel.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    panel.key_up(" ")
    panel.until_status("failed")


def test_a_page_that_was_asked_for_before_is_not_shown_after(world: World, panel: Panel) -> None:
    """What the server rendered before a button was pressed comes after its answer, and is thrown away."""
    job = world.job(name="Late")["id"]
    panel.open(f"/agent/jobs/{job}")
    panel.browser.execute_script(HOLD_THE_NEXT)
    panel.press("move-running")
    panel.until_status("running")
    assert panel.browser.execute_async_script("late().then(arguments[0])") == "running"


def test_focus_can_be_seen_and_the_content_is_one_tab_away(world: World, panel: Panel) -> None:
    panel.open("/agent/jobs")
    panel.key("Tab")
    skip = panel.browser.switch_to.active_element
    assert skip.text == "Skip to the content"
    assert skip.value_of_css_property("outline-style") == "solid"
    panel.key("Enter")
    panel.until(lambda: focused(panel) == "main")


@pytest.fixture(scope="module")
def full(site: Site) -> tuple[World, dict[str, str]]:
    """A world with something in every part of every page, and the paths of these pages."""
    world = new_world(site)
    world.contacts(8)
    job = world.job(name="Full", description="All parts have something in them.")["id"]
    client = world.client(world.member)
    bring_to(world, job, "running")
    for number, task in enumerate(client.post(f"/api/agent/jobs/{job}/claim", json={"limit": 3}).json()["items"]):
        if number:
            client.post(f"/api/agent/tasks/{task['id']}/fail", json={"error": "No."})
    for state in ("suggested", "in_review", "approved", "executing", "done", "blocked", "rejected"):
        world.card(job, state, f"A card that is {state}")
    for status in ("pending", "paused", "succeeded", "failed", "cancelled"):
        bring_to(world, world.job(name=status)["id"], status)
    site.owner.execute("select public.refresh_job_metrics()")
    return world, {
        "list": "/agent/jobs",
        "job": f"/agent/jobs/{job}",
        "new": "/agent/jobs/new",
        "login": "/login",
        "none": "/agent/jobs?status=failed&after=",
        "error": "/agent/jobs/00000000-0000-4000-8000-000000000000",
    }


@BOTH
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["list", "job", "new", "login", "error"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: webdriver.Chrome, full: tuple[World, dict[str, str]], name: str, scheme: str, width: int
) -> None:
    world, paths = full
    panel = Panel(browser, world.site).sized(width, scheme).log_in(token_of(world.member)).open(paths[name])
    assert panel.violations() == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    panel.leave()


def test_axe_would_notice(browser: webdriver.Chrome, full: tuple[World, dict[str, str]]) -> None:
    world, paths = full
    panel = Panel(browser, world.site).sized(WIDE).log_in(token_of(world.member)).open(paths["new"])
    browser.execute_script("document.querySelector('label[for=name]').remove()")
    assert any(each.startswith("label: ") for each in panel.violations())
    panel.leave()


def test_the_page_says_so_when_the_membership_ends(world: World, panel: Panel) -> None:
    panel.open(f"/agent/jobs/{world.job()['id']}")
    world.site.owner.execute("delete from public.organization_members where user_id = %s", [world.member])
    panel.until(lambda: panel.text("h1") == "Not Found")
    panel.complaints()  # the 404
