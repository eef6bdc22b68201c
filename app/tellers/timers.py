"""Timers that send signals, and the clock that is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.state.state import State
from app.tellers.people import task
from kernel import events as e
from kernel.abi.signal import signal_name

NAMES = {-1: "real-time interval timer", -2: "user-time interval timer", -3: "profiling timer"}


def _name(number: int) -> str:
    return NAMES.get(number, f"timer {number}")


def _set(event: e.TimerSet, state: State) -> str:
    name = f"The {_name(event.number)} of {task(state, event.owner)}"
    if event.expires < 0:
        return f"{name} is not running."
    sends = f" and then sends {signal_name(event.signo)}" if event.signo else ""
    again = f", and every {event.interval:,} ns from then on" if event.interval else ""
    return f"{name} goes off at {event.expires:,} ns of its clock{sends}{again}."


def _expired(event: e.TimerExpired, state: State) -> str:
    timer = state.machine.timers.get(event.timer)
    name = _name(timer.number) if timer is not None else "timer"
    owner = f" of {task(state, timer.owner)}" if timer is not None else ""
    more = f"; {event.times - 1:,} more were missed" if event.times > 1 else ""
    return f"The {name}{owner} goes off{more}."


TELLERS: dict[type, Callable[[Any, State], str]] = {
    e.TimerSet: _set,
    e.TimerExpired: _expired,
    e.TimerDeleted: lambda ev, s: "A timer is gone.",
    e.ClockSet: lambda ev, s: "The real-time clock was set.",
}
