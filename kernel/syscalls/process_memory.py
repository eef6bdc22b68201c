"""process_vm_readv and process_vm_writev: another process's memory (mm/process_vm_access.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.fs.iov import import_iovec
from kernel.mm.fault import BadAccess, user_page
from kernel.mm.frames import touch_code
from kernel.ptrace.link import may_attach
from kernel.tables import Space
from kernel.uaccess import copy_from_user, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

IOV_MAX = 1024


def _remote(k: Kernel, address: int, count: int) -> list[tuple[int, int]]:
    """The other side's pieces. EINVAL for too many or too long, EFAULT."""
    if count > IOV_MAX:
        raise KernelError(Errno.EINVAL)
    words = memoryview(copy_from_user(k, address, 8 * count) if count else b"").cast("I").tolist()
    pieces = list(zip(words[::2], words[1::2], strict=True))
    if any(length & 0x8000_0000 for _, length in pieces):
        raise KernelError(Errno.EINVAL)
    return pieces


def _copy(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int, write: bool
) -> int:
    if flags:
        raise KernelError(Errno.EINVAL)
    local = import_iovec(k, lvec, liovcnt)
    if not local.count:
        return 0
    remote = _remote(k, rvec, riovcnt)
    if not any(length for _, length in remote):
        return 0
    target = k.tables.tasks.get(signed(pid))
    if target is None or signed(pid) <= 1 or not target.space:
        raise KernelError(Errno.ESRCH)
    if target.tgid != k.task.tgid and not may_attach(k.task, target):
        raise KernelError(Errno.EPERM)
    space = k.tables.spaces[target.space]
    done = 0
    for address, length in remote:
        end = address + length
        while address < end and local.count:
            size = min(end - address, 0x1000 - (address & 0xFFF), local.count)
            try:
                moved = (
                    _write(k, space, address, local.take(k, size))
                    if write
                    else local.give(k, _read(k, space, address, size))
                )
            except BadAccess:
                moved = 0
            done += moved
            address += moved
            if moved < size:
                if not done:
                    raise KernelError(Errno.EFAULT)
                return done
    return done


def _read(k: Kernel, space: Space, address: int, size: int) -> bytes:
    return k.ram.read(user_page(k, space, address, write=False), size)


def _write(k: Kernel, space: Space, address: int, data: bytes) -> int:
    place = user_page(k, space, address, write=True)
    touch_code(k, place >> 12)
    k.ram.write(place, data)
    return len(data)


def sys_process_vm_readv(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int
) -> int:
    return _copy(k, pid, lvec, liovcnt, rvec, riovcnt, flags, write=False)


def sys_process_vm_writev(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int
) -> int:
    return _copy(k, pid, lvec, liovcnt, rvec, riovcnt, flags, write=True)
