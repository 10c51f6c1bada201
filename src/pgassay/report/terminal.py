"""The report for a person at a terminal; plain text where the output is none."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pgassay.checks import relations
from pgassay.checks.isolation import OPERATIONS, Reach
from pgassay.checks.run import Run
from pgassay.ledger import Plan
from pgassay.migrations import Applied, Folder
from pgassay.report import tenancy
from pgassay.report.groups import Group as Found
from pgassay.report.groups import by_object
from pgassay.report.visible import in_a_line, visible

_STYLES = {
    Reach.NONE: "dim",
    Reach.OWN: "green",
    Reach.ALL: "yellow",
    Reach.SOME: "bold red",
}
_MOST_RELATIONS = 30
"""Of more, the matrix shows those with findings alone."""


def applied(scripts: Sequence[Applied], folder: Folder, before: int) -> RenderableType:
    """What went in, and how long it took; ``before`` is how many of the scripts are no migrations."""
    seconds = sum(script.seconds for script in scripts)
    extra = f", after {_count(before, 'file')} of the application's own" if before else ""
    lines: list[RenderableType] = [
        Text(f"Applied {_count(len(folder.migrations), 'migration')} in {seconds:.2f} s{extra}")
    ]
    lines += [migration(script) for script in scripts[before:]]
    lines += [
        Text(f"  extension {in_a_line(name)}: a stand-in, with what is commonly used of it", "yellow")
        for name in sorted({name for script in scripts for name in script.stand_ins})
    ]
    lines += [
        Text(f"  index {in_a_line(name)}: left out, since a stand-in cannot make it", "yellow")
        for name in sorted({name for script in scripts for name in script.left_out})
    ]
    return Group(*lines, *_skipped(folder))


def migration(script: Applied) -> Text:
    """A migration that went in."""
    mode = "  (autocommit: it cannot run in one transaction)" if script.autocommit else ""
    return Text(f"  {in_a_line(script.script.name)}{mode}")


def plan(plan: Plan, folder: Folder, *, dry_run: bool) -> RenderableType:
    """What was applied to a database, or would be."""
    pending = _count(len(plan.pending), "migration")
    lines = [
        Text(
            f"  {in_a_line(script.name)}: whether it was changed since is not known: the ledger does not have it",
            "yellow",
        )
        for script in plan.unchecked
    ]
    lines += _skipped(folder)
    if dry_run and plan.pending:
        lines.append(Text(f"Would apply {pending}, and has changed nothing:"))
        lines += [Text(f"  {in_a_line(script.name)}") for script in plan.pending]
    elif plan.pending:
        lines.append(Text(f"Applied {pending}.", "bold green"))
    else:
        lines.append(Text(f"Nothing to apply: {_count(len(plan.applied), 'migration')} had been applied before."))
    return Group(*lines)


def _skipped(folder: Folder) -> list[Text]:
    return [
        Text(f"  {in_a_line(name)} passed over: the Supabase CLI takes only files named <version>_<name>.sql", "yellow")
        for name in folder.skipped
    ]


def report(run: Run) -> RenderableType:
    """All that was found, after the lines about server and migrations that are printed as they come."""
    parts: list[RenderableType] = []
    if run.inferred is not None:
        parts.append(tenancy.assumed(run.inferred))
    if run.declared:
        parts.append(verification(run))
    if run.matrix:
        parts.append(matrix(run))
    parts += [_object(groups) for groups in by_object(run.findings).values()]
    if run.notes:
        parts.append(Group(*(Text(in_a_line(f"note  {note}"), "dim") for note in run.notes)))
    if run.unjudged or run.waived:
        parts.append(_accepted(run))
    lines = [line for part in parts for line in (part, Text())]
    return Group(*lines, summary(run), *_next(run))


def verification(run: Run) -> RenderableType:
    """Which of the declared relations are there."""
    missing = {finding.object for finding in run.findings if finding.rule == relations.RULE}
    lines = [Text("Relations that must be there")]
    lines += [
        Text(f"  {in_a_line(name)} missing", "bold red") if name in missing else Text(f"  {in_a_line(name)}")
        for name in run.declared
    ]
    return Group(*lines)


def matrix(run: Run) -> RenderableType:
    """The access matrix: a line a relation, a column an identity, and in each cell select, insert, update, delete."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    table.add_column("relation", no_wrap=True)
    table.add_column("operation", no_wrap=True)
    for identity in run.identities:
        table.add_column(identity, no_wrap=True)
    reach = {(line.relation, line.identity): line.reach for line in run.matrix}
    relations = list(dict.fromkeys(line.relation for line in run.matrix))
    shown = relations
    title = "Whose rows each identity reaches, tried with rows of organisations A, B and one more"
    if len(relations) > _MOST_RELATIONS:
        found = {finding.object for finding in run.findings}
        shown = [name for name in relations if name in found]
        title += f": {len(shown)} of {len(relations)} tables and views, the others as intended"
    for relation in shown:
        for operation in OPERATIONS:
            cells = [reach[relation, identity][operation] for identity in run.identities]
            table.add_row(
                in_a_line(relation) if operation == OPERATIONS[0] else "",
                operation,
                *(Text(cell.value, _STYLES[cell]) for cell in cells),
            )
    return Group(Text(title), *([Padding(table, (0, 0, 0, 2), expand=False)] if shown else []))


def faults(noticed: Iterable[tuple[str, ...]]) -> RenderableType:
    """Planted faults: the name, the test that noticed and a remark of each."""
    table = Table("fault", "noticed by", "remark", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in noticed:
        table.add_row(*map(Text, row))
    return table


def _object(groups: Sequence[Found]) -> RenderableType:
    """What was found at one object."""
    lines: list[RenderableType] = []
    for group, following in zip_longest(groups, groups[1:]):
        finding = group.finding
        style = "bold red" if finding.severity == "error" else "bold yellow"
        said = in_a_line(f"  {finding.object}: {finding.observed}  [{finding.rule}]")
        lines.append(Text.assemble((finding.severity, style), said))
        facts = {"also as": ", ".join(group.others), "try": finding.statement, "expected": finding.expected}
        if following is None or (finding.culprit, finding.mend) != (following.finding.culprit, following.finding.mend):
            facts |= {"through": finding.culprit, "mend": finding.mend}  # once for all that it mends
        lines += [_fact(name, text) for name, text in facts.items() if text]
    places = dict.fromkeys(group.finding.location for group in groups if group.finding.location)
    lines += [_fact("made in", place) for place in places]
    return Group(*lines)


def _fact(name: str, text: str) -> RenderableType:
    """A line whose further lines begin below its text."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=8, no_wrap=True, style="dim")
    line.add_column(overflow="fold")
    line.add_row(name, Text(visible(text), "cyan" if name == "try" else ""))
    return Padding(line, (0, 0, 0, 7), expand=False)


def _accepted(run: Run) -> RenderableType:
    """What was not judged, and what was waived."""
    lines: list[RenderableType] = []
    for name, reason in run.unjudged.items():
        lines.append(Text.assemble(("not judged", "bold yellow"), in_a_line(f"  {name}: {reason}")))
    for waived in run.waived:
        lines.append(Text.assemble(("waived", "dim"), in_a_line(f"  {waived.object}: {waived.what}")))
        lines.append(Padding(Text(visible(waived.reason), "dim"), (0, 0, 0, 8), expand=False))
    return Group(*lines)


def lint(run: Run, lacking: Mapping[str, str]) -> RenderableType:
    """What the linters found, a place a line, as editors and people read it."""
    lines: list[RenderableType] = []
    for finding in run.findings:
        style = "bold red" if finding.severity == "error" else "bold yellow"
        place = f"{finding.location}: " if finding.location else ""
        name = "" if f"{finding.object}:" in place else f"{finding.object}: "
        said = f": {name}{finding.observed}  [{finding.rule}]"
        lines.append(Text.assemble(place, (finding.severity, style), said))
        lines.append(Padding(Text(finding.mend), (0, 0, 0, 4), expand=False))
    for name, reason in run.unjudged.items():
        lines.append(Text.assemble(("not judged", "bold yellow"), f"  {name}: {reason}"))
    waived = Counter((waived.object, waived.finding and waived.finding.rule, waived.reason) for waived in run.waived)
    for (name, rule, reason), times in waived.items():
        how_often = f", {times} times" if times > 1 else ""
        lines.append(Text(f"waived  {name}{f'  [{rule}]' if rule else ''}{how_often}: {reason}", "dim"))
    lines += [
        Text(f"{name} was left out, since this server lacks it: {why}", "yellow") for name, why in lacking.items()
    ]
    parts = [_count(len(run.findings), "finding")]
    parts += [f"{len(run.unjudged)} not judged"] if run.unjudged else []
    parts += [f"{len(run.waived)} waived"] if run.waived else []
    style = "bold red" if run.findings else "bold yellow" if run.unjudged else "bold green"
    return Group(*lines, *([Text()] if lines else []), Text(f"{', '.join(parts)} in {run.seconds:.1f} s", style))


def summary(run: Run) -> RenderableType:
    """What it came to, in a line."""
    objects = len({finding.object for finding in run.findings})
    parts = [_count(len(run.findings), "finding") + (f" at {_count(objects, 'object')}" if objects else "")]
    if run.unjudged:
        parts.append(f"{len(run.unjudged)} not judged")
    if run.waived:
        parts.append(f"{len(run.waived)} waived")
    parts.append(_count(run.probes.run, "probe"))
    style = "bold red" if run.findings else "bold yellow" if run.unjudged else "bold green"
    return Text(f"{', '.join(parts)} in {run.seconds:.1f} s", style)


def _next(run: Run) -> list[RenderableType]:
    """What to do now, where there is something to do."""
    if not run.findings and not run.unjudged:
        return []
    folder = f" {shlex.quote(run.folder)}" if run.folder else ""
    return [Text(f"All on one page, to copy from: pgassay check{in_a_line(folder)} --report html=report.html")]


def console(*, stderr: bool = False) -> Console:
    """A console that colours only a terminal, and never breaks a line of what is piped."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return (
        made
        if made.is_terminal
        else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=1000, no_color=True)
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
