"""A line of a pane as data: spans of text with a style by name and, perhaps, something to explain.

Rows are plain tuples: equal rows look the same, which is how a pane knows what to repaint. What a style's
name looks like is `app.theme`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias, overload

ELLIPSIS = "…"


class Span(NamedTuple):
    """`style` are names from `app.theme` with spaces between; `subject` names what Enter explains, if any."""

    text: str
    style: str = ""
    subject: str = ""


Row: TypeAlias = tuple[Span, ...]
EMPTY: Row = ()


class Lazy(Sequence[Row]):
    """Rows that are made when they are looked at: long lists cost only what is in sight."""

    def __init__(self, length: int, make: Callable[[int], Row]) -> None:
        self._length = length
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._make(n) for n in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._make(index % self._length)

    def __iter__(self) -> Iterator[Row]:
        return (self._make(n) for n in range(self._length))


class Sheet(NamedTuple):
    """All rows of a pane, the first one to show when there is no room for all, and what stays above them."""

    rows: Sequence[Row]
    top: int = 0
    head: tuple[Row, ...] = ()


def row(*parts: Span | str) -> Row:
    return tuple([Span(part) if not isinstance(part, Span) else part for part in parts])


def cells(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if text.isascii() else _cells(text)


@lru_cache(maxsize=8192)
def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def width_of(one: Row) -> int:
    total = 0
    for span in one:
        text = span[0]
        total += len(text) if text.isascii() else _cells(text)
    return total


def text_of(one: Row) -> str:
    return "".join(span.text for span in one)


def fit(one: Row, width: int) -> Row:
    """The row in at most `width` columns; what had to go is an ellipsis."""
    if width_of(one) <= width:
        return one
    out: list[Span] = []
    left = width - 1
    for span in one:
        length = cells(span.text)
        if length <= left:
            out.append(span)
            left -= length
            continue
        out.append(span._replace(text=cut(span.text, left) + ELLIPSIS))
        return tuple(out) if width > 0 else EMPTY
    return tuple(out)


def cut(text: str, width: int) -> str:
    """The beginning of a text, at most `width` columns of it."""
    if text.isascii():
        return text[: max(width, 0)]
    out = text
    while out and cells(out) > width:
        out = out[:-1]
    return out


def short(text: str, width: int) -> str:
    """A text in at most `width` columns, with an ellipsis where it was cut."""
    if cells(text) <= width:
        return text
    return cut(text, width - 1) + ELLIPSIS if width > 0 else ""


def padded(one: Row, width: int) -> Row:
    """The row in exactly `width` columns."""
    room = width - width_of(one)
    if room < 0:
        one = fit(one, width)
        room = width - width_of(one)
    return (*one, Span(" " * room)) if room else one


def beside(left: Sequence[Row], right: Sequence[Row], left_width: int, seam: Span) -> Lazy:
    """Two columns, the left one `left_width` wide."""

    def make(n: int) -> Row:
        first = left[n] if n < len(left) else EMPTY
        second = right[n] if n < len(right) else EMPTY
        return (*padded(first, left_width), seam, *second)

    return Lazy(max(len(left), len(right)), make)


def wrapped(text: str, width: int) -> list[str]:
    """A sentence on several lines, broken between words."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cells(longer) <= width or not line:
            line = longer
            continue
        lines.append(line)
        line = word
    if line:
        lines.append(line)
    return [short(one, width) for one in lines]
