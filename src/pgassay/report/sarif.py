"""SARIF 2.1.0, for code scanning: a result a finding, at the line of the migration that made the object."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pgassay.checks.finding import Finding
from pgassay.checks.run import Run
from pgassay.checks.waivers import NOT_JUDGED
from pgassay.report.groups import Group, by_object, what

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def render(run: Run) -> str:
    """The run as a SARIF log."""
    return json.dumps(as_dict(run), indent=2, ensure_ascii=False) + "\n"


def as_dict(run: Run) -> dict[str, Any]:
    """The run as what `json` takes."""
    groups: list[tuple[Group, str | None]] = [(group, None) for group in _groups(run.findings)]
    for entry in run.waived:
        groups += [(group, entry.reason) for group in _groups([entry.finding] if entry.finding else [])]
    findings = [group.finding for group, _ in groups]
    not_judged: list[tuple[str, str, str | None]] = [(name, reason, None) for name, reason in run.unjudged.items()]
    not_judged += [(entry.object, entry.what, entry.reason) for entry in run.waived if entry.finding is None]
    rules = sorted({finding.rule for finding in findings} | ({NOT_JUDGED} if not_judged else set()))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pgassay",
                        "semanticVersion": run.version,
                        "rules": [_rule(rule, findings) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run)],
                "results": [
                    *(_result(run, group, why, rules) for group, why in groups),
                    *(_unjudged(run, *entry, rules.index(NOT_JUDGED)) for entry in not_judged),
                ],
            }
        ],
    }


def _rule(rule: str, findings: Iterable[Finding]) -> dict[str, Any]:
    page = _page(rule)
    found = next((finding for finding in findings if finding.rule == rule), None)
    text = page or (found.mend if found else "Declare how it can be tried, or waive it with a reason.")
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in rule.split("-")),
        "shortDescription": {"text": _title(page) or rule.replace("-", " ").capitalize()},
        "help": {"text": text, "markdown": text},
        "properties": {"tags": ["security", "postgresql"]},
    }


def _page(rule: str) -> str | None:
    """The page of the documentation about ``rule``, in Markdown."""
    packaged = Path(__file__).parents[1] / "docs" / "rules"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs" / "rules"
    file = folder / f"{rule}.md"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _title(page: str | None) -> str | None:
    first = (page or "").partition("\n")[0]
    return first.removeprefix("#").strip() or None


def _invocation(run: Run) -> dict[str, Any]:
    said = [text for text in (run.error, run.hint) if text]
    return {
        "executionSuccessful": not run.error,
        "exitCode": run.exit_code,
        "startTimeUtc": run.started.replace("+00:00", "Z"),
        "toolExecutionNotifications": [{"level": "error", "message": {"text": text}} for text in said],
    }


def _groups(findings: Iterable[Finding]) -> list[Group]:
    return [group for groups in by_object(findings).values() for group in groups]


def _result(run: Run, group: Group, waived: str | None, rules: list[str]) -> dict[str, Any]:
    finding = group.finding
    details = {
        "as": ", ".join((finding.identity, *group.others)),
        "demonstration": finding.statement,
        "expected": finding.expected,
        "let through by": finding.culprit,
        "mend": finding.mend,
    }
    said = [f"{finding.object}: {finding.observed}", *(f"{what}: {text}" for what, text in details.items() if text)]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": "warning" if finding.severity == "question" else finding.severity,
        "message": {"text": "\n".join(said)},
        "locations": _locations(run, finding.object, finding.location),
        "partialFingerprints": {"pgassay/v1": _fingerprint(finding)},
    }
    if waived is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": waived}]
    return result


def _unjudged(run: Run, name: str, why: str, waived: str | None, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": NOT_JUDGED,
        "ruleIndex": index,
        "kind": "open",
        "level": "none",
        "message": {"text": f"{name}: {why}"},
        "locations": _locations(run, name, ""),
    }
    if waived is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": waived}]
    return result


def _locations(run: Run, name: str, location: str) -> list[dict[str, Any]]:
    """Code scanning takes no result without a file: where nobody knows the line, it is the last migration."""
    file, _, line = location.rpartition(":")
    files = [script.file for script in run.migrations if script.status in ("applied", "autocommit")]
    place: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name}]}
    if file or files:
        artifact = {"uri": quote(file or files[-1])}
        if not Path(file or files[-1]).is_absolute():
            artifact["uriBaseId"] = "%SRCROOT%"
        place["physicalLocation"] = {"artifactLocation": artifact}
        if file:
            place["physicalLocation"]["region"] = {"startLine": int(line)}
    return [place]


def _fingerprint(finding: Finding) -> str:
    """The same for the same finding in another run, whose rows have other values."""
    parts = (finding.rule, finding.object, finding.door, what(finding))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
