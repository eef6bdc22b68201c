"""Address spaces: sorted VMAs, cut and merged as Linux does, and what lies behind them.

`insert` and `remove` are the two changes; each tells itself by an event that a reader can repeat.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from cpu.paging import DIRTY, FRAME_MASK, NX, PRESENT, USER, WRITABLE
from kernel.abi.errno import Errno
from kernel.abi.mman import MAP_GROWSDOWN, MAP_PRIVATE, PROT_EXEC, PROT_WRITE, TASK_SIZE
from kernel.abi.process import RLIMIT_AS, RLIMIT_DATA
from kernel.errors import KernelError
from kernel.events import (
    AddressSpaceCreated,
    AddressSpaceDestroyed,
    AddressSpaceForked,
    PagesMoved,
    VmaFlagged,
    VmaMapped,
    VmaProtected,
    VmaUnmapped,
)
from kernel.mm.flags import LOCKED, VM_DONTCOPY, VM_WIPEONFORK
from kernel.mm.frames import frames_left, get_frame, put_frame
from kernel.mm.pagetables import (
    copy_tables,
    flush,
    free_pgd,
    new_pgd,
    own_table,
    own_tables,
    pages,
    set_pte,
    tables,
)
from kernel.mm.reclaim import reclaim
from kernel.tables import Space, Vma

if TYPE_CHECKING:
    from kernel.kernel import Kernel

MMAP_BASE = 0xB800_0000
"""Where the search for free space starts, downwards: below the stack's largest extent."""
MMAP_MIN = 0x1_0000
MAX_VMAS = 65530
MAX_ALL_VMAS = 4 * MAX_VMAS
"""VMAs of all spaces together that fork still adds to: they are the host's memory, not the guest's."""

_END = attrgetter("end")


def create_space(k: Kernel) -> Space:
    space = Space(id=k.new_id(), pgd=new_pgd(k), refs=1)
    k.tables.spaces[space.id] = space
    k.emit(AddressSpaceCreated(space.id, space.pgd))
    return space


def drop_space(k: Kernel, number: int) -> None:
    """One user less; with the last one the pages and tables go."""
    space = k.tables.spaces[number]
    space.refs -= 1
    if space.refs:
        return
    if k.core.cr3 == space.pgd << 12:
        k.use_kernel_space()
    for vma in space.vmas:
        _forget_inode(k, vma)
    free_pgd(k, space.pgd)
    del k.tables.spaces[number]
    k.emit(AddressSpaceDestroyed(number))


def fork_space(k: Kernel, number: int) -> Space:
    """A copy for a child: private pages become read-only on both sides, to be copied when written."""
    parent = k.tables.spaces[number]
    needed = len(tables(k, parent.pgd, 0, TASK_SIZE)) + 4
    vmas = sum(len(space.vmas) for space in k.tables.spaces.values()) + len(parent.vmas)
    if frames_left(k) < needed + 64:
        reclaim(k)
    if frames_left(k) < needed + 64 or vmas > MAX_ALL_VMAS:
        raise KernelError(Errno.ENOMEM)
    pgd = new_pgd(k)
    child = Space(
        id=k.new_id(),
        pgd=pgd,
        refs=1,
        vmas=[
            Vma(v.start, v.end, v.prot, v.flags & ~LOCKED, v.inode, v.offset, v.name)
            for v in parent.vmas
            if not v.flags & VM_DONTCOPY
        ],
        brk_start=parent.brk_start,
        brk=parent.brk,
        stack_top=parent.stack_top,
        vdso=parent.vdso,
        arg_start=parent.arg_start,
        arg_end=parent.arg_end,
        env_end=parent.env_end,
        start_code=parent.start_code,
        end_code=parent.end_code,
        start_data=parent.start_data,
        end_data=parent.end_data,
        auxv=parent.auxv,
        exe=parent.exe,
        rss=parent.rss,
    )
    k.tables.spaces[child.id] = child
    for vma in child.vmas:
        _remember_inode(k, vma)
    private = [(vma.start, vma.end) for vma in parent.vmas if vma.flags & MAP_PRIVATE]
    copy_tables(k, parent.pgd, pgd, private)
    flush(k, parent.pgd)
    for vma in parent.vmas:
        if vma.flags & (VM_DONTCOPY | VM_WIPEONFORK):
            drop_pages(k, child, vma.start, vma.end)
    k.emit(AddressSpaceForked(parent.id, child.id, pgd, child.rss))
    return child


def map_count(space: Space) -> int:
    return len(space.vmas)


def may_expand(
    k: Kernel, space: Space, start: int, end: int, prot: int, flags: int, beside: bool = False
) -> bool:
    """Whether [start, end) may be mapped under RLIMIT_AS and RLIMIT_DATA (Linux's may_expand_vm).

    What lies there now is replaced and does not count; private writable memory but the stack's is data. A
    soft limit of 0 for data stands for the hard one. `beside`: it comes in addition to all that is there.
    """
    most = k.rlimit(RLIMIT_AS)
    most_data = k.rlimit(RLIMIT_DATA) or k.limits_of(k.task, RLIMIT_DATA)[1]
    if most >= TASK_SIZE and most_data >= TASK_SIZE:
        return True
    total = data = end - start
    for vma in space.vmas:
        size = vma.end - vma.start
        if not beside:
            size -= max(0, min(vma.end, end) - max(vma.start, start))
        total += size
        if _is_data(vma.prot, vma.flags):
            data += size
    return total <= most and (data <= most_data or not _is_data(prot, flags))


def _is_data(prot: int, flags: int) -> bool:
    return bool(prot & PROT_WRITE and flags & MAP_PRIVATE and not flags & MAP_GROWSDOWN)


def find_vma(space: Space, va: int) -> Vma | None:
    """The VMA that holds `va`."""
    at = first_behind(space, va)
    return space.vmas[at] if at < len(space.vmas) and space.vmas[at].start <= va else None


def first_behind(space: Space, va: int) -> int:
    """The place of the first VMA that ends behind `va` (Linux's find_vma); behind the last if none does."""
    return bisect_right(space.vmas, va, key=_END)


def overlaps(space: Space, start: int, end: int) -> bool:
    at = first_behind(space, start)
    return start < end and at < len(space.vmas) and space.vmas[at].start < end


def find_gap(space: Space, length: int, top: int = MMAP_BASE) -> int:
    """The highest free stretch of `length` bytes below `top`. ENOMEM when there is none."""
    end = top
    for vma in reversed(space.vmas):
        if vma.start >= end:
            continue
        if end - vma.end >= length and vma.end <= end:
            return end - length
        end = vma.start
    if end - length >= MMAP_MIN:
        return end - length
    if top < TASK_SIZE - 0x1000:
        return find_gap(space, length, TASK_SIZE - 0x1000)
    raise KernelError(Errno.ENOMEM)


def insert(k: Kernel, space: Space, vma: Vma) -> Vma:
    """Put `vma` in; what it covers must be unmapped already. Returns the VMA it is part of now."""
    if len(space.vmas) >= MAX_VMAS:
        raise KernelError(Errno.ENOMEM)
    _remember_inode(k, vma)
    at = first_behind(space, vma.start)
    space.vmas.insert(at, vma)
    k.emit(VmaMapped(space.id, vma.start, vma.end, vma.prot, vma.flags, vma.inode, vma.offset, vma.name))
    return _merge_around(k, space, at)


def remove(k: Kernel, space: Space, start: int, end: int) -> None:
    """Nothing is mapped in [start, end) afterwards."""
    if not overlaps(space, start, end):
        return
    own_tables(k, space.pgd, start, end)
    space.peak = max(space.peak, sum(one.end - one.start for one in space.vmas) >> 12)
    _split(k, space, start)
    _split(k, space, end)
    first, behind = first_behind(space, start), first_behind(space, end)
    gone = space.vmas[first:behind]
    space.vmas = space.vmas[:first] + space.vmas[behind:]
    u64 = k.ram.u64
    found = False
    for vma in gone:
        for _, index, word in pages(k, space.pgd, vma.start, vma.end):
            u64[index] = 0
            put_frame(k, (word & FRAME_MASK) >> 12)
            found = True
            space.rss -= 1
        _forget_inode(k, vma)
    if found:
        flush(k, space.pgd)
    k.emit(VmaUnmapped(space.id, start, end))


def drop_pages(k: Kernel, space: Space, start: int, end: int) -> bool:
    """Forget the present pages of [start, end) but keep the VMAs; whether there were any."""
    found = False
    own_tables(k, space.pgd, start, end)
    for _, index, word in pages(k, space.pgd, start, end):
        k.ram.u64[index] = 0
        put_frame(k, (word & FRAME_MASK) >> 12)
        found = True
        space.rss -= 1
    if found:
        flush(k, space.pgd)
    return found


def move_pages(k: Kernel, space: Space, start: int, end: int, to: int) -> None:
    """The present pages of [start, end) lie from `to` on afterwards, where VMAs are and no page is."""
    own_tables(k, space.pgd, start, end)
    found = list(pages(k, space.pgd, start, end))
    for va, _, _ in found:
        own_table(k, space.pgd, va - start + to, create=True)
    for va, index, word in found:
        k.ram.u64[index] = 0
        set_pte(k, space.pgd, va - start + to, word)
    if found:
        flush(k, space.pgd)
        k.emit(PagesMoved(space.id, start, end, to))


def set_flags(k: Kernel, space: Space, start: int, end: int, on: int, off: int) -> None:
    """What is mapped in [start, end) loses the flags `off` and gets `on`."""
    if all(vma.flags & ~off | on == vma.flags for vma in space.vmas if vma.start < end and start < vma.end):
        return
    _split(k, space, start)
    _split(k, space, end)
    for vma in space.vmas:
        if vma.start >= start and vma.end <= end:
            vma.flags = vma.flags & ~off | on
    _merge_all(k, space, start, end)
    k.emit(VmaFlagged(space.id, start, end, on, off))


def protect(k: Kernel, space: Space, start: int, end: int, prot: int) -> None:
    """mprotect: [start, end), all of it mapped, gets `prot`."""
    own_tables(k, space.pgd, start, end)
    _split(k, space, start)
    _split(k, space, end)
    u64 = k.ram.u64
    for vma in space.vmas:
        if vma.start >= start and vma.end <= end:
            vma.prot = prot
            for _, index, word in pages(k, space.pgd, vma.start, vma.end):
                if not prot & PROT_WRITE:
                    word &= ~(WRITABLE | DIRTY)
                word = word | USER if prot & 7 else word & ~USER
                if prot & PROT_EXEC:
                    word &= ~NX
                    k.tables.executed.add((word & FRAME_MASK) >> 12)
                else:
                    word |= NX
                u64[index] = word | PRESENT
    flush(k, space.pgd)
    _merge_all(k, space, start, end)
    k.emit(VmaProtected(space.id, start, end, prot))


def _merge_all(k: Kernel, space: Space, start: int, end: int) -> None:
    """Alike neighbours that meet in [start, end] become one; others, as fork may leave them, stay."""
    at = 0
    while at < len(space.vmas):
        vma = space.vmas[at]
        if start <= vma.end <= end and at + 1 < len(space.vmas) and _alike(vma, space.vmas[at + 1]):
            _join(k, space, at)
            continue
        at += 1


def _alike(left: Vma, right: Vma) -> bool:
    return (
        left.end == right.start
        and left.prot == right.prot
        and left.flags == right.flags
        and left.name == right.name
        and left.inode == right.inode
        and (not left.inode or left.offset + (left.end - left.start >> 12) == right.offset)
        and not left.flags & MAP_GROWSDOWN
    )


def _join(k: Kernel, space: Space, at: int) -> None:
    """VMA `at` takes in the next one."""
    gone = space.vmas.pop(at + 1)
    space.vmas[at].end = gone.end
    _forget_inode(k, gone)


def _merge_around(k: Kernel, space: Space, at: int) -> Vma:
    if at + 1 < len(space.vmas) and _alike(space.vmas[at], space.vmas[at + 1]):
        _join(k, space, at)
    if at and _alike(space.vmas[at - 1], space.vmas[at]):
        _join(k, space, at - 1)
        at -= 1
    return space.vmas[at]


def _split(k: Kernel, space: Space, va: int) -> None:
    """Make `va` an edge between two VMAs if it lies inside one."""
    at = first_behind(space, va)
    if at == len(space.vmas) or space.vmas[at].start >= va:
        return
    vma = space.vmas[at]
    upper = Vma(va, vma.end, vma.prot, vma.flags, vma.inode, 0, vma.name)
    if vma.inode:
        upper.offset = vma.offset + (va - vma.start >> 12)
    vma.end = va
    space.vmas.insert(at + 1, upper)
    _remember_inode(k, upper)


def _remember_inode(k: Kernel, vma: Vma) -> None:
    if vma.inode:
        k.tables.inodes[vma.inode].opened += 1


def _forget_inode(k: Kernel, vma: Vma) -> None:
    if vma.inode:
        k.release_inode(vma.inode)


def owners(k: Kernel, pfn: int) -> int:
    return k.tables.frame_refs.get(pfn, 0)


__all__ = [
    "create_space",
    "drop_pages",
    "drop_space",
    "find_gap",
    "find_vma",
    "fork_space",
    "get_frame",
    "insert",
    "overlaps",
    "owners",
    "protect",
    "remove",
]
