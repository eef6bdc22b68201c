"""Time: what o'clock it is, and sleeping. The clock is the machine's: one tick is one nanosecond."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import futex
from kernel.abi.errno import ERESTART_RESTARTBLOCK, ERESTARTNOHAND, Errno
from kernel.abi.time import (
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE,
    CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
    CLOCKFD,
    CPUCLOCK_PERTHREAD_MASK,
    CPUCLOCK_SCHED,
    CPUCLOCK_VIRT,
    time_bytes,
)
from kernel.cputime import cpu_times, process_ran, ran
from kernel.errors import Blocked, KernelError
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SECOND = 1_000_000_000
COARSE = 4_000_000
"""A period of the 250 Hz timer, in which the coarse clocks go on."""
CLOCKS = 12
TIMER_ABSTIME = 1
RESTART_SLEEP = 0


def realtime(k: Kernel) -> int:
    """Nanoseconds since 1970."""
    return k.tables.epoch + k.now


def clock_time(k: Kernel, clock: int) -> int:
    """What a clock shows."""
    number = signed(clock)
    if number < 0:
        return _cpu_clock(k, number)
    if number >= CLOCKS or number in (8, 9, 10):
        raise KernelError(Errno.EINVAL)
    if number == CLOCK_PROCESS_CPUTIME_ID:
        return process_ran(k, k.task)[0]
    if number == CLOCK_THREAD_CPUTIME_ID:
        return ran(k, k.task)
    if number == CLOCK_REALTIME_COARSE:
        return realtime(k) // COARSE * COARSE
    if number == CLOCK_MONOTONIC_COARSE:
        return k.now // COARSE * COARSE
    return realtime(k) if number in (CLOCK_REALTIME, CLOCK_TAI) else k.now


def _resolution(k: Kernel, clock: int) -> int:
    """Nanoseconds of a clock's steps."""
    clock_time(k, clock)
    number = signed(clock)
    ticking = number < 0 and number & 3 != CPUCLOCK_SCHED
    return COARSE if ticking or number in (CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE) else 1


def _cpu_clock(k: Kernel, number: int) -> int:
    """A clock of processor time: ~pid << 3, 4 for a thread's, and which (include/linux/posix-timers.h)."""
    which, pid = number & 3, ~(number >> 3)
    task = k.tables.tasks.get(pid) if pid else k.task
    if which == CLOCKFD or task is None:
        raise KernelError(Errno.EINVAL)
    if number & CPUCLOCK_PERTHREAD_MASK:
        if task.tgid != k.task.tgid:
            raise KernelError(Errno.EINVAL)
        return cpu_times(k, task)[0] if which == CPUCLOCK_VIRT else ran(k, task)
    if task.pid not in (task.tgid, k.task.pid):
        raise KernelError(Errno.EINVAL)
    return process_ran(k, task)[which == CPUCLOCK_VIRT]


def own_cpu_clock(k: Kernel, number: int) -> int:
    """The caller's own clock that a negative number means, for its timers. EINVAL."""
    _cpu_clock(k, number)
    pid, thread = ~(number >> 3), number & CPUCLOCK_PERTHREAD_MASK
    if pid not in (0, k.task.pid if thread else k.task.tgid):
        raise KernelError(Errno.EINVAL)
    if thread:
        return CLOCK_THREAD_CPUTIME_ID
    return -1 if number & 3 == CPUCLOCK_VIRT else CLOCK_PROCESS_CPUTIME_ID


def _sleepable(k: Kernel, clock: int) -> None:
    """Which clocks one can sleep on (kernel/time/posix-timers.c: nsleep)."""
    clock_time(k, clock)
    if clock in (CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE):
        raise KernelError(Errno.EOPNOTSUPP)


def sys_time(k: Kernel, address: int) -> int:
    seconds = realtime(k) // SECOND
    if address:
        put_user32(k, address, seconds)
    return seconds & 0xFFFF_FFFF


def sys_gettimeofday(k: Kernel, tv: int, tz: int) -> int:
    now = realtime(k)
    if tv:
        copy_to_user(k, tv, time_bytes(False, now, unit=1000))
    if tz:
        copy_to_user(k, tz, bytes(8))
    return 0


def sys_clock_gettime(k: Kernel, clock: int, address: int) -> int:
    copy_to_user(k, address, time_bytes(False, clock_time(k, clock)))
    return 0


def sys_clock_gettime64(k: Kernel, clock: int, address: int) -> int:
    copy_to_user(k, address, time_bytes(True, clock_time(k, clock)))
    return 0


def sys_clock_getres(k: Kernel, clock: int, address: int) -> int:
    clock_time(k, clock)
    if address:
        copy_to_user(k, address, time_bytes(False, _resolution(k, clock)))
    return 0


def sys_clock_getres_time64(k: Kernel, clock: int, address: int) -> int:
    clock_time(k, clock)
    if address:
        copy_to_user(k, address, time_bytes(True, _resolution(k, clock)))
    return 0


def _sleep(k: Kernel, clock: int, flags: int, seconds: int, nanoseconds: int, left: int, wide: bool) -> int:
    """Sleep; the end is fixed at the first call. A signal gives EINTR and tells what is left."""
    task = k.task
    if seconds < 0 or not 0 <= nanoseconds < SECOND:
        raise KernelError(Errno.EINVAL)
    if not task.progress:
        length = seconds * SECOND + nanoseconds
        if flags & TIMER_ABSTIME:
            end = length - (k.tables.epoch if clock == CLOCK_REALTIME else 0)
        else:
            end = k.now + length
        task.progress = [max(0, min(end, (1 << 61) - 1))]
    return _sleep_until(k, task.progress[0], bool(flags & TIMER_ABSTIME), left, wide)


def _sleep_until(k: Kernel, end: int, absolute: bool, left: int, wide: bool) -> int:
    task = k.task
    task.progress = [end]
    if k.now >= end:
        return 0
    if task.woken_by_signal:
        if absolute:
            raise KernelError(ERESTARTNOHAND)
        if left:
            copy_to_user(k, left, time_bytes(wide, end - k.now))
        task.restart = [RESTART_SLEEP, end, left, int(wide)]
        raise KernelError(ERESTART_RESTARTBLOCK)
    raise Blocked("sleep", deadline=end, restart=ERESTART_RESTARTBLOCK)


def sys_restart_syscall(k: Kernel) -> int:
    """Go on with a wait that a stop interrupted, to the end it had (man 2 restart_syscall)."""
    if not k.task.restart:
        raise KernelError(Errno.EINTR)
    if k.task.restart[0] == futex.RESTART_FUTEX:
        _, address, value, bitset, deadline, shared = k.task.restart
        return futex.wait(k, address, value, bitset, deadline, bool(shared))
    _, end, left, wide = k.task.restart
    return _sleep_until(k, end, False, left, bool(wide))


def sys_nanosleep(k: Kernel, wanted: int, left: int) -> int:
    seconds, nanoseconds = struct.unpack("<ii", copy_from_user(k, wanted, 8))
    return _sleep(k, CLOCK_MONOTONIC, 0, seconds, nanoseconds, left, False)


def sys_clock_nanosleep(k: Kernel, clock: int, flags: int, wanted: int, left: int) -> int:
    _sleepable(k, clock)
    seconds, nanoseconds = struct.unpack("<ii", copy_from_user(k, wanted, 8))
    return _sleep(k, clock, flags, seconds, nanoseconds, left, False)


def sys_clock_nanosleep_time64(k: Kernel, clock: int, flags: int, wanted: int, left: int) -> int:
    _sleepable(k, clock)
    seconds, nanoseconds = struct.unpack("<qq", copy_from_user(k, wanted, 16))
    return _sleep(k, clock, flags, seconds, nanoseconds, left, True)
