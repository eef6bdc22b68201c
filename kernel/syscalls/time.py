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
    CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE,
    CLOCK_THREAD_CPUTIME_ID,
)
from kernel.errors import Blocked, KernelError
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SECOND = 1_000_000_000
CLOCKS = 12
TIMER_ABSTIME = 1
RESTART_SLEEP = 0


def realtime(k: Kernel) -> int:
    """Nanoseconds since 1970."""
    return k.tables.epoch + k.now


def _clock(k: Kernel, clock: int) -> int:
    number = signed(clock)
    if number < 0 and number & 3 != 3 and number >> 3 == -1:  # CPU time clocks of the caller itself
        return k.now - k.task.start_tick
    if number < 0 or number >= CLOCKS or number in (8, 9, 10):
        raise KernelError(Errno.EINVAL)
    if number in (2, 3):  # CPU time of the process and of the thread
        return k.now - k.task.start_tick
    return realtime(k) if number in (0, 5, 11) else k.now


def _sleepable(k: Kernel, clock: int) -> None:
    """Which clocks one can sleep on (kernel/time/posix-timers.c: nsleep)."""
    _clock(k, clock)
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
        copy_to_user(k, tv, struct.pack("<II", now // SECOND & 0xFFFF_FFFF, now % SECOND // 1000))
    if tz:
        copy_to_user(k, tz, bytes(8))
    return 0


def sys_clock_gettime(k: Kernel, clock: int, address: int) -> int:
    now = _clock(k, clock)
    copy_to_user(k, address, struct.pack("<II", now // SECOND & 0xFFFF_FFFF, now % SECOND))
    return 0


def sys_clock_gettime64(k: Kernel, clock: int, address: int) -> int:
    now = _clock(k, clock)
    copy_to_user(k, address, struct.pack("<qq", now // SECOND, now % SECOND))
    return 0


def sys_clock_getres(k: Kernel, clock: int, address: int) -> int:
    _clock(k, clock)
    if address:
        copy_to_user(k, address, struct.pack("<II", 0, 1))
    return 0


def sys_clock_getres_time64(k: Kernel, clock: int, address: int) -> int:
    _clock(k, clock)
    if address:
        copy_to_user(k, address, struct.pack("<qq", 0, 1))
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
            rest = end - k.now
            form = "<qq" if wide else "<II"
            copy_to_user(k, left, struct.pack(form, rest // SECOND, rest % SECOND))
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


def sys_times(k: Kernel, address: int) -> int:
    """Clock ticks of 10 ms."""
    user = (k.now - k.task.start_tick) // 10_000_000
    if address:
        copy_to_user(k, address, struct.pack("<4I", user & 0xFFFF_FFFF, 0, 0, 0))
    return k.now // 10_000_000 & 0x7FFF_FFFF
