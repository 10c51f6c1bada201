"""The report as one page: no network, light and dark, on paper and on a phone."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pgassay.checks import ways
from pgassay.checks.isolation import OPERATIONS, Reach
from pgassay.checks.run import Door, Run
from pgassay.report import access, causes, screen, tenancy
from pgassay.report.drawing import draw
from pgassay.report.groups import by_object
from pgassay.report.visible import visible

_FOLDER = Path(__file__).parent
_OPERATION_OF = {"move": "update"}
"""The operation of the access matrix that goes through a door of another name."""


@dataclass(frozen=True)
class Cell:
    """What one identity reaches in one relation by one operation; ``tone`` is how it looks."""

    operation: str
    letter: str
    reach: str
    tone: str


@dataclass(frozen=True)
class Row:
    """A door in the access matrix: its cells for each identity, None where there is only the verdict."""

    door: Door
    cells: list[list[Cell]] | None
    flagged: bool


def render(run: Run) -> str:
    """The run as an HTML page."""
    style, script = (_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["mends"] = _mends
    groups = by_object(run.findings)
    page: str = environment.get_template("page.html.j2").render(
        run=run,
        verdict=_verdict(run),
        assumption=tenancy.assumption(run.inferred) if run.inferred else "",
        meaning=screen.meaning(run),
        causes=causes.of(run),
        advice=len(causes.advice(run)),
        not_judged=causes.not_judged(run),
        share=ways.share(run.ways),
        groups=groups,
        anchors={name: f"found-{number}" for number, name in enumerate(groups)},
        errors=sum(finding.severity == "error" for finding in run.findings),
        warnings=sum(finding.severity != "error" for finding in run.findings),
        rows=_rows(run),
        rights=_rights(run),
        operations=OPERATIONS,
        drawing=draw(run.relations),
        # The text of the files that ship with this module, and its hash in the policy: nothing else may run.
        style=Markup(style),  # noqa: S704 - the package's own file
        script=Markup(script),  # noqa: S704 - the same
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return page


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line where a word of it ends."""
    parts = re.split(r"(?<=[._(,/])", visible(name))
    return Markup("<wbr>").join(map(escape, parts))


def _mends(cause: causes.Cause) -> list[tuple[str, bool]]:
    """What mends a cause, each once, and whether that is SQL to be copied."""
    return [(mend, mend.endswith(";")) for mend in dict.fromkeys(finding.mend for finding in cause.findings) if mend]


def _hash(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _verdict(run: Run) -> tuple[str, str]:
    """How it ended in a word for the style and in one for a person."""
    if run.error:
        return "bad", "The run ended early"
    if run.exit_code == 1:
        return "bad", "Findings to act on"
    if run.exit_code:
        return "warn", "Not everything could be judged"
    return ("warn", "Warnings only") if run.findings else ("good", "Nothing found")


def _rows(run: Run) -> list[Row]:
    reach = {(line.relation, line.identity): line.reach for line in run.matrix}
    tried = {line.relation for line in run.matrix}
    rows = []
    for door in run.doors:
        cells = None
        if door.name in tried:
            cells = [
                [
                    Cell(
                        operation,
                        access.letter(operation, value),
                        value.value,
                        _tone(run, door.name, identity, operation, value),
                    )
                    for operation, value in reach[door.name, identity].items()
                ]
                for identity in run.identities
                if (door.name, identity) in reach
            ]
        rows.append(Row(door, cells, door.verdict in ("findings", "vacuous", "not judged")))
    return sorted(rows, key=lambda row: row.door.verdict == "skipped")


def _rights(run: Run) -> list[tuple[str, dict[str, list[Cell]]]]:
    """The declared tables with what each role reaches of its own tenant; those of some role are told for all."""
    identities = dict.fromkeys(line.identity for line in run.rights)
    found: dict[str, dict[str, list[Cell]]] = {}
    for line in run.rights:
        of_roles = found.setdefault(line.relation, {identity: [] for identity in identities})
        of_roles[line.identity] = [
            _cell(run, line.relation, line.identity, operation, reach) for operation, reach in line.reach.items()
        ]
    return [*found.items()]


def _cell(run: Run, relation: str, identity: str, operation: str, reach: Reach) -> Cell:
    letter = access.letter(operation, reach)
    return Cell(operation, letter, reach.value, _tone(run, relation, identity, operation, reach))


def _tone(run: Run, relation: str, identity: str, operation: str, reach: Reach) -> str:
    """How a cell looks: as bad as what was found there, and otherwise as wide as it is."""
    found = {
        finding.severity
        for finding in run.findings
        if finding.object == relation
        and finding.identity == identity
        and (_OPERATION_OF.get(finding.door, finding.door) or operation) == operation
    }
    if found:
        return "bad" if "error" in found else "warned"
    return "all" if reach is Reach.SOME else str(reach.value)
