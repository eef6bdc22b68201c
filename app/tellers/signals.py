"""Signals: actions and masks, generation, delivery, the frame on the stack; faults that become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.panes.traps import vector_name
from app.state import life
from app.state.state import State
from app.tellers.people import brief, listed, task, who
from kernel import events as e
from kernel.abi.signal import SI_TKILL, SI_USER, SIG_DFL, SIG_IGN, SIGCHLD, signal_name

NAMED = 6
"""So many signals are named one by one."""
CHILD_CHANGED = {
    1: "ended",
    2: "was killed",
    3: "was killed",
    4: "was trapped",
    5: "was stopped",
    6: "goes on",
}
"""CLD_EXITED and its like."""


def names_in(mask: int) -> str:
    """The signals of a mask by name."""
    known = [signo for signo in range(1, 65) if mask >> (signo - 1) & 1]
    others = [signo for signo in range(1, 65) if signo not in known]
    if len(others) <= NAMED:
        return "all signals" + (f" but {listed([signal_name(signo) for signo in others])}" if others else "")
    if len(known) <= NAMED:
        return listed([signal_name(signo) for signo in known])
    return f"{len(known)} signals"


def _action(event: e.SignalActionSet, state: State) -> str:
    name, owner = signal_name(event.signo), task(state, event.task)
    if event.handler == SIG_DFL:
        return f"{owner} takes the default action for {name}."
    if event.handler == SIG_IGN:
        return f"{owner} ignores {name} from now on."
    return f"{owner} catches {name} from now on: its handler is at {event.handler:08x}."


def _mask(event: e.SignalMaskSet, state: State) -> str:
    if not event.blocked:
        return f"{task(state, event.task)} blocks no signal: its mask is empty."
    return f"{task(state, event.task)} blocks {names_in(event.blocked)}: what of these comes stays pending."


def _generated(event: e.SignalGenerated, state: State) -> str:
    name, owner = signal_name(event.signo), task(state, event.task)
    if event.sender == event.task:
        sent = f"{owner} sends {name} to itself"
    elif event.sender:
        sent = f"{task(state, event.sender)} sends {name} to {owner}"
    elif event.signo == SIGCHLD and event.code in CHILD_CHANGED and event.info:
        child = brief(state, event.info[0])
        sent = f"{child} {CHILD_CHANGED[event.code]}: the kernel sends {name} to {owner}"
    elif event.code in (SI_USER, SI_TKILL):
        sent = f"Somebody outside the machine sends {name} to {owner}"
    else:
        sent = f"The kernel sends {name} to {owner}"
    if event.ignored:
        return f"{sent}, which ignores it: nothing is left of it."
    last = state.lives[-1] if state.lives else None
    if last is not None and last.seq == state.events_seen - 1 and last.fate == life.MERGED:
        return f"{sent}. One is pending there already, and a standard signal is not queued: this one is lost."
    found = state.machine.tasks.get(event.task)
    if found is not None and found.blocked >> (event.signo - 1) & 1:
        return f"{sent}, which blocks it: it is pending until the mask lets it through."
    return f"{sent}. It is pending, until {brief(state, event.task)} is about to return to user mode."


def _delivered(event: e.SignalDelivered, state: State) -> str:
    name, owner = signal_name(event.signo), task(state, event.task)
    match event.action:
        case "handler":
            return (
                f"{name} is delivered to {owner}: a frame with all registers is put on its user stack at"
                f" {event.frame:08x}, and iret will lead to the handler at {event.handler:08x}."
            )
        case "ignore":
            return f"{name} is delivered to {owner} and ignored."
        case "core":
            return (
                f"{name} is delivered to {owner}, which has no handler: the default ends it with a core dump."
            )
        case "terminate":
            return f"{name} is delivered to {owner}, which has no handler: the default action ends it."
        case "stop":
            return f"{name} is delivered to {owner}, which has no handler: the default action stops it."
        case "continue":
            return f"{name} is delivered to {owner}: it goes on."
        case other:
            return f"{name} is delivered to {owner}: {other}."


def _over(event: e.SignalReturned, state: State) -> str:
    return (
        f"sigreturn: the kernel takes the registers out of the frame at {event.frame:08x}, as if nothing had"
        f" been. {task(state, event.task)} goes on at {event.eip:08x}."
    )


def _discarded(event: e.SignalsDiscarded, state: State) -> str:
    names = names_in(event.signals)
    whose = f"the process of {task(state, event.task)}" if event.shared else task(state, event.task)
    return f"Pending no longer, and never delivered, for {whose}: {names}."


def _fault(event: e.FaultHandled, state: State) -> str:
    if not event.signo:
        return (
            f"The page fault at {event.address:08x} was no error: the page is there now, and {who(state)}"
            " will execute the instruction once more."
        )
    what = vector_name(event.vector)
    where = f" at {event.address:08x}" if event.vector == 14 else ""
    return f"{what}{where} by {who(state)} cannot be mended: it becomes {signal_name(event.signo)}."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.SignalActionSet: _action,
    e.SignalMaskSet: _mask,
    e.SignalGenerated: _generated,
    e.SignalsDiscarded: _discarded,
    e.SignalDelivered: _delivered,
    e.SignalReturned: _over,
    e.FaultHandled: _fault,
}
