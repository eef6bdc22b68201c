"""The screen of a terminal: pyte's, with what xterm has besides and full-screen programs use.

The alternate screen, a cursor that is saved once and not on a stack, colours where something is erased,
resizing that keeps the cursor's line in sight. Modes are pyte's set `mode`; private ones are shifted by 5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyte
from pyte import modes
from pyte.screens import Char, Cursor, Margins, StaticDefaultDict

from app.panes.row import cells

CURSOR_KEYS, BRACKETED_PASTE = 1 << 5, 2004 << 5
_ALTERNATE = (47, 1047, 1049)
_KNOWN = (1, 5, 6, 7, 25, 2004)
"""Private modes that are set and reset as they are: DECCKM, DECSCNM, DECOM, DECAWM, DECTCEM, pasting."""
_BLANK = Char(" ")
_ANSWERS = {("c", 0): b"\x1b[?1;2c", (">c", 0): b"\x1b[>0;10;0c", ("n", 5): b"\x1b[0n"}
"""A VT100 with advanced video, of xterm's oldest kind, and well."""

Lines = dict[int, Any]


def _is_wide(text: str) -> bool:
    return bool(text) and cells(text) == 2


class Saved(NamedTuple):
    """What DECSC keeps."""

    cursor: Cursor
    g0: Any
    g1: Any
    charset: int
    origin: bool


class Screen(pyte.Screen):
    """Every method takes whatever numbers a program may write."""

    def __init__(self, columns: int, lines: int) -> None:
        self._saved: Saved | None = None
        self._main: tuple[Lines, Saved | None] | None = None
        """The main screen's lines and saved cursor while the alternate one is shown."""
        self._last = ""
        self.answer = b""
        """What was answered to the last thing that a program asked."""
        super().__init__(columns, lines)

    def reset(self) -> None:
        super().reset()
        self._saved = self._main = None
        self._last = ""

    def soft_reset(self) -> None:
        """DECSTR."""
        self.mode = {modes.DECAWM, modes.DECTCEM}
        self.margins = None
        self.charset = 0
        self.g0_charset = pyte.charsets.LAT1_MAP
        self.cursor.attrs = self.default_char
        self.cursor.hidden = False
        self._saved = None

    def copy(self) -> Screen:
        """Another one that looks the same."""
        other = Screen(self.columns, self.lines)
        other.__dict__.update(self.__dict__)
        other.mode = set(self.mode)
        other.tabstops = set(self.tabstops)
        other.dirty = set()
        other.savepoints = []
        other.cursor = _copy_cursor(self.cursor)
        other.buffer = other._lines(self.buffer)
        if self._main is not None:
            other._main = other._lines(self._main[0]), self._main[1]
        return other

    def _lines(self, lines: Lines) -> Lines:
        made = _Buffer(self)
        for y, line in lines.items():
            one = made[y] = StaticDefaultDict(line.default)
            one.update(line)
        return made

    # Modes.

    def private_modes(self, values: list[int], on: bool) -> None:
        for value in values:
            if value in _ALTERNATE:
                self._show_alternate(on, value == 1049)
            elif value == 1048:
                (self.save_cursor if on else self.restore_cursor)()
            elif value in _KNOWN:
                (self.set_mode if on else self.reset_mode)(value, private=True)

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program has the screen to itself."""
        return self._main is not None

    def _show_alternate(self, on: bool, with_cursor: bool) -> None:
        if on and self._main is None:
            if with_cursor:
                self.save_cursor()
            self._main = self.buffer, self._saved
            self.buffer = _Buffer(self)
        elif not on and self._main is not None:
            self.buffer, self._saved = self._main
            self._main = None
            if with_cursor:
                self.restore_cursor()

    # The cursor.

    def save_cursor(self) -> None:
        cursor = _copy_cursor(self.cursor)
        self._saved = Saved(cursor, self.g0_charset, self.g1_charset, self.charset, modes.DECOM in self.mode)

    def restore_cursor(self) -> None:
        saved, hidden = self._saved, self.cursor.hidden
        if saved is None:
            self.cursor_position()
            return
        self.g0_charset, self.g1_charset, self.charset = saved.g0, saved.g1, saved.charset
        (self.mode.add if saved.origin else self.mode.discard)(modes.DECOM)
        self.cursor = _copy_cursor(saved.cursor)
        self.cursor.hidden = hidden
        self.ensure_hbounds()
        self.ensure_vbounds()

    def cursor_to_line(self, line: int | None = None) -> None:
        top = self.margins.top if modes.DECOM in self.mode and self.margins is not None else 0
        self.cursor.y = (line or 1) - 1 + top
        self.ensure_vbounds()

    def next_line(self) -> None:
        self.index()
        self.carriage_return()

    def tabs(self, count: int = 1) -> None:
        for _ in range(min(count or 1, self.columns)):
            self.tab()

    def tabs_back(self, count: int = 1) -> None:
        for _ in range(min(count or 1, self.columns)):
            self.cursor.x = max((stop for stop in self.tabstops if stop < self.cursor.x), default=0)

    def set_margins(self, top: int | None = None, bottom: int | None = None) -> None:
        """DECSTBM; 0 stands for the screen's edge. The cursor goes home."""
        first, last = max((top or 1) - 1, 0), min(bottom or self.lines, self.lines) - 1
        if first < last:
            whole = not first and last == self.lines - 1
            self.margins = None if whole else Margins(first, last)
            self.cursor_position()

    # Text.

    def text_at(self, line: Any, x: int) -> str:
        """What a cell shows: half of a wide character whose other half was overwritten is blank."""
        text: str = line[x].data
        if text.isascii() and text:
            return text
        if not text:
            return "" if x and _is_wide(line[x - 1].data) else " "
        return " " if _is_wide(text) and x + 1 < self.columns and line[x + 1].data else text

    @property
    def display(self) -> list[str]:
        return [
            "".join(self.text_at(self.buffer[y], x) for x in range(self.columns)) for y in range(self.lines)
        ]

    def draw(self, data: str) -> None:
        self._last = data[-1:]
        super().draw(data)

    def repeat(self, count: int = 1) -> None:
        """REP: the last character again."""
        if self._last:
            self.draw(self._last * min(count or 1, self.columns * self.lines))

    def insert_characters(self, count: int | None = None) -> None:
        super().insert_characters(count)
        self.buffer[self.cursor.y].pop(self.columns, None)

    # Lines.

    def delete_lines(self, count: int | None = None) -> None:
        """DL. Lines that nobody wrote on come up blank (pyte leaves what was there)."""
        top, bottom = self.margins or Margins(0, self.lines - 1)
        if not top <= self.cursor.y <= bottom:
            return
        for y in range(self.cursor.y, bottom + 1):
            below = y + (count or 1)
            line = self.buffer.pop(below, None) if below <= bottom else None
            if line is None:
                self.buffer.pop(y, None)
            else:
                self.buffer[y] = line
        self.carriage_return()

    def scroll_up(self, count: int = 1) -> None:
        self._scroll(count, self.delete_lines)

    def scroll_down(self, count: int = 1) -> None:
        self._scroll(count, self.insert_lines)

    def _scroll(self, count: int, how: Any) -> None:
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = self.margins.top if self.margins is not None else 0
        how(min(count or 1, self.lines))
        self.cursor.x, self.cursor.y = x, y

    # Erasing leaves the background colour only, as terminfo's bce says of xterm.

    def _erase(self, y: int, columns: range) -> None:
        ground = self.cursor.attrs.bg
        line = self.buffer[y]
        if ground == "default" and modes.DECSCNM not in self.mode:
            for x in columns:
                line.pop(x, None)
        else:
            blank = self.default_char._replace(bg=ground)
            for x in columns:
                line[x] = blank

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        x = min(self.cursor.x, self.columns - 1)
        spans = {0: range(x, self.columns), 1: range(x + 1), 2: range(self.columns)}
        self._erase(self.cursor.y, spans.get(how, range(0)))

    def erase_in_display(self, how: int = 0, *_args: Any, **_more: Any) -> None:
        y = self.cursor.y
        if how in (0, 1):
            self.erase_in_line(how)
        spans = {0: range(y + 1, self.lines), 1: range(y), 2: range(self.lines)}
        for other in spans.get(how, range(0)):
            self._erase(other, range(self.columns))

    def erase_characters(self, count: int | None = None) -> None:
        x = self.cursor.x
        self._erase(self.cursor.y, range(x, min(x + (count or 1), self.columns)))

    # Questions (xterm's ctlseqs: DSR, DA, window manipulation).

    def asked(self, prefix: str, final: str, what: int) -> None:
        """`answer` becomes what a terminal sends back."""
        if final == "n" and prefix in ("", "?") and what == 6:
            top = self.margins.top if modes.DECOM in self.mode and self.margins is not None else 0
            column = min(self.cursor.x, self.columns - 1) + 1
            self.answer = f"\x1b[{prefix}{self.cursor.y - top + 1};{column}R".encode()
        elif (prefix + final, what) in _ANSWERS:
            self.answer = _ANSWERS[prefix + final, what]
        elif (prefix + final, what) == ("t", 18):
            self.answer = f"\x1b[8;{self.lines};{self.columns}t".encode()

    def tell_attributes(self) -> None:
        """DECID."""
        self.asked("", "c", 0)

    # Size.

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """What does not fit below goes if it is below the cursor; else the first lines go."""
        rows, width = max(lines or self.lines, 1), max(columns or self.columns, 1)
        if (rows, width) == (self.lines, self.columns):
            return
        gone = max(self.cursor.y + 1 - rows, 0)
        buffers = [self.buffer] if self._main is None else [self.buffer, self._main[0]]
        for buffer in buffers:
            _cut(buffer, gone, rows, width)
        self.cursor.y -= gone
        self.tabstops = {stop for stop in self.tabstops if stop < width} | {*range(8, width, 8)}
        self.lines, self.columns = rows, width
        self.margins = None
        self.ensure_hbounds()
        self.ensure_vbounds()


class _Buffer(dict[int, Any]):
    """Lines by number; one that is asked for and not there is blank."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def __missing__(self, y: int) -> Any:
        line = self[y] = StaticDefaultDict(self._screen.default_char)
        return line


def _copy_cursor(cursor: Cursor) -> Cursor:
    other = Cursor(cursor.x, cursor.y, cursor.attrs)
    other.hidden = cursor.hidden
    return other


def _cut(buffer: Lines, gone: int, rows: int, width: int) -> None:
    """Without the first `gone` lines, and with nothing outside of `rows` and `width`."""
    kept = {y - gone: line for y, line in buffer.items() if gone <= y < rows + gone}
    buffer.clear()
    buffer.update(kept)
    for line in kept.values():
        for x in [x for x in line if x >= width]:
            del line[x]
