"""Console: the guest's terminal. It interprets what programs wrote; keys go there on request.

The screen is a function of the bytes written so far. Going back in time feeds them again, from the nearest
picture kept of the screen.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from app.panes.base import Pane
from app.panes.moment import Moment
from app.panes.row import Row, Sheet, Span, row
from app.state.state import Output, State

if TYPE_CHECKING:
    import pyte

COLUMNS, ROWS = 80, 24
"""The guest's terminal as `app.launch` sets it up."""
KEPT = 4096
"""Bytes between two pictures kept of the screen."""
PICTURES = 16
INK = {
    "black": "#5c6370",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#d0b070",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#dcdfe4",
}


class Terminal:
    """A terminal's screen that follows a growing stream of bytes, and goes back in it."""

    def __init__(self, newlines: bool = False) -> None:
        self._newlines = newlines
        """A newline alone goes to the line's beginning too: what wrote it was no terminal driver."""
        self._pictures: list[tuple[int, Any]] = []
        self._start(0)

    def _start(self, fed: int) -> None:
        import pyte

        self.screen = pyte.Screen(COLUMNS, ROWS)
        if self._newlines:
            self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.ByteStream(self.screen)
        self.fed = fed

    def follow(self, output: Output) -> pyte.Screen:
        """The screen after all of `output`."""
        if output.total < self.fed:
            self._go_back(output)
        first = output.total - len(output.kept)
        if self.fed < first:
            self._start(first)
        data = bytes(output.kept[self.fed - first :])
        for at in range(0, len(data), KEPT):
            self._stream.feed(data[at : at + KEPT])
            self.fed += len(data[at : at + KEPT])
            self._keep()
        return self.screen

    def _keep(self) -> None:
        last = self._pictures[-1][0] if self._pictures else 0
        if self.fed - last >= KEPT:
            self._pictures.append((self.fed, self._copy(self.screen)))
            if len(self._pictures) > PICTURES:
                del self._pictures[1::2]

    def _go_back(self, output: Output) -> None:
        at = bisect_right(self._pictures, output.total, key=lambda picture: picture[0])
        del self._pictures[at:]
        if not at or self._pictures[-1][0] < output.total - len(output.kept):
            self._start(0)
            return
        fed, picture = self._pictures[-1]
        self._start(fed)
        self.screen.__dict__.update(self._copy(picture).__dict__)

    @staticmethod
    def _copy(screen: Any) -> Any:
        return deepcopy(screen)


def output_of(state: State) -> tuple[str, Output | None]:
    """What to show: the terminal, else the streams that the program's output went to."""
    if state.terminals:
        return "terminal", state.terminals[min(state.terminals)]
    written = [number for number in (1, 2) if number in state.streams]
    if not written:
        return "", None
    return "stream", state.streams[written[0]]


def rows(now: Moment, width: int, height: int, terminal: Terminal | None, focused: bool = False) -> Sheet:
    """The lines of the guest's screen, its last used ones in sight."""
    _, output = output_of(now.state)
    if output is None or terminal is None:
        cursor = (Span("▏", "mark"),) if focused else ()
        return Sheet([row(*cursor, Span("Nothing written yet.", "dim"))])
    screen = terminal.follow(output)
    last = max(screen.cursor.y, max((y for y in screen.buffer if _used(screen.buffer[y])), default=0))
    lines = [screen_row(screen, y, focused) for y in range(last + 1)]
    return Sheet(lines, max(0, screen.cursor.y + 1 - height))


def _used(line: Any) -> bool:
    return any(char.data.strip() for char in line.values())


def screen_row(screen: Any, y: int, focused: bool) -> Row:
    """One line of the screen, neighbours of the same look together."""
    line = screen.buffer[y]
    cursor = screen.cursor.x if y == screen.cursor.y and not screen.cursor.hidden else -1
    end = max(
        (x for x, char in line.items() if char.data.strip() or char.bg != "default" or char.reverse),
        default=-1,
    )
    found: list[Span] = []
    text, style = "", ""
    for x in range(max(end, cursor) + 1):
        char = line[x]
        look = _look(char)
        if x == cursor:
            look = f"{look} chosen" if focused else f"{look} under"
        if look != style and text:
            found.append(Span(text, style))
            text = ""
        style = look
        text += char.data
    if text:
        found.append(Span(text, style))
    return tuple(found)


def _look(char: Any) -> str:
    names = []
    ink = INK.get(char.fg, f"#{char.fg}" if len(char.fg) == 6 else "")
    ground = INK.get(char.bg, f"#{char.bg}" if len(char.bg) == 6 else "")
    if ink or ground:
        names.append(f"#{ink}/{ground}" if ground else f"#{ink}")
    if char.bold:
        names.append("bold")
    if char.underscore:
        names.append("under")
    if char.reverse:
        names.append("chosen")
    return " ".join(names)


class Console(Pane):
    """The guest's terminal. `typing` is True while all keys go there."""

    label = "Console"
    key = "F5"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.typing = False
        self._terminal: Terminal | None = None
        self._kind = ""

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        kind, output = output_of(now.state)
        if output is not None and kind != self._kind:
            self._kind = kind
            self._terminal = Terminal(newlines=kind == "stream")
        return rows(now, width, height, self._terminal, self.typing)

    def title(self, now: Moment) -> Row:
        if self.typing:
            return row(Span("Console: keys go to the guest, ctrl+] leaves", "mark chosen"))
        if self.has_focus and now.status != "replay":
            return row(Span("Console", "title"), Span(" · Enter types into it", "dim"))
        return row(Span("Console", "title"))

    def explain(self) -> bool:
        """Enter gives the guest the keyboard."""
        self.host.give_keys(True)
        return True
