"""A moment of the whole machine: the processor's state and the frames in use.

Frames are immutable `bytes`, shared between checkpoints while they do not change, so a checkpoint
costs only what has changed since the last one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from cpu.core import Core, CpuState
from cpu.ram import PAGE_SIZE, Ram


class MachineState(msgspec.Struct, array_like=True):
    """`frames` maps frame number to its 4,096 bytes; frames that are not in it do not matter."""

    cpu: CpuState
    frames: dict[int, bytes]


def save(core: Core, frames: Iterable[int], before: MachineState | None = None) -> MachineState:
    """Copy the processor and `frames`; those equal to `before`'s are shared with it."""
    return MachineState(core.save(), save_frames(core.ram, frames, before.frames if before else {}))


def save_frames(ram: Ram, frames: Iterable[int], before: dict[int, bytes]) -> dict[int, bytes]:
    u8 = ram.u8
    out = {}
    for pfn in frames:
        data = bytes(u8[pfn * PAGE_SIZE : (pfn + 1) * PAGE_SIZE])
        known = before.get(pfn)
        out[pfn] = known if known == data else data
    return out


def changed(ram: Ram, state: MachineState, frames: Iterable[int]) -> list[int]:
    """Those of the frames that hold something else now than in `state`, or are not in it."""
    return [pfn for pfn in frames if state.frames.get(pfn) != bytes(ram.frame(pfn))]


def restore(core: Core, state: MachineState, iret: int, stale: Collection[int] | None = None) -> None:
    """Put the machine back. `iret` and `stale` as in `Core.load`."""
    ram = core.ram
    for pfn, data in state.frames.items():
        ram.u8[pfn * PAGE_SIZE : (pfn + 1) * PAGE_SIZE] = data
    core.load(state.cpu, iret, stale)
