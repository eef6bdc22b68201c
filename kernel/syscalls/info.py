"""About the system: uname, random numbers, what is free (man 2 uname, getrandom, sysinfo)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.errors import KernelError
from kernel.mm.frames import frames_left
from kernel.uaccess import copy_from_user, copy_to_user, copy_to_user_partial, signed
from kernel.uts import MACHINE, RELEASE, SYSNAME, VERSION

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def _uts(k: Kernel, sizes: int) -> bytes:
    fields = (SYSNAME, k.tables.hostname, RELEASE, VERSION, MACHINE, k.tables.domainname)
    return b"".join(text.encode()[: sizes - 1].ljust(sizes, b"\0") for text in fields)


def sys_uname(k: Kernel, address: int) -> int:
    copy_to_user(k, address, _uts(k, 65))
    return 0


def sys_olduname(k: Kernel, address: int) -> int:
    copy_to_user(k, address, _uts(k, 65)[: 65 * 5])
    return 0


def sys_sethostname(k: Kernel, address: int, length: int) -> int:
    if k.task.cred.euid:
        raise KernelError(Errno.EPERM)
    if length > 64 or signed(length) < 0:
        raise KernelError(Errno.EINVAL)
    k.tables.hostname = copy_from_user(k, address, length).decode("utf-8", "replace")
    return 0


def sys_getrandom(k: Kernel, address: int, count: int, flags: int) -> int:
    if flags & ~7 or flags & 6 == 6:
        raise KernelError(Errno.EINVAL)
    count = min(count, 0x7FFF_F000, 1 << 20)
    done = copy_to_user_partial(k, address, k.entropy(count))
    if count and not done:
        raise KernelError(Errno.EFAULT)
    return done


def sys_sysinfo(k: Kernel, address: int) -> int:
    total, free = k.ram.size, frames_left(k) << 12
    head = struct.pack(
        "<i3I6IHH2II", k.now // 10**9, 0, 0, 0, total, free, 0, 0, 0, 0, len(k.tables.tasks), 0, 0, 0, 1
    )
    copy_to_user(k, address, head.ljust(64, b"\0"))
    return 0
