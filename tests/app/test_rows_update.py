"""What a frame writes to the terminal leaves there what painting everything anew would."""

from __future__ import annotations

from typing import Any, cast

import pyte
import pytest
from rich.console import Console
from textual._compositor import CompositorUpdate

from app.panes.row import Span
from app.panes.rows_update import RowsUpdate
from app.theme import DARK, PLAIN, Paint
from tests.app.test_tui import MEDIUM, SMALL, WIDE, session

CONSOLE = Console(force_terminal=True, color_system="truecolor", legacy_windows=False, _environ={})

KEYS = (
    *("s", "i", "m", "m", "s", "tab", "down", "s", "t", "f3", "full_stop", "comma", "S", "z", "s", "z"),
    *("d", "s", "question_mark", "escape", "s", "end", "home", "0", "escape", "w", "s", "w", "x", "s"),
)


class Terminal:
    def __init__(self, size: tuple[int, int]) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.Stream(self.screen)

    def feed(self, update: Any) -> None:
        self._stream.feed(update.render_segments(CONSOLE))

    def cells(self) -> list[list[object]]:
        lines, columns = range(self.screen.lines), range(self.screen.columns)
        return [[self.screen.buffer[y][x] for x in columns] for y in lines]


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL])
async def test_the_terminal_shows_what_textual_would(size: tuple[int, int]) -> None:
    async with session(size) as on:
        terminal = Terminal(size)
        ours = 0

        def display(_screen: object, update: object) -> None:
            nonlocal ours
            if isinstance(update, CompositorUpdate):
                ours += isinstance(update, RowsUpdate)
                terminal.feed(update)

        compositor = on.app.main._compositor
        terminal.feed(compositor.render_full_update())
        cast(Any, on.app)._display = display
        for key in KEYS:
            await on.press(key)
            whole = Terminal(size)
            whole.feed(cast(Any, on.app.screen)._compositor.render_full_update())
            if on.app.screen is on.app.main:
                assert terminal.cells() == whole.cells(), key
        assert ours > 10


def test_only_what_differs_is_written() -> None:
    update = RowsUpdate(Paint(PLAIN))
    assert not update
    update.add(3, 4, 12, (Span("same "), Span("old")), (Span("same "), Span("new", "bold")))
    assert update.render_segments(CONSOLE) == "\x1b[5;9H\x1b[0;1mnew\x1b[0m    \x1b[0m"


def test_what_does_not_fit_is_cut_and_wide_characters_count_twice() -> None:
    update = RowsUpdate(Paint(DARK))
    update.add(0, 0, 6, (Span("漢字"), Span("a")), (Span("漢字"), Span("bcdef")))
    text = update.render_segments(CONSOLE)
    assert text.startswith("\x1b[1;5H")
    assert text.endswith("b…\x1b[0m")
