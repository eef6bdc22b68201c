"""A sheet of cells to draw boxes and lines on, which becomes rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from app.panes.row import Row, Span, cells, short

_LINES = {
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
_CORNERS = {False: ("┌", "─", "┐", "│", "└", "┘"), True: ("┏", "━", "┓", "┃", "┗", "┛")}


Look = tuple[str, str]
"""Style and subject."""
_PLAIN: Look = ("", "")


class Canvas:
    """`width` by `height` cells; what lies outside is left out. Every cell is one column."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._texts = [[" "] * width for _ in range(height)]
        self._looks = [[_PLAIN] * width for _ in range(height)]

    def put(self, x: int, y: int, text: str, style: str = "", subject: str = "") -> None:
        """A text; characters that do not take one column each are shown as `?`."""
        if not 0 <= y < self.height:
            return
        if cells(text) != len(text):
            text = "".join(char if cells(char) == 1 else "?" for char in text)
        first, last = max(x, 0), min(x + len(text), self.width)
        if first < last:
            self._texts[y][first:last] = text[first - x : last - x]
            self._looks[y][first:last] = [(style, subject)] * (last - first)

    def box(self, x: int, y: int, width: int, height: int, style: str, heavy: bool = False) -> None:
        """An empty box."""
        left_up, across, right_up, down, left_down, right_down = _CORNERS[heavy]
        self.put(x, y, left_up + across * (width - 2) + right_up, style)
        for n in range(y + 1, y + height - 1):
            self.put(x, n, down + " " * (width - 2) + down, style)
        self.put(x, y + height - 1, left_down + across * (width - 2) + right_down, style)

    def title(self, x: int, y: int, spans: Iterable[Span], room: int) -> None:
        """Texts one after the other, at most `room` columns of them."""
        for span in spans:
            text = short(span.text, room)
            self.put(x, y, text, span.style, span.subject)
            x += len(text)
            room -= len(text)

    def across(self, x: int, end: int, y: int, style: str) -> None:
        """A line from `x` to before `end`, under the lines that it crosses."""
        for n in range(x, end):
            if 0 <= y < self.height and 0 <= n < self.width and self._texts[y][n] == " ":
                self.put(n, y, "─", style)

    def bus(self, x: int, rows: dict[int, tuple[bool, bool]], style: str) -> None:
        """A line down column `x`; at each of `rows` others come from the left or from the right."""
        first, last = min(rows), max(rows)
        for y in range(first, last + 1):
            left, right = rows.get(y, (False, False))
            self.put(x, y, _LINES.get((left, right, y > first, y < last), "─"), style)

    def rows(self) -> list[Row]:
        """The cells as rows, like neighbours together."""
        return [_row(texts, looks) for texts, looks in zip(self._texts, self._looks, strict=True)]


def _row(texts: list[str], looks: list[Look]) -> Row:
    line = "".join(texts).rstrip(" ")
    found: list[Span] = []
    at = 0
    for look, same in groupby(looks[: len(line)]):
        end = at + sum(1 for _ in same)
        found.append(Span(line[at:end], *look))
        at = end
    return tuple(found)
