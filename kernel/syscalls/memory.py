"""Memory: brk, mmap and what changes mappings (man 2 mmap, brk, mprotect, munmap)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, O_ACCMODE, O_RDWR, O_WRONLY
from kernel.abi.mman import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_DENYWRITE,
    MAP_EXECUTABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_TYPE,
    MAP_UNINITIALIZED,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
    TASK_SIZE,
)
from kernel.abi.process import READ_IMPLIES_EXEC, RLIMIT_DATA
from kernel.errors import KernelError
from kernel.events import BreakMoved
from kernel.fs import ramfs
from kernel.fs.files import get_file
from kernel.mm.address_space import (
    MMAP_MIN,
    find_gap,
    find_vma,
    insert,
    may_expand,
    overlaps,
    protect,
    remove,
)
from kernel.mm.fault import populate
from kernel.mm.flags import VM_LOCKED, VM_MAYNOTWRITE
from kernel.mm.locking import can_lock, may_lock
from kernel.tables import OpenFile, Space, Vma
from kernel.uaccess import copy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KNOWN_FLAGS = (
    MAP_TYPE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_UNINITIALIZED
    | MAP_GROWSDOWN
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | MAP_32BIT
)
"""LEGACY_MAP_MASK: all that MAP_SHARED_VALIDATE knows."""


def _space(k: Kernel) -> Space:
    return k.tables.spaces[k.task.space]


def _pages(length: int) -> int:
    return length + 0xFFF & ~0xFFF


def sys_brk(k: Kernel, address: int) -> int:
    """The new break, or the old one when it cannot be moved there."""
    space = _space(k)
    if address < space.brk_start or address >= TASK_SIZE:
        return space.brk
    old, new = _pages(space.brk), _pages(address)
    if new < old:
        remove(k, space, new, old)
    elif new > old:
        prot = PROT_READ | PROT_WRITE
        if (
            overlaps(space, old, new + 0x1000)
            or address - space.brk_start > k.rlimit(RLIMIT_DATA)
            or not may_expand(k, space, old, new, prot, MAP_PRIVATE)
            or (space.lock_future and not may_lock(k, space, new - old >> 12))
        ):
            return space.brk
        insert(k, space, Vma(old, new, prot, MAP_PRIVATE | space.lock_future, 0, 0, "[heap]"))
        if space.lock_future:
            populate(k, space, old, new)
    if address != space.brk:
        space.brk = address
        k.emit(BreakMoved(space.id, address))
    return address


def do_mmap(k: Kernel, address: int, length: int, prot: int, flags: int, fd: int, page_offset: int) -> int:
    """Where the mapping came to lie. `page_offset` counts pages of the file. Checks in Linux's order."""
    kind = flags & MAP_TYPE
    if prot & PROT_READ and k.task.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    file = None if flags & MAP_ANONYMOUS else get_file(k, fd)
    if not length:
        raise KernelError(Errno.EINVAL)
    size = _pages(length)
    if size > TASK_SIZE or not size:
        raise KernelError(Errno.ENOMEM)
    space = _space(k)
    at = _place(k, space, address, size, flags)
    if flags & MAP_LOCKED and not can_lock(k):
        raise KernelError(Errno.EPERM)
    if (flags & MAP_LOCKED or space.lock_future) and not may_lock(k, space, size >> 12):
        raise KernelError(Errno.EAGAIN)
    if kind not in (MAP_PRIVATE, MAP_SHARED) and (file is None or kind != MAP_SHARED_VALIDATE):
        raise KernelError(Errno.EINVAL)
    made = Vma(at, at + size, prot & (PROT_READ | PROT_WRITE | PROT_EXEC), MAP_PRIVATE)
    if kind == MAP_PRIVATE and file is None:
        made.flags |= flags & MAP_GROWSDOWN
    elif kind != MAP_PRIVATE:
        made.flags = MAP_SHARED
    if file is not None:
        if kind == MAP_SHARED_VALIDATE and flags & ~KNOWN_FLAGS:
            raise KernelError(Errno.EOPNOTSUPP)
        _map_file(k, made, file, page_offset)
    elif kind != MAP_PRIVATE:
        _map_shared_zeroes(k, made)
    try:
        return map_at(k, space, made, flags)
    except KernelError:
        if made.inode and file is None:
            ramfs.free_unused(k, k.tables.inodes[made.inode])
        raise


def _place(k: Kernel, space: Space, address: int, size: int, flags: int) -> int:
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address + size > TASK_SIZE:
            raise KernelError(Errno.ENOMEM)
        if address & 0xFFF:
            raise KernelError(Errno.EINVAL)
        if address < MMAP_MIN and k.task.cred.euid:
            raise KernelError(Errno.EPERM)
        if flags & MAP_FIXED_NOREPLACE and overlaps(space, address, address + size):
            raise KernelError(Errno.EEXIST)
        return address
    at = address & ~0xFFF
    hint = at >= MMAP_MIN and at + size <= TASK_SIZE - 0x1000 and not overlaps(space, at, at + size)
    return at if hint else find_gap(space, size)


def _map_file(k: Kernel, made: Vma, file: OpenFile, page_offset: int) -> None:
    """Put the file behind the mapping, if it may be."""
    access = file.flags & O_ACCMODE
    shared = made.flags & MAP_SHARED
    if shared and made.prot & PROT_WRITE and access != O_RDWR:
        raise KernelError(Errno.EACCES)
    if access == O_WRONLY:
        raise KernelError(Errno.EACCES)
    if file.kind == "zero":
        if shared:
            _map_shared_zeroes(k, made)
        return
    if file.kind != "file":
        raise KernelError(Errno.ENODEV)
    inode = k.tables.inodes[file.inode]
    sealed = inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
    if shared and sealed and made.prot & PROT_WRITE:
        raise KernelError(Errno.EPERM)
    if shared and (access != O_RDWR or sealed):
        made.flags |= VM_MAYNOTWRITE
    made.inode, made.offset, made.name = file.inode, page_offset, file.path
    ramfs.accessed(k, inode, file)


def _map_shared_zeroes(k: Kernel, made: Vma) -> None:
    made.inode = ramfs.anonymous_inode(k, made.end - made.start).ino
    made.name = "/dev/zero (deleted)"


def map_at(k: Kernel, space: Space, made: Vma, flags: int) -> int:
    """Put `made` where it says, instead of what is there; its pages come at once if `flags` ask. ENOMEM."""
    if not may_expand(k, space, made.start, made.end, made.prot, made.flags):
        raise KernelError(Errno.ENOMEM)
    start, end = made.start, made.end
    if flags & MAP_LOCKED:
        made.flags |= VM_LOCKED
    made.flags |= space.lock_future
    remove(k, space, start, end)
    insert(k, space, made)
    if made.flags & VM_LOCKED or flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
        populate(k, space, start, end)
    return start


def sys_mmap2(k: Kernel, address: int, length: int, prot: int, flags: int, fd: int, offset: int) -> int:
    return do_mmap(k, address, length, prot, flags, fd, offset)


def sys_mmap(k: Kernel, block: int) -> int:
    """The old form: one pointer to a block of six words (struct mmap_arg_struct)."""
    address, length, prot, flags, fd, offset = struct.unpack("<6I", copy_from_user(k, block, 24))
    if offset & 0xFFF:
        raise KernelError(Errno.EINVAL)
    return do_mmap(k, address, length, prot, flags, fd, offset >> 12)


def sys_munmap(k: Kernel, address: int, length: int) -> int:
    size = _pages(length)
    if address & 0xFFF or not length or address + size > TASK_SIZE:
        raise KernelError(Errno.EINVAL)
    remove(k, _space(k), address, address + size)
    return 0


def sys_mprotect(k: Kernel, address: int, length: int, prot: int) -> int:
    if prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP):
        raise KernelError(Errno.EINVAL)
    if address & 0xFFF:
        raise KernelError(Errno.EINVAL)
    if not length:
        return 0
    end = address + _pages(length)
    if end > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    if prot & PROT_READ and k.task.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    space = _space(k)
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    first = find_vma(space, address)
    if grows == PROT_GROWSDOWN | PROT_GROWSUP or grows & PROT_GROWSUP:
        raise KernelError(Errno.EINVAL)
    if grows and (first is None or not first.flags & MAP_GROWSDOWN):
        raise KernelError(Errno.EINVAL)
    at = address
    while at < end:
        vma = find_vma(space, at)
        if vma is None:
            if at > address:
                protect(k, space, address, at, prot & 7)
            raise KernelError(Errno.ENOMEM)
        error = _refused(k, space, vma, at, min(vma.end, end), prot)
        if error:
            if at > address:
                protect(k, space, address, at, prot & 7)
            raise KernelError(error)
        at = vma.end
    protect(k, space, address, end, prot & 7)
    return 0


def _refused(k: Kernel, space: Space, vma: Vma, start: int, end: int, prot: int) -> int:
    """Why a part of a VMA may not get `prot`: an errno, or 0."""
    if not prot & PROT_WRITE:
        return 0
    if vma.flags & VM_MAYNOTWRITE:
        return Errno.EACCES
    if (
        not vma.prot & PROT_WRITE
        and not may_expand(k, space, start, end, prot, vma.flags)
        and may_expand(k, space, start, end, vma.prot, vma.flags)
    ):
        return Errno.ENOMEM
    return 0


def sys_msync(k: Kernel, address: int, length: int, flags: int) -> int:
    """The page cache is the file: there is nothing to write back (man 2 msync)."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or address & 0xFFF:
        raise KernelError(Errno.EINVAL)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise KernelError(Errno.EINVAL)
    end = address + _pages(length)
    space = _space(k)
    if flags & MS_INVALIDATE and any(
        vma.flags & VM_LOCKED for vma in space.vmas if vma.start < end and address < vma.end
    ):
        raise KernelError(Errno.EBUSY)
    if end > TASK_SIZE or not _all_mapped(space, address, end):
        raise KernelError(Errno.ENOMEM)
    return 0


def _all_mapped(space: Space, start: int, end: int) -> bool:
    while start < end:
        vma = find_vma(space, start)
        if vma is None:
            return False
        start = vma.end
    return True
