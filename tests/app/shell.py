"""A shell in the console on the screen, and somebody who types into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from textual.events import Paste

from app.engine import Engine
from app.launch import Options, open_mounts, prepare
from app.resources import kernel_image
from app.settings import Settings
from app.tui import Int80
from app.window import first_size
from kernel.describe import SLEEPING
from tests.app.pictures import BUSYBOX
from tests.app.test_tui import Session

PATIENCE = 1500
"""Looks at the screen until what is waited for must be there."""
NAMES = {"\n": "enter", "\t": "tab", "\x03": "ctrl+c", "\x04": "ctrl+d", "\x1a": "ctrl+z", " ": "space"}


class Shell(Session):
    """`screen` is what the guest's terminal shows, without empty lines."""

    heard = -1
    """Bytes that had been shown when something was pasted last."""

    @property
    def machine(self) -> Engine:
        return cast(Engine, self.engine)

    @property
    def screen(self) -> list[str]:
        found = [line.lstrip("│├ ").rstrip(" ▏") for line in self.text("console").splitlines()[1:]]
        return [line for line in found if line]

    @property
    def written(self) -> int:
        """Bytes that the terminal has shown so far."""
        terminal = self.machine.state.terminals.get(0)
        return terminal.total if terminal is not None else 0

    async def wait(self, *last: str) -> None:
        """Until these are the last lines, after what was pasted."""
        for _ in range(PATIENCE):
            if self.written > self.heard and tuple(self.screen[-len(last) :]) == last:
                return
            await self.pilot.pause(0.01)
        raise AssertionError((last, self.text("console"), self.standing()))

    async def type(self, text: str) -> None:
        """Key by key, as fast as somebody can."""
        for char in text:
            await self.pilot.press(NAMES.get(char, char))

    async def paste(self, text: str) -> None:
        """All at once."""
        self.heard = self.written
        self.app.post_message(Paste(text))
        await self.settle()

    async def sleeps(self, name: str) -> None:
        """Until a program sleeps."""
        for _ in range(PATIENCE):
            tasks = self.machine.state.machine.tasks.values()
            if any(task.comm == name and task.state == SLEEPING for task in tasks):
                return
            await self.pilot.pause(0.01)
        raise AssertionError((name, self.text("console"), self.standing()))

    def standing(self) -> object:
        """Where everything stands, for who must find out why nothing comes."""
        engine, player = self.machine, self.app.player
        tasks = [(one.comm, one.state, one.on) for one in engine.state.machine.tasks.values()]
        last = [str(one) for one in engine.log.records(max(engine.length - 8, 0))]
        return engine.cursor, engine.length, player.on, player.outcome, self.app._paint_due, tasks, last

    async def stop(self) -> None:
        """Take the keyboard back, and let time stand."""
        self.app.give_keys(False)
        self.app._stop()
        await self.settle()


@asynccontextmanager
async def shell(
    size: tuple[int, int], program: str = str(BUSYBOX), arguments: Sequence[str] = ("sh",), **options: Any
) -> AsyncIterator[Shell]:
    """At its first prompt, with the keyboard."""
    rows, columns = first_size(size[1], size[0], Settings())
    chosen = Options(program, list(arguments), rows=rows, columns=columns, **options)
    start, blobs = prepare(chosen)
    engine = Engine(start, kernel_image(), blobs, host=open_mounts(chosen))
    app = Int80(engine)
    async with app.run_test(size=size) as pilot:
        on = Shell(app, cast(Any, pilot), cast(Any, engine))
        await on.settle()
        await on.press("f5", "f5")
        yield on
