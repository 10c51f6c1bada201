"""The access matrix: a line a table, a column an identity, a letter an operation."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from rich.cells import cell_len
from rich.text import Text

from pgassay.checks.isolation import OPERATIONS, Reach
from pgassay.checks.run import Run
from pgassay.report.visible import in_a_line

_STYLES = {
    Reach.NONE: "dim",
    Reach.OWN: "green",
    Reach.ALL: "yellow",
    Reach.SOME: "bold red",
}
_TITLE = "Access"
LEGEND = f"{''.join(name[0] for name in OPERATIONS)}: {', '.join(OPERATIONS)} of own rows; capitals: of others' too"
_GAP = 2


def letter(operation: str, reach: Reach) -> str:
    """The operation's letter: small for own rows, a capital for others' too, a hyphen for none."""
    if reach is Reach.NONE:
        return "-"
    return operation[0] if reach is Reach.OWN else operation[0].upper()


def matrix(run: Run, width: int) -> list[Text]:
    """The matrix with its heading and legend; nothing where nothing was tried. The heading may break to fit."""
    if not run.matrix:
        return []
    reach = {(line.relation, line.identity): line.reach for line in run.matrix}
    relations = list(dict.fromkeys(line.relation for line in run.matrix))
    first = max(cell_len(text) for text in (_TITLE, *map(in_a_line, relations)))
    headings = [[in_a_line(identity)] for identity in run.identities]
    if sum(_widths(first, headings)) + _GAP * len(headings) > width:
        headings = [heading[0].split(" ", 1) for heading in headings]
    widths = _widths(first, headings)
    lines = [
        _columns([Text(_TITLE if not number else "", "bold"), *(Text(name or "", "bold") for name in names)], widths)
        for number, names in enumerate(zip_longest(*headings))
    ]
    for relation in relations:
        cells = [_cell(reach.get((relation, identity), {})) for identity in run.identities]
        lines.append(_columns([Text(in_a_line(relation)), *cells], widths))
    return [*lines, Text(LEGEND, "dim")]


def _widths(first: int, headings: Iterable[Iterable[str]]) -> list[int]:
    return [first, *(max(len(OPERATIONS), *map(cell_len, names)) for names in headings)]


def _cell(reach: dict[str, Reach]) -> Text:
    cell = Text()
    for operation in OPERATIONS:
        if operation in reach:
            cell.append(letter(operation, reach[operation]), _STYLES[reach[operation]])
    return cell


def _columns(cells: Iterable[Text], widths: Iterable[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell.cell_len + _GAP))
    line.rstrip()
    line.no_wrap, line.overflow = True, "ignore"
    return line
