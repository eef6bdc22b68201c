"""Terminals: what is written to them and typed at them, their sizes, and both ends of pseudoterminals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.state.state import State
from app.tellers.calls import error_name
from app.tellers.people import plural, task, who
from app.tellers.quoting import data
from kernel import events as e
from kernel.abi.signal import signal_name
from kernel.edits import ADDRESS, DEVICES, ERROR, REGISTER
from kernel.thread import PT_REGS


def terminal_name(number: int) -> str:
    return f"pts/{number - 1}" if number else "the console"


def _ends(event: e.PtyEndsChanged, state: State) -> str:
    name = terminal_name(event.pty)
    told = f"{name} has {plural(event.masters, 'open master')} and {plural(event.slaves, 'open slave')}"
    if not event.masters and not event.slaves:
        return f"{told}: it is gone."
    if not event.masters:
        return f"{told}: without a master it is hung up, and reads end of file."
    return f"{told}."


def _arrived(event: e.InputArrived, state: State) -> str:
    if event.device == "winsize" and len(event.data) == 4:
        rows, columns = (int.from_bytes(event.data[at : at + 2], "little") for at in (0, 2))
        name = terminal_name(event.number)
        return f"The window that shows {name} has {rows} rows of {columns} columns now."
    if event.device == "scheduler":
        return f"From outside: {task(state, event.number)} is to run next, if it can."
    if event.device == "signal" and len(event.data) == 1:
        return f"From outside: {signal_name(event.data[0])} is sent to {task(state, event.number)}."
    if event.device in DEVICES:
        return f"From outside: {_changed(event, task(state, event.number))}."
    where = "the console" if event.device == "tty" else f"{event.device} {event.number}"
    return f"From outside {plural(len(event.data), 'byte')} reach {where}: {data(event.data)}."


def _changed(event: e.InputArrived, whose: str) -> str:
    """What a person changes; the kernel takes no notice of what is not well formed."""
    if event.device == "register" and len(event.data) == REGISTER.size:
        index, value = REGISTER.unpack(event.data)
        name = PT_REGS[index] if index < len(PT_REGS) else "no register"
        return f"{name} of {whose} becomes {value:08x}"
    if event.device == "memory" and len(event.data) > ADDRESS.size:
        content = event.data[ADDRESS.size :]
        at = ADDRESS.unpack_from(event.data)[0]
        return f"{plural(len(content), 'byte')} at {at:08x} of {whose} become {data(content)}"
    if event.device == "fail" and len(event.data) == ERROR.size:
        error = ERROR.unpack(event.data)[0]
        wanted = f"fail with {error_name(error)}" if error else "be made after all"
        return f"the next system call of {whose} is to {wanted}"
    return f"nothing of {whose} is changed"


def _read(event: e.PtyRead, state: State) -> str:
    last = state.transfer
    what = f": {data(last.data)}" if last is not None and last.taken and last.data else ""
    return (
        f"{who(state)} reads {plural(event.count, 'byte')} at the master of {terminal_name(event.pty)}{what}."
    )


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.TerminalWritten: lambda ev, s: f"{who(s)} writes to {terminal_name(ev.terminal)}: {data(ev.data)}.",
    e.TerminalResized: lambda ev, s: (
        f"{terminal_name(ev.terminal)} has {ev.rows} rows of {ev.columns} columns now; SIGWINCH tells its"
        " foreground group."
    ),
    e.InputArrived: _arrived,
    e.PtyCreated: lambda ev, s: (
        f"A pseudoterminal is made, {terminal_name(ev.pty)}: what its master writes is typed there."
    ),
    e.PtyEndsChanged: _ends,
    e.PtyTyped: lambda ev, s: f"{who(s)} types at the master of {terminal_name(ev.pty)}: {data(ev.data)}.",
    e.PtyWritten: lambda ev, s: (
        f"{data(ev.data)} goes from {terminal_name(ev.pty)} to its master, who can read it."
    ),
    e.PtyRead: _read,
}
