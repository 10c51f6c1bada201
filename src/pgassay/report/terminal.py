"""The report for a person at a terminal; plain text where the output is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pgassay.checks import relations
from pgassay.checks.isolation import OPERATIONS, Reach
from pgassay.checks.run import Run
from pgassay.ledger import Plan
from pgassay.migrations import Applied, Folder

_STYLES = {
    Reach.NONE: "dim",
    Reach.OWN: "green",
    Reach.ALL: "yellow",
    Reach.SOME: "bold red",
}


def applied(scripts: Sequence[Applied], folder: Folder, before: int) -> RenderableType:
    """What went in, and how long it took; ``before`` is how many of the scripts are no migrations."""
    seconds = sum(script.seconds for script in scripts)
    extra = f", after {_count(before, 'file')} of the application's own" if before else ""
    lines: list[RenderableType] = [
        Text(f"Applied {_count(len(folder.migrations), 'migration')} in {seconds:.2f} s{extra}")
    ]
    lines += [migration(script) for script in scripts[before:]]
    lines += [
        Text(f"  extension {name}: a stand-in, with what is commonly used of it", "yellow")
        for name in sorted({name for script in scripts for name in script.stand_ins})
    ]
    lines += [
        Text(f"  index {name}: left out, since a stand-in cannot make it", "yellow")
        for name in sorted({name for script in scripts for name in script.left_out})
    ]
    return Group(*lines, *_skipped(folder))


def migration(script: Applied) -> Text:
    """A migration that went in."""
    mode = "  (autocommit: it cannot run in one transaction)" if script.autocommit else ""
    return Text(f"  {script.script.name}{mode}")


def plan(plan: Plan, folder: Folder, *, dry_run: bool) -> RenderableType:
    """What was applied to a database, or would be."""
    pending = _count(len(plan.pending), "migration")
    lines = [
        Text(f"  {script.name}: whether it was changed since is not known: the ledger does not have it", "yellow")
        for script in plan.unchecked
    ]
    lines += _skipped(folder)
    if dry_run and plan.pending:
        lines.append(Text(f"Would apply {pending}, and has changed nothing:"))
        lines += [Text(f"  {script.name}") for script in plan.pending]
    elif plan.pending:
        lines.append(Text(f"Applied {pending}.", "bold green"))
    else:
        lines.append(Text(f"Nothing to apply: {_count(len(plan.applied), 'migration')} had been applied before."))
    return Group(*lines)


def _skipped(folder: Folder) -> list[Text]:
    return [
        Text(f"  {name} passed over: the Supabase CLI takes only files named <version>_<name>.sql", "yellow")
        for name in folder.skipped
    ]


def report(run: Run) -> RenderableType:
    """All that was found, after the lines about server and migrations that are printed as they come."""
    parts: list[RenderableType] = []
    if run.declared:
        parts.append(verification(run))
    if run.matrix:
        parts.append(matrix(run))
    if run.findings or run.unjudged or run.waived:
        parts.append(findings(run))
    return Group(*(line for part in parts for line in (part, Text())), summary(run))


def verification(run: Run) -> RenderableType:
    """Which of the declared relations are there."""
    missing = {finding.object for finding in run.findings if finding.rule == relations.RULE}
    lines = [Text("Relations that must be there")]
    lines += [Text(f"  {name} missing", "bold red") if name in missing else Text(f"  {name}") for name in run.declared]
    return Group(*lines)


def matrix(run: Run) -> RenderableType:
    """The access matrix: a line a relation, a column an identity, and in each cell select, insert, update, delete."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    table.add_column("relation", no_wrap=True)
    table.add_column("operation", no_wrap=True)
    for identity in run.identities:
        table.add_column(identity, no_wrap=True)
    reach = {(line.relation, line.identity): line.reach for line in run.matrix}
    for relation in dict.fromkeys(line.relation for line in run.matrix):
        for operation in OPERATIONS:
            cells = [reach[relation, identity][operation] for identity in run.identities]
            table.add_row(
                relation if operation == OPERATIONS[0] else "",
                operation,
                *(Text(cell.value, _STYLES[cell]) for cell in cells),
            )
    title = Text("Whose rows each identity reaches, tried with rows of organisations A, B and one more")
    return Group(title, Padding(table, (0, 0, 0, 2), expand=False))


def faults(noticed: Iterable[tuple[str, ...]]) -> RenderableType:
    """Planted faults: the name, the test that noticed and a remark of each."""
    table = Table("fault", "noticed by", "remark", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in noticed:
        table.add_row(*map(Text, row))
    return table


def findings(run: Run) -> RenderableType:
    """Everything that a user must act on, and what was waived."""
    lines: list[RenderableType] = []
    for finding in run.findings:
        style = "bold red" if finding.severity == "error" else "bold yellow"
        lines.append(
            Text.assemble((finding.severity, style), f"  {finding.object}: {finding.observed}  [{finding.rule}]")
        )
        if finding.statement:
            lines.append(Padding(Text(f"{finding.statement}", "cyan"), (0, 0, 0, 7), expand=False))
        lines.append(Padding(Text(finding.mend), (0, 0, 0, 7), expand=False))
    for name, reason in run.unjudged.items():
        lines.append(Text.assemble(("not judged", "bold yellow"), f"  {name}: {reason}"))
    for waived in run.waived:
        lines.append(Text.assemble(("waived", "dim"), f"  {waived.object}: {waived.what}"))
        lines.append(Padding(Text(waived.reason, "dim"), (0, 0, 0, 8), expand=False))
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
    """The last line."""
    parts = [_count(len(run.findings), "finding")]
    if run.unjudged:
        parts.append(f"{len(run.unjudged)} not judged")
    if run.waived:
        parts.append(f"{len(run.waived)} waived")
    parts.append(_count(run.probes.run, "probe"))
    style = "bold red" if run.findings else "bold yellow" if run.unjudged else "bold green"
    return Text(f"{', '.join(parts)} in {run.seconds:.1f} s", style)


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
