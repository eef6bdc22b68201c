"""The screen without a terminal, at positions of a session: as an SVG picture, and frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO

from app import theme
from app.export import Wish
from app.recording import open_engine
from app.session.store import Session

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from app.tui import Int80

LOOKS, LOOK_EVERY = 4000, 0.005
"""How often the screen is asked whether it is painted, and how many seconds apart."""
Take = Callable[["Int80"], None]


def write_svg(session: Session, wish: Wish, out: BinaryIO) -> None:
    def take(app: Int80) -> None:
        picture = app.export_screenshot(title=app.title)
        out.write(picture.encode("utf-8", "replace"))

    show(session, wish, [wish.position(len(session.log))], take)


def show(session: Session, wish: Wish, positions: Iterable[int], take: Take) -> None:
    """Bring the screen to each position, and have `take` look at it."""
    asyncio.run(_show(session, wish, positions, take))


async def _show(session: Session, wish: Wish, positions: Iterable[int], take: Take) -> None:
    from app.tui import Int80

    app = Int80(open_engine(session))
    if wish.light:
        app.use_theme(theme.LIGHT)
    async with app.run_test(size=(wish.columns, wish.rows)) as pilot:
        await _settle(app, pilot)
        for seq in positions:
            app.go_to(seq)
            await _settle(app, pilot)
            take(app)


async def _settle(app: Int80, pilot: Pilot[int]) -> None:
    """Until everything is painted."""
    for _ in range(LOOKS):
        await pilot.pause()
        if app.problem is not None:
            raise app.problem
        if app.settled:
            return
        await asyncio.sleep(LOOK_EVERY)
