"""About the system: uname, random numbers, what is free (man 2 uname, getrandom, sysinfo)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import MAX_RW_COUNT
from kernel.abi.process import CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYSLOG
from kernel.capabilities import need_capability
from kernel.errors import Blocked, KernelError
from kernel.mm.frames import frames_left
from kernel.syscalls.attributes import CWD, inode_at
from kernel.uaccess import copy_from_user, copy_to_user, copy_to_user_partial, signed
from kernel.uts import MACHINE, RELEASE, SYSNAME, VERSION

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CHUNK = 4096
SYSLOG_ACTION_READ, SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_READ_CLEAR = 2, 3, 4
SYSLOG_ACTION_CONSOLE_LEVEL, SYSLOG_ACTION_SIZE_BUFFER = 8, 10
LOG_SIZE = 1 << 18
SWAP_FLAGS_VALID = 0x7FFFF
REBOOT_MAGIC1 = 0xFEE1_DEAD
REBOOT_MAGIC2 = (672274793, 85072278, 369367448, 537993216)
CTRL_ALT_DEL = (0x89AB_CDEF, 0)
"""LINUX_REBOOT_CMD_CAD_ON and CAD_OFF."""


def _uts(k: Kernel, sizes: int) -> bytes:
    fields = (SYSNAME, k.tables.hostname, RELEASE, VERSION, MACHINE, k.tables.domainname)
    return b"".join(text.encode()[: sizes - 1].ljust(sizes, b"\0") for text in fields)


def sys_uname(k: Kernel, address: int) -> int:
    copy_to_user(k, address, _uts(k, 65))
    return 0


def sys_olduname(k: Kernel, address: int) -> int:
    copy_to_user(k, address, _uts(k, 65)[: 65 * 5])
    return 0


def sys_oldolduname(k: Kernel, address: int) -> int:
    """Eight characters of each."""
    copy_to_user(k, address, _uts(k, 9)[: 9 * 5])
    return 0


def sys_sethostname(k: Kernel, address: int, length: int) -> int:
    k.tables.hostname = _new_name(k, address, length)
    return 0


def sys_setdomainname(k: Kernel, address: int, length: int) -> int:
    k.tables.domainname = _new_name(k, address, length)
    return 0


def _new_name(k: Kernel, address: int, length: int) -> str:
    need_capability(k, CAP_SYS_ADMIN)
    if length > 64 or signed(length) < 0:
        raise KernelError(Errno.EINVAL)
    return copy_from_user(k, address, length).decode("utf-8", "replace")


def sys_getrandom(k: Kernel, address: int, count: int, flags: int) -> int:
    if flags & ~7 or flags & 6 == 6:
        raise KernelError(Errno.EINVAL)
    count = min(count, MAX_RW_COUNT)
    done = 0
    while done < count:
        wanted = min(count - done, CHUNK)
        copied = copy_to_user_partial(k, address + done, k.entropy(wanted))
        done += copied
        if copied < wanted:
            break
    if count and not done:
        raise KernelError(Errno.EFAULT)
    return done


def sys_syslog(k: Kernel, type: int, address: int, length: int) -> int:
    """The kernel has no messages: its events are told elsewhere. Who waits for one waits for ever."""
    if type > SYSLOG_ACTION_SIZE_BUFFER:
        raise KernelError(Errno.EINVAL)
    if type not in (SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_SIZE_BUFFER):
        need_capability(k, CAP_SYSLOG)
    if type in (SYSLOG_ACTION_READ, SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_READ_CLEAR):
        if not address or signed(length) < 0:
            raise KernelError(Errno.EINVAL)
        if type == SYSLOG_ACTION_READ and length:
            raise Blocked("syslog")
    if type == SYSLOG_ACTION_CONSOLE_LEVEL and not 1 <= length <= 8:
        raise KernelError(Errno.EINVAL)
    return LOG_SIZE if type == SYSLOG_ACTION_SIZE_BUFFER else 0


def sys_swapon(k: Kernel, path: int, flags: int) -> int:
    """No file is taken for swap space: EINVAL, as for one without a swap header."""
    if flags & ~SWAP_FLAGS_VALID:
        raise KernelError(Errno.EINVAL)
    return sys_swapoff(k, path)


def sys_swapoff(k: Kernel, path: int) -> int:
    need_capability(k, CAP_SYS_ADMIN)
    inode_at(k, CWD, path)
    raise KernelError(Errno.EINVAL)


def sys_reboot(k: Kernel, magic1: int, magic2: int, command: int, arg: int) -> int:
    """Whether Ctrl+Alt+Del restarts can be set; the machine stops when its first program ends: EINVAL."""
    need_capability(k, CAP_SYS_BOOT)
    if magic1 != REBOOT_MAGIC1 or magic2 not in REBOOT_MAGIC2 or command not in CTRL_ALT_DEL:
        raise KernelError(Errno.EINVAL)
    return 0


def sys_sysinfo(k: Kernel, address: int) -> int:
    total, free = k.ram.size, frames_left(k) << 12
    head = struct.pack(
        "<i3I6IHH2II", k.now // 10**9, 0, 0, 0, total, free, 0, 0, 0, 0, len(k.tables.tasks), 0, 0, 0, 1
    )
    copy_to_user(k, address, head.ljust(64, b"\0"))
    return 0
