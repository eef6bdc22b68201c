"""GDT, IDT and TSS entries as the processor reads them (Intel SDM vol. 3, 3.4.5, 6.11, 7.2).

Each codec packs to and unpacks from the bytes in guest memory and round-trips.
"""

from __future__ import annotations

import msgspec

GATE_INTERRUPT = 0xE
GATE_TRAP = 0xF
GATE_TASK = 0x5

TSS_SIZE = 0x68
TSS_ESP0 = 4
TSS_SS0 = 8


class Descriptor(msgspec.Struct, frozen=True):
    """A segment descriptor: `base` and `limit` in bytes or pages, `access` and `flags` as in memory.

    `access` is P DPL(2) S type(4); `flags` is G D/B L AVL.
    """

    base: int
    limit: int
    access: int
    flags: int

    @property
    def present(self) -> bool:
        return bool(self.access & 0x80)

    @property
    def dpl(self) -> int:
        return self.access >> 5 & 3

    @property
    def code(self) -> bool:
        return self.access & 0x18 == 0x18

    @property
    def writable_data(self) -> bool:
        return self.access & 0x1A == 0x12

    def pack(self) -> int:
        """The 64-bit word in the GDT."""
        return (
            (self.limit & 0xFFFF)
            | (self.base & 0xFF_FFFF) << 16
            | (self.access & 0xFF) << 40
            | (self.limit >> 16 & 0xF) << 48
            | (self.flags & 0xF) << 52
            | (self.base >> 24 & 0xFF) << 56
        )

    @staticmethod
    def unpack(word: int) -> Descriptor:
        return Descriptor(
            base=(word >> 16 & 0xFF_FFFF) | (word >> 56 & 0xFF) << 24,
            limit=(word & 0xFFFF) | (word >> 48 & 0xF) << 16,
            access=word >> 40 & 0xFF,
            flags=word >> 52 & 0xF,
        )


class Gate(msgspec.Struct, frozen=True):
    """An IDT entry: where a vector leads, and who may ask for it with `int n`."""

    offset: int
    selector: int
    type: int
    dpl: int
    present: bool

    @property
    def interrupt(self) -> bool:
        """True when IF is cleared on the way in."""
        return self.type == GATE_INTERRUPT

    def pack(self) -> int:
        return (
            (self.offset & 0xFFFF)
            | (self.selector & 0xFFFF) << 16
            | ((self.present & 1) << 7 | (self.dpl & 3) << 5 | (self.type & 0x1F)) << 40
            | (self.offset >> 16 & 0xFFFF) << 48
        )

    @staticmethod
    def unpack(word: int) -> Gate:
        return Gate(
            offset=(word & 0xFFFF) | (word >> 48 & 0xFFFF) << 16,
            selector=word >> 16 & 0xFFFF,
            type=word >> 40 & 0x1F,
            dpl=word >> 45 & 3,
            present=bool(word >> 47 & 1),
        )
