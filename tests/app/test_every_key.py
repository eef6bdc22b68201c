"""Every key that the footer, the palette or the help shows does something visible or says why not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.actions import ACTIONS
from app.engine import Engine
from app.panes.bars import footer_items
from app.screens.dialogs import help_lines
from app.tui import Int80
from tests.app.pictures import engine_for, run_to_the_end
from tests.app.test_tui import MEDIUM, SMALL, WIDE, Session

LEAVING = ("quit", "take_over")
"""Leaves the program, or what is recorded: their own tests."""


def looks(on: Session) -> object:
    """All that can be seen, with colours."""
    return [list(strip) for strip in on.app.screen._compositor.render_strips()], on.app.theme


def engine(live: bool) -> Engine:
    one = engine_for("pipe")
    run_to_the_end(one)
    if live:
        return one
    machine = one.machine
    kernel = machine.kernel
    return Engine(kernel.start, kernel.image, kernel.blobs, one.log, list(machine.inputs), live=False)


def test_whatever_is_shown_is_an_action() -> None:
    """Footer, palette and help are made of the actions: none shows a key that is not bound."""
    subjects = {subject for _, _, subject in footer_items(ACTIONS)}
    assert subjects <= {f"action:{one.name}" for one in ACTIONS}
    text = "\n".join(help_lines())
    for one in ACTIONS:
        assert one.keys
        assert f"  {one.shown:<10} " in text


@pytest.mark.parametrize(
    ("size", "live"),
    [(WIDE, True), (MEDIUM, True), (SMALL, True), (MEDIUM, False)],
    ids=["200x60", "120x40", "80x24", "120x40-recording"],
)
async def test_no_key_is_dead(size: tuple[int, int], live: bool) -> None:
    one = engine(live)
    app = Int80(one)
    dead = []
    async with app.run_test(size=size) as pilot:
        on = Session(app, cast(Any, pilot), cast(Any, one))
        await on.settle()
        for at, place, focus in (("middle", one.length // 2, ""), ("start", 0, ""), ("end", -1, "timeline")):
            for action in ACTIONS:
                if action.name in LEAVING or (
                    at == "start" and not action.back_of and action.name != "start"
                ):
                    continue
                app.go_to(place if place >= 0 else one.length)
                app.player.speed = 2
                app.main.hidden.clear()
                app.main.set_focus(app.main.timeline if focus else None)
                app.say("")
                await on.settle()
                before = looks(on)
                await on.press(action.keys[0])
                if looks(on) == before:
                    dead.append(f"{action.shown} ({action.name}) at the {at}")
                while len(app.screen_stack) > 1:
                    await on.press("escape")
                if app.main.console.typing:
                    app.give_keys(False)
                app.player.stop()
                if app.main.zoomed:
                    app.zoom()
    assert not dead, dead


async def test_q_leaves() -> None:
    one = engine_for("hello")
    app = Int80(one)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("q")
    assert app.return_value == 0
