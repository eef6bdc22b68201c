"""What the processor can be seen to do: a closed vocabulary of frozen structs.

An event is a fact in the past tense with plain values. Everything that a pane derives from it
(the microsteps of a trap, say) is a pure function of these values; see `cpu.interrupts`.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Source(IntEnum):
    """Why a vector was taken."""

    SOFTWARE = 0
    """`int n`, `int3` or `into`: the program asked for it."""
    EXCEPTION = 1
    """The instruction could not be completed, or trapped."""
    INTERRUPT = 2
    """A device asked for attention between two instructions."""
    SYSENTER = 3
    """`sysenter`: no vector, and no gate."""


class CpuEvent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """The base of every event of this floor."""


class TrapTaken(CpuEvent, frozen=True, tag="TrapTaken"):
    """The processor went through the IDT: the gate used, and the frame it pushed.

    `gate` is the IDT entry's 64 bits, `sp` the stack pointer after the pushes. `ss0` and `esp0`
    are the TSS's when the privilege level changed (`cpl` 3), else the present stack's.
    `error` is -1 when the vector pushes none. Intel SDM vol. 3, 6.12.
    """

    vector: int
    source: int
    gate: int
    cpl: int
    ss0: int
    esp0: int
    sp: int
    ss: int
    esp: int
    eflags: int
    cs: int
    eip: int
    error: int
    cr2: int
    eax: int


class SysenterTaken(CpuEvent, frozen=True, tag="SysenterTaken"):
    """`sysenter`: CS, SS, ESP and EIP came from three model-specific registers, and nothing was pushed.

    `eip` is behind the instruction; it and `esp` are lost unless the program has kept them somewhere.
    Intel SDM vol. 2B, SYSENTER. The properties say what a reader of traps asks for.
    """

    msr_cs: int
    msr_esp: int
    msr_eip: int
    cpl: int
    ss: int
    esp: int
    eflags: int
    cs: int
    eip: int
    eax: int

    @property
    def vector(self) -> int:
        """None."""
        return -1

    @property
    def source(self) -> int:
        return Source.SYSENTER

    @property
    def ss0(self) -> int:
        return self.msr_cs + 8

    @property
    def sp(self) -> int:
        return self.msr_esp


Entry = TrapTaken | SysenterTaken
"""A way into ring 0."""
ENTRIES = (TrapTaken, SysenterTaken)

Event = TrapTaken | SysenterTaken
