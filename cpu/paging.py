"""PAE page tables with no-execute (Intel SDM vol. 3, 4.4): codecs and the walk.

A linear address is 2 + 9 + 9 + 12 bits: PDPT entry, directory entry, table entry, offset. Entries
are 64-bit words in guest RAM. Who maps what is the kernel's business.
"""

from __future__ import annotations

import msgspec

from cpu.ram import Ram

PRESENT = 1 << 0
WRITABLE = 1 << 1
USER = 1 << 2
WRITE_THROUGH = 1 << 3
CACHE_DISABLE = 1 << 4
ACCESSED = 1 << 5
DIRTY = 1 << 6
LARGE = 1 << 7
GLOBAL = 1 << 8
NX = 1 << 63
FRAME_MASK = 0x000F_FFFF_FFFF_F000

# Page-fault error code (SDM vol. 3, 4.7).
PF_PRESENT = 1
PF_WRITE = 2
PF_USER = 4
PF_RESERVED = 8
PF_FETCH = 16


class Entry(msgspec.Struct, frozen=True):
    """One page-table entry, taken apart. `frame` is a frame number."""

    frame: int
    present: bool
    writable: bool
    user: bool
    accessed: bool
    dirty: bool
    large: bool
    no_execute: bool
    write_through: bool = False
    cache_disable: bool = False
    is_global: bool = False
    available: int = 0

    def pack(self) -> int:
        return (
            self.frame << 12
            | self.available << 9
            | (NX if self.no_execute else 0)
            | (PRESENT if self.present else 0)
            | (WRITABLE if self.writable else 0)
            | (USER if self.user else 0)
            | (WRITE_THROUGH if self.write_through else 0)
            | (CACHE_DISABLE if self.cache_disable else 0)
            | (ACCESSED if self.accessed else 0)
            | (DIRTY if self.dirty else 0)
            | (LARGE if self.large else 0)
            | (GLOBAL if self.is_global else 0)
        )

    @staticmethod
    def unpack(word: int) -> Entry:
        return Entry(
            frame=(word & FRAME_MASK) >> 12,
            present=bool(word & PRESENT),
            writable=bool(word & WRITABLE),
            user=bool(word & USER),
            accessed=bool(word & ACCESSED),
            dirty=bool(word & DIRTY),
            large=bool(word & LARGE),
            no_execute=bool(word & NX),
            write_through=bool(word & WRITE_THROUGH),
            cache_disable=bool(word & CACHE_DISABLE),
            is_global=bool(word & GLOBAL),
            available=word >> 9 & 7,
        )


class Step(msgspec.Struct, frozen=True):
    """One level of a page walk: the table's name, where the entry lies and what it holds."""

    level: str
    index: int
    address: int
    word: int


def walk(ram: Ram, cr3: int, va: int) -> list[Step]:
    """The entries that the MMU reads for `va`, down to the first one that stops it."""
    steps = []
    table = cr3 & ~0x1F
    for level, shift, bits in (("PDPT", 30, 2), ("PD", 21, 9), ("PT", 12, 9)):
        index = va >> shift & (1 << bits) - 1
        address = table + index * 8
        if address + 8 > ram.size:
            break
        word = ram.u64[address >> 3]
        steps.append(Step(level, index, address, word))
        if not word & PRESENT or (level == "PD" and word & LARGE):
            break
        table = word & FRAME_MASK
    return steps


def translate(ram: Ram, cr3: int, va: int) -> int:
    """The physical address behind `va`, or -1 when no present mapping is there. No rights checked."""
    u64 = ram.u64
    try:
        pdpte = u64[(cr3 >> 3) + (va >> 30)]
        if not pdpte & 1:
            return -1
        pde = u64[((pdpte & FRAME_MASK) >> 3) + (va >> 21 & 511)]
        if not pde & 1:
            return -1
        if pde & LARGE:
            return (pde & FRAME_MASK & ~0x1F_FFFF) | (va & 0x1F_FFFF)
        pte = u64[((pde & FRAME_MASK) >> 3) + (va >> 12 & 511)]
    except IndexError:
        return -1
    if not pte & 1:
        return -1
    return (pte & FRAME_MASK) | (va & 0xFFF)


def read_linear(ram: Ram, cr3: int, va: int, length: int) -> bytes | None:
    """`length` bytes at linear address `va`, or None when a page of them is not present."""
    parts = []
    while length > 0:
        pa = translate(ram, cr3, va)
        if pa < 0:
            return None
        n = min(length, 0x1000 - (va & 0xFFF))
        if pa + n > ram.size:
            return None
        parts.append(ram.read(pa, n))
        va = (va + n) & 0xFFFF_FFFF
        length -= n
    return b"".join(parts)
