"""One task traces another: who, where the traced one stops, and with what it goes on (man 2 ptrace)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.waiting import stop_place
from app.state.state import State
from app.tellers.people import brief, task
from kernel import events as e
from kernel.abi.signal import signal_name

_BEGINNING = {
    "asked": "has asked for it with PTRACE_TRACEME",
    "attach": "is sent SIGSTOP so that it stops",
    "seize": "runs on until something happens",
    "inherit": "has that from who made it",
}
_END = {
    "detach": "lets it go",
    "exit": "has ended and so lets it go",
    "reap": "has taken its exit status: now the parent's turn comes",
}
_RESUMED = {
    "cont": "goes on",
    "syscall": "goes on up to the next beginning or end of a system call",
    "step": "goes on for one instruction",
    "sysemu": "goes on up to the next system call, which will not be made",
    "detach": "goes on, traced no longer",
    "kill": "goes on to its end: SIGKILL does not ask a tracer",
}


def _attached(event: e.TracerAttached, state: State) -> str:
    traced = brief(state, event.task)
    return f"{task(state, event.tracer)} traces {task(state, event.task)}: {traced} {_BEGINNING[event.how]}."


def _detached(event: e.TracerDetached, state: State) -> str:
    tracer = brief(state, event.tracer)
    return f"{task(state, event.task)} is not traced any more: {tracer} {_END.get(event.how, 'lets it go')}."


def _stopped(event: e.TraceStopped, state: State) -> str:
    tracer = brief(state, event.tracer)
    place = stop_place(event.trap, event.code)
    return (
        f"{task(state, event.task)} stops {place}. {tracer} learns of it by wait, may look at registers and"
        " memory, change them, and says when to go on."
    )


def _resumed(event: e.TraceResumed, state: State) -> str:
    taking = f", taking {signal_name(event.signo)}" if event.signo and event.how != "kill" else ""
    return f"{task(state, event.task)}, stopped for its tracer, {_RESUMED[event.how]}{taking}."


def _suppressed(event: e.SignalSuppressed, state: State) -> str:
    return f"{task(state, event.task)} does not get {signal_name(event.signo)}: its tracer has taken it away."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.TracerAttached: _attached,
    e.TracerDetached: _detached,
    e.TraceStopped: _stopped,
    e.TraceResumed: _resumed,
    e.SignalSuppressed: _suppressed,
}
