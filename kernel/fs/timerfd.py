"""timerfd: a timer as a file; a read gives how often it has expired (man 2 timerfd_create, fs/timerfd.c).

All clocks are the machine's: real time is that many nanoseconds after the epoch. A timer that repeats is not
started again before somebody looks; how often it would have expired until then is reckoned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_NONBLOCK, POLLIN
from kernel.abi.time import CLOCK_REALTIME, CLOCK_REALTIME_ALARM
from kernel.errors import Blocked, KernelError
from kernel.events import TimerfdExpired, TimerfdSet
from kernel.fs.iov import IovIter
from kernel.tables import OpenFile, Timerfd
from kernel.wait import wake_up

if TYPE_CHECKING:
    from kernel.kernel import Kernel

NEVER = -1
LIMIT = 1 << 61
"""Ticks that no machine reaches."""


def create(k: Kernel, clock: int) -> int:
    """A timer that is not started; its number."""
    timer = Timerfd(k.new_id(), clock)
    k.tables.timerfds[timer.id] = timer
    k.emit(TimerfdSet(timer.id, clock, NEVER, 0))
    return timer.id


def release(k: Kernel, file: OpenFile) -> None:
    del k.tables.timerfds[file.object]
    if k.tables.timers.pop(f"timerfd:{file.object}", None) is not None:
        k.reprogram_timer()


def _start(k: Kernel, timer: Timerfd, tick: int) -> None:
    timer.expires = tick
    k.tables.timers[f"timerfd:{timer.id}"] = tick
    k.reprogram_timer()


def set_time(k: Kernel, timer: Timerfd, value: int, interval: int, absolute: bool) -> None:
    """Start it, or stop it with `value` 0. In nanoseconds; `absolute` on its own clock."""
    timer.ticks, timer.pending, timer.interval = 0, False, min(interval, LIMIT)
    if value:
        base = k.now
        if absolute:
            base = -k.tables.epoch if timer.clock in (CLOCK_REALTIME, CLOCK_REALTIME_ALARM) else 0
        _start(k, timer, max(0, min(base + value, LIMIT)))
    else:
        timer.expires = NEVER
        if k.tables.timers.pop(f"timerfd:{timer.id}", None) is not None:
            k.reprogram_timer()
    k.emit(TimerfdSet(timer.id, timer.clock, timer.expires, timer.interval))


def time_left(k: Kernel, timer: Timerfd) -> tuple[int, int]:
    """Nanoseconds until it expires next (0: it is not going to), and its interval."""
    if timer.pending and timer.interval:
        timer.ticks += _forward(k, timer) - 1
    if timer.pending or timer.expires < 0:
        return 0, timer.interval
    return max(0, timer.expires - k.now), timer.interval


def remaining(k: Kernel, timer: Timerfd) -> int:
    """As `time_left`, only looked at: 0 once it has expired."""
    return max(0, timer.expires - k.now) if timer.expires >= 0 else 0


def _forward(k: Kernel, timer: Timerfd) -> int:
    """A repeating timer goes on: how many times it has expired since it was due (hrtimer_forward_now)."""
    times = (k.now - timer.expires) // timer.interval + 1
    timer.pending = False
    _start(k, timer, timer.expires + times * timer.interval)
    k.emit(TimerfdSet(timer.id, timer.clock, timer.expires, timer.interval))
    return times


def expired(k: Kernel, number: int) -> None:
    """Its tick has come."""
    timer = k.tables.timerfds[number]
    timer.pending = True
    timer.ticks += 1
    k.emit(TimerfdExpired(number))
    wake_up(k, f"timerfd:{number}")


def read(k: Kernel, file: OpenFile, to: IovIter, _at: int | None) -> int:
    timer = k.tables.timerfds[file.object]
    if to.count < 8:
        raise KernelError(Errno.EINVAL)
    if not timer.ticks:
        if file.flags & O_NONBLOCK:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(f"timerfd:{timer.id}")
    ticks = timer.ticks
    if timer.pending and timer.interval:
        ticks += _forward(k, timer) - 1
    timer.ticks, timer.pending = 0, False
    if to.give(k, ticks.to_bytes(8, "little")) < 8:
        raise KernelError(Errno.EFAULT)
    return 8


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    timer = k.tables.timerfds[file.object]
    return POLLIN if timer.ticks else 0, (f"timerfd:{timer.id}",)
