"""Who writes to a place in memory while the machine runs: instructions, and the kernel's Python.

Instructions are told of by `cpu.writes`. What Python writes (a trap's frame, the bodies of system calls,
pages supplied) is seen by what a step has changed; where it writes what was there, nobody notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.machine import Machine
from cpu.events import ENTRIES, Source
from cpu.ram import PAGE_SHIFT
from cpu.writes import Range, watch_writes

Place = tuple[int, int]
"""Events so far and tick: a rest of the machine."""
HLT_SIZE, INT_SIZE, INT3_SIZE = 1, 2, 1


class Writes:
    """Watches `ranges` of physical memory from here on, until `stop`.

    `seen` is called with the rest right before each write, and whether the frame gets its first owner there:
    what was in it before is another's.
    """

    def __init__(
        self, machine: Machine, ranges: tuple[Range, ...], seen: Callable[[Place, bool], None]
    ) -> None:
        self._machine = machine
        self._ranges = ranges
        self._seen = seen
        read = machine.kernel.ram.read
        self._known = [bytearray(read(start, length)) for start, length in ranges]
        self._owned = [self._owners(start) for start, _ in ranges]
        self._rest = machine.seq, machine.tick
        watch_writes(machine.kernel.core, ranges, self._written)
        machine.witness = self._stepped

    def stop(self) -> None:
        self._machine.witness = None
        watch_writes(self._machine.kernel.core, (), None)

    def _owners(self, pa: int) -> int:
        return self._machine.kernel.tables.frame_refs.get(pa >> PAGE_SHIFT, 0)

    def _written(self, pa: int, data: bytes, tick: int) -> None:
        for known, (start, length) in zip(self._known, self._ranges, strict=True):
            if start <= pa < start + length:
                fits = data[: start + length - pa]
                known[pa - start : pa - start + len(fits)] = fits
        self._seen((self._machine.seq, tick), False)

    def _stepped(self) -> None:
        machine = self._machine
        rest, self._rest = self._rest, (machine.seq, machine.tick)
        changed = born = False
        for n, (start, length) in enumerate(self._ranges):
            now = machine.kernel.ram.read(start, length)
            if now != self._known[n]:
                self._known[n][:] = now
                changed = True
            owners = self._owners(start)
            born = born or (owners > 0 and not self._owned[n])
            self._owned[n] = owners
        if changed or born:
            self._seen(self._before(rest), born)

    def _before(self, rest: Place) -> Place:
        """The last rest before the kernel, or the processor, acted in the step that began at `rest`."""
        if self._machine.seq == rest[0]:  # a body of which no event tells: behind its hlt is the machine now
            return rest[0], max(self._machine.tick - HLT_SIZE, rest[1])
        record = self._machine.log.record(rest[0])
        return rest[0], max(record.tick - leading(record.event), rest[1])


def leading(event: Any) -> int:
    """Ticks from the rest before an event to it: of the instruction that led to it."""
    if not isinstance(event, ENTRIES):
        return HLT_SIZE
    if event.source not in (Source.SOFTWARE, Source.SYSENTER):
        return 0
    return INT3_SIZE if event.vector in (3, 4) else INT_SIZE
