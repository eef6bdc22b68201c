"""A task's page tables in guest RAM: PDPT, three directories for user space, one shared for the kernel's.

Bits are the processor's (Intel SDM vol. 3, 4.4.2).

A page table may belong to several spaces: fork gives a full one to the child as it is, read-only entries and
all, instead of a copy. Who changes an entry makes the table its space's own first (`own_table`), so nobody
but the frames' owners notices: a page's frame is owned once by each table that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cpu.paging import ACCESSED, DIRTY, FRAME_MASK, NX, PRESENT, USER, WRITABLE
from kernel.abi.mman import PROT_EXEC, PROT_WRITE, TASK_SIZE
from kernel.mm.frames import RESERVE, alloc_frame, get_frame, put_frame

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TABLE_BITS = PRESENT | WRITABLE | USER
EVENT_NX = 1 << 12
"""No-execute as events carry it, next to the entry's low 12 bits."""
USER_DIRECTORIES = 3
KERNEL_SLOT = 3
SHARED_FROM = 64
"""A table with at least so many pages is shared by fork; copying a smaller one is as quick."""
TABLE_SPAN = 1 << 21
NONE = memoryview(bytes(512)).cast("Q")
"""64 entries that lead nowhere."""
ONES = sum(1 << 64 * n for n in range(512))
"""Bit 0 of every entry of a table, taken as one number."""
WRITABLE_BIT = WRITABLE.bit_length() - 1
DIRTY_BIT = DIRTY.bit_length() - 1
WRITABLE_ONES = ONES << WRITABLE_BIT


def new_pgd(k: Kernel) -> int:
    """An empty user space below the kernel's own gigabyte; the PDPT's frame number."""
    pgd = alloc_frame(k)
    at = pgd << 9
    for slot in range(USER_DIRECTORIES):
        k.ram.u64[at + slot] = alloc_frame(k) << 12 | PRESENT
    k.ram.u64[at + KERNEL_SLOT] = k.kernel_directory << 12 | PRESENT
    return pgd


def free_pgd(k: Kernel, pgd: int) -> None:
    """Give back the tables and what is in them."""
    u64 = k.ram.u64
    refs = k.tables.frame_refs
    found = tables(k, pgd, 0, TASK_SIZE)
    for _, _, table in found:
        if refs[table] == 1:
            for word in [word for word in u64[table << 9 : table + 1 << 9].tolist() if word]:
                put_frame(k, (word & FRAME_MASK) >> 12)
    for slot in range(USER_DIRECTORIES):
        for base, _, table in found:
            if base >> 30 == slot:
                put_frame(k, table)
        put_frame(k, (u64[(pgd << 9) + slot] & FRAME_MASK) >> 12)
    put_frame(k, pgd)


def tables(k: Kernel, pgd: int, start: int, end: int) -> list[tuple[int, int, int]]:
    """Page tables of [start, end): the first address of each, its directory entry's index, its frame."""
    u64 = k.ram.u64
    found = []
    first = start >> 21
    last = end - 1 >> 21
    while first <= last:
        stop = min(first | 63, last)
        at = ((u64[(pgd << 9) + (first >> 9)] & FRAME_MASK) >> 3) + (first & 511)
        words = u64[at : at + stop - first + 1]
        if words != NONE[: stop - first + 1]:
            for n, word in enumerate(words.tolist()):
                if word:
                    found.append((first + n << 21, at + n, (word & FRAME_MASK) >> 12))
        first = stop + 1
    return found


def own_table(k: Kernel, pgd: int, va: int, create: bool = False) -> None:
    """The table for `va` belongs to this space alone afterwards; with `create` there is one. ENOMEM."""
    at = _table_at(k, pgd, va, create)
    if at >= 0 and k.tables.frame_refs[at >> 9] > 1:
        _own(k, ((k.ram.u64[(pgd << 9) + (va >> 30)] & FRAME_MASK) >> 3) + (va >> 21 & 511))


def _own(k: Kernel, at: int) -> int:
    """The table that directory entry `at` leads to, copied if others have it too; its frame."""
    u64 = k.ram.u64
    old = (u64[at] & FRAME_MASK) >> 12
    if k.tables.frame_refs[old] == 1:
        return old
    new = alloc_frame(k, RESERVE // 2)
    k.ram.frame(new)[:] = k.ram.frame(old)
    refs = k.tables.frame_refs
    for word in [word for word in u64[old << 9 : old + 1 << 9].tolist() if word]:
        refs[(word & FRAME_MASK) >> 12] += 1
    u64[at] = new << 12 | TABLE_BITS
    put_frame(k, old)
    return new


def own_tables(k: Kernel, pgd: int, start: int, end: int) -> None:
    """As `own_table` for all tables of [start, end): before entries there are changed."""
    for _, at, _ in tables(k, pgd, start, end):
        _own(k, at)


def copy_tables(k: Kernel, parent: int, child: int, private: list[tuple[int, int]]) -> None:
    """The child gets every page that the parent has, by the parent's tables or copies of them. ENOMEM.

    Those of the stretches `private` become read-only and clean on both sides. Small tables are copied, as
    Linux copies all.
    """
    ram, u64, refs = k.ram, k.ram.u64, k.tables.frame_refs
    for base, at, table in tables(k, parent, 0, TASK_SIZE):
        directory = (u64[(child << 9) + (base >> 30)] & FRAME_MASK) >> 12
        to = (directory << 9) + (base >> 21 & 511)
        shared = refs[table] > 1  # by an earlier fork: what is private in it is read-only already
        if not shared:
            for start, end in private:
                if start < base + TABLE_SPAN and base < end:
                    _write_protect(k, table, max(start - base, 0) >> 12, min(end - base, TABLE_SPAN) >> 12)
        get_frame(k, table)
        u64[to] = u64[at]
        if not shared and (int.from_bytes(ram.frame(table), "little") & ONES).bit_count() < SHARED_FROM:
            _own(k, to)


def _write_protect(k: Kernel, table: int, low: int, high: int) -> None:
    """Entries [low, high) of a table become read-only and clean."""
    part = k.ram.u8[(table << 12) + low * 8 : (table << 12) + high * 8]
    words = int.from_bytes(part, "little")
    marks = words & WRITABLE_ONES
    if marks:
        words &= ~(marks | marks << DIRTY_BIT - WRITABLE_BIT)
        part[:] = words.to_bytes(len(part), "little")


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
    return USER_DIRECTORIES + len(tables(k, pgd, 0, TASK_SIZE))


def count_pages(k: Kernel, pgd: int) -> int:
    """Pages that are present."""
    frame = k.ram.frame
    return sum(
        (int.from_bytes(frame(table), "little") & ONES).bit_count()
        for _, _, table in tables(k, pgd, 0, TASK_SIZE)
    )


def shared_owners(k: Kernel) -> dict[int, int]:
    """Owners that frames have beyond `frame_refs`, because a table with them belongs to several spaces."""
    refs = k.tables.frame_refs
    shared = {
        table
        for space in k.tables.spaces.values()
        for _, _, table in tables(k, space.pgd, 0, TASK_SIZE)
        if refs[table] > 1
    }
    found: dict[int, int] = {}
    for table in shared:
        for word in k.ram.u64[table << 9 : table + 1 << 9].tolist():
            if word & PRESENT:
                pfn = (word & FRAME_MASK) >> 12
                found[pfn] = found.get(pfn, 0) + refs[table] - 1
    return found


def get_pte(k: Kernel, pgd: int, va: int) -> int:
    """The entry of a page, 0 where there is not even a table."""
    u64 = k.ram.u64
    directory = (u64[(pgd << 9) + (va >> 30)] & FRAME_MASK) >> 3
    word = u64[directory + (va >> 21 & 511)]
    return u64[((word & FRAME_MASK) >> 3) + (va >> 12 & 511)] if word & PRESENT else 0


def set_pte(k: Kernel, pgd: int, va: int, word: int) -> None:
    """Write an entry. Whoever changes a present one flushes the TLB before user mode (`flush`)."""
    at = _table_at(k, pgd, va, create=True)
    if k.tables.frame_refs[at >> 9] > 1:
        own_table(k, pgd, va)
        at = _table_at(k, pgd, va, create=False)
    k.ram.u64[at + (va >> 12 & 511)] = word


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
    """Present entries of [start, end): address, index into `Ram.u64`, entry. Addresses ascend.

    Who writes to an entry by its index calls `own_tables` first.
    """
    if start >= end:
        return
    u64 = k.ram.u64
    for base, _, table in tables(k, pgd, start, end):
        first = max(start - base, 0) >> 12
        last = min(end - base + 0xFFF, TABLE_SPAN) >> 12
        at = (table << 9) + first
        va = base + (first << 12)
        for n, word in enumerate(u64[at : (table << 9) + last].tolist()):
            if word & PRESENT:
                yield va + (n << 12), at + n, word
