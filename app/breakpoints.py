"""Breakpoints: what `c` stops at, how a person names it, and which events reach it.

An address is reached by the processor and told by no event; the engine finds it by running (`app.watching`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, get_args

from app.finding import Wanted
from app.log import EVENT_TYPES
from app.trace import call_name
from cpu.events import TrapTaken
from cpu.symbols import Symbols
from cpu.writes import Range
from kernel import events as e
from kernel.abi.errno import Errno, errno_of
from kernel.abi.signal import SIGRTMAX, signal_name
from kernel.table import TABLE

MOST = 32
WORD = 4


WAYS = ("enter", "exit", "error")
"""Of a system call's breakpoint: only its begin, its end, or an end with an error."""
EVENTS = {kind.__name__.lower(): kind.__name__ for kind in get_args(EVENT_TYPES)}
ERRNOS = {one.name: int(one) for one in Errno}


class Breakpoint(NamedTuple):
    """What is stopped at.

    `kind` is code (an address), sys (a system call; `detail` one of WAYS or ''), errno (any call that fails
    so), gate (a vector), signal, task (it gets to run), event (`detail` is its name), or write (into the word
    at physical address `number`; `detail` is how it was called).
    """

    kind: str
    number: int
    detail: str = ""

    @property
    def text(self) -> str:
        match self.kind:
            case "code":
                return f"the instruction at {self.number:08x}"
            case "sys":
                return f"{SYS_TEXTS[self.detail]} {call_name(self.number)}"
            case "errno":
                return f"a system call that fails with {Errno(self.number).name}"
            case "event":
                return f"the event {self.detail}"
            case "write":
                return f"a write to {self.detail}"
            case "gate":
                return f"vector {self.number:#04x}"
            case "signal":
                return f"the signal {signal_name(self.number)}"
        return f"a switch to process {self.number}"


SYS_TEXTS = {
    "": "the system call",
    "enter": "the begin of",
    "exit": "the end of",
    "error": "the failure of",
}


def of_subject(subject: str) -> Breakpoint | None:
    """The breakpoint on what a cell of a pane names; None where none can be."""
    kind, _, rest = subject.partition(":")
    first, _, second = rest.partition(":")
    try:
        match kind:
            case "code":
                return Breakpoint("code", int(first, 16))
            case "line":
                return Breakpoint("code", int(second.partition(":")[0], 16))
            case "gate" | "vector":
                return Breakpoint("gate", int(first))
            case "sys" | "signal" | "task":
                return Breakpoint(kind, int(first))
    except ValueError:
        return None
    return None


def parse(
    text: str,
    symbols: Iterable[Symbols],
    place: Callable[[str], int] = lambda _text: -1,
    line: Callable[[str], int] = lambda _text: -1,
) -> Breakpoint | None:
    """What a person types.

    A system call (`read`, `read error`), an errno, SIGNAL, `vector 14`, `process 3`, an event's name, a
    function, an address in hexadecimal, `hello.c:12`, or `write counter`: `place` gives the physical address
    of what is written to, `line` the address of a line, -1 where nothing is.
    """
    word = text.strip()
    if ":" in word:
        begin = line(word)
        return Breakpoint("code", begin) if begin >= 0 else None
    first, _, rest = word.partition(" ")
    rest = rest.strip()
    if first.lower() == "write" and rest and rest.lower() not in WAYS:
        physical = place(rest)
        return Breakpoint("write", physical, rest) if physical >= 0 else None
    if first.lower() in ("process", "task", "pid"):
        pid = _number(rest, 10)
        return Breakpoint("task", pid) if pid is not None else None
    if first.lower() == "event" and rest.lower() in EVENTS:
        return Breakpoint("event", 0, EVENTS[rest.lower()])
    found = next((row.number for row in TABLE if row is not None and row.name == first.lower()), None)
    if found is not None:
        way = rest.lower()
        return Breakpoint("sys", found, way) if way in ("", *WAYS) else None
    if word.upper() in ERRNOS:
        return Breakpoint("errno", ERRNOS[word.upper()])
    if word.lower() in EVENTS:
        return Breakpoint("event", 0, EVENTS[word.lower()])
    name = word.upper().removeprefix("SIG")
    found = next((number for number in range(1, SIGRTMAX + 1) if signal_name(number) == f"SIG{name}"), None)
    if found is not None:
        return Breakpoint("signal", found)
    number = word.lower().removeprefix("vector")
    if number != word.lower():
        vector = _number(number.strip(), 0)
        return Breakpoint("gate", vector) if vector is not None and vector < 256 else None
    for known in symbols:
        if word in known.by_name:
            return Breakpoint("code", known.by_name[word].address)
    address = _number(word, 16)
    return Breakpoint("code", address) if address is not None and address < 1 << 32 else None


def _number(text: str, base: int) -> int | None:
    try:
        value = int(text, base)
    except ValueError:
        return None
    return value if value >= 0 else None


def ranges(points: Iterable[Breakpoint]) -> tuple[Range, ...]:
    """Words of memory that are watched for writes."""
    return tuple((point.number, WORD) for point in points if point.kind == "write")


def addresses(points: Iterable[Breakpoint]) -> frozenset[int]:
    return frozenset(point.number for point in points if point.kind == "code")


def wanted(points: Iterable[Breakpoint]) -> Wanted:
    """For events at which one of the breakpoints is reached. System calls begin and end."""
    known = frozenset(points)

    named = frozenset(point.detail for point in known if point.kind == "event")

    def reached(event: Any) -> bool:
        if named and type(event).__name__ in named:
            return True
        match event:
            case e.SyscallEntered():
                return Breakpoint("sys", event.nr) in known or Breakpoint("sys", event.nr, "enter") in known
            case e.SyscallExited():
                error = errno_of(event.result)
                return (
                    Breakpoint("sys", event.nr) in known
                    or Breakpoint("sys", event.nr, "exit") in known
                    or (error > 0 and Breakpoint("sys", event.nr, "error") in known)
                    or (error > 0 and Breakpoint("errno", error) in known)
                )
            case TrapTaken():
                return Breakpoint("gate", event.vector) in known
            case e.SignalGenerated() | e.SignalDelivered():
                return Breakpoint("signal", event.signo) in known
            case e.TaskSwitched():
                return Breakpoint("task", event.next) in known
        return False

    return reached
