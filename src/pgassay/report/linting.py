"""What ``pgassay lint`` found, for a person at a terminal: errors first, and style a line a rule and file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from pgassay.checks.finding import Finding
from pgassay.checks.run import Run
from pgassay.report.causes import named
from pgassay.report.terminal import Hanging
from pgassay.report.visible import visible
from pgassay.wording import count

_NAMED = 3


def lint(run: Run, lacking: Mapping[str, str], *, verbose: bool = False) -> RenderableType:
    """Errors one by one, as editors and people read them, warnings of a rule and file together, and the counts.

    ``verbose`` tells the warnings one by one, too.
    """
    errors = [finding for finding in run.findings if finding.severity == "error"]
    others = [finding for finding in run.findings if finding.severity != "error"]
    lines: list[RenderableType] = [line for finding in errors for line in _each(finding)]
    lines += [line for finding in others for line in _each(finding)] if verbose else _folded(others)
    for name, reason in run.unjudged.items():
        lines.append(Text.assemble(("not judged", "bold yellow"), visible(f"  {name}: {reason}")))
    waived = Counter((waived.object, waived.finding and waived.finding.rule, waived.reason) for waived in run.waived)
    for (name, rule, reason), times in waived.items():
        how_often = f", {times} times" if times > 1 else ""
        what = f"{name}{f'  [{rule}]' if rule else ''}{how_often}: {reason}"
        lines.append(Hanging(Text("waived  ", "dim"), Text(visible(what), "dim")))
    left_out = [f"{name} was left out, since this server lacks it: {why}" for name, why in lacking.items()]
    lines += [Hanging(Text("note  ", "dim"), Text(visible(note), "dim")) for note in (*run.notes, *left_out)]
    parts = [count(len(errors), "error"), count(len(others), "warning")]
    parts += [f"{len(run.unjudged)} not judged"] if run.unjudged else []
    parts += [f"{len(run.waived)} waived"] if run.waived else []
    style = "bold red" if errors else "bold yellow" if others or run.unjudged else "bold green"
    total = [Text(f"{', '.join(parts)} in {run.seconds:.1f} s", style)]
    if others and not verbose and len(others) > len(_places(others)):
        total.append(Text("Each warning with its line and mend: pgassay lint --verbose", "dim"))
    return Group(*lines, *([Text()] if lines else []), *total)


def _each(finding: Finding) -> Iterator[RenderableType]:
    style = "bold red" if finding.severity == "error" else "bold yellow"
    place = f"{finding.location}: " if finding.location else ""
    name = "" if f"{finding.object}:" in place else f"{finding.object}: "
    said = visible(f": {name}{finding.observed}  [{finding.rule}]")
    yield Text.assemble(visible(place), (finding.severity, style), said)
    yield Hanging(Text(" " * 4), Text(visible(finding.mend)))


def _places(findings: Iterable[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """Rule and file → findings, in the order in which the files come."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.location.rpartition(":")[0], finding.rule), []).append(finding)
    return found


def _folded(findings: Iterable[Finding]) -> Iterator[RenderableType]:
    for same in _places(findings).values():
        first = same[0]
        place = f"{first.location}: " if first.location else ""
        objects = tuple(dict.fromkeys(finding.object for finding in same))
        name = "" if f"{first.object}:" in place else f"{named(objects, _NAMED)}: "
        more = f", {len(same)} times" if len(same) > 1 else ""
        said = visible(f": {name}{first.observed}  [{first.rule}{more}]")
        yield Text.assemble(visible(place), (first.severity, "bold yellow"), said)
