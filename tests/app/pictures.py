"""Every picture of every pane without a terminal: what a person would see in a pane of a size."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from textual.timer import Timer

from app.engine import Engine
from app.launch import Options, prepare
from app.panes.base import Pane
from app.panes.console import Console
from app.panes.cpu import Cpu
from app.panes.ipc import Ipc
from app.panes.memory import Memory
from app.panes.moment import Moment
from app.panes.processes import Processes
from app.panes.row import Row, fit, text_of
from app.panes.signals import Signals
from app.panes.source import Source
from app.panes.stacks import Stacks
from app.panes.story import Story
from app.panes.timeline import Timeline
from app.panes.trace import Trace
from app.panes.traps import Traps
from app.resources import kernel_image
from cpu.registers import Registers

PROGRAMS = ("args", "badptr", "busy", "divzero", "hello", "pipe", "printf", "signal", "spaces")
BUSYBOX = Path("/bin/busybox")
PIPELINE = ("sh", "-c", "echo one two | tr a-z A-Z | busybox wc -w; kill -9 $$")
KINDS: dict[str, Callable[[str], Pane]] = {
    "cpu": Cpu,
    "traps": Traps,
    "stacks": Stacks,
    "source": Source,
    "processes": Processes,
    "memory": Memory,
    "signals": Signals,
    "ipc": Ipc,
    "trace": Trace,
    "console": Console,
    "story": Story,
    "timeline": Timeline,
}


def engine_for(program: str, *arguments: str) -> Engine:
    start, blobs = prepare(Options(program, list(arguments)))
    return Engine(start, kernel_image(), blobs)


def run_to_the_end(engine: Engine) -> None:
    while engine.run(0.2) == "running":
        pass


def moment(engine: Engine, before: Registers | None = None) -> Moment:
    return Moment(
        state=engine.state,
        view=engine.view,
        cursor=engine.cursor,
        event=engine.event,
        before=before,
        log=engine.log,
        length=engine.length,
        title=engine.title,
        status=engine.status,
        breakpoints=tuple(engine.breakpoints),
    )


class Panes:
    """One pane of each kind, in no terminal."""

    def __init__(self) -> None:
        self.panes = {name: kind(name) for name, kind in KINDS.items()}
        self._waiting = False
        for pane in self.panes.values():
            pane.set_timer = self._again  # type: ignore[method-assign]

    def _again(self, _delay: float, again: Callable[[], None], *_rest: object) -> Timer:
        """A pane that is not ready yet asks to be painted once more: that is done at once."""
        self._waiting = True
        time.sleep(0.005)
        again()
        return cast(Timer, None)

    def rows(self, name: str, now: Moment, width: int, height: int, view: int = 0) -> list[Row]:
        """What is in sight of a pane that has room for so much inside of its frame, without its title."""
        pane = self.panes[name]
        pane.view = view
        self._waiting = True
        while self._waiting:
            self._waiting = False
            sheet = pane.sheet(now, width, height)
        room = max(height - len(sheet.head), 0)
        top = min(max(sheet.top, 0), max(len(sheet.rows) - room, 0))
        return [fit(one, width) for one in (*sheet.head, *sheet.rows[top : top + room])][:height]

    def text(self, name: str, now: Moment, width: int, height: int, view: int = 0) -> list[str]:
        return [text_of(one).rstrip() for one in self.rows(name, now, width, height, view)]

    def pictures(self, now: Moment, width: int = 100, height: int = 30) -> dict[tuple[str, int], list[Row]]:
        """All of all panes: text, styles, and what Enter explains."""
        return {
            (name, view): self.rows(name, now, width, height, view)
            for name, pane in self.panes.items()
            for view in range(max(len(pane.views), 1))
        }


KERNEL_CODE = re.compile(r"\bc010[0-3][0-9a-f]{3}\b")
CODE = re.compile(r"^([ ▸●]*c010\.{4} +)([0-9a-f]{2,}) ")
KERNEL_SOURCE = re.compile(r"^(kernel/\S+\.py|entry\.S|syscall_table\.S):\d+")
LINE = re.compile(r"^([▸● ]*)(\d+)(?= |$)")


def alike(rows: list[str]) -> list[str]:
    """Rows without what changes for no reason."""
    kernel = any(KERNEL_SOURCE.match(one) for one in rows[:2])
    out = []
    for one in rows:
        one = KERNEL_CODE.sub("c010....", one)
        if kernel:
            one = KERNEL_SOURCE.sub(r"\1", one)
            one = LINE.sub(lambda found: f"{found[1]}{'·' * len(found[2])}", one)
        out.append(CODE.sub(lambda found: f"{found[1]}{'.' * len(found[2])} ", one))
    return out
