"""The console's pane is the window that shows the guest's terminal: what size it has, and telling the guest.

Before the machine starts, layouts and settings say what the pane's size will be. From then on it is told as
an input (`winsize`) whenever time goes on by itself at its end and the pane has another size than the guest
was told last: single steps are not disturbed, and what is looked at in the past stays as it was. A pane that
is out of sight keeps the size it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.layouts import LAYOUTS, SMALL, TINY, layout_named, panes_of, places, size_of, with_spare, without
from app.panes.frame import Place
from kernel.kernel import Input

if TYPE_CHECKING:
    from app.engine import Engine
    from app.settings import Settings

CONSOLE = "console"
BARS = {"wide": 10, "medium": 9, "small": 9, TINY: 9}
"""Rows of header, story, timeline, tabs and footer (int80.tcss)."""

Size = tuple[int, int]
"""Rows and columns."""


def inside(place: Place) -> Size:
    """What a pane's title line, the line at its left and its margins leave."""
    return max(place.height - 1, 0), max(place.width - (3 if place.x else 2), 0)


def first_size(rows: int, columns: int, settings: Settings) -> Size:
    """The console's at the beginning, on a terminal of this size; if it is out of sight, where it will be."""
    size = size_of(columns, rows)
    plan = layout_named(size if size in LAYOUTS else SMALL, settings.layouts.get(size, ""))
    spare = plan.spare if CONSOLE in panes_of(plan.board) else CONSOLE
    hidden = {*settings.hidden} - {CONSOLE}
    board = without(with_spare(plan.board, spare), hidden.__contains__)
    found = places(board or CONSOLE, 0, 0, columns, max(rows - BARS[size], 0))
    height, width = inside(found[CONSOLE])
    return max(height, 1), max(width, 1)


def told(engine: Engine) -> Size:
    """What the guest was told last."""
    machine = engine.machine
    for one in reversed(machine.inputs):
        if one.device == "winsize" and not one.number:
            return int.from_bytes(one.data[:2], "little"), int.from_bytes(one.data[2:], "little")
    return machine.kernel.start.rows, machine.kernel.start.columns


def tell(engine: Engine) -> None:
    """At the end of time: if the window has another size than the guest knows, that is an input."""
    size = engine.window
    if size is None or size == engine.window_told or 0 not in engine.machine.kernel.tables.terminals:
        return
    engine.window_told = size
    if size == told(engine):
        return
    engine.go_end()
    engine.to_cursor()
    data = b"".join(number.to_bytes(2, "little") for number in size)
    engine.give(Input(engine.machine.kernel.input_tick, "winsize", 0, data))
