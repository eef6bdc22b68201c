"""A task's page tables in guest RAM: PDPT, three directories for user space, one shared for the kernel's.

Only this file and `fault` write user PTEs. Bits are the processor's (Intel SDM vol. 3, 4.4.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cpu.paging import ACCESSED, DIRTY, FRAME_MASK, NX, PRESENT, USER, WRITABLE
from kernel.abi.mman import PROT_EXEC, PROT_WRITE
from kernel.mm.frames import RESERVE, alloc_frame, put_frame

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TABLE_BITS = PRESENT | WRITABLE | USER
EVENT_NX = 1 << 12
"""No-execute as events carry it, next to the entry's low 12 bits."""
USER_DIRECTORIES = 3
KERNEL_SLOT = 3


def new_pgd(k: Kernel) -> int:
    """An empty user space below the kernel's own gigabyte; the PDPT's frame number."""
    pgd = alloc_frame(k)
    at = pgd << 9
    for slot in range(USER_DIRECTORIES):
        k.ram.u64[at + slot] = alloc_frame(k) << 12 | PRESENT
    k.ram.u64[at + KERNEL_SLOT] = k.kernel_directory << 12 | PRESENT
    return pgd


def free_pgd(k: Kernel, pgd: int) -> None:
    """Give the tables back; the pages in them must be gone already."""
    u64 = k.ram.u64
    for slot in range(USER_DIRECTORIES):
        directory = (u64[(pgd << 9) + slot] & FRAME_MASK) >> 12
        for word in u64[directory << 9 : (directory + 1) << 9].tolist():
            if word & PRESENT:
                put_frame(k, (word & FRAME_MASK) >> 12)
        put_frame(k, directory)
    put_frame(k, pgd)


def _table_at(k: Kernel, pgd: int, va: int, create: bool) -> int:
    """Index into `Ram.u64` of the page table for `va`, or -1."""
    u64 = k.ram.u64
    directory = (u64[(pgd << 9) + (va >> 30)] & FRAME_MASK) >> 3
    at = directory + (va >> 21 & 511)
    word = u64[at]
    if not word & PRESENT:
        if not create:
            return -1
        word = alloc_frame(k, RESERVE // 2) << 12 | TABLE_BITS
        u64[at] = word
    return (word & FRAME_MASK) >> 3


def table_frames(k: Kernel, pgd: int) -> int:
    """Frames that hold a space's tables: the page directories and the page tables."""
    u64 = k.ram.u64
    count = USER_DIRECTORIES
    for slot in range(USER_DIRECTORIES):
        directory = (u64[(pgd << 9) + slot] & FRAME_MASK) >> 12
        count += sum(word & PRESENT for word in u64[directory << 9 : (directory + 1) << 9].tolist())
    return count


def get_pte(k: Kernel, pgd: int, va: int) -> int:
    table = _table_at(k, pgd, va, create=False)
    return 0 if table < 0 else k.ram.u64[table + (va >> 12 & 511)]


def set_pte(k: Kernel, pgd: int, va: int, word: int) -> None:
    """Write an entry. Whoever changes a present one flushes the TLB before user mode (`flush`)."""
    k.ram.u64[_table_at(k, pgd, va, create=True) + (va >> 12 & 511)] = word


def flush(k: Kernel, pgd: int) -> None:
    """The processor forgets translations, when it is this space that it runs on."""
    if k.core.cr3 == pgd << 12:
        k.core.flush_tlb()


def pte_word(pfn: int, prot: int, writable: bool) -> int:
    """A user entry: accessed preset, so that only the dirty bit is left to the processor."""
    word = pfn << 12 | PRESENT | USER | ACCESSED
    if writable and prot & PROT_WRITE:
        word |= WRITABLE | DIRTY
    if not prot & PROT_EXEC:
        word |= NX
    if not prot & 7:
        word &= ~USER
    return word


def event_bits(word: int) -> int:
    """An entry's rights as events give them: low 12 bits without accessed and dirty, no-execute at 12."""
    return (word & 0xFFF & ~(ACCESSED | DIRTY)) | (EVENT_NX if word & NX else 0)


def pages(k: Kernel, pgd: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Present entries of [start, end): address, index into `Ram.u64`, entry. Addresses ascend."""
    u64 = k.ram.u64
    va = start & ~0xFFF
    while va < end:
        table = _table_at(k, pgd, va, create=False)
        block_end = min(end, (va | 0x1F_FFFF) + 1)
        if table >= 0:
            first = va >> 12 & 511
            count = block_end - va + 0xFFF >> 12
            for n, word in enumerate(u64[table + first : table + first + count].tolist()):
                if word & PRESENT:
                    yield va + (n << 12), table + first + n, word
        va = block_end
