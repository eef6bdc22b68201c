"""What has been used: times, getrusage, and the rusage of children that are waited for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD
from kernel.abi.structs import Rusage
from kernel.cputime import add, process_usage, thread_usage
from kernel.errors import KernelError
from kernel.signals.pending import leader_of
from kernel.tables import Task, Usage
from kernel.uaccess import copy_to_user, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

JIFFY = 10_000_000
"""Ticks of a USER_HZ tick."""
SECOND = 1_000_000_000


def pack_rusage(usage: Usage) -> bytes:
    user = usage.ran - usage.system
    return Rusage(
        utime_sec=user // SECOND,
        utime_usec=user % SECOND // 1000,
        stime_sec=usage.system // SECOND,
        stime_usec=usage.system % SECOND // 1000,
        ru_maxrss=usage.peak * 4,
        ru_minflt=usage.minor_faults,
        ru_nvcsw=usage.voluntary_switches,
        ru_nivcsw=usage.involuntary_switches,
    ).pack()


def child_rusage(k: Kernel, child: Task) -> bytes:
    """Of a child that is waited for: its own and its children's."""
    return pack_rusage(add(process_usage(k, child), leader_of(k, child).children))


def sys_getrusage(k: Kernel, who: int, address: int) -> int:
    task = k.task
    match signed(who):
        case 0:
            usage = process_usage(k, task)
        case -1:
            usage = leader_of(k, task).children
        case 1:
            usage = thread_usage(k, task)
        case _:
            raise KernelError(Errno.EINVAL)
    copy_to_user(k, address, pack_rusage(usage))
    return 0


assert (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD) == (0, -1, 1)


def sys_times(k: Kernel, address: int) -> int:
    """Clock ticks of 10 ms; the result is the time since the machine was switched on."""
    if address:
        usage, children = process_usage(k, k.task), leader_of(k, k.task).children
        ticks = (usage.ran - usage.system, usage.system, children.ran - children.system, children.system)
        copy_to_user(k, address, struct.pack("<4i", *(value // JIFFY & 0x7FFF_FFFF for value in ticks)))
    return k.now // JIFFY & 0x7FFF_FFFF
