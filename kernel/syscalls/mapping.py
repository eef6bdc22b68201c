"""Memory: what is moved, kept present, asked about and advised (man 2 mremap, mlock, mincore, madvise).

Leaves mmap, brk, mprotect to `memory`; the checks and their order are those of Linux's mm/mremap.c, mlock.c,
mincore.c and madvise.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.paging import PRESENT
from kernel.abi.errno import Errno
from kernel.abi.mman import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_WIPEONFORK,
    MAP_FIXED,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_POPULATE,
    MAP_SHARED,
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MLOCK_ONFAULT,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    TASK_SIZE,
)
from kernel.abi.process import CAP_IPC_LOCK, RLIMIT_MEMLOCK
from kernel.capabilities import capable
from kernel.errors import Fault, KernelError
from kernel.events import PagesDropped
from kernel.fs import ramfs
from kernel.mm.address_space import (
    drop_pages,
    find_gap,
    find_vma,
    insert,
    map_count,
    may_expand,
    move_pages,
    overlaps,
    remove,
    set_flags,
)
from kernel.mm.fault import populate
from kernel.mm.flags import (
    LOCKED,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYNOTWRITE,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_WIPEONFORK,
)
from kernel.mm.locking import can_lock, locked_pages, may_lock
from kernel.mm.pagetables import get_pte
from kernel.syscalls.memory import map_at
from kernel.tables import Space, Vma
from kernel.uaccess import copy_to_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def _space(k: Kernel) -> Space:
    return k.tables.spaces[k.task.space]


def _pages(length: int) -> int:
    """Bytes of as many whole pages, as an `unsigned long` counts them: 0 for the last page of all."""
    return length + 0xFFF & 0xFFFF_F000


# --- mremap -------------------------------------------------------------------------------------------------


def sys_mremap(k: Kernel, address: int, old_length: int, new_length: int, flags: int, to: int) -> int:
    fixed = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)
    old, new = _pages(old_length), _pages(new_length)
    if flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP):
        raise KernelError(Errno.EINVAL)
    if fixed and not flags & MREMAP_MAYMOVE:
        raise KernelError(Errno.EINVAL)
    if flags & MREMAP_DONTUNMAP and old != new:
        raise KernelError(Errno.EINVAL)
    if address & 0xFFF or not new:
        raise KernelError(Errno.EINVAL)
    space = _space(k)
    if fixed:
        if to & 0xFFF or new > TASK_SIZE or to > TASK_SIZE - new:
            raise KernelError(Errno.EINVAL)
        if flags & MREMAP_FIXED and address < to + new and to < address + old:
            raise KernelError(Errno.EINVAL)
    vma = find_vma(space, address)
    if vma is None:
        raise KernelError(Errno.EFAULT)
    if fixed:
        return _move_to(k, space, address, old, new, flags, to)
    if old >= new:
        if old > new:
            remove(k, space, address + new, address + old)
        return address
    vma = _resizable(k, space, address, old, new, flags)
    if address + old == vma.end and _can_grow(space, vma, address + new):
        _grow(k, space, vma, address + new)
        return address
    if not flags & MREMAP_MAYMOVE:
        raise KernelError(Errno.ENOMEM)
    return _move(k, space, vma, address, old, new, find_gap(space, new), flags)


def _resizable(k: Kernel, space: Space, address: int, old: int, new: int, flags: int) -> Vma:
    """The VMA that [address, address + old) is to lie in (`vma_to_resize`)."""
    vma = find_vma(space, address)
    if vma is None:
        raise KernelError(Errno.EFAULT)
    if not old and not vma.flags & MAP_SHARED:
        raise KernelError(Errno.EINVAL)
    if flags & MREMAP_DONTUNMAP and vma.inode == k.tables.vdso:
        raise KernelError(Errno.EINVAL)
    if old > vma.end - address:
        raise KernelError(Errno.EFAULT)
    if new == old:
        return vma
    more = new - old if new > old else 0
    if vma.flags & VM_LOCKED and not may_lock(k, space, more >> 12):
        raise KernelError(Errno.EAGAIN)
    if not may_expand(k, space, 0, more, vma.prot, vma.flags, beside=True):
        raise KernelError(Errno.ENOMEM)
    return vma


def _can_grow(space: Space, vma: Vma, end: int) -> bool:
    return end <= TASK_SIZE and not overlaps(space, vma.end, end)


def _grow(k: Kernel, space: Space, vma: Vma, end: int) -> None:
    offset = vma.offset + (vma.end - vma.start >> 12) if vma.inode else 0
    start = vma.end
    insert(k, space, Vma(start, end, vma.prot, vma.flags, vma.inode, offset, vma.name))
    if vma.flags & VM_LOCKED:
        populate(k, space, start, end)


def _move_to(k: Kernel, space: Space, address: int, old: int, new: int, flags: int, new_address: int) -> int:
    """To a place that is given; what is there goes (`mremap_to`)."""
    if map_count(space) + 2 >= 65530 - 3:
        raise KernelError(Errno.ENOMEM)
    if flags & MREMAP_FIXED:
        remove(k, space, new_address, new_address + new)
    if old > new:
        remove(k, space, address + new, address + old)
        old = new
    vma = _resizable(k, space, address, old, new, flags)
    if not flags & MREMAP_FIXED:
        hint = new_address & ~0xFFF
        free = hint and hint + new <= TASK_SIZE - 0x1000 and not overlaps(space, hint, hint + new)
        new_address = hint if free else find_gap(space, new)
    return _move(k, space, vma, address, old, new, new_address, flags)


def _move(k: Kernel, space: Space, vma: Vma, address: int, old: int, new: int, to: int, flags: int) -> int:
    """A new VMA at `to`, with the pages of the old one. An old length of 0 makes a second mapping."""
    offset = vma.offset + (address - vma.start >> 12) if vma.inode else 0
    made = Vma(to, to + new, vma.prot, vma.flags, vma.inode, offset, vma.name)
    keep = flags & MREMAP_DONTUNMAP
    insert(k, space, made)
    move_pages(k, space, address, address + old, to)
    if keep:
        set_flags(k, space, address, address + old, 0, LOCKED)
    else:
        remove(k, space, address, address + old)
    if vma.flags & VM_LOCKED:
        populate(k, space, to + old, to + new)
    return to


# --- mlock --------------------------------------------------------------------------------------------------


def _lock(k: Kernel, address: int, length: int, flags: int) -> int:
    if not can_lock(k):
        raise KernelError(Errno.EPERM)
    size = _pages(length + (address & 0xFFF))
    start = address & ~0xFFF
    space = _space(k)
    limit = k.rlimit(RLIMIT_MEMLOCK) >> 12
    count = locked_pages(space) + (size >> 12)
    if count > limit and not capable(k, CAP_IPC_LOCK):
        count -= locked_pages(space, start, start + size)
        if count > limit:
            raise KernelError(Errno.ENOMEM)
    _set_locked(k, space, start, size, flags)
    try:
        populate(k, space, start, start + size, strict=True)
    except Fault:
        raise KernelError(Errno.ENOMEM) from None
    except KernelError as error:
        raise KernelError(Errno.EAGAIN if error.errno == Errno.ENOMEM else error.errno) from None
    return 0


def _set_locked(k: Kernel, space: Space, start: int, size: int, flags: int) -> None:
    """Lock or unlock up to the first hole; ENOMEM if there is one (`apply_vma_lock_flags`)."""
    end = start + size
    if end > 0xFFFF_FFFF:
        raise KernelError(Errno.EINVAL)
    at = start
    while at < end:
        vma = find_vma(space, at)
        if vma is None:
            break
        at = min(vma.end, end)
    if at > start:
        set_flags(k, space, start, at, flags, LOCKED)
    if at < end:
        raise KernelError(Errno.ENOMEM)


def sys_mlock(k: Kernel, address: int, length: int) -> int:
    return _lock(k, address, length, VM_LOCKED)


def sys_mlock2(k: Kernel, address: int, length: int, flags: int) -> int:
    if flags & ~MLOCK_ONFAULT:
        raise KernelError(Errno.EINVAL)
    return _lock(k, address, length, VM_LOCKED | (VM_LOCKONFAULT if flags else 0))


def sys_munlock(k: Kernel, address: int, length: int) -> int:
    size = _pages(length + (address & 0xFFF))
    _set_locked(k, _space(k), address & ~0xFFF, size, 0)
    return 0


def sys_mlockall(k: Kernel, flags: int) -> int:
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise KernelError(Errno.EINVAL)
    if not can_lock(k):
        raise KernelError(Errno.EPERM)
    space = _space(k)
    total = sum(vma.end - vma.start for vma in space.vmas)
    if flags & MCL_CURRENT and total > k.rlimit(RLIMIT_MEMLOCK) and not capable(k, CAP_IPC_LOCK):
        raise KernelError(Errno.ENOMEM)
    wanted = VM_LOCKED | (VM_LOCKONFAULT if flags & MCL_ONFAULT else 0)
    space.lock_future = wanted if flags & MCL_FUTURE else 0
    if flags & MCL_CURRENT:
        for vma in list(space.vmas):
            set_flags(k, space, vma.start, vma.end, wanted, LOCKED)
        populate(k, space, 0, TASK_SIZE)
    return 0


def sys_munlockall(k: Kernel) -> int:
    space = _space(k)
    space.lock_future = 0
    for vma in list(space.vmas):
        if vma.flags & LOCKED:
            set_flags(k, space, vma.start, vma.end, 0, LOCKED)
    return 0


# --- mincore ------------------------------------------------------------------------------------------------


def sys_mincore(k: Kernel, start: int, length: int, vector: int) -> int:
    """A byte a page, bit 0: it is present, or its file's page is in memory."""
    if start & 0xFFF:
        raise KernelError(Errno.EINVAL)
    if start + length > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    count = length + 0xFFF >> 12
    if vector + count > TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    space = _space(k)
    end = start + (count << 12)
    while start < end:
        vma = find_vma(space, start)
        if vma is None:
            raise KernelError(Errno.ENOMEM)
        stop = min(vma.end, end, start + (4096 << 12))
        found = bytes(_in_core(k, space, vma, va) for va in range(start, stop, 4096))
        copy_to_user(k, vector, found)
        vector += len(found)
        start = stop
    return 0


def _in_core(k: Kernel, space: Space, vma: Vma, va: int) -> bool:
    if get_pte(k, space.pgd, va) & PRESENT:
        return True
    inode = k.tables.inodes.get(vma.inode)
    return inode is not None and vma.offset + (va - vma.start >> 12) in inode.pages


# --- madvise ------------------------------------------------------------------------------------------------

ADVICE_FLAGS = {
    MADV_NORMAL: (0, VM_RAND_READ | VM_SEQ_READ),
    MADV_RANDOM: (VM_RAND_READ, VM_SEQ_READ),
    MADV_SEQUENTIAL: (VM_SEQ_READ, VM_RAND_READ),
    MADV_DONTFORK: (VM_DONTCOPY, 0),
    MADV_DOFORK: (0, VM_DONTCOPY),
    MADV_WIPEONFORK: (VM_WIPEONFORK, 0),
    MADV_KEEPONFORK: (0, VM_WIPEONFORK),
    MADV_DONTDUMP: (VM_DONTDUMP, 0),
    MADV_DODUMP: (0, VM_DONTDUMP),
}
"""Advice that is kept with the mapping: flags on, flags off."""
UNKNOWN_ADVICE = (5, 6, 7)


def sys_madvise(k: Kernel, address: int, length: int, advice: int) -> int:
    size = _pages(length)
    if advice > MADV_COLLAPSE or advice in UNKNOWN_ADVICE or address & 0xFFF or (length and not size):
        raise KernelError(Errno.EINVAL)
    end = address + size
    if end >> 32:
        raise KernelError(Errno.EINVAL)
    if not size:
        return 0
    space = _space(k)
    if advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        return _populate(k, space, address, end, advice == MADV_POPULATE_WRITE)
    hole = end > TASK_SIZE
    at = address
    while at < min(end, TASK_SIZE):
        vma = next((one for one in space.vmas if one.end > at), None)
        if vma is None or vma.start >= end:
            hole = True
            break
        if vma.start > at:
            hole = True
            at = vma.start
        stop = min(vma.end, end)
        _advise(k, space, vma, at, stop, advice)
        at = stop
    if hole:
        raise KernelError(Errno.ENOMEM)
    return 0


def _advise(k: Kernel, space: Space, vma: Vma, start: int, end: int, advice: int) -> None:
    locked = vma.flags & VM_LOCKED
    if advice in (MADV_DONTNEED, MADV_DONTNEED_LOCKED):
        if locked and advice == MADV_DONTNEED:
            raise KernelError(Errno.EINVAL)
        if drop_pages(k, space, start, end):
            k.emit(PagesDropped(space.id, start, end))
    elif advice == MADV_FREE:
        if vma.inode:
            raise KernelError(Errno.EINVAL)
    elif advice in (MADV_COLD, MADV_PAGEOUT):
        if locked:
            raise KernelError(Errno.EINVAL)
    elif advice == MADV_REMOVE:
        _punch(k, vma, start, end)
    elif advice in ADVICE_FLAGS:
        if advice == MADV_WIPEONFORK and (vma.inode or vma.flags & MAP_SHARED):
            raise KernelError(Errno.EINVAL)
        set_flags(k, space, start, end, *ADVICE_FLAGS[advice])


def _punch(k: Kernel, vma: Vma, start: int, end: int) -> None:
    """MADV_REMOVE: a hole in the file behind a shared mapping."""
    if vma.flags & VM_LOCKED or not vma.inode:
        raise KernelError(Errno.EINVAL)
    if not vma.flags & MAP_SHARED or vma.flags & VM_MAYNOTWRITE:
        raise KernelError(Errno.EACCES)
    offset = (vma.offset << 12) - vma.start
    ramfs.punch_hole(k, k.tables.inodes[vma.inode], start + offset, end + offset)


def _populate(k: Kernel, space: Space, start: int, end: int, write: bool) -> int:
    """MADV_POPULATE_READ and _WRITE: as touching every page would, but without a signal."""
    wanted = PROT_WRITE if write else PROT_READ | PROT_EXEC
    while start < end:
        vma = find_vma(space, start) if start < TASK_SIZE else None
        if vma is None:
            raise KernelError(Errno.ENOMEM)
        if not vma.prot & wanted:
            raise KernelError(Errno.EINVAL)
        stop = min(vma.end, end)
        try:
            populate(k, space, start, stop, strict=True, write=write)
        except Fault:
            raise KernelError(Errno.EFAULT) from None
        start = stop
    return 0


# --- remap_file_pages ---------------------------------------------------------------------------------------


def sys_remap_file_pages(k: Kernel, start: int, size: int, prot: int, page_offset: int, flags: int) -> int:
    """The old way to see a file's pages in another order: today a new mapping for each call (mm/mmap.c)."""
    start &= ~0xFFF
    size &= ~0xFFF
    if prot or start + size <= start or page_offset + (size >> 12) >> 32:
        raise KernelError(Errno.EINVAL)
    space = _space(k)
    vma = find_vma(space, start)
    if vma is None or not vma.flags & MAP_SHARED:
        raise KernelError(Errno.EINVAL)
    at = vma
    while start + size > at.end:
        after = find_vma(space, at.end)
        if after is None or (after.inode, after.flags, after.prot) != (vma.inode, vma.flags, vma.prot):
            raise KernelError(Errno.EINVAL)
        at = after
    kept = flags & MAP_NONBLOCK | MAP_SHARED | MAP_FIXED | MAP_POPULATE | vma.flags & MAP_LOCKED
    made = Vma(start, start + size, vma.prot, vma.flags, vma.inode, page_offset, vma.name)
    map_at(k, space, made, kept)
    return 0
