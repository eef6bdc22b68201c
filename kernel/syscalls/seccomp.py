"""seccomp, and prctl's older way to it (man 2 seccomp, PR_SET_SECCOMP in man 2 prctl)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel import seccomp
from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_ADMIN,
    SECCOMP_GET_ACTION_AVAIL,
    SECCOMP_GET_NOTIF_SIZES,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_SET_MODE_STRICT,
)
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.uaccess import copy_from_user, copy_to_user, get_user32

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FLAG_TSYNC, FLAG_LOG, FLAG_SPEC_ALLOW, FLAG_TSYNC_ESRCH = 1, 2, 4, 16
_FLAGS = FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH
_FPROG = Struct("<H2xI")
_NOTIF_SIZES = Struct("<3H").pack(80, 24, 64)


def sys_seccomp(k: Kernel, op: int, flags: int, uargs: int) -> int:
    if op == SECCOMP_SET_MODE_STRICT:
        if flags or uargs:
            raise KernelError(Errno.EINVAL)
        seccomp.set_strict(k)
        return 0
    if op == SECCOMP_SET_MODE_FILTER:
        return _set_filter(k, flags, uargs)
    if op not in (SECCOMP_GET_ACTION_AVAIL, SECCOMP_GET_NOTIF_SIZES) or flags:
        raise KernelError(Errno.EINVAL)
    if op == SECCOMP_GET_NOTIF_SIZES:
        copy_to_user(k, uargs, _NOTIF_SIZES)
    elif get_user32(k, uargs) not in seccomp.AVAILABLE:
        raise KernelError(Errno.EOPNOTSUPP)
    return 0


def prctl_set_seccomp(k: Kernel, mode: int, uargs: int, c: int, d: int) -> int:
    if mode == seccomp.MODE_STRICT:
        return sys_seccomp(k, SECCOMP_SET_MODE_STRICT, 0, 0)
    if mode == seccomp.MODE_FILTER:
        return _set_filter(k, 0, uargs)
    raise KernelError(Errno.EINVAL)


def _set_filter(k: Kernel, flags: int, uargs: int) -> int:
    if flags & ~_FLAGS:  # a listener for notifications among them
        raise KernelError(Errno.EINVAL)
    length, address = _FPROG.unpack(copy_from_user(k, uargs, _FPROG.size))
    if not 0 < length <= seccomp.BPF_MAXINSNS:
        raise KernelError(Errno.EINVAL)
    if not k.task.no_new_privs and not capable(k, CAP_SYS_ADMIN):
        raise KernelError(Errno.EACCES)
    image = copy_from_user(k, address, length * seccomp.INSTRUCTION.size)
    if not seccomp.check(seccomp.decoded(image)):
        raise KernelError(Errno.EINVAL)
    if flags & FLAG_TSYNC:
        other = seccomp.unsynchronised_thread(k)
        if other and flags & FLAG_TSYNC_ESRCH:
            raise KernelError(Errno.ESRCH)
        if other:
            return other
    seccomp.attach(k, image)
    if flags & FLAG_TSYNC:
        seccomp.synchronise_threads(k)
    return 0
