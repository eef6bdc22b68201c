"""The screen at any time: what it shows is a function of the bytes written so far and of its sizes.

Going on feeds what is new; going back feeds again, from the nearest picture kept.
"""

from __future__ import annotations

from typing import NamedTuple

from pyte import modes

from app.state.state import Output
from app.vt.parser import Parser
from app.vt.screen import Screen

COLUMNS, ROWS = 80, 24
"""A terminal whose size nobody told."""
MOST_COLUMNS, MOST_ROWS = 1000, 500
"""What a program may call its window's size is more."""
KEPT = 4096
"""Bytes between two pictures kept of the screen."""
PICTURES = 16

Size = tuple[int, int, int]
"""Since which byte of output, rows, columns."""


class Picture(NamedTuple):
    """The screen after `fed` bytes, with the sizes it had until then."""

    fed: int
    sizes: tuple[Size, ...]
    screen: Screen
    parsing: tuple[str, tuple[bytes, int]]

    def leads_to(self, output: Output) -> bool:
        """Whether what was written since can be fed to this one."""
        count = len(self.sizes)
        return (
            output.total - len(output.kept) <= self.fed <= output.total
            and tuple(output.sizes[:count]) == self.sizes
            and all(at >= self.fed for at, _, _ in output.sizes[count:])
        )


class Replay:
    """A terminal's screen that follows a growing stream of bytes, and goes back in it."""

    def __init__(self, newlines: bool = False) -> None:
        self._newlines = newlines
        """A newline alone goes to the line's beginning too: what wrote it was no terminal driver."""
        self._pictures: list[Picture] = []
        self._start(0)

    def _start(self, fed: int) -> None:
        self.screen = Screen(COLUMNS, ROWS)
        if self._newlines:
            self.screen.set_mode(modes.LNM)
        self._parser = Parser(self.screen)
        self.fed = fed
        self._sizes: tuple[Size, ...] = ()

    def follow(self, output: Output) -> Screen:
        """The screen after all of `output`."""
        if not self._picture(self.screen).leads_to(output):
            self._go_back(output)
        self._resize(output)
        while self.fed < output.total:
            self._feed(output)
            self._resize(output)
        return self.screen

    def _feed(self, output: Output) -> None:
        """The bytes up to the next change of size."""
        following = output.sizes[len(self._sizes) :]
        stop = min(following[0][0] if following else output.total, output.total, self.fed + KEPT)
        first = output.total - len(output.kept)
        self._parser.feed(bytes(output.kept[self.fed - first : stop - first]))
        self.fed = stop
        last = self._pictures[-1].fed if self._pictures else 0
        if self.fed - last >= KEPT:
            self._pictures.append(self._picture(self.screen.copy()))
            if len(self._pictures) > PICTURES:
                del self._pictures[1::2]

    def _resize(self, output: Output) -> None:
        for size in output.sizes[len(self._sizes) :]:
            at, rows, columns = size
            if at > self.fed:
                return
            self._sizes = (*self._sizes, size)
            self.screen.resize(min(rows, MOST_ROWS) or ROWS, min(columns, MOST_COLUMNS) or COLUMNS)

    def _picture(self, screen: Screen) -> Picture:
        return Picture(self.fed, self._sizes, screen, self._parser.state)

    def _go_back(self, output: Output) -> None:
        self._pictures = [picture for picture in self._pictures if picture.leads_to(output)]
        if not self._pictures:
            self._start(output.total - len(output.kept))
            return
        found = self._pictures[-1]
        self.fed, self._sizes = found.fed, found.sizes
        self.screen = found.screen.copy()
        self._parser = Parser(self.screen)
        self._parser.resume(found.parsing)
