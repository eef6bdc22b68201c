"""Scheduling calls: classes, priorities, nice values, the one processor (man 7 sched, man 2 getpriority)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import (
    CAP_SYS_NICE,
    PRIO_PGRP,
    PRIO_PROCESS,
    PRIO_USER,
    RLIMIT_NICE,
    RLIMIT_RTPRIO,
    SCHED_BATCH,
    SCHED_DEADLINE,
    SCHED_IDLE,
    SCHED_NORMAL,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
)
from kernel.abi.time import time_bytes
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.policy import REAL_TIME, RR_SLICE, rank, replenish, resched, time_slice, unthrottle
from kernel.tables import Task, TaskState
from kernel.uaccess import copy_from_user, copy_to_user, copy_to_user_partial, get_user32, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

FAIR = (SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE)
POLICIES = (*FAIR, *REAL_TIME, SCHED_DEADLINE)
ATTR_SIZE_VER0, ATTR_SIZE = 48, 56
FLAG_RESET_ON_FORK, FLAG_KEEP_POLICY, FLAG_KEEP_PARAMS = 0x01, 0x08, 0x10
FLAG_UTIL_CLAMP = 0x60
FLAGS_ALL = 0x7F
MIN_RUNTIME = 1024
MIN_PERIOD, MAX_PERIOD = 100_000, (1 << 22) * 1000
"""Ticks; what /proc/sys/kernel/sched_deadline_period_* say (in microseconds)."""
BANDWIDTH = 95
"""Percent of the processor that SCHED_DEADLINE tasks may have together."""
_ATTR = struct.Struct("<IIQiIQQQII")


def _find(k: Kernel, pid: int) -> Task:
    task = k.tables.tasks.get(pid) if pid else k.task
    if task is None:
        raise KernelError(Errno.ESRCH)
    return task


def _named(k: Kernel, pid: int, address: int) -> Task:
    """The task, where a pointer must be given too: EINVAL comes first."""
    if signed(pid) < 0 or not address:
        raise KernelError(Errno.EINVAL)
    return _find(k, pid)


def _may_nice(k: Kernel) -> bool:
    """CAP_SYS_NICE."""
    return capable(k, CAP_SYS_NICE)


def _can_nice(k: Kernel, task: Task, nice: int) -> bool:
    return _may_nice(k) or 20 - nice <= k.limits_of(task, RLIMIT_NICE)[0]


def _owns(k: Kernel, task: Task) -> bool:
    """check_same_owner."""
    return k.task.cred.euid in (task.cred.euid, task.cred.uid)


# --- classes ------------------------------------------------------------------------------------------------


def _set_scheduler(
    k: Kernel,
    task: Task,
    policy: int,
    priority: int,
    nice: int,
    reset: bool,
    deadline: tuple[int, int, int] = (0, 0, 0),
) -> int:
    """__sched_setscheduler. `policy` -1 keeps the one there is."""
    if policy < 0:
        policy, reset = task.policy, task.reset_on_fork
    elif policy not in POLICIES:
        raise KernelError(Errno.EINVAL)
    if priority > 99 or (policy == SCHED_DEADLINE and not _is_sound(deadline)):
        raise KernelError(Errno.EINVAL)
    if (policy in REAL_TIME) != bool(priority):
        raise KernelError(Errno.EINVAL)
    if not _may_nice(k):
        _ask_permission(k, task, policy, priority, nice, reset)
    if policy == SCHED_DEADLINE:
        _admit(k, task, deadline)
    was = task.policy
    task.policy, task.rt_priority, task.reset_on_fork = policy, priority, reset
    if policy in FAIR:
        task.nice = nice
    k.tables.ranked = k.tables.ranked or policy not in (SCHED_NORMAL, SCHED_BATCH)
    task.deadline = []
    if policy == SCHED_DEADLINE:
        runtime, due, period = deadline
        task.deadline = [runtime, due, period or due, 0, 0]
        replenish(k, task)
    elif was == SCHED_DEADLINE:
        unthrottle(k, task)
    _look_again(k, task)
    return 0


def _ask_permission(k: Kernel, task: Task, policy: int, priority: int, nice: int, reset: bool) -> None:
    """user_check_sched_setscheduler. EPERM."""
    refused = policy in FAIR and nice < task.nice and not _can_nice(k, task, nice)
    if policy in REAL_TIME:
        limit = k.limits_of(task, RLIMIT_RTPRIO)[0]
        refused |= policy != task.policy and not limit
        refused |= priority > task.rt_priority and priority > limit
    refused |= policy == SCHED_DEADLINE
    refused |= task.policy == SCHED_IDLE != policy and not _can_nice(k, task, task.nice)
    refused |= not _owns(k, task) or (task.reset_on_fork and not reset)
    if refused:
        raise KernelError(Errno.EPERM)


def _is_sound(deadline: tuple[int, int, int]) -> bool:
    """__checkparam_dl."""
    runtime, due, period = deadline
    period = period or due
    if not due or runtime < MIN_RUNTIME or (due | period) >> 63:
        return False
    return runtime <= due <= period and MIN_PERIOD <= period <= MAX_PERIOD


def _admit(k: Kernel, task: Task, deadline: tuple[int, int, int]) -> None:
    """Whether there is processor time left for it. EBUSY."""
    total = deadline[0] * 1000 // (deadline[2] or deadline[1])
    for other in k.tables.tasks.values():
        if other.deadline and other.pid != task.pid:
            total += other.deadline[0] * 1000 // other.deadline[2]
    if total > BANDWIDTH * 10:
        raise KernelError(Errno.EBUSY)


def _look_again(k: Kernel, task: Task) -> None:
    """Its rank has changed: perhaps another one is to run now."""
    t = k.tables
    current = k.task
    if task.pid == current.pid:
        t.slice_end = k.now + time_slice(task)
        k.reprogram_timer()
        if any(rank(k, t.tasks[pid]) > rank(k, current) for pid in t.runqueue):
            resched(k)
    elif task.state == TaskState.RUNNABLE and rank(k, task) > rank(k, current):
        resched(k)


def sys_sched_setscheduler(k: Kernel, pid: int, policy: int, param: int) -> int:
    if signed(policy) < 0 or signed(pid) < 0 or not param:
        raise KernelError(Errno.EINVAL)
    priority = get_user32(k, param)
    task = _find(k, pid)
    reset = bool(policy & SCHED_RESET_ON_FORK)
    return _set_scheduler(k, task, policy & ~SCHED_RESET_ON_FORK, priority, task.nice, reset)


def sys_sched_setparam(k: Kernel, pid: int, param: int) -> int:
    if signed(pid) < 0 or not param:
        raise KernelError(Errno.EINVAL)
    priority = get_user32(k, param)
    task = _find(k, pid)
    return _set_scheduler(k, task, -1, priority, task.nice, False)


def sys_sched_getscheduler(k: Kernel, pid: int) -> int:
    if signed(pid) < 0:
        raise KernelError(Errno.EINVAL)
    task = _find(k, pid)
    return task.policy | (SCHED_RESET_ON_FORK if task.reset_on_fork else 0)


def sys_sched_getparam(k: Kernel, pid: int, param: int) -> int:
    put_user32(k, param, _named(k, pid, param).rt_priority)
    return 0


def sys_sched_setattr(k: Kernel, pid: int, uattr: int, flags: int) -> int:
    if not uattr or signed(pid) < 0 or flags:
        raise KernelError(Errno.EINVAL)
    size = get_user32(k, uattr) or ATTR_SIZE_VER0
    data = copy_from_user(k, uattr, size) if ATTR_SIZE_VER0 <= size <= 4096 else b"\1" * 4096
    if any(data[ATTR_SIZE:]):
        put_user32(k, uattr, ATTR_SIZE)
        raise KernelError(Errno.E2BIG)
    fields = _ATTR.unpack(data[:ATTR_SIZE].ljust(ATTR_SIZE, b"\0"))
    _, policy, wanted, nice, priority, runtime, due, period, _, _ = fields
    if wanted & FLAG_UTIL_CLAMP and size < ATTR_SIZE:
        raise KernelError(Errno.EINVAL)
    if signed(policy) < 0:
        raise KernelError(Errno.EINVAL)
    task = _find(k, pid)
    if wanted & ~FLAGS_ALL:
        raise KernelError(Errno.EINVAL)
    if wanted & FLAG_UTIL_CLAMP:
        raise KernelError(Errno.EOPNOTSUPP)
    nice = max(-20, min(nice, 19))
    times = (runtime, due, period)
    if wanted & FLAG_KEEP_PARAMS:
        priority, nice = task.rt_priority, task.nice
        times = (task.deadline[0], task.deadline[1], task.deadline[2]) if task.deadline else (0, 0, 0)
    kept = -1 if wanted & FLAG_KEEP_POLICY else policy
    return _set_scheduler(k, task, kept, priority, nice, bool(wanted & FLAG_RESET_ON_FORK), times)


def sys_sched_getattr(k: Kernel, pid: int, uattr: int, size: int, flags: int) -> int:
    if not uattr or signed(pid) < 0 or not ATTR_SIZE_VER0 <= size <= 4096 or flags:
        raise KernelError(Errno.EINVAL)
    task = _find(k, pid)
    count = min(size, ATTR_SIZE)
    times = task.deadline[:3] if task.deadline else [0, 0, 0]
    if task.policy in FAIR:
        times = [0, 0, 0]
    nice = task.nice if task.policy in FAIR else 0
    reset = FLAG_RESET_ON_FORK if task.reset_on_fork else 0
    packed = _ATTR.pack(count, task.policy, reset, nice, task.rt_priority, *times, 0, 0)
    copy_to_user(k, uattr, packed[:count])
    return 0


def sys_sched_get_priority_max(k: Kernel, policy: int) -> int:
    if policy not in POLICIES:
        raise KernelError(Errno.EINVAL)
    return 99 if policy in REAL_TIME else 0


def sys_sched_get_priority_min(k: Kernel, policy: int) -> int:
    if policy not in POLICIES:
        raise KernelError(Errno.EINVAL)
    return 1 if policy in REAL_TIME else 0


def _interval(k: Kernel, pid: int) -> int:
    if signed(pid) < 0:
        raise KernelError(Errno.EINVAL)
    task = _find(k, pid)
    if task.policy == SCHED_RR:
        return RR_SLICE
    return time_slice(task) if task.policy in FAIR else 0


def sys_sched_rr_get_interval(k: Kernel, pid: int, interval: int) -> int:
    copy_to_user(k, interval, time_bytes(False, _interval(k, pid)))
    return 0


def sys_sched_rr_get_interval_time64(k: Kernel, pid: int, interval: int) -> int:
    copy_to_user(k, interval, time_bytes(True, _interval(k, pid)))
    return 0


def sys_sched_yield(k: Kernel) -> int:
    """To the end of the queue; a SCHED_DEADLINE task is done until its next period."""
    k.tables.rotate = True
    if k.task.deadline:
        k.task.deadline[4] = 0
    k.need_resched()
    return 0


# --- the processor ------------------------------------------------------------------------------------------


def sys_sched_setaffinity(k: Kernel, pid: int, length: int, mask: int) -> int:
    bits = int.from_bytes(copy_from_user(k, mask, min(length, 4)), "little")
    task = _find(k, pid)
    if not _owns(k, task) and not _may_nice(k):
        raise KernelError(Errno.EPERM)
    if not bits & 1:
        raise KernelError(Errno.EINVAL)
    return 0


def sys_sched_getaffinity(k: Kernel, pid: int, length: int, mask: int) -> int:
    if length < 4 or length & 3:
        raise KernelError(Errno.EINVAL)
    _find(k, pid)
    copy_to_user(k, mask, (1).to_bytes(4, "little"))
    return 4


def sys_getcpu(k: Kernel, cpu: int, node: int, unused: int) -> int:
    for address in (cpu, node):
        if address and copy_to_user_partial(k, address, bytes(4)) < 4:
            raise KernelError(Errno.EFAULT)
    return 0


# --- nice values --------------------------------------------------------------------------------------------


def _meant(k: Kernel, which: int, who: int) -> list[Task]:
    """The tasks that getpriority and the like speak of."""
    me = k.task
    tests: dict[int, Callable[[Task], bool]] = {
        PRIO_PROCESS: lambda task: task.pid == (who or me.pid),
        PRIO_PGRP: lambda task: task.pgrp == (who or me.pgrp),
        PRIO_USER: lambda task: task.cred.uid == (who or me.cred.uid),
    }
    alive = [task for task in k.tables.tasks.values() if task.pid]
    return [task for task in alive if tests[which](task)]


def sys_getpriority(k: Kernel, which: int, who: int) -> int:
    """20 minus the lowest nice value, so that it is never negative."""
    if which > PRIO_USER:
        raise KernelError(Errno.EINVAL)
    found = _meant(k, which, who)
    if not found:
        raise KernelError(Errno.ESRCH)
    return 20 - min(task.nice for task in found)


def sys_setpriority(k: Kernel, which: int, who: int, value: int) -> int:
    if which > PRIO_USER:
        raise KernelError(Errno.EINVAL)
    nice = max(-20, min(signed(value), 19))
    error: int = Errno.ESRCH
    for task in _meant(k, which, who):
        if k.task.cred.euid not in (task.cred.uid, task.cred.euid) and not _may_nice(k):
            error = Errno.EPERM
        elif nice < task.nice and not _can_nice(k, task, nice):
            error = Errno.EACCES
        else:
            error = 0 if error == Errno.ESRCH else error
            task.nice = nice
    if error:
        raise KernelError(error)
    return 0


def sys_nice(k: Kernel, increment: int) -> int:
    task = k.task
    more = max(-40, min(signed(increment), 40))
    nice = max(-20, min(task.nice + more, 19))
    if more < 0 and not _can_nice(k, task, nice):
        raise KernelError(Errno.EPERM)
    task.nice = nice
    return 0


# --- input and output's priorities --------------------------------------------------------------------------

IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE = range(4)
_WHICH = {1: PRIO_PROCESS, 2: PRIO_PGRP, 3: PRIO_USER}


def sys_ioprio_set(k: Kernel, which: int, who: int, ioprio: int) -> int:
    kind, level = ioprio >> 13 & 7, ioprio & 7  # between them lie hints for the disk
    if kind == IOPRIO_RT and not _may_nice(k):
        raise KernelError(Errno.EPERM)
    if kind > IOPRIO_IDLE or (kind == IOPRIO_NONE and level) or which not in _WHICH:
        raise KernelError(Errno.EINVAL)
    found = _meant(k, _WHICH[which], who)
    if not found:
        raise KernelError(Errno.ESRCH)
    for task in found:
        if k.task.cred.euid != task.cred.uid and k.task.cred.uid != task.cred.uid and not _may_nice(k):
            raise KernelError(Errno.EPERM)
        task.ioprio = ioprio
    return 0


def sys_ioprio_get(k: Kernel, which: int, who: int) -> int:
    """Without one of its own a task has that of its nice value."""
    if which not in _WHICH:
        raise KernelError(Errno.EINVAL)
    found = _meant(k, _WHICH[which], who)
    if not found:
        raise KernelError(Errno.ESRCH)
    if which == 1:
        return found[0].ioprio
    return min(task.ioprio or IOPRIO_BE << 13 | (task.nice + 20) // 5 for task in found)


# --- barriers -----------------------------------------------------------------------------------------------

MEMBARRIER_GLOBAL, MEMBARRIER_GET_REGISTRATIONS = 1, 0x200
MEMBARRIER_REGISTERED_FIRST = {2: 0, 8: 16, 32: 64, 128: 256}
"""Command to the one that must have been given before."""


def sys_membarrier(k: Kernel, command: int, flags: int, cpu: int = 0) -> int:
    """With one processor every switch is a barrier: nothing is left to do."""
    if flags:
        raise KernelError(Errno.EINVAL)
    space = k.tables.spaces[k.task.space]
    if command == 0:
        return 0x3FF
    if command == MEMBARRIER_GET_REGISTRATIONS:
        return space.membarrier
    if command in (4, 16, 64, 256):
        space.membarrier |= command
        return 0
    if command != MEMBARRIER_GLOBAL and command not in MEMBARRIER_REGISTERED_FIRST:
        raise KernelError(Errno.EINVAL)
    needs = MEMBARRIER_REGISTERED_FIRST.get(command, 0)
    if needs and not space.membarrier & needs:
        raise KernelError(Errno.EPERM)
    return 0
