"""The console's pane is the guest's window: what size it has when."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.actions import PANE_KEYS
from app.layouts import LAYOUTS
from app.settings import Settings
from app.tui import Int80
from app.window import first_size
from tests.app.fake_engine import FakeEngine
from tests.app.shell import shell
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session

SCRIPT = "trap 'stty size' WINCH; stty size; while :; do read line && echo \"<$line>\"; done"


@pytest.mark.parametrize("size", [WIDE, MEDIUM, SMALL, (100, 60), (159, 34), (60, 20)])
async def test_the_size_is_known_before_there_is_a_screen(size: tuple[int, int]) -> None:
    """In every layout, whatever is hidden: what the pane gets when it is in sight."""
    app = Int80(cast(Any, FakeEngine(True)))
    async with app.run_test(size=size) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, app.engine))
        await on.settle()
        for layout in app.main.layouts:
            for hidden in ([], ["trace", "console"], [name for name, _, _ in PANE_KEYS]):
                app.main.take(layout.name)
                app.main.hidden = {*hidden}
                app.main.bring_front("console")
                await on.settle()
                known = Settings(layouts=dict.fromkeys(LAYOUTS, layout.name), hidden=hidden)
                assert first_size(size[1], size[0], known) == app.main.console.window, (layout.name, hidden)


async def test_the_guest_is_told_while_time_goes_on() -> None:
    """SIGWINCH and TIOCGWINSZ tell what is seen; the past keeps its size, and runs again as it did."""
    height, width = first_size(40, 120, Settings())
    async with shell(MEDIUM, arguments=("sh", "-c", SCRIPT)) as on:
        app, engine, pilot = on.app, on.machine, on.pilot

        def window() -> str:
            rows, columns = app.main.console.window or (0, 0)
            return f"{rows} {columns}"

        def given() -> int:
            return [one.device for one in engine.machine.inputs].count("winsize")

        await on.wait(f"{height} {width}")
        assert window() == f"{height} {width}"
        assert not engine.machine.inputs
        first = engine.length
        await on.type("a\n")
        await on.wait("<a>")
        app.zoom()
        await pilot.pause(0.1)
        assert window() == "30 118"
        await on.wait(window())
        await pilot.resize_terminal(*WIDE)
        await pilot.pause(0.1)
        await on.wait(window())
        await on.stop()
        assert given() == 2

        # While time stands the layout may change: what it is in the end is told when time goes on.
        for key in ("z", "w", "w", "x"):  # the last one hides the console
            await on.press(key)
        length = engine.length
        await on.press("s")
        assert given() == 2
        await on.press("f5", "f5")
        await on.wait(window())
        assert given() == 3
        await on.stop()

        # The past is what it was.
        digest = engine.log.digest()
        app.go_to(first)
        await pilot.resize_terminal(*SMALL)
        await on.settle()
        assert on.screen[-1] == f"{height} {width}"
        assert engine.view is not None
        app.go_to(length)
        await on.settle()
        assert engine.view is not None
        assert engine.log.digest() == digest
        assert given() == 3
