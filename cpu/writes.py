"""Watching memory: which instruction writes to a place, by whichever linear address it gets there.

Every store costs a call of Python meanwhile, so this is for running a stretch of the past once more. What
Python writes (a trap's frame, the bodies of system calls) no instruction does, and is not told of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cpu.core import Core

Range = tuple[int, int]
"""Physical address and length."""
Seen = Callable[[int, bytes, int], None]
"""Called with the physical address of the first byte in a range, the bytes from there on that will be
written, and the tick at which the instruction begins."""


def watch_writes(core: Core, ranges: Sequence[Range], seen: Seen | None) -> None:
    """Call `seen` when an instruction is about to write into one of the ranges; None: no more."""
    if seen is None or not ranges:
        core.emulator.watch_writes(None)
        return

    def written(pa: int, data: bytes, eip: int) -> None:
        for start, length in ranges:
            if pa < start + length and start < pa + len(data):
                try:
                    first = max(start - pa, 0)
                    seen(pa + first, data[first:], core.tick_of(eip))
                except BaseException as error:
                    core.fail(error)

    core.emulator.watch_writes(written)
