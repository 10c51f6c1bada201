"""The report that all others could be made from. Its schema is ``run.schema.json``, in the package."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources
from typing import Any

from pgassay.catalog import Relation
from pgassay.checks import ways
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Access
from pgassay.checks.run import Migration, Run
from pgassay.checks.ways import Way
from pgassay.report import tenancy

FORMAT = 1
"""Raised when a field goes away or means something else; added ones leave it as it is."""


def render(run: Run) -> str:
    """The run as JSON."""
    return json.dumps(as_dict(run), indent=2, ensure_ascii=False) + "\n"


def schema() -> str:
    """The JSON Schema (draft 2020-12) of `render`."""
    return resources.files(__package__).joinpath("run.schema.json").read_text(encoding="utf-8")


def as_dict(run: Run) -> dict[str, Any]:
    """The run as what `json` takes."""
    share = ways.share(run.ways)
    waived = {entry.object: entry.reason for entry in run.waived if entry.finding is None}
    not_judged = run.unjudged | {
        entry.object: entry.what.removeprefix("not judged: ") for entry in run.waived if entry.finding is None
    }
    return {
        "format": FORMAT,
        "pgassay": run.version,
        "started": run.started,
        "seconds": round(run.seconds, 3),
        "exit_code": run.exit_code,
        "error": None if not run.error else {"message": run.error, "hint": run.hint or None},
        "folder": run.folder or None,
        "server": None if run.server is None else asdict(run.server),
        "before": [_migration(script) for script in run.before],
        "migrations": [_migration(script) for script in run.migrations],
        "assumed": None if run.inferred is None else tenancy.assumption(run.inferred),
        "declared": list(run.declared),
        "relations": [_relation(relation) for relation in run.relations],
        "doors": [asdict(door) for door in run.doors],
        "matrix": list(map(_access, run.matrix)),
        "rights": list(map(_access, run.rights)),
        "probes": {
            "run": run.probes.run,
            "vacuous": len(run.probes.vacuous),
            "skipped": len(run.probes.skipped),
            "not_judged": len(not_judged),
        },
        "ways": {"taken": share.taken, "of": share.of, "each": list(map(_way, run.ways))},
        "findings": [
            *(_finding(finding, None) for finding in run.findings),
            *(_finding(entry.finding, entry.reason) for entry in run.waived if entry.finding is not None),
        ],
        "not_judged": [
            {"object": name, "reason": reason, "waived": waived.get(name)} for name, reason in not_judged.items()
        ],
        "notes": list(run.notes),
    }


def _access(line: Access) -> dict[str, Any]:
    return {
        "relation": line.relation,
        "identity": line.identity,
        "reach": {operation: reach.value for operation, reach in line.reach.items()},
    }


def _migration(script: Migration) -> dict[str, Any]:
    return {
        "version": script.version or None,
        "name": script.name,
        "file": script.file,
        "status": script.status,
        "seconds": round(script.seconds, 4),
        "error": script.error or None,
        "stand_ins": list(script.stand_ins),
        "left_out": list(script.left_out),
    }


def _relation(relation: Relation) -> dict[str, Any]:
    return {
        "name": relation.full_name,
        "kind": relation.kind,
        "columns": [
            {"name": column.name, "type": column.type, "not_null": column.not_null} for column in relation.columns
        ],
        "primary_key": list(relation.primary_key),
        "foreign_keys": [{"target": key.target, "columns": _pairs(key.columns)} for key in relation.foreign_keys],
    }


def _pairs(columns: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[here, there] for here, there in columns]


def _way(way: Way) -> dict[str, Any]:
    return {
        "kind": way.kind,
        "object": way.object,
        "way": way.what,
        "branch": way.branch or None,
        "taken_by": list(way.takers),
        "how": way.how or None,
        "why_not": way.why or None,
        "waived": way.waived or None,
    }


def _finding(finding: Finding, waived: str | None) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "object": finding.object,
        "door": finding.door or None,
        "identity": finding.identity or None,
        "statement": finding.statement or None,
        "script": finding.script or None,
        "observed": finding.observed,
        "expected": finding.expected or None,
        "culprit": finding.culprit or None,
        "mend": finding.mend,
        "location": finding.location or None,
        "waived": waived,
    }
