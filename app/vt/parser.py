"""Bytes written to a terminal, taken apart: text, control characters, escape sequences (ECMA-48, xterm's
ctlseqs). What they do is the screen's.

Nothing that is written can raise anything: unknown sequences are passed over, numbers are bounded. What is
incomplete at the end waits for the rest; `state` and `resume` carry that over, so that it is all data.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyte import modes

if TYPE_CHECKING:
    from app.vt.screen import Screen

MOST_NUMBER = 9999
LONGEST = 4096
"""Characters of a title or another string at most."""
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
    r"|\x1b\[(?P<prefix>[<-?]?)(?P<numbers>[0-9;:]{0,256})(?P<between>[ -/]{0,8})(?P<final>[@-~])"
    rf"|\x1b[\]PX^_](?P<string>[^\x07\x1b]{{0,{LONGEST}}})(?:\x07|\x1b\\)"
    r"|\x1b(?P<middle>[ -/]{1,8})(?P<end>[0-~])"
    r"|\x1b(?P<escape>[0-OQ-WYZ\\`-~])"
)
_INCOMPLETE = re.compile(
    rf"\x1b(?:\[[<-?]?[0-9;:]{{0,256}}[ -/]{{0,8}}|[\]PX^_][^\x07\x1b]{{0,{LONGEST}}}\x1b?|[ -/]{{0,8}})\Z"
)
_CONTROLS = {
    "\b": "backspace",
    "\t": "tab",
    "\n": "linefeed",
    "\x0b": "linefeed",
    "\x0c": "linefeed",
    "\r": "carriage_return",
    "\x0e": "shift_out",
    "\x0f": "shift_in",
    "\x84": "index",
    "\x85": "next_line",
    "\x88": "set_tab_stop",
    "\x8d": "reverse_index",
}
_ESCAPES = {
    "7": "save_cursor",
    "8": "restore_cursor",
    "D": "index",
    "E": "next_line",
    "H": "set_tab_stop",
    "M": "reverse_index",
    "Z": "tell_attributes",
    "c": "reset",
}
_ONE = {
    "@": "insert_characters",
    "A": "cursor_up",
    "B": "cursor_down",
    "C": "cursor_forward",
    "D": "cursor_back",
    "E": "cursor_down1",
    "F": "cursor_up1",
    "G": "cursor_to_column",
    "I": "tabs",
    "J": "erase_in_display",
    "K": "erase_in_line",
    "L": "insert_lines",
    "M": "delete_lines",
    "P": "delete_characters",
    "S": "scroll_up",
    "T": "scroll_down",
    "X": "erase_characters",
    "Z": "tabs_back",
    "`": "cursor_to_column",
    "a": "cursor_forward",
    "b": "repeat",
    "d": "cursor_to_line",
    "e": "cursor_down",
    "g": "clear_tab_stop",
}
"""Control sequences with one number."""
_TWO = {"H": "cursor_position", "f": "cursor_position", "r": "set_margins"}


class Parser:
    """Feeds a screen."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    @property
    def state(self) -> tuple[str, tuple[bytes, int]]:
        """What an incomplete sequence or character needs to go on."""
        return self._pending, self._decoder.getstate()

    def resume(self, state: tuple[str, tuple[bytes, int]]) -> None:
        self._pending = state[0]
        self._decoder.setstate(state[1])

    def feed(self, data: bytes) -> None:
        text = self._pending + self._decoder.decode(data)
        self._pending = ""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is not None:
                self._take(found)
                at = found.end()
            elif _INCOMPLETE.match(text, at):
                self._pending = text[at:]
                return
            else:
                at += 1  # an escape that begins nothing known

    def _take(self, found: re.Match[str]) -> None:
        kind = found.lastgroup
        if kind == "text":
            self.screen.draw(found[0])
        elif kind == "control":
            self._call(_CONTROLS.get(found[0]))
        elif kind == "escape":
            self._call(_ESCAPES.get(found["escape"]))
        elif kind == "end":
            self._call_charset(found["middle"], found["end"])
        elif kind == "final":
            self._control_sequence(found["prefix"], found["numbers"], found["between"], found["final"])

    def _call(self, name: str | None, *numbers: int) -> None:
        if name is not None:
            method: Callable[..., None] = getattr(self.screen, name)
            method(*numbers)

    def _call_charset(self, middle: str, end: str) -> None:
        if middle in ("(", ")"):
            self.screen.define_charset(end, middle)
        elif middle == "#" and end == "8":
            self.screen.alignment_display()

    def _control_sequence(self, prefix: str, numbers: str, between: str, final: str) -> None:
        if between == "!" and final == "p":
            self.screen.soft_reset()
        if between:
            return
        if final in "cnt":
            self.screen.asked(prefix, final, _number(numbers))
            return
        if prefix not in ("", "?"):
            return
        if final == "m":
            if not prefix:
                self.screen.select_graphic_rendition(*_attributes(numbers))
            return
        values = [_number(part) for part in numbers.replace(":", ";").split(";")]
        if final in "hl":
            self._modes(values, bool(prefix), final == "h")
        elif prefix and final not in "JK":
            return
        elif final in _ONE:
            self._call(_ONE[final], values[0])
        elif final in _TWO:
            self._call(_TWO[final], values[0], values[1] if len(values) > 1 else 0)
        elif final == "s":
            self.screen.save_cursor()
        elif final == "u":
            self.screen.restore_cursor()

    def _modes(self, values: list[int], private: bool, on: bool) -> None:
        if private:
            self.screen.private_modes(values, on)
        elif on:
            self.screen.set_mode(*[value for value in values if value in (modes.IRM, modes.LNM)])
        else:
            self.screen.reset_mode(*[value for value in values if value in (modes.IRM, modes.LNM)])


def _number(text: str) -> int:
    return min(int(text), MOST_NUMBER) if text.isdecimal() else 0


def _attributes(numbers: str) -> list[int]:
    """SGR's numbers. Colons (ISO 8613-6) separate the parts of one attribute: of those colours are kept."""
    out: list[int] = []
    for part in numbers.split(";"):
        head, *rest = [_number(one) for one in part.split(":")]
        if not rest:
            out.append(head)
        elif head in (38, 48) and rest[0] == 5 and len(rest) > 1:
            out += [head, 5, rest[1]]
        elif head in (38, 48) and rest[0] == 2 and len(rest) > 3:
            out += [head, 2, *rest[-3:]]
        elif head == 4:
            out.append(4 if rest[0] else 24)
    return out
