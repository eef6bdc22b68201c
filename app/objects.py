"""Which objects an event is about, so that a step can lead to the next or last event of the same one.

An object's key is a kind and a number: `pipe:3`, `signal:10`, `frame:11e`, `task:2`, `page:1:804b`. Pure
functions of events and a State; going there is the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.finding import Wanted
from app.panes.moment import task_name
from app.state.state import State
from app.trace import call_name
from cpu.events import TrapTaken
from kernel import events as e
from kernel.abi.signal import signal_name

FIELDS = {
    "pipe": "pipe", "pty": "tty", "terminal": "tty", "stream": "stream", "timer": "timer",
    "signo": "signal", "old": "frame", "new": "frame", "frame": "frame",
    "inode": "inode", "file": "file", "eventfd": "eventfd", "timerfd": "timerfd", "signalfd": "signalfd",
    "mqueue": "mqueue", "socket": "socket", "peer": "socket", "listener": "socket",
    "epoll": "epoll", "inotify": "inotify", "mount": "mount", "vector": "gate", "nr": "sys",
    "task": "task", "child": "task", "parent": "task", "previous": "task", "next": "task", "by": "task",
    "sender": "task", "leader": "task", "tracer": "task", "space": "space", "fdtable": "fdtable",
}  # fmt: skip
"""What kind of object the number in a field is, the one first that an event is most about."""
OTHERWISE: dict[tuple[type, str], str] = {
    (e.SignalDelivered, "frame"): "",
    (e.SignalReturned, "frame"): "",
    (e.AddressSpaceForked, "child"): "space",
    (e.AddressSpaceForked, "parent"): "space",
    (e.Mounted, "parent"): "mount",
    (e.SocketSent, "sender"): "socket",
}
"""Fields of these names that mean something else; '' for no object."""
PAGES = ("va", "address")
PAGE_SHIFT = 12
LEAST = {"task": 1, "socket": 1, "signal": 1, "frame": 1}
"""Smaller numbers are nobody."""


class Objects(NamedTuple):
    """What a person means: any event with one of `keys`, and all of `also`. `text` names it."""

    keys: frozenset[str]
    text: str
    also: frozenset[str] = frozenset()

    def wanted(self) -> Wanted:
        def wanted(event: Any) -> bool:
            found = frozenset(keys_of(event))
            return bool(found & self.keys) and self.also <= found

        return wanted


def keys_of(event: Any) -> Iterator[str]:
    """The objects that an event names, the one first that it is most about."""
    fields = event.__struct_fields__
    for field, usual in FIELDS.items():
        if field not in fields:
            continue
        kind = OTHERWISE.get((type(event), field), usual)
        number = getattr(event, field)
        if kind and isinstance(number, int) and number >= LEAST.get(kind, 0):
            yield key(kind, number)
    if type(event) in (e.TaskBlocked, e.TaskRequeued):
        for queue in event.on:
            kind, _, rest = queue.partition(":")
            yield f"{kind}:{rest.partition(':')[0]}"
    if isinstance(event, e.InputArrived):
        yield f"{event.device}:{event.number}"
    space = getattr(event, "space", -1)
    for field in PAGES:
        if field in fields:
            yield f"page:{space if space >= 0 else '*'}:{getattr(event, field) >> PAGE_SHIFT:x}"
    if isinstance(event, TrapTaken) and event.vector == 14:
        yield f"page:*:{event.cr2 >> PAGE_SHIFT:x}"


def key(kind: str, number: int) -> str:
    return f"{kind}:{number:x}" if kind == "frame" else f"{kind}:{number}"


def of_subject(subject: str, state: State) -> Objects | None:
    """What a cell of a pane names; None where it is no object that events tell of."""
    kind, _, rest = subject.partition(":")
    first, _, second = rest.partition(":")
    second = second.partition(":")[0]
    try:
        match kind:
            case "channel":
                return _named(state, rest)
            case "signal":
                pid = int(second) if second else 0
                also = frozenset({key("task", pid)}) if pid > 0 else frozenset()
                return Objects(frozenset({key("signal", int(first))}), _signal(state, int(first), pid), also)
            case "state":
                return _named(state, key("task", int(second)))
            case "vector":
                return _named(state, key("gate", int(first)))
            case "frame":
                return _named(state, f"frame:{int(first, 16):x}")
            case "task" | "sys" | "gate":
                return _named(state, key(kind, int(first)))
            case "file":
                return _file(state, int(first))
            case "word" | "walk":
                address = int(first if kind == "word" else second, 16)
                return page(state, address, int(first) if kind == "walk" else -1)
    except (ValueError, KeyError):
        return None
    return None


def of_event(event: Any, state: State) -> Objects | None:
    """What an event is most about; None if it names nothing."""
    first = next(keys_of(event), None) if event is not None else None
    return _named(state, first) if first is not None else None


def page(state: State, address: int, space: int = -1) -> Objects:
    """A page of an address space, the current one's if none is given."""
    if space < 0:
        task = state.machine.tasks.get(state.machine.current)
        space = task.space if task is not None else 0
    number = address >> PAGE_SHIFT
    keys = frozenset({f"page:{space}:{number:x}", f"page:*:{number:x}"})
    return Objects(keys, f"the page at {number << PAGE_SHIFT:08x}")


def _file(state: State, number: int) -> Objects:
    """An open file: it, and what it leads to."""
    file = state.machine.files[number]
    keys = {key("file", number)}
    if file.inode > 0 and file.kind == "file":
        keys.add(key("inode", file.inode))
    if file.kind in FIELDS and file.object >= 0:
        keys.add(key(FIELDS[file.kind], file.object))
    return Objects(frozenset(keys), file.path or f"open file {number}")


def _named(state: State, name: str) -> Objects:
    kind, _, rest = name.partition(":")
    match kind:
        case "page":
            space, _, number = rest.partition(":")
            return page(state, int(number, 16) << PAGE_SHIFT, int(space) if space != "*" else -1)
        case "signal":
            text = _signal(state, int(rest), 0)
        case "task":
            text = f"process {task_name(state, int(rest))}"
        case "sys":
            text = f"the system call {call_name(int(rest))}"
        case "gate":
            text = f"vector {int(rest):#04x}"
        case "frame":
            text = f"frame 0x{rest}"
        case "tty":
            text = "the console" if rest == "0" else f"pts/{int(rest) - 1}"
        case "space":
            text = f"address space {rest}"
        case "file":
            text = f"open file {rest}"
        case _:
            text = f"{kind} {rest}"
    return Objects(frozenset({name}), text)


def _signal(state: State, signo: int, pid: int) -> str:
    return signal_name(signo) + (f" of {task_name(state, pid)}" if pid > 0 else "")
