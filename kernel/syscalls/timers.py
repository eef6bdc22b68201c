"""Timers that send signals: alarm, setitimer, timer_create and what goes with them.

Arguments are checked here, `kernel.posix_timers` does the work (man 2 setitimer, timer_create).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import posix_timers
from kernel.abi.errno import Errno
from kernel.abi.process import RLIMIT_SIGPENDING
from kernel.abi.signal import _NSIG, SIGALRM
from kernel.abi.time import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
    ITIMER_REAL,
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    SIGEV_NONE,
    SIGEV_SIGNAL,
    SIGEV_THREAD,
    SIGEV_THREAD_ID,
    TIMER_ABSTIME,
    USEC_PER_SEC,
    time_bytes,
)
from kernel.errors import KernelError
from kernel.signals.pending import leader_of
from kernel.syscalls.time import own_cpu_clock
from kernel.tables import PosixTimer
from kernel.uaccess import copy_from_user, copy_to_user, put_user32, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

WALL_CLOCKS = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI)
OF_DAY = (CLOCK_REALTIME, CLOCK_TAI)
_ITIMERVAL = struct.Struct("<4i")
_SIGEVENT = struct.Struct("<IiII")


# --- setitimer ----------------------------------------------------------------------------------------------


def _microseconds(seconds: int, microseconds: int) -> int:
    if seconds < 0 or not 0 <= microseconds < USEC_PER_SEC:
        raise KernelError(Errno.EINVAL)
    return seconds * NSEC_PER_SEC + microseconds * NSEC_PER_USEC


def _value(k: Kernel, which: int) -> bytes:
    timer = posix_timers.find(k, k.task.tgid, -1 - which)
    left, interval = (posix_timers.time_left(k, timer), timer.interval) if timer is not None else (0, 0)
    return time_bytes(False, interval, left + NSEC_PER_USEC - 1, unit=NSEC_PER_USEC)


def sys_getitimer(k: Kernel, which: int, value: int) -> int:
    if which > 2:
        raise KernelError(Errno.EINVAL)
    copy_to_user(k, value, _value(k, which))
    return 0


def sys_setitimer(k: Kernel, which: int, value: int, ovalue: int) -> int:
    length = interval = 0
    if value:
        words = _ITIMERVAL.unpack(copy_from_user(k, value, 16))
        interval, length = _microseconds(*words[:2]), _microseconds(*words[2:])
    if which > 2:
        raise KernelError(Errno.EINVAL)
    old = _value(k, which)
    _set_itimer(k, which, length, interval)
    if ovalue:
        copy_to_user(k, ovalue, old)
    return 0


def _set_itimer(k: Kernel, which: int, length: int, interval: int) -> None:
    if not length and which == ITIMER_REAL:
        interval = 0  # the others keep theirs
    if not (length or interval) and posix_timers.find(k, k.task.tgid, -1 - which) is None:
        return
    timer = posix_timers.itimer(k, which)
    posix_timers.arm(k, timer, posix_timers.clock_now(k, timer) + length if length else -1, interval)


def sys_alarm(k: Kernel, seconds: int) -> int:
    """Seconds that were left, rounded, but not to 0."""
    timer = posix_timers.find(k, k.task.tgid, -1 - ITIMER_REAL)
    left = posix_timers.time_left(k, timer) if timer is not None else 0
    _set_itimer(k, ITIMER_REAL, min(seconds, 0x7FFF_FFFF) * NSEC_PER_SEC, 0)
    return max((left + NSEC_PER_SEC // 2) // NSEC_PER_SEC, 1) if left else 0


# --- POSIX timers -------------------------------------------------------------------------------------------


def _timer(k: Kernel, number: int) -> PosixTimer:
    timer = posix_timers.find(k, k.task.tgid, number) if signed(number) >= 0 else None
    if timer is None:
        raise KernelError(Errno.EINVAL)
    return timer


def _event(k: Kernel, sigevent: bytes) -> tuple[int, int, int | None]:
    """Signal (0 for none), thread, value of a sigevent (None: the timer's number). EINVAL."""
    if not sigevent:
        return SIGALRM, 0, None
    value, signo, notify, thread = _SIGEVENT.unpack(sigevent[:16])
    if notify == SIGEV_NONE:
        return 0, 0, value
    if notify not in (SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_SIGNAL | SIGEV_THREAD_ID):
        raise KernelError(Errno.EINVAL)
    if not 0 < signo <= _NSIG:
        raise KernelError(Errno.EINVAL)
    if not notify & SIGEV_THREAD_ID:
        return signo, 0, value
    task = k.tables.tasks.get(thread)
    if task is None or task.tgid != k.task.tgid:
        raise KernelError(Errno.EINVAL)
    return signo, thread, value


def sys_timer_create(k: Kernel, clock: int, event: int, created: int) -> int:
    which = signed(clock)
    if which < 0:
        which = own_cpu_clock(k, which)
    elif which not in (*WALL_CLOCKS, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID):
        supported = which in (4, 5, 6)  # clocks that can be read only
        raise KernelError(Errno.EOPNOTSUPP if supported else Errno.EINVAL)
    sigevent = copy_from_user(k, event, 64) if event else b""
    owner = k.task.tgid
    used = sum(timer.owner == owner for timer in k.tables.posix_timers.values())
    if used >= min(k.rlimit(RLIMIT_SIGPENDING), 4096):
        raise KernelError(Errno.EAGAIN)
    leader = leader_of(k, k.task)
    number = leader.next_timer
    leader.next_timer = number + 1 & 0x7FFF_FFFF
    signo, thread, value = _event(k, sigevent)
    put_user32(k, created, number)
    posix_timers.create(k, owner, number, which, signo, number if value is None else value, thread)
    return 0


def sys_timer_delete(k: Kernel, number: int) -> int:
    posix_timers.delete(k, _timer(k, number))
    return 0


def sys_timer_getoverrun(k: Kernel, number: int) -> int:
    return posix_timers.overrun(k, _timer(k, number))


def _pack(k: Kernel, timer: PosixTimer, form: str) -> bytes:
    return time_bytes(form == "<4q", timer.interval, posix_timers.time_left(k, timer))


def _get(k: Kernel, number: int, setting: int, form: str) -> int:
    copy_to_user(k, setting, _pack(k, _timer(k, number), form))
    return 0


def _nanoseconds(seconds: int, nanoseconds: int) -> int:
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise KernelError(Errno.EINVAL)
    return min(seconds * NSEC_PER_SEC + nanoseconds, posix_timers.LIMIT)


def _set(k: Kernel, number: int, flags: int, new: int, old: int, form: str) -> int:
    if not new:
        raise KernelError(Errno.EINVAL)
    words = struct.unpack(form, copy_from_user(k, new, struct.calcsize(form)))
    if form == "<4q":
        words = (words[0], words[1] & 0xFFFF_FFFF, words[2], words[3] & 0xFFFF_FFFF)
    interval, length = _nanoseconds(*words[:2]), _nanoseconds(*words[2:])
    timer = _timer(k, number)
    before = _pack(k, timer, form)
    absolute = bool(flags & TIMER_ABSTIME)
    real = absolute and timer.clock in OF_DAY
    base = 0 if absolute else posix_timers.clock_now(k, timer)
    expires = max(base + length - (k.tables.epoch if real else 0), 0) if length else -1
    posix_timers.arm(k, timer, expires, interval, real)
    if old:
        copy_to_user(k, old, before)
    return 0


def sys_timer_gettime(k: Kernel, number: int, setting: int) -> int:
    return _get(k, number, setting, "<4i")


def sys_timer_gettime64(k: Kernel, number: int, setting: int) -> int:
    return _get(k, number, setting, "<4q")


def sys_timer_settime(k: Kernel, number: int, flags: int, new: int, old: int) -> int:
    return _set(k, number, flags, new, old, "<4i")


def sys_timer_settime64(k: Kernel, number: int, flags: int, new: int, old: int) -> int:
    return _set(k, number, flags, new, old, "<4q")
