"""The search for breakpoints at addresses and for writes, by running the machine: no event tells of them.

Watching changes nothing of what happens (`Core.watch`, `cpu.writes`). A place is (events so far, tick): the
rest right before the instruction. What the kernel's Python writes is seen by what it changes; its place is
before it acts. A search goes in pieces, and the cursor goes along, in the past too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.finding import Wanted
from app.position import ALL_DONE, Position
from app.writes import Place, Writes
from cpu.writes import Range
from kernel.kernel import Halted, Idle

if TYPE_CHECKING:
    from app.engine import Engine
    from app.machine import Machine

SLICE = 200_000
"""Ticks that are run at a time while somebody watches."""
MOST_HITS = 3
"""Places of a slice that are kept: the first may be the cursor's own."""
WINDOWS = (200_000, 4_000_000)
"""So many ticks before a place are looked at first: in a loop the last time is near."""


class Watch:
    """For `addresses` and writes into `ranges` of memory, on or (`direction` -1) back.

    For events too, which are given with each piece.
    """

    def __init__(self, addresses: frozenset[int], direction: int, ranges: tuple[Range, ...] = ()) -> None:
        self.addresses = addresses
        self.direction = direction
        self.ranges = ranges
        self.new = False
        """Whether at the place found last the watched frame got its first owner."""
        self.begun: Position | None = None
        """Where the cursor comes back to when nothing is found; None: it stays where the search ended."""

    def go(self, engine: Engine, wanted: Wanted, seconds: float) -> str:
        """One piece, of about `seconds` on the way on. The cursor is behind it, or at what was found."""
        engine.to_cursor()
        if self.direction < 0:
            return self._back(engine, wanted)
        return self._on(engine, wanted, time.monotonic() + seconds)

    def told(self, engine: Engine) -> str:
        """What is to be said of what was found."""
        return ""

    @contextmanager
    def _armed(self, machine: Machine, seen: Callable[[Place, bool], None]) -> Iterator[None]:
        """Within, `seen` is called with each place, and whether the watched frame is new there."""
        core = machine.kernel.core
        core.watch(self.addresses, lambda _address, tick: seen((machine.seq, tick), False))
        writes = Writes(machine, self.ranges, seen) if self.ranges else None
        try:
            yield
        finally:
            core.watch(frozenset(), None)
            if writes is not None:
                writes.stop()

    def _on(self, engine: Engine, wanted: Wanted, deadline: float) -> str:
        machine = engine.machine
        hits: list[Place] = []

        def seen(place: Place, _new: bool) -> None:
            if len(hits) < MOST_HITS:
                hits.append(place)

        with self._armed(machine, seen):
            outcome, hit = self._until_found(engine, wanted, deadline, hits)
        if hit is not None:
            machine.go_to(*hit)
            engine.set_to_rest()
        return outcome

    def _until_found(
        self, engine: Engine, wanted: Wanted, deadline: float, hits: list[Place]
    ) -> tuple[str, Place | None]:
        """Slice after slice; how that ended, and the place that was found."""
        machine = engine.machine
        first, after = engine.cursor.seq, bound(engine)
        while True:
            if not engine.can_run():
                engine.go_end()
                return "finished", None
            hits.clear()
            outcome = machine.step(machine.tick + SLICE)
            hit = next((one for one in hits if one > after), None)
            found = engine.find(wanted, first, machine.seq)
            if found is not None and (hit is None or found < hit[0]):
                engine.cursor = Position(found + 1, ALL_DONE, engine.log.record(found).tick)
                return "found", None
            if hit is not None:
                return "found", hit
            first = max(first, machine.seq)
            engine.set_to_rest()
            if isinstance(outcome, Halted):
                return "finished", None
            if isinstance(outcome, Idle) and not engine.pass_idle(outcome):
                return "waiting" if engine.live else "finished", None
            if time.monotonic() > deadline:
                return "running", None

    def _back(self, engine: Engine, wanted: Wanted) -> str:
        """From the last checkpoint before the cursor up to it."""
        machine, cursor = engine.machine, engine.cursor
        start, hit = self._last_before(engine, bound(engine))
        last = engine._last(wanted, cursor.seq - 1, start[0])
        found = last + 1 if last is not None else 0
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

        def seen(place: Place, new: bool) -> None:
            if place < end:
                last[:] = [place]
                self.new = new

        for window in (*WINDOWS, None):
            start = machine.rewind_before(*end)
            if window is not None:
                if machine.tick >= end[1] - window:
                    continue
                machine.run_until(end[1] - window)
                if (machine.seq, machine.tick) >= end:
                    continue
            with self._armed(machine, seen):
                machine.run_on(*here)  # all the way: the cursor may stand at a checkpoint
            at = machine.seq, machine.tick
            if core.eip in self.addresses and at < end:
                last[:] = [at]
            if last:
                break
        return start, last[0] if last else None


def bound(engine: Engine) -> Place:
    """What is smaller is before the cursor, what is greater behind it. The machine stands at the cursor."""
    machine, cursor = engine.machine, engine.cursor
    if cursor.microstep == ALL_DONE and machine.seq == cursor.seq:
        return machine.seq, machine.tick
    return cursor.seq, -1
