"""Every pane at five telling positions of each own program, in one text a program: `expected/program-*.txt`.

A position is chosen by what happens there. What a change elsewhere would move without any meaning is made
alike: line numbers of the kernel's Python, addresses and code in the kernel's image.
INT80_WRITE_EXPECTED=1 writes the texts anew; every row that changed is to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from app.engine import Engine
from app.panes.row import text_of
from app.units import duration
from cpu.events import TrapTaken
from kernel import events as e
from kernel.events import Event
from kernel.table import TABLE
from tests.app.pictures import PROGRAMS, Panes, alike, engine_for, moment, run_to_the_end
from tests.app.test_panes import compare

SIZES = {
    "story": (198, 3),
    "cpu": (48, 34),
    "traps": (66, 24),
    "stacks": (82, 30),
    "source": (88, 14),
    "memory": (108, 32),
    "processes": (110, 26),
    "signals": (98, 24),
    "ipc": (98, 14),
    "trace": (115, 8),
    "console": (80, 6),
    "timeline": (198, 3),
}
"""Columns and rows of each pane, about as they are at 200x60."""
SHORT = {"gates": 8, "system calls": 8, "physical frames": 16}
"""Rows of what is a long table."""
Where = Callable[[Event], bool]


class Position(NamedTuple):
    """Behind the `times`-th event that is wanted; in a trap with `microsteps` only so far into it."""

    name: str
    wanted: Where
    times: int = 1
    microsteps: int = 0


def kind(*types: type[Event]) -> Where:
    return lambda event: isinstance(event, types)


def number(name: str) -> int:
    return next(call.number for call in TABLE if call is not None and call.name == name)


def entered(name: str) -> Where:
    nr = number(name)
    return lambda event: isinstance(event, e.SyscallEntered) and event.nr == nr


def exited(name: str, result: int | None = None) -> Where:
    nr = number(name)
    return lambda event: (
        isinstance(event, e.SyscallExited) and event.nr == nr and result in (None, event.result)
    )


def trap(vector: int) -> Where:
    return lambda event: isinstance(event, TrapTaken) and event.vector == vector


def copied(page: int) -> Where:
    return lambda event: isinstance(event, (e.PageCopied, e.PageReused)) and event.va == page


def generated(signo: int) -> Where:
    return lambda event: isinstance(event, e.SignalGenerated) and event.signo == signo


def delivered(signo: int) -> Where:
    return lambda event: isinstance(event, e.SignalDelivered) and event.signo == signo


def blocked(queue: str) -> Where:
    return lambda event: isinstance(event, e.TaskBlocked) and event.on[0].startswith(queue)


def woken(queue: str) -> Where:
    return lambda event: isinstance(event, e.TaskWoken) and event.by.startswith(queue)


def switched(voluntary: bool) -> Where:
    return lambda event: isinstance(event, e.TaskSwitched) and event.voluntary == voluntary


def by_fork(event: Event) -> bool:
    return isinstance(event, e.TaskCreated) and event.how == "fork"


def page(reason: str) -> Where:
    return lambda event: isinstance(event, e.PageMapped) and event.reason == reason


OVER = Position("the end", kind(e.MachineHalted))
POSITIONS: dict[str, tuple[Position, ...]] = {
    "hello": (
        Position("half way through the gate of write", trap(0x80), 1, 5),
        Position("sys_write begins", entered("write")),
        Position("its text is read from the file", page("file"), 2),
        Position("13 bytes written", exited("write")),
        OVER,
    ),
    "printf": (
        Position("printf touches its text: a page fault", trap(14), 2, 2),
        Position("printf calls write", trap(0x80)),
        Position("sys_write begins", entered("write")),
        Position("the second write has returned", exited("write"), 2),
        OVER,
    ),
    "args": (
        Position("no argument: getpid is entered", entered("getpid")),
        Position("four: rt_sigprocmask", entered("rt_sigprocmask"), 2),
        Position("six: mmap2", entered("mmap2")),
        Position("a block: mmap", entered("mmap")),
        Position("munmap has returned", exited("munmap")),
    ),
    "badptr": (
        Position("EFAULT", exited("write", -14)),
        Position("a short count", exited("write", 4096)),
        Position(
            "a read brings in a page", lambda one: isinstance(one, e.PageMapped) and one.reason == "zero", 4
        ),
        Position("the kernel's memory: the error code is pushed", trap(14), -1, 5),
        Position("SIGSEGV", delivered(11)),
    ),
    "busy": (
        Position("fork", by_fork),
        Position("the timer: registers pushed", trap(0x20), 1, 5),
        Position("a switch that nobody asked for", switched(False)),
        Position("the parent waits", blocked("child"), 2),
        OVER,
    ),
    "divzero": (
        Position("the gate of vector 0", trap(0), 1, 2),
        Position("SIGFPE is generated", generated(8)),
        Position("SIGFPE is delivered", delivered(8)),
        Position("the process has ended", kind(e.TaskExited)),
        OVER,
    ),
    "nested": (
        Position("SIGUSR1 is delivered", delivered(10)),
        Position("SIGUSR2 is delivered on top of it", delivered(12)),
        Position("the inner handler returns", kind(e.SignalReturned)),
        Position("SIGUSR2 has to wait", generated(12), 2),
        Position("SIGUSR2 comes after the other handler's return", delivered(12), 2),
    ),
    "rtqueue": (
        Position("all is blocked", kind(e.SignalMaskSet)),
        Position("the second SIGUSR1 is lost", generated(10), 2),
        Position("all are pending", generated(37), 2),
        Position("SIGUSR1 comes first", delivered(10)),
        Position("the value of the first real-time signal", delivered(36)),
    ),
    "pipe": (
        Position("fork", by_fork),
        Position("the reader sleeps", blocked("pipe")),
        Position("six bytes", kind(e.PipeWritten)),
        Position(
            "the reader is woken", lambda one: isinstance(one, e.TaskWoken) and one.by.startswith("pipe")
        ),
        Position("the child is a zombie", kind(e.TaskExited)),
    ),
    "signal": (
        Position("a handler is set", kind(e.SignalActionSet)),
        Position("SIGUSR1 is generated", generated(10)),
        Position("SIGUSR1 is delivered", delivered(10)),
        Position("sigreturn", entered("sigreturn")),
        Position("SIGCHLD is delivered", delivered(17)),
    ),
    "spaces": (
        Position("fork", by_fork),
        Position("the parent writes: its own copy", copied(0x0804_B000)),
        Position("to the child", switched(True), 2),
        Position("the child reads 1000", entered("write"), 2),
        Position("the child writes: the frame is its own", copied(0x0804_B000), 2),
    ),
}


def go(engine: Engine, position: Position) -> None:
    found = [record.seq for record in engine.log.records() if position.wanted(record.event)]
    times = position.times
    seq = found[times if times < 0 else times - 1]
    engine.go_to(seq if position.microsteps else seq + 1)
    if position.microsteps:
        while engine.cursor.seq <= seq or engine.cursor.microstep < position.microsteps:
            assert engine.step_microstep(1)


def pictures(engine: Engine, panes: Panes, position: Position) -> dict[str, list[str]]:
    """The rows of each pane, and of each of its views."""
    go(engine, position)
    now = moment(engine)
    out = {}
    for name, (width, height) in SIZES.items():
        views = panes.panes[name].views
        for view, label in enumerate(views or ("",)):
            rows = panes.text(name, now, width, SHORT.get(label, height), view)
            while rows and not rows[-1]:
                rows.pop()
            title = text_of(panes.panes[name].title(now))
            out[f"{name} {label}".rstrip()] = alike([f"── {title}", *rows])
    return out


def test_all_programs_are_here() -> None:
    assert set(POSITIONS) == {*PROGRAMS, "nested", "rtqueue"}
    assert all(len(places) >= 5 for places in POSITIONS.values())


@pytest.mark.parametrize("program", POSITIONS)
def test_panes(program: str) -> None:
    engine, panes = engine_for(program), Panes()
    run_to_the_end(engine)
    before: dict[str, list[str]] = {}
    parts: list[str] = []
    for position in POSITIONS[program]:
        parts += [f"═══ {position.name} ═══", ""]
        now = pictures(engine, panes, position)
        for name, rows in now.items():
            parts += [f"── {name}: as before"] if rows == before.get(name) else rows
            parts.append("")
        before = now
    compare(f"program-{program}", "\n".join(parts))


def test_the_times_of_the_trace_run_forwards() -> None:
    """The end of a call that another task's lines came into stands at the time at which it ended."""
    engine, panes = engine_for("pipe"), Panes()
    run_to_the_end(engine)
    lines = engine.state.trace.lines
    shown = panes.text("trace", moment(engine), 120, len(lines))
    assert any("resumed" in one for one in shown)
    times = [line.tick_end if line.kind == "resumed" else line.tick_begin for line in lines]
    assert times == sorted(times)
    assert all(duration(tick) in one for tick, one in zip(times, shown, strict=True))
