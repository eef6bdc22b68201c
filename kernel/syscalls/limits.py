"""Limits of a process: getrlimit, setrlimit, prlimit64 (man 2 getrlimit), told and set."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_RESOURCE,
    RLIM64_INFINITY,
    RLIM_INFINITY,
    RLIM_NLIMITS,
    RLIMIT_CPU,
    RLIMIT_NOFILE,
)
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.signals.pending import leader_of
from kernel.tables import Task
from kernel.uaccess import copy_from_user, copy_to_user

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NR_OPEN = 1 << 20
"""More descriptors nobody may have (/proc/sys/fs/nr_open)."""
OLD_INFINITY = 0x7FFF_FFFF


def _known(resource: int) -> None:
    if resource >= RLIM_NLIMITS:
        raise KernelError(Errno.EINVAL)


def _tell(k: Kernel, resource: int, address: int, largest: int) -> int:
    _known(resource)
    soft, hard = (min(value, largest) for value in k.limits_of(k.task, resource))
    copy_to_user(k, address, struct.pack("<II", soft, hard))
    return 0


def sys_ugetrlimit(k: Kernel, resource: int, address: int) -> int:
    return _tell(k, resource, address, RLIM_INFINITY)


def sys_getrlimit(k: Kernel, resource: int, address: int) -> int:
    return _tell(k, resource, address, OLD_INFINITY)


def _set(k: Kernel, task: Task, resource: int, soft: int, hard: int) -> None:
    _known(resource)
    if soft > hard:
        raise KernelError(Errno.EINVAL)
    if resource == RLIMIT_NOFILE and hard > NR_OPEN:
        raise KernelError(Errno.EPERM)
    if hard > k.limits_of(task, resource)[1] and not capable(k, CAP_SYS_RESOURCE):
        raise KernelError(Errno.EPERM)
    leader = leader_of(k, task)
    leader.rlimits = {**leader.rlimits, resource: [soft, hard]}
    if resource == RLIMIT_CPU:
        k.reprogram_timer()


def sys_setrlimit(k: Kernel, resource: int, address: int) -> int:
    values = struct.unpack("<II", copy_from_user(k, address, 8))
    soft, hard = (RLIM64_INFINITY if value == RLIM_INFINITY else value for value in values)
    _set(k, k.task, resource, soft, hard)
    return 0


def _may_limit(k: Kernel, task: Task) -> bool:
    """check_prlimit_permission."""
    mine, its = k.task.cred, task.cred
    same_user = mine.uid == its.uid == its.euid == its.suid
    same_group = mine.gid == its.gid == its.egid == its.sgid
    return task is k.task or (same_user and same_group) or capable(k, CAP_SYS_RESOURCE)


def sys_prlimit64(k: Kernel, pid: int, resource: int, new: int, old: int) -> int:
    values = struct.unpack("<QQ", copy_from_user(k, new, 16)) if new else None
    task = k.tables.tasks.get(pid) if pid else k.task
    if task is None:
        raise KernelError(Errno.ESRCH)
    if not _may_limit(k, task):
        raise KernelError(Errno.EPERM)
    _known(resource)
    before = k.limits_of(task, resource)
    if values is not None:
        _set(k, task, resource, *values)
    if old:
        copy_to_user(k, old, struct.pack("<QQ", *before))
    return 0
