"""Breakpoints: what `c` stops at, how a person names it, and which events reach it.

An address is reached by the processor and told by no event; the engine finds it by running (`app.watching`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from app.finding import Wanted
from app.trace import call_name
from cpu.events import TrapTaken
from cpu.symbols import Symbols
from kernel import events as e
from kernel.abi.signal import SIGRTMAX, signal_name
from kernel.table import TABLE

MOST = 32


class Breakpoint(NamedTuple):
    """`kind` is code (an address), sys (a system call), gate (a vector), signal, or task (it gets to run)."""

    kind: str
    number: int

    @property
    def text(self) -> str:
        match self.kind:
            case "code":
                return f"the instruction at {self.number:08x}"
            case "sys":
                return f"the system call {call_name(self.number)}"
            case "gate":
                return f"vector {self.number:#04x}"
            case "signal":
                return f"the signal {signal_name(self.number)}"
        return f"a switch to process {self.number}"


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


def parse(text: str, symbols: Iterable[Symbols]) -> Breakpoint | None:
    """What a person types: a system call, SIGNAL, `vector 14`, a function, an address in hexadecimal."""
    word = text.strip()
    found = next((row.number for row in TABLE if row is not None and row.name == word.lower()), None)
    if found is not None:
        return Breakpoint("sys", found)
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


def addresses(points: Iterable[Breakpoint]) -> frozenset[int]:
    return frozenset(point.number for point in points if point.kind == "code")


def wanted(points: Iterable[Breakpoint]) -> Wanted:
    """For events at which one of the breakpoints is reached. System calls begin and end."""
    known = frozenset(points)

    def reached(event: Any) -> bool:
        match event:
            case e.SyscallEntered() | e.SyscallExited():
                return Breakpoint("sys", event.nr) in known
            case TrapTaken():
                return Breakpoint("gate", event.vector) in known
            case e.SignalGenerated() | e.SignalDelivered():
                return Breakpoint("signal", event.signo) in known
            case e.TaskSwitched():
                return Breakpoint("task", event.next) in known
        return False

    return reached
