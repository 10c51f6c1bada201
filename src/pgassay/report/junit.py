"""JUnit's XML, for the test views of CI: a case a file, a door and identity, and a function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

from pgassay.checks import ways
from pgassay.checks.finding import Finding
from pgassay.checks.run import Migration, Run

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Run) -> str:
    """The run as XML. Findings of severity error are failures; what was not judged is an error."""
    root = ET.Element("testsuites", {"name": "pgassay"})
    _suite(root, run, "migrations", _migrations(run))
    _suite(root, run, "doors", _doors(run))
    _total(root, run.seconds)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, run: Run, name: str, cases: Iterable[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": name, "timestamp": run.started.removesuffix("+00:00")})
    if run.server is not None and name == "doors":
        properties = ET.SubElement(suite, "properties")
        facts = {"server": f"PostgreSQL {run.server.version}", "backend": run.server.backend}
        facts |= {"ways": str(ways.share(run.ways))} if run.ways else {}
        for key, value in facts.items():
            ET.SubElement(properties, "property", {"name": key, "value": _xml(value)})
    suite.extend(cases)
    _total(suite, sum(float(case.get("time", 0)) for case in suite.iter("testcase")))


def _total(element: ET.Element, seconds: float) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(kind, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", f"{seconds:.3f}")


def _migrations(run: Run) -> Iterator[ET.Element]:
    for script in (*run.before, *run.migrations):
        yield _migration(script)
    if run.error and not any(script.status == "failed" for script in (*run.before, *run.migrations)):
        yield _with(_case("the run", "pgassay"), "error", run.error, "\n".join((run.error, run.hint)))


def _migration(script: Migration) -> ET.Element:
    case = _case(script.name, "migrations", file=script.file, time=f"{script.seconds:.3f}")
    if script.status == "failed":
        return _with(case, "error", script.error.partition("\n")[0], script.error)
    return _with(case, "skipped", script.error) if script.status == "skipped" else case


def _doors(run: Run) -> Iterator[ET.Element]:
    """Every finding is in one case: that of its door and identity, or else one of its own."""
    left = list(run.findings)

    def found(name: str, identity: str | None) -> list[Finding]:
        mine = [f for f in left if f.object == name and (identity is None or f.identity == identity)]
        left[:] = [finding for finding in left if finding not in mine]
        return mine

    tried: dict[str, list[str]] = {}
    for line in run.matrix:
        tried.setdefault(line.relation, []).append(line.identity)
    for door in run.doors:
        if door.verdict in ("not judged", "vacuous"):
            yield _with(_case(door.verdict, door.name), "error", door.why)
        elif door.verdict == "skipped":
            yield _with(_case("skipped", door.name), "skipped", door.why)
        elif door.verdict == "waived":
            reasons = dict.fromkeys(entry.reason for entry in run.waived if entry.object == door.name)
            yield _with(_case("waived", door.name), "skipped", "; ".join(reasons))
        elif door.name in tried:
            for identity in tried[door.name]:
                yield _judged(_case(identity, door.name), found(door.name, identity))
        else:
            yield _judged(_case(door.kind, door.name), found(door.name, None))
    told = {door.name for door in run.doors if door.verdict in ("not judged", "vacuous")}
    for name, why in run.unjudged.items():
        if name not in told:
            yield _with(_case("not judged", name), "error", why)
    for finding in left:
        yield _judged(_case(" ".join(filter(None, (finding.identity, finding.rule))), finding.object), [finding])


def _judged(case: ET.Element, findings: list[Finding]) -> ET.Element:
    file, _, line = next((finding.location for finding in findings if finding.location), "").rpartition(":")
    if file:
        case.set("file", _xml(file))
        case.set("line", line)
    errors = [finding for finding in findings if finding.severity == "error"]
    questions = [finding for finding in findings if finding.severity == "question"]
    warnings = [finding for finding in findings if finding.severity not in ("error", "question")]
    if errors:
        _with(case, "failure", errors[0].observed, "\n\n".join(map(_told, errors)), type=errors[0].rule)
    elif questions:
        _with(case, "error", questions[0].observed, "\n\n".join(map(_told, questions)), type=questions[0].rule)
    if warnings:
        ET.SubElement(case, "system-out").text = _xml("\n\n".join(map(_told, warnings)))
    return case


def _told(finding: Finding) -> str:
    parts = {
        "": f"{finding.object}: {finding.observed} [{finding.rule}]",
        "as": finding.identity,
        "demonstration": finding.statement,
        "expected": finding.expected,
        "let through by": finding.culprit,
        "mend": finding.mend,
    }
    return "\n".join(f"{name}: {text}".removeprefix(": ") for name, text in parts.items() if text)


def _case(name: str, of: str, **more: str) -> ET.Element:
    return ET.Element("testcase", {key: _xml(text) for key, text in {"name": name, "classname": of, **more}.items()})


def _with(case: ET.Element, tag: str, message: str, text: str = "", **more: str) -> ET.Element:
    ET.SubElement(case, tag, {"message": _xml(message), **more}).text = _xml(text) or None
    return case


def _xml(text: str) -> str:
    """``text`` with what no XML may hold, such as control characters, shown as escapes."""
    return _NO_XML.sub(lambda match: ascii(match[0])[1:-1], text)
