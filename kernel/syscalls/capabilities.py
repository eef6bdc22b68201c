"""capget, capset, and what prctl has of capabilities (Linux's kernel/capability.c, security/commoncap.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    ALL_CAPABILITIES,
    CAP_SETPCAP,
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_KEEPCAPS,
    PR_GET_SECUREBITS,
    PR_SET_KEEPCAPS,
    PR_SET_SECUREBITS,
    SECURE_ALL_BITS,
    SECURE_ALL_LOCKS,
    SECURE_ALL_UNPRIVILEGED,
    SECURE_KEEP_CAPS,
    SECURE_NO_CAP_AMBIENT_RAISE,
)
from kernel.capabilities import copy, need_capability, set_capabilities
from kernel.errors import KernelError
from kernel.uaccess import copy_from_user, copy_to_user, get_user32, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_CLEAR_ALL = range(1, 5)
_PAIRS = {0x1998_0330: 1, 0x2007_1026: 2, 0x2008_0522: 2}
"""_LINUX_CAPABILITY_VERSION_1 to 3: how many structures the data has."""
_CURRENT = 0x2008_0522
_LAST = ALL_CAPABILITIES.bit_length() - 1


def _pairs(k: Kernel, header: int) -> int:
    """EINVAL for an unknown version; the one that is known is told."""
    pairs = _PAIRS.get(get_user32(k, header), 0)
    if not pairs:
        put_user32(k, header, _CURRENT)
    return pairs


def sys_capget(k: Kernel, header: int, data: int) -> int:
    pairs = _pairs(k, header)
    if not data or not pairs:
        if not data:
            return 0
        raise KernelError(Errno.EINVAL)
    pid = signed(get_user32(k, header + 4))
    if pid < 0:
        raise KernelError(Errno.EINVAL)
    task = k.tables.tasks.get(pid) if pid else k.task
    if task is None:
        raise KernelError(Errno.ESRCH)
    cred = task.cred
    sets = (cred.effective, cred.permitted, cred.inheritable)
    words = [one >> 32 * half & 0xFFFF_FFFF for half in range(pairs) for one in sets]
    copy_to_user(k, data, struct.pack(f"<{len(words)}I", *words))
    return 0


def sys_capset(k: Kernel, header: int, data: int) -> int:
    """Of the calling thread only."""
    pairs = _pairs(k, header)
    if not pairs:
        raise KernelError(Errno.EINVAL)
    if get_user32(k, header + 4) not in (0, k.task.pid):
        raise KernelError(Errno.EPERM)
    words = struct.unpack(f"<{3 * pairs}I", copy_from_user(k, data, 12 * pairs))
    sets = [sum(words[3 * half + which] << 32 * half for half in range(pairs)) for which in range(3)]
    set_capabilities(k, *(one & ALL_CAPABILITIES for one in sets))
    return 0


# --- prctl --------------------------------------------------------------------------------------------------


def prctl(k: Kernel, option: int, a: int, b: int, c: int, d: int) -> int | None:
    """One of the options about capabilities (`cap_task_prctl`); None for all others."""
    cred = k.task.cred
    if option == PR_CAPBSET_READ:
        return cred.bounding >> _known(a) & 1
    if option == PR_CAPBSET_DROP:
        need_capability(k, CAP_SETPCAP)
        k.task.cred = copy(cred)
        k.task.cred.bounding &= ~(1 << _known(a))
        return 0
    if option == PR_GET_SECUREBITS:
        return cred.securebits
    if option == PR_SET_SECUREBITS:
        return _set_securebits(k, a)
    if option == PR_GET_KEEPCAPS:
        return int(bool(cred.securebits & SECURE_KEEP_CAPS))
    if option == PR_SET_KEEPCAPS:
        if a > 1:
            raise KernelError(Errno.EINVAL)
        if cred.securebits & SECURE_KEEP_CAPS << 1:
            raise KernelError(Errno.EPERM)
        cred.securebits = cred.securebits & ~SECURE_KEEP_CAPS | SECURE_KEEP_CAPS * a
        return 0
    if option == PR_CAP_AMBIENT:
        return _ambient(k, a, b, c, d)
    return None


def _known(capability: int) -> int:
    if capability > _LAST:
        raise KernelError(Errno.EINVAL)
    return capability


def _set_securebits(k: Kernel, wanted: int) -> int:
    """EPERM for what is locked or unknown, and without CAP_SETPCAP unless only exec is restricted."""
    cred = k.task.cred
    old = cred.securebits
    locked = old & SECURE_ALL_LOCKS
    if locked >> 1 & (old ^ wanted) or locked & ~wanted or wanted & ~(SECURE_ALL_LOCKS | SECURE_ALL_BITS):
        raise KernelError(Errno.EPERM)
    if (old ^ wanted) & ~SECURE_ALL_UNPRIVILEGED or not old ^ wanted:
        need_capability(k, CAP_SETPCAP)
    cred.securebits = wanted
    return 0


def _ambient(k: Kernel, what: int, capability: int, c: int, d: int) -> int:
    cred = k.task.cred
    if what == PR_CAP_AMBIENT_CLEAR_ALL:
        if capability or c or d:
            raise KernelError(Errno.EINVAL)
        cred.ambient = 0
        return 0
    if capability > _LAST or c or d:
        raise KernelError(Errno.EINVAL)
    bit = 1 << capability
    if what == PR_CAP_AMBIENT_IS_SET:
        return int(bool(cred.ambient & bit))
    if what not in (PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_LOWER):
        raise KernelError(Errno.EINVAL)
    if what == PR_CAP_AMBIENT_LOWER:
        cred.ambient &= ~bit
        return 0
    if not cred.permitted & cred.inheritable & bit or cred.securebits & SECURE_NO_CAP_AMBIENT_RAISE:
        raise KernelError(Errno.EPERM)
    cred.ambient |= bit
    return 0
