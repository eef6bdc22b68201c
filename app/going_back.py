"""Going back by what no event marks: to the instruction or the microstep before the cursor.

From the last place before it that the log knows, forwards again, to one short of where it stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.position import ALL_DONE, START, Position
from cpu.events import ENTRIES

if TYPE_CHECKING:
    from app.engine import Engine

NEAR = 16
"""No instruction is longer than this many ticks."""


def to_previous_microstep(engine: Engine) -> bool:
    current = engine.cursor
    if engine.at_start:
        return False
    if current.microstep > 0:
        engine.set_cursor(current.seq, current.microstep - 1, current.tick)
        return True
    back = current.seq if _first_of(engine, current.seq).before(current) else current.seq - 1
    while True:
        place = _first_of(engine, max(back, 0))
        if place.before(current):
            break
        back -= 1
        if back < 0:
            engine.go_start()
            return True
    engine.cursor = place
    while engine.microstep() and engine.cursor.before(current):
        place = engine.cursor
    engine.seeking = None
    engine.cursor = place
    return True


def _first_of(engine: Engine, seq: int) -> Position:
    """The first position with `seq` events."""
    if not seq:
        return START
    record = engine.log.record(seq - 1)
    if isinstance(record.event, ENTRIES):
        return Position(seq, 0, record.tick)
    return Position(seq, ALL_DONE, record.tick)


def to_previous_instruction(engine: Engine) -> bool:
    """The last rest before the cursor: from the trap before it, step by step."""
    if engine.at_start:
        return False
    current = engine.cursor
    if current.microstep >= 0:
        engine.to_cursor()
        engine.set_to_rest()
        return True
    engine.to_cursor()
    machine = engine.machine
    goal = (machine.seq, machine.tick) if machine.seq == current.seq else (current.seq, current.tick)
    anchor = _trap_before(engine, current)
    if anchor:
        machine.go_to(anchor, engine.log.record(anchor - 1).tick)
    else:
        machine.rewind(0, 0)
    machine.keep()  # whoever wants to see where this leads to comes by here once more
    last = engine.rest()
    while True:
        _approach(engine, current)
        if (machine.seq, machine.tick) >= goal:
            break
        last = engine.rest()
        outcome = machine.step_instruction()
        if outcome is not None and not machine.pass_idle(outcome):
            break
    engine.cursor = last
    return True


def _trap_before(engine: Engine, current: Position) -> int:
    """`seq` right behind the last trap that was over before the cursor; 0 for none."""
    for seq in range(current.seq, 0, -1):
        record = engine.log.record(seq - 1)
        if isinstance(record.event, ENTRIES) and (seq, record.tick) < (current.seq, current.tick):
            return seq
    return 0


def _approach(engine: Engine, current: Position) -> None:
    """Where nothing happens for long before the cursor, run instead of stepping."""
    machine = engine.machine
    if machine.seq == current.seq:
        until = current.tick - NEAR
    elif machine.seq == current.seq - 1:
        until = engine.log.record(current.seq - 1).tick - NEAR
    else:
        return
    if until - machine.tick > 256:
        machine.go_to(machine.seq, until)
