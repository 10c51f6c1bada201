"""The HTML report in a real browser: light and dark, on a wide screen and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.command import Command

from pgassay.checks.isolation import Reach
from pgassay.checks.run import Run
from pgassay.report import html
from tests.harness import runs
from tests.needs import lacks
from tests.sampling import some

pytestmark = pytest.mark.browser

LIGHT, DARK = "light", "dark"
WIDE, PHONE = 1280, 375
HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><svg/onload=\"document.title='taken'\">"
# The colours of every piece of text that is shown, and what is behind it, with transparent layers laid over each other.
CONTRAST = """
const parse = (text) => {
  const parts = text.match(/[\\d.]+/g).map(Number);
  return parts.length === 4 ? parts : [...parts, 1];
};
const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
const light = (color) => {
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = color.slice(0, 3).map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  if (element.closest("svg")) return parse(getComputedStyle(element.parentElement.querySelector("rect")).fill);
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || element.closest("script, style, title, .hidden")) continue;
  if (!element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const back = behind(element);
  const ink = over(parse(element.closest("svg") ? style.fill : style.color), back);
  const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
  found.push([(a + 0.05) / (b + 0.05), walker.currentNode.textContent.trim().slice(0, 40)]);
}
return found;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        lacks("browser", "apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


def complaints_of(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the browser has complained of since it was asked last."""
    logged: list[dict[str, Any]] = browser.execute(Command.GET_LOG, {"type": "browser"})["value"]
    return logged


Show = Callable[..., webdriver.Chrome]


@pytest.fixture
def show(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Show]:
    """``show(run, width, scheme)`` opens its page. Whatever the browser complains of fails the test."""

    def show(run: Run, width: int = WIDE, scheme: str = LIGHT) -> webdriver.Chrome:
        file = tmp_path / "report.html"
        file.write_text(html.render(run), encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.get(file.as_uri())
        return browser

    complaints_of(browser)  # about pages before
    yield show
    assert complaints_of(browser) == []


def many(count: int) -> Run:
    """A run with ``count`` tables in the shape of a real schema, one of them leaking."""
    tables = [runs.relation("leaky")]
    for n in range(1, count):
        targets = {f"public.{tables[n // 3].name}", f"public.{tables[n // 2].name}", "auth.users"}
        tables.append(runs.relation(f"table_with_a_name_{n}", *sorted(targets)[: n % 4]))
    matrix = [line for table in tables for line in runs.access(table.full_name)]
    matrix[:4] = runs.access("public.leaky", anon=Reach.ALL)
    return replace(runs.full(), relations=tuple(tables), functions=(), matrix=tuple(matrix))


RUNS = {
    "full": runs.full(),
    "clean": runs.clean(),
    "stopped": runs.stopped(),
    "ten": many(10),
    "hundred": many(100),
    "long": runs.full(lambda word: f"{word}_{'long' * 40}"),
    "hostile": runs.full(lambda word: word + HOSTILE),
}
each_run = pytest.mark.parametrize("run", [pytest.param(RUNS[name], id=name) for name in some(RUNS, dev=2)])


@each_run
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_no_page_is_wider_than_its_screen(show: Show, run: Run, width: int) -> None:
    page = show(run, width)
    assert page.execute_script("return innerWidth") == width
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@each_run
@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_all_text_stands_out(show: Show, run: Run, scheme: str) -> None:
    found = show(run, WIDE, scheme).execute_script(CONTRAST)
    assert len(found) > 10
    faint = sorted((round(ratio, 2), text) for ratio, text in found if ratio < 4.5)
    assert faint == []


def test_faint_text_would_be_noticed(show: Show) -> None:
    page = show(runs.full())
    page.execute_script("document.documentElement.style.setProperty('--muted', '#aaa')")
    assert min(ratio for ratio, _ in page.execute_script(CONTRAST)) < 4.5


def test_the_dark_page_is_dark_and_the_light_one_light(show: Show) -> None:
    backgrounds = {}
    for scheme in (LIGHT, DARK):
        page = show(runs.full(), WIDE, scheme)
        color = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        backgrounds[scheme] = [int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")]
    assert min(backgrounds[LIGHT]) > 230
    assert max(backgrounds[DARK]) < 40


def shown_rows(page: webdriver.Chrome) -> list[str]:
    rows = page.find_elements(By.CSS_SELECTOR, "#matrix tbody tr")
    return [row.find_element(By.TAG_NAME, "th").text for row in rows if row.is_displayed()]


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_matrix_is_filtered_by_words_and_by_findings(show: Show, width: int) -> None:
    page = show(runs.full(), width)
    everything = shown_rows(page)
    assert len(everything) == 7
    words = page.find_element(By.ID, "words")
    words.send_keys("LEAKY")
    assert shown_rows(page) == ["public.leaky"]
    assert page.find_element(By.TAG_NAME, "output").text == "1 of 7 shown"
    words.send_keys(Keys.CONTROL, "a")
    words.send_keys("not judged")
    assert shown_rows(page) == ["public.unknown"]
    words.send_keys(Keys.CONTROL, "a")
    words.send_keys(Keys.BACKSPACE)
    assert shown_rows(page) == everything
    page.find_element(By.CSS_SELECTOR, "#filter input[type=checkbox]").click()
    assert shown_rows(page) == ["public.leaky", "public.unknown", "public.tell(uuid)"]
    words.send_keys("nothing is called so", Keys.ENTER)
    assert shown_rows(page) == []


def test_a_demonstration_is_copied_as_it_is(show: Show) -> None:
    statement = "begin;\n  select '<&>';\nrollback;"
    run = runs.full()
    page = show(replace(run, findings=(replace(run.findings[0], script=statement),)))
    button = page.find_element(By.CSS_SELECTOR, ".copyable button")
    assert button.text == "Copy"
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    button.click()
    assert page.execute_script("return window.copied") == statement
    page.execute_script("navigator.clipboard.writeText = async () => { throw new Error(); }")
    button.click()
    assert page.execute_script("return getSelection().toString()") == statement


def test_a_hostile_schema_runs_nothing(show: Show) -> None:
    page = show(RUNS["hostile"])
    assert page.title == "pgassay: Findings to act on"
    assert page.find_elements(By.TAG_NAME, "img") == []


def test_the_policy_stops_a_script_that_is_not_the_pages_own(show: Show, browser: webdriver.Chrome) -> None:
    page = show(runs.full())
    page.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", HOSTILE.partition(">")[2])
    assert page.title == "pgassay: Findings to act on"
    assert any("Content Security Policy" in complaint["message"] for complaint in complaints_of(browser))


@each_run
def test_the_page_can_be_read_by_its_structure(show: Show, run: Run) -> None:
    page = show(run)
    levels = page.execute_script("return [...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    unlabelled = "return [...document.querySelectorAll('input')].filter((input) => !input.labels.length).length"
    assert page.execute_script(unlabelled) == 0
    headless = "return [...document.querySelectorAll('th')].filter((cell) => !cell.scope).length"
    assert page.execute_script(headless) == 0
    assert page.execute_script("return document.documentElement.lang") == "en"
    nameless = "return [...document.querySelectorAll('[role=region], svg')].filter((part) => "
    nameless += "!part.ariaLabel && !document.getElementById(part.getAttribute('aria-labelledby'))).length"
    assert page.execute_script(nameless) == 0
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map((part) => part.id)")
    assert len(ids) == len(set(ids))


def test_all_is_on_paper(show: Show) -> None:
    page = show(runs.full())
    assert not page.find_element(By.TAG_NAME, "details").get_property("open")
    assert page.print_page()
    assert page.find_element(By.TAG_NAME, "details").get_property("open")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not page.find_element(By.TAG_NAME, "nav").is_displayed()
    assert not page.find_element(By.ID, "filter").is_displayed()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("count", [10, 100])
def test_every_table_is_drawn_with_its_name_inside_its_box(show: Show, count: int) -> None:
    page = show(many(count))
    outside = page.execute_script(
        "return [...document.querySelectorAll('#drawing .box')].filter((box) => {"
        "  const around = box.querySelector('rect').getBoundingClientRect();"
        "  return [...box.querySelectorAll('text')].some((text) => {"
        "    const inner = text.getBoundingClientRect();"
        "    return inner.left < around.left || inner.right > around.right || inner.bottom > around.bottom + 1;"
        "  });"
        "}).map((box) => box.textContent.trim())"
    )
    assert outside == []
    assert len(page.find_elements(By.CSS_SELECTOR, "#drawing .box")) >= count
