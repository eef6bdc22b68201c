"""Signals: sets with their sizes, the old calls."""

from __future__ import annotations

from app.strace import text
from app.strace.arguments import part, parts
from app.strace.call import Call, Part
from app.strace.calls.common import Note, Special, sized_set


def _with_set(place: int) -> Special:
    """The set's size is the last argument."""

    def show(call: Call) -> list[Part]:
        shown = parts(call)
        shown[place] = sized_set(call, place, len(call.row.args) - 1)
        return shown

    return show


def _rt_sigprocmask(call: Call) -> list[Part]:
    shown = parts(call)
    shown[1], shown[2] = sized_set(call, 1, 3), sized_set(call, 2, 3)
    return shown


def _signalfd(call: Call) -> list[Part]:
    shown = parts(call)
    shown[1] = sized_set(call, 1, 2)
    return shown


def _sigsuspend(call: Call) -> list[Part]:
    return [part(call, 2)]


def _signal_note(call: Call) -> str | None:
    return {0: "SIG_DFL", 1: "SIG_IGN"}.get(call.value)


def _mask_note(call: Call) -> str:
    word = "old mask" if call.row.args else "mask"
    return f"{word} {text.signal_set(call.value & 0xFFFFFFFF, 4)}"


def _sigtimedwait_note(call: Call) -> str:
    return text.signal_of(call.value)


def _ssetmask(call: Call) -> list[Part]:
    return [Part(text.signal_set(call.word(0), 4))]


def _restart_syscall(call: Call) -> list[Part]:
    return [Part("<... resuming interrupted system call ...>")]


SPECIAL: dict[str, Special] = {
    **dict.fromkeys(
        ("rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64"), _with_set(0)
    ),
    **dict.fromkeys(("signalfd", "signalfd4"), _signalfd),
    "restart_syscall": _restart_syscall,
    "rt_sigprocmask": _rt_sigprocmask,
    "sigsuspend": _sigsuspend,
    "ssetmask": _ssetmask,
}

NOTES: dict[str, Note] = {
    "signal": _signal_note,
    **dict.fromkeys(("sgetmask", "ssetmask"), _mask_note),
    **dict.fromkeys(("rt_sigtimedwait", "rt_sigtimedwait_time64"), _sigtimedwait_note),
}
