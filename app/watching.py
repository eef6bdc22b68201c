"""The search for breakpoints at addresses. No event tells of them: the machine is run to find out.

Watching changes nothing of what happens (`Core.watch`). A place is (events so far, tick): the rest right
before the instruction. A search goes in pieces, and the cursor goes along, in the past too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.finding import Wanted
from app.position import ALL_DONE, Position
from kernel.kernel import Halted, Idle

if TYPE_CHECKING:
    from app.engine import Engine

SLICE = 200_000
"""Ticks that are run at a time while somebody watches."""
WINDOWS = (200_000, 4_000_000)
"""So many ticks before a place are looked at first: in a loop the last time is near."""
Place = tuple[int, int]


class Watch:
    """For `addresses`, on or (`direction` -1) back; for events too, which are given with each piece."""

    def __init__(self, addresses: frozenset[int], direction: int) -> None:
        self.addresses = addresses
        self.direction = direction

    def go(self, engine: Engine, wanted: Wanted, seconds: float) -> str:
        """One piece, of about `seconds` on the way on. The cursor is behind it, or at what was found."""
        core = engine.machine.kernel.core
        engine.to_cursor()
        try:
            if self.direction < 0:
                return self._back(engine, wanted)
            return self._on(engine, wanted, time.monotonic() + seconds)
        finally:
            core.watch(frozenset(), None)

    def _on(self, engine: Engine, wanted: Wanted, deadline: float) -> str:
        machine = engine.machine
        first, after = engine.cursor.seq, bound(engine)
        while True:
            if not engine.can_run():
                engine.go_end()
                return "finished"
            outcome, hits = self._step(engine)
            hit = next((one for one in hits if one > after), None)
            found = engine.find(wanted, first, machine.seq)
            if found is not None and (hit is None or found < hit[0]):
                engine.cursor = Position(found + 1, ALL_DONE, engine.log.record(found).tick)
                return "found"
            if hit is not None:
                machine.go_to(*hit)
                engine.set_to_rest()
                return "found"
            first = max(first, machine.seq)
            engine.set_to_rest()
            if isinstance(outcome, Halted):
                return "finished"
            if isinstance(outcome, Idle) and not engine.pass_idle(outcome):
                return "waiting" if engine.live else "finished"
            if time.monotonic() > deadline:
                return "running"

    def _step(self, engine: Engine) -> tuple[Idle | Halted | None, list[Place]]:
        """One slice; where an address was come to in it, the first few times."""
        machine = engine.machine
        hits: list[Place] = []

        def seen(_address: int, tick: int) -> None:
            if len(hits) < 2:
                hits.append((machine.seq, tick))

        machine.kernel.core.watch(self.addresses, seen)
        return machine.step(machine.tick + SLICE), hits

    def _back(self, engine: Engine, wanted: Wanted) -> str:
        """From the last checkpoint before the cursor up to it."""
        machine, cursor = engine.machine, engine.cursor
        start, hit = self._last_before(engine, bound(engine))
        found = next(
            (n for n in range(cursor.seq - 1, start[0], -1) if wanted(engine.log.record(n - 1).event)), 0
        )
        if found and (hit is None or hit[0] < found):
            engine.cursor = Position(found, ALL_DONE, engine.log.record(found - 1).tick)
            return "found"
        if hit is not None:
            machine.go_to(*hit)
            engine.set_to_rest()
            return "found"
        if not start[0]:
            engine.go_start()
            return "finished"
        machine.go_to(*start)
        engine.set_to_rest()
        return "running"

    def _last_before(self, engine: Engine, end: Place) -> tuple[Place, Place | None]:
        """Where the last checkpoint before `end`, the cursor, is; and the last hit from there on."""
        machine = engine.machine
        core = machine.kernel.core
        here = machine.seq, machine.tick
        last: list[Place] = []

        def seen(_address: int, tick: int) -> None:
            if (machine.seq, tick) < end:
                last[:] = [(machine.seq, tick)]

        for window in (*WINDOWS, None):
            start = machine.rewind_before(*end)
            if window is not None:
                if machine.tick >= end[1] - window:
                    continue
                machine.run_until(end[1] - window)
                if (machine.seq, machine.tick) >= end:
                    continue
            core.watch(self.addresses, seen)
            machine.run_on(*here)  # all the way: the cursor may stand at a checkpoint
            at = machine.seq, machine.tick
            if core.eip in self.addresses and at < end:
                last[:] = [at]
            core.watch(frozenset(), None)
            if last:
                break
        return start, last[0] if last else None


def bound(engine: Engine) -> Place:
    """What is smaller is before the cursor, what is greater behind it. The machine stands at the cursor."""
    machine, cursor = engine.machine, engine.cursor
    if cursor.microstep == ALL_DONE and machine.seq == cursor.seq:
        return machine.seq, machine.tick
    return cursor.seq, -1
