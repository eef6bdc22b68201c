"""The screen of a session as a terminal recording for asciinema: asciicast v3, JSON lines.

(docs.asciinema.org/manual/asciicast/v3.) One frame an event, in a long stretch one in so many that there are
`FRAMES`; milestones become markers. Only rows that changed are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec
from rich.console import Console

from app.export import Wish
from app.export.pictures import show
from app.session.store import Session

if TYPE_CHECKING:
    from app.tui import Int80

FRAMES = 1000
INTERVAL = 0.25
"""Seconds that a frame stands."""
HIDE_CURSOR, SHOW_CURSOR, CLEAR = "\x1b[?25l", "\x1b[?25h", "\x1b[2J"
_ENCODER = msgspec.json.Encoder()


def write_cast(session: Session, wish: Wish, out: BinaryIO) -> None:
    first, last = wish.stretch(len(session.log))
    step = max(-(-(last - first) // FRAMES), 1)
    positions = [*range(first, last, step), last]
    console = Console(force_terminal=True, color_system="truecolor", legacy_windows=False)
    marks = {one.seq: one.text for one in session.history.state_at(last).milestones}
    before: list[str] = []
    seen = first

    def line(value: object) -> None:
        out.write(_ENCODER.encode(value) + b"\n")

    def take(app: Int80) -> None:
        nonlocal before, seen
        rows = [strip.render(console) for strip in app.screen._compositor.render_strips()]
        text = "" if before else HIDE_CURSOR + CLEAR
        for y, row in enumerate(rows):
            if not before or row != before[y]:
                text += f"\x1b[{y + 1};1H\x1b[0m{row}"
        begun, before = not before, rows
        line([0.0 if begun else INTERVAL, "o", text])
        here = app.engine.cursor.seq
        for seq in range(seen, here):
            if seq in marks:
                line([0.0, "m", marks[seq]])
        seen = here

    term = {"cols": wish.columns, "rows": wish.rows, "type": "xterm-256color"}
    line({"version": 3, "term": term, "title": f"int80 {session.start.path}"})
    show(session, wish, positions, take)
    line([INTERVAL, "o", f"\x1b[0m\x1b[{wish.rows};1H{SHOW_CURSOR}"])
