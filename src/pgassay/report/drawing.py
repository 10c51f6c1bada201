"""Tables and their foreign keys as boxes and lines: what is referred to stands to the left of what refers to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from rich.cells import cell_len, set_cell_size

from pgassay.catalog import ForeignKey, Relation

_CHARACTER = 7.3
"""Width of a character of the drawing's font."""
_LONGEST = 30
"""Longer names are cut."""
_LINE = 17.0
_PADDING = 9.0
_GAP = 14.0
_BETWEEN = 84.0
"""Room for lines between two layers."""
_MARGIN = 4.0
_DETAILED = 40
"""From so many tables on, boxes show their names alone."""
_LOOSE_WIDTH = 900.0
"""How wide the rows of tables without foreign keys may be."""
_SWEEPS = 6


Gate = tuple[str, int]
"""Where lines to a table pass a layer: the table's name and the layer's rank."""
Node = str | Gate


@dataclass(frozen=True)
class Line:
    """A foreign key: ``path`` is an SVG path from box number ``source`` to number ``target``."""

    source: int
    target: int
    path: str
    label: str


@dataclass(frozen=True)
class Text:
    """A line of text in a box, its baseline at ``y``."""

    text: str
    y: float


@dataclass
class Box:
    """A table. ``own`` is false for what the platform brought; ``keys`` are the columns of its keys."""

    name: str
    title: str
    own: bool
    keys: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def texts(self) -> list[Text]:
        """The lines below the title."""
        return [Text(_cut(key), self.y + _LINE * (n + 2) + _PADDING - 4) for n, key in enumerate(self.keys)]

    @property
    def baseline(self) -> float:
        """That of the title."""
        return self.y + _LINE + _PADDING - 6

    def row(self, column: str) -> float:
        """Where the line of ``column`` begins."""
        if column in self.keys:
            return self.y + _LINE * (self.keys.index(column) + 2) + _PADDING - 8
        return self.y + _LINE / 2 + _PADDING


@dataclass(frozen=True)
class Drawing:
    """The whole, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(relations: Iterable[Relation]) -> Drawing:
    """Lay out the tables among ``relations`` and what they refer to. The same relations give the same drawing."""
    tables = {relation.full_name: relation for relation in relations if relation.kind == "table"}
    links: dict[str, list[str]] = {name: [] for name in tables}
    for name, table in tables.items():
        for target in dict.fromkeys(key.target for key in table.foreign_keys):
            links.setdefault(target, [])
            if target != name:
                links[name].append(target)
    boxes = {name: _box(name, tables.get(name), detailed=len(links) < _DETAILED) for name in links}
    referred = {target for targets in links.values() for target in targets}
    linked = [name for name in links if links[name] or name in referred]
    ranks = _ranks(links, linked)
    gates = {
        gate: Box("", "", False, [], 0, 0) for name in linked for to in links[name] for gate in _gates(ranks, name, to)
    }
    layers = _layers(links, linked, ranks)
    width, height = _place_layers(
        [[boxes[node] if isinstance(node, str) else gates[node] for node in layer] for layer in layers]
    )
    wide, high = _place_loose([boxes[name] for name in links if name not in linked], height)
    numbers = {name: number for number, name in enumerate(boxes)}
    lines = []
    for name, table in tables.items():
        for key in table.foreign_keys:
            way = [gates[gate] for gate in _gates(ranks, name, key.target)]
            path = _path(boxes[name], way, boxes[key.target], key.columns[0][0])
            lines.append(Line(numbers[name], numbers[key.target], path, _label(key)))
    return Drawing(max(width, wide) + _MARGIN + 24, high + _MARGIN, tuple(boxes.values()), tuple(lines))


def _label(key: ForeignKey) -> str:
    columns, target = key.columns, key.target
    return f"{', '.join(here for here, _ in columns)} → {target} ({', '.join(there for _, there in columns)})"


def _box(name: str, table: Relation | None, *, detailed: bool) -> Box:
    keys: list[str] = []
    if table is not None and detailed:
        linked = table.referring
        keys = [c.name for c in table.columns if c.name in linked or c.name in table.primary_key]
    title = _cut(name.removeprefix("public."))
    longest = max(cell_len(text) for text in (title, *map(_cut, keys)))
    height = _LINE * (1 + len(keys)) + _PADDING + (5 if keys else 0)
    return Box(name, title, table is not None, keys, longest * _CHARACTER + 2 * _PADDING, height)


def _cut(text: str) -> str:
    return text if cell_len(text) <= _LONGEST else set_cell_size(text, _LONGEST - 1).rstrip() + "…"


def _ranks(links: Mapping[str, Sequence[str]], names: Iterable[str]) -> dict[str, int]:
    """The length of the longest way from each name to what refers to nothing; ways that come back are left out."""
    ranks: dict[str, int] = {}

    def rank(name: str, way: frozenset[str]) -> int:
        if name not in ranks:
            further = [rank(target, way | {name}) for target in links[name] if target not in way]
            ranks[name] = 1 + max(further, default=-1)
        return ranks[name]

    for name in names:
        rank(name, frozenset({name}))
    return ranks


def _gates(ranks: Mapping[str, int], name: str, target: str) -> list[Gate]:
    """Where lines from ``name`` pass the layers before ``target``: all that lead there share the gate of a layer."""
    return [(target, rank) for rank in range(ranks.get(name, 0) - 1, ranks.get(target, 0), -1)]


def _layers(links: Mapping[str, Sequence[str]], names: Sequence[str], ranks: Mapping[str, int]) -> list[list[Node]]:
    """Names and gates by their rank, each layer in an order in which few lines cross."""
    rank_of: dict[Node, int] = {name: ranks[name] for name in names}
    neighbours: dict[Node, set[Node]] = {}
    for name in names:
        for target in links[name]:
            gates = _gates(ranks, name, target)
            rank_of |= {gate: gate[1] for gate in gates}
            way: list[Node] = [name, *gates, target]
            for near, far in pairwise(way):
                neighbours.setdefault(near, set()).add(far)
                neighbours.setdefault(far, set()).add(near)
    layers: list[list[Node]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for node, rank in rank_of.items():
        layers[rank].append(node)
    for sweep in range(_SWEEPS):
        for rank, layer in sorted(enumerate(layers), reverse=sweep % 2 == 1):
            where = {node: (n + 0.5) / len(near) for near in layers for n, node in enumerate(near)}
            means = {
                node: fmean(sorted(where[far] for far in neighbours[node] if rank_of[far] != rank) or [where[node]])
                for node in layer
            }
            layer.sort(key=lambda node: (means[node], str(node)))
    return layers


def _place_layers(layers: Sequence[Sequence[Box]]) -> tuple[float, float]:
    heights = [sum(box.height + _GAP for box in layer) - _GAP for layer in layers]
    tallest = max(heights, default=0.0)
    x = _MARGIN
    for layer, height in zip(layers, heights, strict=True):
        y = _MARGIN + (tallest - height) / 2
        widest = max(box.width for box in layer)
        for box in layer:
            box.width = widest
            box.x, box.y = x, y
            y += box.height + _GAP
        x += widest + _BETWEEN
    return max(x - _BETWEEN, 0.0), tallest + (_MARGIN if layers else 0)


def _place_loose(boxes: Iterable[Box], below: float) -> tuple[float, float]:
    x, y, bottom, right = _MARGIN, below + 2 * _GAP, below, 0.0
    for box in boxes:
        if x > _MARGIN and x + box.width > _LOOSE_WIDTH:
            x, y = _MARGIN, bottom + _GAP
        box.x, box.y = x, y
        x += box.width + _GAP
        bottom, right = max(bottom, y + box.height), max(right, x)
    return right, bottom


def _path(source: Box, way: Sequence[Box], target: Box, column: str) -> str:
    y = source.row(column)
    there = target.y + _LINE / 2 + _PADDING - 2
    if target.x + target.width <= source.x:
        x, path = source.x, f"M{source.x:.1f} {y:.1f}"
        for gate in way:
            path += f"{_curve(x, y, gate.x + gate.width, gate.y, -1, 1)}H{gate.x:.1f}"
            x, y = gate.x, gate.y
        return path + _curve(x, y, target.x + target.width + 6, there, -1, 1)
    right = source.x + source.width
    if target.x >= right:
        return f"M{right:.1f} {y:.1f}" + _curve(right, y, target.x - 6, there, 1, -1)
    there += 4 if source is target else 0  # itself, or another of its layer
    return f"M{right:.1f} {y:.1f}" + _curve(right, y, target.x + target.width + 6, there, 1, 1)


def _curve(x: float, y: float, to_x: float, to_y: float, out: int, back: int) -> str:
    bend = max(30.0, abs(to_x - x) / 2)
    return f"C{x + out * bend:.1f} {y:.1f} {to_x + back * bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
