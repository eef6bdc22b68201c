"""The moments of a signal's life at which n and N stop: besides its events two that none marks.

The check: the entry code is about to ask for the signals of a task that goes back to user mode. And user
mode: the first instruction of the handler, or behind sigreturn the one that the program goes on at. The check
is known by its tick; to user mode the machine goes from the event before, instruction by instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.finding import is_signal
from app.position import ALL_DONE, Position
from cpu.events import ENTRIES
from kernel import events as e

if TYPE_CHECKING:
    from app.engine import Engine

WAY_OUT = 400
"""Instructions at most from a delivery or sigreturn to user mode."""
HLT_SIZE = 1
"""Ticks of the instruction with which the entry code asks for signals."""


def following(engine: Engine) -> Position | None:
    """User mode behind the last event of a signal's, if that lies ahead."""
    here = engine.cursor
    for seq in range(here.seq - 1, -1, -1):
        event = engine.log.record(seq).event
        if is_signal(event):
            place = in_user_mode(engine, seq)
            return place if place is not None and here.before(place) else None
        if _is_loud(event):
            break
    return None


def to_previous(engine: Engine) -> bool:
    """Back to the last moment before the cursor; to the start of time if there is none."""
    engine.found = False
    if engine.at_start:
        return False
    here = engine.cursor
    for seq in range(here.seq - 1, -1, -1):
        record = engine.log.record(seq)
        if not is_signal(record.event):
            continue
        for place in (
            in_user_mode(engine, seq),
            Position(seq + 1, ALL_DONE, record.tick),
            check(engine, seq),
        ):
            if place is not None and place.before(here):
                engine.seeking, engine.found = None, True
                engine.cursor = place
                return True
    engine.go_start()
    return True


def first_of(engine: Engine, seq: int) -> Position:
    """Where event `seq`, one of a signal's that lies ahead, is come to first."""
    place = check(engine, seq)
    if place is not None and engine.cursor.before(place):
        return place
    return Position(seq + 1, ALL_DONE, engine.log.record(seq).tick)


def check(engine: Engine, seq: int) -> Position | None:
    """Where the entry code is about to ask, before a signal is delivered."""
    record = engine.log.record(seq)
    if type(record.event) is not e.SignalDelivered or record.event.action == "accept":
        return None
    first = seq
    while first and engine.log.record(first - 1).tick == record.tick:
        first -= 1
    tick = record.tick - HLT_SIZE
    if not first or engine.log.record(first - 1).tick > tick:
        return None
    return Position(first, ALL_DONE, tick)


def in_user_mode(engine: Engine, seq: int) -> Position | None:
    """Where a task first is in user mode after event `seq`, which changed where it goes on.

    None for other events, and if something else comes between: another signal, a trap, another task.
    """
    record = engine.log.record(seq)
    event = record.event
    if not (type(event) is e.SignalReturned or (type(event) is e.SignalDelivered and event.frame)):
        return None
    machine = engine.machine
    machine.go_to(seq + 1, record.tick)
    for _ in range(WAY_OUT):
        if any(_is_loud(one.event) for one in engine.log.records(seq + 1, min(machine.seq, engine.length))):
            return None
        if machine.kernel.core.registers().cpl == 3:
            return engine.rest()
        if not engine.can_run() or machine.step_instruction() is not None:
            return None
    return None


def _is_loud(event: object) -> bool:
    return is_signal(event) or isinstance(event, (*ENTRIES, e.TaskSwitched))
