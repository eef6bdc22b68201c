"""Memory: brk, mmap and what changes mappings (man 2 mmap, brk, mprotect, munmap)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY
from kernel.abi.mman import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_TYPE,
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
from kernel.abi.process import CAP_SYS_RAWIO, RLIMIT_DATA
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.events import BreakMoved, PagesDropped
from kernel.fs import ramfs
from kernel.fs.files import get_file
from kernel.mm.address_space import (
    MMAP_MIN,
    drop_pages,
    find_gap,
    find_vma,
    insert,
    may_expand,
    overlaps,
    protect,
    remove,
)
from kernel.tables import Space, Vma
from kernel.uaccess import copy_from_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

KEPT_FLAGS = MAP_PRIVATE | MAP_SHARED | MAP_GROWSDOWN


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
        ):
            return space.brk
        insert(k, space, Vma(old, new, prot, MAP_PRIVATE, 0, 0, "[heap]"))
    if address != space.brk:
        space.brk = address
        k.emit(BreakMoved(space.id, address))
    return address


def do_mmap(k: Kernel, address: int, length: int, prot: int, flags: int, fd: int, page_offset: int) -> int:
    """Where the mapping came to lie. `page_offset` counts pages of the file."""
    if not length:
        raise KernelError(Errno.EINVAL)
    kind = flags & MAP_TYPE
    inode = 0
    name = ""
    if not flags & MAP_ANONYMOUS:
        file = get_file(k, fd)
        access = file.flags & O_ACCMODE
        if kind not in (MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE):
            raise KernelError(Errno.EINVAL)
        if access == O_WRONLY or (kind != MAP_PRIVATE and prot & PROT_WRITE and access != O_RDWR):
            raise KernelError(Errno.EACCES)
        if file.kind == "zero":
            flags |= MAP_ANONYMOUS
        elif file.kind != "file":
            raise KernelError(Errno.ENODEV)
        else:
            inode = file.inode
            name = file.path
    elif kind not in (MAP_PRIVATE, MAP_SHARED):
        raise KernelError(Errno.EINVAL)
    size = _pages(length)
    if size > TASK_SIZE or not size:
        raise KernelError(Errno.ENOMEM)
    space = _space(k)
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address & 0xFFF:
            raise KernelError(Errno.EINVAL)
        if address + size > TASK_SIZE:
            raise KernelError(Errno.ENOMEM)
        if address < MMAP_MIN and not capable(k, CAP_SYS_RAWIO):
            raise KernelError(Errno.EPERM)
        if flags & MAP_FIXED_NOREPLACE and overlaps(space, address, address + size):
            raise KernelError(Errno.EEXIST)
        at = address
    else:
        at = address & ~0xFFF
        hint = at >= MMAP_MIN and at + size <= TASK_SIZE - 0x1000 and not overlaps(space, at, at + size)
        if not hint:
            at = find_gap(space, size)
    if not may_expand(k, space, at, at + size, prot, flags):
        raise KernelError(Errno.ENOMEM)
    if kind != MAP_PRIVATE and not inode:
        inode = ramfs.anonymous_inode(k, size).ino
        name = "/dev/zero (deleted)"
        page_offset = 0
    remove(k, space, at, at + size)
    kept = flags & KEPT_FLAGS & ~MAP_GROWSDOWN | (flags & MAP_GROWSDOWN if not inode else 0)
    insert(
        k,
        space,
        Vma(
            at,
            at + size,
            prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
            MAP_SHARED if kind != MAP_PRIVATE else kept,
            inode,
            page_offset if inode else 0,
            name,
        ),
    )
    return at


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
        if vma.inode and vma.flags & MAP_SHARED and prot & PROT_WRITE and _read_only(k, vma):
            raise KernelError(Errno.EACCES)
        at = vma.end
    protect(k, space, address, end, prot & 7)
    return 0


def _read_only(k: Kernel, vma: Vma) -> bool:
    """A shared mapping of a file that was opened for reading only may not become writable."""
    files = [file for file in k.tables.files.values() if file.inode == vma.inode and file.path == vma.name]
    return bool(files) and all(file.flags & O_ACCMODE == O_RDONLY for file in files)


def sys_msync(k: Kernel, address: int, length: int, flags: int) -> int:
    """The page cache is the file: there is nothing to write back (man 2 msync)."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or address & 0xFFF:
        raise KernelError(Errno.EINVAL)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise KernelError(Errno.EINVAL)
    end = address + _pages(length)
    if end > TASK_SIZE or not _all_mapped(_space(k), address, end):
        raise KernelError(Errno.ENOMEM)
    return 0


def _all_mapped(space: Space, start: int, end: int) -> bool:
    while start < end:
        vma = find_vma(space, start)
        if vma is None:
            return False
        start = vma.end
    return True


def sys_madvise(k: Kernel, address: int, length: int, advice: int) -> int:
    if address & 0xFFF or advice > 25 or (length and not _pages(length) & 0xFFFF_FFFF):
        raise KernelError(Errno.EINVAL)
    end = address + _pages(length)
    if end >> 32:
        raise KernelError(Errno.EINVAL)
    if end > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    space = _space(k)
    if advice == MADV_DONTNEED and drop_pages(k, space, address, end):
        k.emit(PagesDropped(space.id, address, end))
    at = address
    while at < end:
        vma = find_vma(space, at)
        if vma is None:
            raise KernelError(Errno.ENOMEM)
        at = vma.end
    return 0
