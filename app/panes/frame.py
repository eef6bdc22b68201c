"""The lines between panes: each pane draws its title line and the line at its left; here is what meets where.

A pure function of the panes' places: no widget, no colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_GLYPHS = {
    # left, right, up, down
    (True, True, False, False): "─",
    (False, False, True, True): "│",
    (True, True, True, False): "┴",
    (True, True, False, True): "┬",
    (True, True, True, True): "┼",
    (False, True, True, True): "├",
    (True, False, True, True): "┤",
    (False, True, False, True): "┌",
    (False, True, True, False): "└",
    (True, False, False, True): "┐",
    (True, False, True, False): "┘",
}


class Place(NamedTuple):
    """Where a pane lies, its own lines included: one on top, and one at the left unless it is at the edge."""

    x: int
    y: int
    width: int
    height: int


class Frame(NamedTuple):
    """`top` is the title line without its title, `left` the line at the left below it ('' at the edge)."""

    top: str
    left: str


def frames(places: Mapping[str, Place]) -> dict[str, Frame]:
    """Each pane's own lines, with the right glyph wherever they meet another's."""
    rules = {(x, place.y) for place in places.values() for x in range(place.x, place.x + place.width)}
    seams = {
        (place.x, y)
        for place in places.values()
        if place.x > 0
        for y in range(place.y, place.y + place.height)
    }

    def glyph(x: int, y: int) -> str:
        rule, seam = (x, y) in rules, (x, y) in seams
        if not seam:
            return _GLYPHS[True, True, (x, y - 1) in seams, (x, y + 1) in seams]
        up = not rule or (x, y - 1) in seams
        return _GLYPHS.get(((x - 1, y) in rules, rule, up, True), "│")

    out = {}
    for name, place in places.items():
        top = "".join(glyph(x, place.y) for x in range(place.x, place.x + place.width))
        left = ""
        if place.x > 0:
            left = "".join(glyph(place.x, y) for y in range(place.y + 1, place.y + place.height))
        out[name] = Frame(top, left)
    return out
