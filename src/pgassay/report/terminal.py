"""The report for a person at a terminal; plain text where the output is none."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgassay.checks import relations
from pgassay.checks.isolation import OPERATIONS, Reach
from pgassay.checks.run import Run
from pgassay.errors import MigrationError
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
_NARROWEST = 20
"""So many characters a line has room for, however far it is indented."""
_UNBROKEN = 100_000
"""Characters in a line of what is no terminal: as many as there are."""


@dataclass(frozen=True)
class _Hanging:
    """Text after a label; its further lines begin below its first."""

    label: Text
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = max(_NARROWEST, options.max_width - self.label.cell_len)
        for number, line in enumerate(self.text.wrap(console, width, overflow="fold")):
            line.rstrip()
            yield Text.assemble(self.label if number == 0 else " " * self.label.cell_len, line)


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


def without_seed(error: MigrationError) -> Text:
    """That the seed of a project was left out, since it fails."""
    said = next((line for line in error.message.splitlines() if line.startswith("ERROR")), "")
    words = in_a_line(" ".join(filter(None, (error.message.splitlines()[0], said))))
    return Text(f"The seed that config.toml names is left out, since it fails: {words}", "yellow")


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


def report(run: Run, *, scripts: bool = False) -> RenderableType:
    """All that was found, after the lines about server and migrations that are printed as they come.

    With ``scripts``, what psql runs to see it, and not the one statement alone that shows it.
    """
    parts: list[RenderableType] = []
    if run.inferred is not None:
        parts.append(tenancy.assumed(run.inferred))
    if run.declared:
        parts.append(verification(run))
    if run.matrix:
        parts.append(matrix(run))
    parts += [_object(groups, scripts=scripts) for groups in by_object(run.findings).values()]
    if run.notes:
        parts.append(Group(*(_Hanging(Text("note  ", "dim"), Text(in_a_line(note), "dim")) for note in run.notes)))
    if run.unjudged or run.waived:
        parts.append(_accepted(run))
    lines = [line for part in parts for line in (part, Text())]
    return Group(*lines, summary(run), *_next(run, kept=scripts))


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
    """The access matrix: a block of lines a relation, a line an operation, a column an identity."""
    reach = {(line.relation, line.identity): line.reach for line in run.matrix}
    relations = list(dict.fromkeys(line.relation for line in run.matrix))
    shown = relations
    title = "Whose rows each identity reaches, of organisations A, B and one more"
    if len(relations) > _MOST_RELATIONS:
        found = {finding.object for finding in run.findings}
        shown = [name for name in relations if name in found]
        title += f": {len(shown)} of {len(relations)} tables and views, the others as intended"
    names = [in_a_line(identity) for identity in run.identities]
    widths = [len("operation"), *map(cell_len, names)]
    lines = [_columns([Text(name, "bold") for name in ("", *names)], widths)] if shown else []
    for relation in shown:
        lines.append(Text(f"  {in_a_line(relation)}"))
        for operation in OPERATIONS:
            cells = [reach[relation, identity][operation] for identity in run.identities]
            lines.append(_columns([Text(operation), *(Text(cell.value, _STYLES[cell]) for cell in cells)], widths))
    return Group(Text(title), *lines)


def _columns(cells: Iterable[Text], widths: Iterable[int]) -> Text:
    line = Text("    ")
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell.cell_len + 2))
    line.rstrip()
    return line


def faults(noticed: Iterable[tuple[str, ...]]) -> RenderableType:
    """Planted faults: the name, the test that noticed and a remark of each."""
    table = Table("fault", "noticed by", "remark", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in noticed:
        table.add_row(*map(Text, row))
    return table


def _object(groups: Sequence[Found], *, scripts: bool = False) -> RenderableType:
    """What was found at one object."""
    lines: list[RenderableType] = []
    for group, following in zip_longest(groups, groups[1:]):
        finding = group.finding
        style = "bold red" if finding.severity == "error" else "bold yellow"
        said = Text(in_a_line(f"{finding.object}: {finding.observed}  [{finding.rule}]"))
        lines.append(_Hanging(Text.assemble((finding.severity, style), "  "), said))
        facts = {"also as": ", ".join(group.others), "try": finding.statement, "expected": finding.expected}
        if scripts and finding.script:
            facts["try"] = finding.script.strip()
        if following is None or (finding.culprit, finding.mend) != (following.finding.culprit, following.finding.mend):
            facts |= {"through": finding.culprit, "mend": finding.mend}  # once for all that it mends
        lines += [_fact(name, text) for name, text in facts.items() if text]
    places = dict.fromkeys(group.finding.location for group in groups if group.finding.location)
    lines += [_whole(Text.assemble(_label("made in"), in_a_line(place))) for place in places]
    return Group(*lines)


def _fact(name: str, text: str) -> RenderableType:
    if "\n" in text and name == "try":
        lines = enumerate(visible(text).split("\n"))
        return Group(*(_whole(Text.assemble(_label("" if n else name), (line, "cyan"))) for n, line in lines))
    return _Hanging(_label(name), Text(visible(text), "cyan" if name == "try" else ""))


def _label(name: str) -> Text:
    return Text(f"       {name:<8}  ", "dim")


def _whole(line: Text) -> Text:
    """The same for a terminal to break, if anybody: what is copied from it, or clicked, is in one piece."""
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _accepted(run: Run) -> RenderableType:
    """What was not judged, and what was waived."""
    lines: list[RenderableType] = []
    for name, reason in run.unjudged.items():
        label = Text.assemble(("not judged", "bold yellow"), "  ")
        lines.append(_Hanging(label, Text(in_a_line(f"{name}: {reason}"))))
    for waived in run.waived:
        lines.append(_Hanging(Text("waived  ", "dim"), Text(in_a_line(f"{waived.object}: {waived.what}"))))
        lines.append(_Hanging(Text(" " * 8), Text(visible(waived.reason), "dim")))
    return Group(*lines)


def lint(run: Run, lacking: Mapping[str, str]) -> RenderableType:
    """What the linters found, a place a line, as editors and people read it."""
    lines: list[RenderableType] = []
    for finding in run.findings:
        style = "bold red" if finding.severity == "error" else "bold yellow"
        place = f"{finding.location}: " if finding.location else ""
        name = "" if f"{finding.object}:" in place else f"{finding.object}: "
        said = visible(f": {name}{finding.observed}  [{finding.rule}]")
        lines.append(Text.assemble(visible(place), (finding.severity, style), said))
        lines.append(_Hanging(Text(" " * 4), Text(visible(finding.mend))))
    for name, reason in run.unjudged.items():
        lines.append(Text.assemble(("not judged", "bold yellow"), visible(f"  {name}: {reason}")))
    waived = Counter((waived.object, waived.finding and waived.finding.rule, waived.reason) for waived in run.waived)
    for (name, rule, reason), times in waived.items():
        how_often = f", {times} times" if times > 1 else ""
        what = f"{name}{f'  [{rule}]' if rule else ''}{how_often}: {reason}"
        lines.append(_Hanging(Text("waived  ", "dim"), Text(visible(what), "dim")))
    lines += [
        Text(f"{name} was left out, since this server lacks it: {why}", "yellow") for name, why in lacking.items()
    ]
    lines += [_Hanging(Text("note  ", "dim"), Text(in_a_line(note), "dim")) for note in run.notes]
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


def _next(run: Run, *, kept: bool) -> list[RenderableType]:
    """What to do now, where there is something to do."""
    if not run.findings and not run.unjudged:
        return []
    command = f"pgassay check{in_a_line(f' {shlex.quote(run.folder)}' if run.folder else '')}"
    lines: list[RenderableType] = []
    if not kept and any(finding.script for finding in run.findings):
        lines.append(_whole(Text(f"A database in which to run what is shown under try: {command} --keep")))
    return [*lines, _whole(Text(f"All on one page, to copy from: {command} --report html=report.html"))]


def console(*, stderr: bool = False) -> Console:
    """A console that colours only a terminal, or what FORCE_COLOR says, and never breaks a line of what is piped."""
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if watched else _UNBROKEN
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
