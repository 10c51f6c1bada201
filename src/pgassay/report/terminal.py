"""The report for a person at a terminal; plain text where the output is none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgassay.checks import relations
from pgassay.checks.run import Run
from pgassay.errors import MigrationError
from pgassay.ledger import Plan
from pgassay.migrations import Applied, Folder
from pgassay.rehearsal import Rehearsed
from pgassay.report import access, tenancy
from pgassay.report.causes import named
from pgassay.report.groups import Group as Found
from pgassay.report.groups import by_object
from pgassay.report.visible import in_a_line, visible
from pgassay.wording import count

_NARROWEST = 20
"""So many characters a line has room for, however far it is indented."""
_UNBROKEN = 100_000
"""Characters in a line of what is no terminal: as many as there are."""


@dataclass(frozen=True)
class Hanging:
    """Text after a label; its further lines begin below its first."""

    label: Text
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = max(_NARROWEST, options.max_width - self.label.cell_len)
        for number, line in enumerate(self.text.wrap(console, width, overflow="fold")):
            line.rstrip()
            yield Text.assemble(self.label if number == 0 else " " * self.label.cell_len, line)


def applied(
    scripts: Sequence[Applied], folder: Folder, before: int, *, place: str = "", names: bool = False
) -> RenderableType:
    """What went in, and how long it took, in a line; ``before`` is how many of the scripts are no migrations.

    ``place`` is the folder as a person would write it. With ``names`` there is a line for each migration, too.
    """
    seconds = sum(script.seconds for script in scripts)
    number = len(folder.migrations)
    seeds = scripts[before + number :]
    alone = sum(script.autocommit for script in scripts)
    said = f"Applied {count(number, 'migration')}{f' of {in_a_line(place)}' if place else ''} in {seconds:.2f} s"
    said += f", {count(before, 'file')} before them" if before else ""
    said += f", {in_a_line(named(tuple(seed.script.name for seed in seeds), 2))} after them" if seeds else ""
    said += f"; {alone} outside of a transaction" if alone else ""
    lines: list[RenderableType] = [Text(said)]
    lines += [migration(script) for script in scripts[before:]] if names else []
    stand_ins = sorted({name for script in scripts for name in script.stand_ins})
    left_out = sorted({name for script in scripts for name in script.left_out})
    most = len(scripts) + len(stand_ins) + len(left_out) if names else 5
    if stand_ins:
        listed = in_a_line(named(tuple(stand_ins), most))
        lines.append(Text(f"A stand-in, with what is commonly used of it, for: {listed}", "yellow"))
    if left_out:
        listed = in_a_line(named(tuple(left_out), most))
        lines.append(Text(f"Indexes left out, since a stand-in cannot make them: {listed}", "yellow"))
    return Group(*lines, *_skipped(folder, len(folder.skipped) if names else 3))


def without_seed(error: MigrationError) -> Text:
    """That the seed of a project was left out, since it fails."""
    said = next((line for line in error.message.splitlines() if line.startswith("ERROR")), "")
    words = in_a_line(" ".join(filter(None, (error.message.splitlines()[0], said))))
    return Text(f"The seed that config.toml names is left out, since it fails: {words}", "yellow")


def migration(script: Applied) -> Text:
    """A migration that went in."""
    mode = "  (autocommit: it cannot run in one transaction)" if script.autocommit else ""
    return Text(f"  {in_a_line(script.script.name)}{mode}")


def plan(plan: Plan, folder: Folder, rehearsed: Rehearsed | None) -> RenderableType:
    """What was applied to a database, or would be, where it was ``rehearsed``."""
    pending = count(len(plan.pending), "migration")
    lines = [
        Text(
            f"  {in_a_line(script.name)}: whether it was changed since is not known: the ledger does not have it",
            "yellow",
        )
        for script in plan.unchecked
    ]
    lines += _skipped(folder, len(folder.skipped))
    if rehearsed is not None and plan.pending:
        lines.append(Text(f"Would apply {pending}, and has changed nothing:"))
        lines += [Text(f"  {in_a_line(script.name)}") for script in plan.pending]
        tried = count(len(rehearsed.tried), "migration")
        if rehearsed.tried:
            lines.append(Text(f"Tried {tried} in a transaction that was rolled back: nothing was refused.", "green"))
        if rehearsed.untried:
            first, *rest = (in_a_line(script.name) for script in rehearsed.untried)
            after = f", nor what comes after it: {', '.join(rest)}" if rest else ""
            lines.append(Text(f"Not tried: {first}, since {rehearsed.why}{after}.", "yellow"))
    elif plan.pending:
        lines.append(Text(f"Applied {pending}.", "bold green"))
    else:
        lines.append(Text(f"Nothing to apply: {count(len(plan.applied), 'migration')} had been applied before."))
    return Group(*lines)


def _skipped(folder: Folder, most: int) -> list[Text]:
    if not folder.skipped:
        return []
    by_reason: dict[str, list[str]] = {}
    for name, why in folder.skipped.items():
        by_reason.setdefault(why, []).append(name)
    return [
        Text(f"{in_a_line(named(tuple(names), most))} passed over: {in_a_line(why)}", "yellow")
        for why, names in by_reason.items()
    ]


def report(run: Run, width: int = _UNBROKEN, *, scripts: bool = False) -> RenderableType:
    """All that was found, one by one; the answer stands below (`screen`).

    With ``scripts``, what psql runs to see it, and not the one statement alone that shows it.
    """
    parts: list[RenderableType] = []
    if run.inferred is not None:
        parts.append(tenancy.assumed(run.inferred))
    if run.declared:
        parts.append(verification(run))
    if run.matrix:
        parts.append(Group(*access.matrix(run, width)))
    parts += [_object(groups, scripts=scripts) for groups in by_object(run.findings).values()]
    if run.notes:
        parts.append(Group(*(Hanging(Text("note  ", "dim"), Text(in_a_line(note), "dim")) for note in run.notes)))
    if run.unjudged or run.waived:
        parts.append(_accepted(run))
    return Group(*(line for part in parts for line in (part, Text())))


def verification(run: Run) -> RenderableType:
    """Which of the declared relations are there."""
    missing = {finding.object for finding in run.findings if finding.rule == relations.RULE}
    lines = [Text("Relations that must be there")]
    lines += [
        Text(f"  {in_a_line(name)} missing", "bold red") if name in missing else Text(f"  {in_a_line(name)}")
        for name in run.declared
    ]
    return Group(*lines)


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
        style = {"error": "bold red", "note": "dim"}.get(finding.severity, "bold yellow")
        said = Text(in_a_line(f"{finding.object}: {finding.observed}  [{finding.rule}]"))
        lines.append(Hanging(Text.assemble((finding.severity, style), "  "), said))
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
    return Hanging(_label(name), Text(visible(text), "cyan" if name == "try" else ""))


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
        lines.append(Hanging(label, Text(in_a_line(f"{name}: {reason}"))))
    for waived in run.waived:
        lines.append(Hanging(Text("waived  ", "dim"), Text(in_a_line(f"{waived.object}: {waived.what}"))))
        lines.append(Hanging(Text(" " * 8), Text(visible(waived.reason), "dim")))
    return Group(*lines)


def console(*, stderr: bool = False) -> Console:
    """A console that colours only a terminal, or what FORCE_COLOR says, and never breaks a line of what is piped."""
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if watched else _UNBROKEN
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)
