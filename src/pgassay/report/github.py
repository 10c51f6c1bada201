"""Annotations of GitHub Actions: workflow commands on standard output."""

from __future__ import annotations

from pgassay.checks.run import Run
from pgassay.report.groups import Group, by_object


def render(run: Run) -> str:
    """A line for each group of findings, for what was not judged, and for what ended the run."""
    lines = [_command("error", _of_failed(run), "\n".join(filter(None, (run.error, run.hint))))] if run.error else []
    lines += [_of_group(group) for groups in by_object(run.findings).values() for group in groups]
    lines += [
        _command("warning", {"title": "pgassay: not judged"}, f"{name}: {why}") for name, why in run.unjudged.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def _of_group(group: Group) -> str:
    finding = group.finding
    said = [f"{finding.object}: {finding.observed}"]
    said += [f"Also as {', '.join(group.others)}."] if group.others else []
    said += [finding.statement] if finding.statement else []
    said.append(finding.mend)
    file, _, line = finding.location.rpartition(":")
    properties = {"file": file, "line": line, "title": f"pgassay: {finding.rule}"}
    name = {"error": "error", "note": "notice"}.get(finding.severity, "warning")
    return _command(name, properties, "\n".join(said))


def _of_failed(run: Run) -> dict[str, str]:
    failed = next((script for script in (*run.before, *run.migrations) if script.status == "failed"), None)
    return {"file": failed.file if failed else "", "title": "pgassay: the run ended early"}


def _command(name: str, properties: dict[str, str], message: str) -> str:
    given = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items() if value)
    return f"::{name} {given}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    # % first: what it escapes is what the others become
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
