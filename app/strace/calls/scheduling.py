"""Scheduling: policies, I/O priorities, barriers, comparing processes."""

from __future__ import annotations

from collections.abc import Callable

from app.strace import text
from app.strace.arguments import part, parts, struct_at
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, after, numbers
from app.strace.structs import scheduling as scheduling_structs
from app.strace.style import descriptor
from app.strace.text import name
from kernel.abi.errno import Errno
from kernel.abi.structs import SIZES


def _sched_note(call: Call) -> str | None:
    return text.known_name(call.value, "sched")


def _sched_setattr(call: Call) -> list[Part]:
    """A structure of another size than the kernel's gets the size that it should have."""
    data = call.before(1)
    shown = parts(call)
    if data is not None:
        shown[1] = Part(scheduling_structs.sched_attr(data, given=True))
    if call.result == -Errno.E2BIG:
        wanted = Part(f"{{size={SIZES['sched_attr']}}}", late=True, joint=" => ")
        return [*shown[:2], wanted, after(shown[2].text)]
    return [*shown[:2], after(shown[2].text)]


def _sched_getattr(call: Call) -> list[Part]:
    shown = parts(call)
    data = call.after(1)
    if data is not None and call.word(2):
        shown[1] = Part(scheduling_structs.sched_attr(data, given=False), late=True)
    return shown


def _ioprio(value: int) -> str:
    """Class and level (`man 2 ioprio_set`)."""
    return f"IOPRIO_PRIO_VALUE({name(value >> 13, 'ioprio_class')}, {value & 0x1FFF})"


def _ioprio_set(call: Call) -> list[Part]:
    return [*numbers(call, range(2)), Part(_ioprio(call.word(2)))]


def _ioprio_note(call: Call) -> str:
    return _ioprio(call.value)


def _membarrier(call: Call) -> list[Part]:
    """The processor's number is there only if one is asked for."""
    shown = parts(call)
    return shown if call.word(1) & 1 else shown[:2]


def _membarrier_note(call: Call) -> str | None:
    """What can be asked for."""
    return text.flags(call.value, "membarrier_commands") if call.value else None


def _kcmp(call: Call) -> list[Part]:
    """What the last two arguments are follows from what is compared."""
    shown = numbers(call, range(3))
    kind = call.word(2)
    if kind == _KCMP_FILE:
        return [*shown, Part(descriptor(call.number(3))), Part(descriptor(call.number(4)))]
    if kind == _KCMP_EPOLL_TFD:
        slot = struct_at(call.before(4), "kcmp_epoll_slot", call.word(4))
        return [*shown, Part(descriptor(call.number(3))), Part(slot)]
    return shown if kind < _KCMP_EPOLL_TFD else [*shown, part(call, 3), Part(text.hexadecimal(call.word(4)))]


_KCMP_FILE, _KCMP_EPOLL_TFD = 0, 7

SPECIAL: dict[str, Special] = {
    "sched_setattr": _sched_setattr,
    "sched_getattr": _sched_getattr,
    "ioprio_set": _ioprio_set,
    "membarrier": _membarrier,
    "kcmp": _kcmp,
}

NOTES: dict[str, Note] = {
    "sched_getscheduler": _sched_note,
    "ioprio_get": _ioprio_note,
    "membarrier": _membarrier_note,
}

HEXADECIMAL: dict[str, Callable[[Call], bool]] = {"membarrier": lambda call: bool(call.value)}
