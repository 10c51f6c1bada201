"""The last screen of ``pgassay check``, which is its answer: at most 25 lines, whatever the size of the schema."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import accumulate
from pathlib import PurePath

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.text import Text

from pgassay.checks import relations, ways
from pgassay.checks.run import FOUND, Run
from pgassay.report import access, causes, tenancy
from pgassay.report.causes import Cause, named
from pgassay.report.visible import in_a_line
from pgassay.wording import count

LINES = 25
"""So many lines the whole output has, those about server and migrations among them."""
_MOST_CAUSES = 10
_MOST_LINES, _FEWEST_LINES = 4, 1
"""So many lines of the terminal a cause may take, or a reason of what was not judged: few where there are many."""
_NARROWEST = 20
"""So many characters a line has room for, however far it is indented."""
_SHORTEST = 24
"""Nothing is cut to less."""
_ROOM_FOR_NOT_JUDGED = 3
_STYLES = {"error": "bold red", "warning": "bold yellow", "question": "bold magenta"}
_NAMED = 3
_NOT_JUDGED = "not judged"


_MEASURING = Console(width=80)

Lines = list[Text]
"""Lines of the terminal: none of them is broken any more."""


def screen(run: Run, *, used: int, width: int, matrix: bool = False, details: bool = False) -> RenderableType:
    """The answer, where ``used`` lines are taken already. ``matrix`` is wanted at any size; ``details`` stand above."""
    assumed: Lines = []
    if run.inferred is not None and not details:
        assumed = _entry(Text(), in_a_line(tenancy.assumption(run.inferred)), " (pgassay init)", width, 2)
    declared = [] if details or run.findings else _declared(run, width)
    found: Lines = []
    table = [] if details else access.matrix(run, width)
    for shown in (bool(table), False):  # with the matrix, where all fits
        bottom = [*_totals(run, width), *_more(run, width, details=details, matrix=shown)]
        room = LINES - used - sum(_height(part, width) + 1 for part in (assumed, declared, bottom) if part)
        room -= len(table) + 1 if shown else 0
        found, whole = _found(run, room, width)
        if matrix or not shown or (whole and max(line.cell_len for line in table) <= width):
            table = table if shown or matrix else []
            break
    parts = [part for part in (assumed, declared, table, found, bottom) if part]
    return Group(*[line for number, part in enumerate(parts) for line in ([Text()] * bool(number) + part)])


def _height(lines: Lines, width: int) -> int:
    """How many lines a terminal makes of them: what is to be copied in one piece may take more than one."""
    return sum(max(1, -(-line.cell_len // width)) for line in lines)


def _declared(run: Run, width: int) -> Lines:
    missing = {finding.object for finding in run.findings if finding.rule == relations.RULE}
    there = tuple(name for name in run.declared if name not in missing)
    if not there:
        return []
    said = in_a_line(f"Relations that must be there, and are: {', '.join(there)}")
    return _entry(Text(), said, "", width, 2)


def _found(run: Run, room: int, width: int) -> tuple[Lines, bool]:
    """Causes, then what was not judged, in at most ``room`` lines; and whether that is all of it, with nothing cut."""
    every, reasons = causes.of(run), causes.not_judged(run)
    for most in range(_MOST_LINES, _FEWEST_LINES - 1, -1):
        entries = [_cause(cause, run, width, most) for cause in every[:_MOST_CAUSES]]
        groups = [_reason(why, names, width, most) for why, names in reasons[:_MOST_CAUSES]]
        needed = sum(map(len, (*entries, *groups))) + (len(every) > _MOST_CAUSES)
        if needed <= room:
            break
    kept = min(sum(map(len, groups)), _ROOM_FOR_NOT_JUDGED)
    told = _fitting(entries, room - kept, len(every))
    lines = [line for entry in told for line in entry]
    if len(told) < len(every):
        left = every[len(told) :]
        lines.append(Text(f"… and {count(len(left), 'more cause')}, the worst of severity {left[0].worst.severity}"))
    judged = _fitting(groups, room - len(lines), len(reasons))
    lines += [line for entry in judged for line in entry]
    if len(judged) < len(reasons):
        names = sum(len(names) for _, names in reasons[len(judged) :])
        lines.append(Text(f"… and {count(names, 'more object')} {_NOT_JUDGED}"))
    return lines, most == _MOST_LINES and needed <= room and len(every) <= _MOST_CAUSES


def _fitting(entries: Sequence[Lines], room: int, total: int) -> Sequence[Lines]:
    """The first of ``entries`` that fit, with a line less where not all of the ``total`` do."""
    heights = list(accumulate(map(len, entries)))
    if len(entries) == total and (not heights or heights[-1] <= room):
        return entries
    return entries[: sum(height < room for height in heights)]


def _cause(cause: Cause, run: Run, width: int, most: int) -> Lines:
    label = Text.assemble((cause.worst.severity, _STYLES.get(cause.worst.severity, "bold")), "  ")
    through = f": {in_a_line(cause.culprit)}" if cause.culprit else ""
    place = f"  ({in_a_line(_place(cause.location, run.folder))})" if cause.location else ""
    return _entry(label, in_a_line(cause.sentence), through + place, width, most)


def _reason(why: str, names: tuple[str, ...], width: int, most: int) -> Lines:
    label = Text.assemble((_NOT_JUDGED, "bold yellow"), "  ")
    return _entry(label, in_a_line(f"{named(names, _NAMED)}: {why}"), "", width, most)


def _place(location: str, folder: str) -> str:
    """A file of the folder that was named above is called by its name."""
    path = PurePath(location)
    return path.name if folder and path.parent == PurePath(folder) else location


def _entry(label: Text, text: str, end: str, width: int, most: int) -> Lines:
    """``label``, ``text`` and ``end`` in at most so many lines: where they need more, ``text`` is cut, then ``end``."""
    lines = _broken(label, text + end, width)
    if len(lines) > most:
        text = text[: max(_SHORTEST, most * width - label.cell_len - len(end))]
    while len(lines) > most and len(text) > _SHORTEST:
        text = text[: max(_SHORTEST, len(text) - _SHORTEST // 4)]
        lines = _broken(label, f"{text.rstrip()}…{end}", width)
    if len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(width - 1)
        lines[-1].append("…")
    return lines


def _broken(label: Text, text: str, width: int) -> Lines:
    """The lines of a terminal that ``label`` and ``text`` take; further ones begin below the first one's text."""
    lines = []
    room = max(width - label.cell_len, _NARROWEST)
    for number, line in enumerate(Text(text).wrap(_MEASURING, room, overflow="fold")):
        line.rstrip()
        lines.append(_whole(Text.assemble(label if not number else " " * label.cell_len, line)))
    return lines


def _totals(run: Run, width: int) -> Lines:
    told = causes.of(run)
    counted = sum(len(cause.findings) for cause in told)
    advice, notes = len(causes.advice(run)), len(run.notes) + sum(f.severity == "note" for f in run.findings)
    parts = [count(counted, "finding")]
    if counted:
        objects = {finding.object for cause in told for finding in cause.findings}
        parts = [count(len(told), "cause"), f"{count(counted, 'finding')} at {count(len(objects), 'object')}"]
    parts += [f"{len(run.unjudged)} {_NOT_JUDGED}"] if run.unjudged else []
    parts += [f"{len(run.waived)} waived"] if run.waived else []
    parts += [f"{advice} about performance (pgassay lint)"] if advice else []
    parts += [count(notes, "note")] if notes else []
    parts += [count(run.probes.run, "probe")]
    style = "bold red" if run.exit_code == FOUND else "bold yellow" if run.unjudged else "bold green"
    taken = f"{ways.share(run.ways)}. " if run.ways else ""
    lines = (f"{', '.join(parts)} in {run.seconds:.1f} s", taken + meaning(run))
    return [line for said in lines for line in _styled(_broken(Text(), said, width), style)]


def _styled(lines: Lines, style: str) -> Lines:
    for line in lines:
        line.stylize(style)
    return lines


def meaning(run: Run) -> str:
    """What the exit code says."""
    errors = any(finding.severity == "error" for finding in run.findings)
    if run.exit_code == FOUND:
        also = ", and not everything could be judged" if run.unjudged else ""
        return f"Exit code 1: {'errors' if errors else 'findings'} were found{also}."
    if run.exit_code:
        return f"Exit code {run.exit_code}: no error was found, but not everything could be judged."
    left = "no errors" if any(f.severity != "note" for f in run.findings) else "nothing was found"
    return f"Exit code 0: {left}, and everything was judged."


def _more(run: Run, width: int, *, details: bool, matrix: bool) -> Lines:
    """Where the rest is."""
    command = f"pgassay check{in_a_line(f' {shlex.quote(run.folder)}' if run.folder else '')}"
    options: dict[str, str] = {}
    if (run.findings or run.unjudged or run.waived) and not details:
        options["--verbose"] = "what shows each, what mends it"
    if run.matrix and not (matrix or details):
        options["--matrix"] = "who reaches whose rows"
    if any(finding.script for finding in run.findings) and not details:
        options["--keep"] = "try it in psql"
    if run.findings or run.unjudged:
        options["--report html=FILE"] = "a page"
    said = [f"{name}: {what}" for name, what in options.items()]
    lines: Lines = []
    if said:
        first = f"{command} {said[0]}"
        lines = [_whole(Text(first if cell_len(first) <= width else f"{command} {next(iter(options))}", "dim"))]
    return lines + _styled(_broken(Text(), "; ".join(said[1:]), width) if said[1:] else [], "dim")


def _whole(line: Text) -> Text:
    """The same for a terminal to break, if anybody: what is copied from it is in one piece."""
    line.no_wrap, line.overflow = True, "ignore"
    return line
