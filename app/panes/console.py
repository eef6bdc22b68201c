"""Console: the guest's terminal. It interprets what programs wrote; keys go there on request.

What is on the guest's screen is `app.vt`'s business; here it gets colours and a cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.panes.base import Pane
from app.panes.frame import Place
from app.panes.moment import Moment
from app.panes.row import Row, Sheet, Span, row
from app.state.state import Output, State
from app.window import Size, inside

if TYPE_CHECKING:
    from app.log import Log
    from app.vt.replay import Replay

INK = {
    "black": "#5c6370",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#d0b070",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#dcdfe4",
    "brightblack": "#7f8797",
    "brightred": "#ff8a93",
    "brightgreen": "#b5e890",
    "brightbrown": "#f0d890",
    "brightblue": "#8cc8ff",
    "brightmagenta": "#e0a0f5",
    "brightcyan": "#80d8e4",
    "brightwhite": "#ffffff",
}
_MISPRINTS = {"bfightmagenta": "brightmagenta"}
"""pyte's name for one of them."""


def output_of(state: State) -> tuple[str, Output | None]:
    """What to show: the terminal, else the streams that the program's output went to."""
    if state.terminals:
        return "terminal", state.terminals[min(state.terminals)]
    written = [number for number in (1, 2) if number in state.streams]
    if not written:
        return "", None
    return "stream", state.streams[written[0]]


def rows(now: Moment, width: int, height: int, terminal: Replay | None, focused: bool = False) -> Sheet:
    """The lines of the guest's screen; of one larger than the pane the part with the cursor."""
    _, output = output_of(now.state)
    if output is None or terminal is None:
        cursor = (Span("▏", "mark"),) if focused else ()
        return Sheet([row(*cursor, Span("Nothing written yet.", "dim"))])
    screen = terminal.follow(output)
    last = max(screen.cursor.y, max((y for y in screen.buffer if _used(screen.buffer[y])), default=0))
    left = max(min(screen.cursor.x, screen.columns - 1) + 1 - width, 0)
    used = screen.lines if screen.alternate else last + 1
    lines = [screen_row(screen, y, focused, left) for y in range(used)]
    return Sheet(lines, max(0, screen.cursor.y + 1 - height))


def _used(line: Any) -> bool:
    return any(char.data.strip() for char in line.values())


def screen_row(screen: Any, y: int, focused: bool, left: int = 0) -> Row:
    """One line of the screen from column `left` on, neighbours of the same look together."""
    line = screen.buffer[y]
    shown = y == screen.cursor.y and not screen.cursor.hidden
    cursor = min(screen.cursor.x, screen.columns - 1) if shown else -1
    end = max(
        (x for x, char in line.items() if char.data.strip() or char.bg != "default" or char.reverse),
        default=-1,
    )
    found: list[Span] = []
    text, style = "", ""
    for x in range(left, max(end, cursor) + 1):
        char = line[x]
        look = _look(char)
        if x == cursor:
            look = f"{look} chosen" if focused else f"{look} under"
        if look != style and text:
            found.append(Span(text, style))
            text = ""
        style = look
        text += screen.text_at(line, x)
    if text:
        found.append(Span(text, style))
    return tuple(found)


def _look(char: Any) -> str:
    names = []
    ink, ground = _colour(char.fg), _colour(char.bg)
    if ink or ground:
        names.append(f"#{ink}/{ground}" if ground else f"#{ink}")
    if char.bold:
        names.append("bold")
    if char.underscore:
        names.append("under")
    if char.reverse:
        names.append("chosen")
    return " ".join(names)


def _colour(name: str) -> str:
    if name in INK:
        return INK[name]
    exact = len(name) == 6 and all(digit in "0123456789abcdef" for digit in name)
    return f"#{name}" if exact else INK.get(_MISPRINTS.get(name, ""), "")


class Console(Pane):
    """The guest's terminal. `typing` is True while all keys go there."""

    label = "Console"
    key = "F5"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.typing = False
        self._replay: Replay | None = None
        self._of: tuple[str, Log | None] = "", None
        """What the replay is of: another future is another one."""

    @property
    def window(self) -> Size | None:
        """Rows and columns that there are for the terminal, None while the pane is out of sight."""
        rows, columns = inside(Place(*self.region))
        return (rows, columns) if rows and columns else None

    @property
    def wants_application_keys(self) -> bool:
        return self._is_set("CURSOR_KEYS")

    @property
    def asks_for_brackets(self) -> bool:
        return self._is_set("BRACKETED_PASTE")

    def _is_set(self, name: str) -> bool:
        from app.vt import screen

        return self._replay is not None and getattr(screen, name) in self._replay.screen.mode

    def sheet(self, now: Moment, width: int, height: int) -> Sheet:
        from app.vt.replay import Replay

        kind, output = output_of(now.state)
        if output is not None and (kind, now.log) != self._of:
            self._of = kind, now.log
            self._replay = Replay(newlines=kind == "stream")
        return rows(now, width, height, self._replay, self.typing)

    def title(self, now: Moment) -> Row:
        if self.typing and now.status == "past":
            return row(Span("Console: a key begins another future here, ctrl+] leaves", "mark chosen"))
        if self.typing:
            return row(Span("Console: keys go to the guest, ctrl+] leaves", "mark chosen"))
        if self.has_focus and now.status != "replay":
            return row(Span("Console", "title"), Span(" · Enter types into it", "dim"))
        return row(Span("Console", "title"))

    def explain(self) -> bool:
        """Enter gives the guest the keyboard."""
        self.host.give_keys(True)
        return True
