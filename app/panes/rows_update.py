"""What one frame changes, as what the terminal is told: cells that differ, row by row.

Textual's way from a widget's lines to the terminal (a message for each widget, strips cut into chops and put
together again) takes longer than making the rows. The panes know which rows are new and where they lie; while
nothing covers them this goes past the compositor, and through its `CompositorUpdate` to the terminal. The
compositor still asks the widgets for their lines whenever it paints by itself: both say the same.
"""

from __future__ import annotations

from rich.console import Console
from rich.segment import Segment
from textual._compositor import CompositorUpdate
from textual.strip import Strip

from app.panes.row import Row, cells, fit
from app.theme import Paint

KNOWN = 4096
"""Looks that are remembered: a terminal in the console may have any number."""
BEGIN: dict[tuple[str, str, str | None], str] = {}
"""What turns a look on, by theme, style's name and the terminal's colours."""


class RowsUpdate(CompositorUpdate):
    """Changed rows of widgets, collected while panes paint themselves."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._rows: list[tuple[int, int, int, Row, Row]] = []

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, x: int, y: int, width: int, before: Row, now: Row) -> None:
        """The row at a place of the screen is another one now."""
        self._rows.append((x, y, width, before, now))

    def render_segments(self, console: Console) -> str:
        """What the terminal is sent."""
        out: list[str] = []
        for x, y, width, before, now in self._rows:
            now = fit(now, width)
            skipped = done = 0
            for old, new in zip(fit(before, width), now, strict=False):
                if old != new:
                    break
                skipped += 1
                done += cells(new.text)
            out.append(f"\x1b[{y + 1};{x + done + 1}H")
            for text, style, _ in now[skipped:]:
                out.append(self._begin(style, console))
                out.append(text)
                done += cells(text)
            if done < width:
                out.append(self._begin("", console))
                out.append(" " * (width - done))
        out.append("\x1b[0m")
        return "".join(out)

    def _begin(self, style: str, console: Console) -> str:
        key = self._paint.name, style, console.color_system
        found = BEGIN.get(key)
        if found is None:
            look = Strip([Segment("\0", self._paint.on_text(style))]).render(console)
            codes = look.partition("\0")[0].removeprefix("\x1b[").removesuffix("m")
            found = f"\x1b[0;{codes}m" if codes else "\x1b[0m"
            if len(BEGIN) < KNOWN:
                BEGIN[key] = found
        return found
