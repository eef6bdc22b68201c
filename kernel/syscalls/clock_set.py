"""Setting the clock, for root: settimeofday, stime, clock_settime, adjtimex (man 2 adjtimex).

What adjtimex would steer an oscillator by is kept and told again; the machine's clock does not drift.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel import posix_timers
from kernel.abi.errno import Errno
from kernel.abi.process import CAP_SYS_TIME
from kernel.abi.time import (
    ADJ_ESTERROR,
    ADJ_FREQUENCY,
    ADJ_MAXERROR,
    ADJ_NANO,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_OFFSET_SS_READ,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    ADJ_TICK,
    ADJ_TIMECONST,
    CLOCK_REALTIME,
    STA_NANO,
    STA_UNSYNC,
    TIME_ERROR,
    TIME_OK,
    USEC_PER_SEC,
)
from kernel.capabilities import need_capability
from kernel.errors import KernelError
from kernel.events import ClockSet
from kernel.syscalls.time import SECOND, clock_time, realtime
from kernel.uaccess import copy_from_user, copy_to_user, signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TICK = 10_000
"""Microseconds of a USER_HZ tick."""
MAX_SECONDS = 0x2_0000_0000
_TIMEX = struct.Struct("<I20i44x")
_TIMEX64 = struct.Struct("<I4xqqqqi4xqqqqqqqqi4xqqqqqi44x")
_DEFAULT = [STA_UNSYNC, 0, 16_000_000, 16_000_000, 2, 0, TICK]
STATUS, FREQUENCY, MAXERROR, ESTERROR, CONSTANT, TAI, TICKS = range(7)


def _ask_permission(k: Kernel) -> None:
    """CAP_SYS_TIME."""
    need_capability(k, CAP_SYS_TIME)


def set_realtime(k: Kernel, nanoseconds: int) -> None:
    """The real-time clock shows that now; sleepers until a time of day hear of it."""
    later = nanoseconds - realtime(k)
    if nanoseconds < k.now:
        raise KernelError(Errno.EINVAL)  # the machine would have been started before 1970
    k.tables.epoch += later
    k.emit(ClockSet(k.tables.epoch))
    posix_timers.clock_was_set(k, later)


def _set(k: Kernel, seconds: int, nanoseconds: int) -> int:
    if not 0 <= seconds < MAX_SECONDS or not 0 <= nanoseconds < SECOND:
        raise KernelError(Errno.EINVAL)
    _ask_permission(k)
    set_realtime(k, seconds * SECOND + nanoseconds)
    return 0


def sys_settimeofday(k: Kernel, tv: int, tz: int) -> int:
    seconds = microseconds = 0
    if tv:
        seconds, microseconds = struct.unpack("<ii", copy_from_user(k, tv, 8))
        if not 0 <= microseconds <= USEC_PER_SEC:
            raise KernelError(Errno.EINVAL)
    if tz:
        minutes = struct.unpack("<i", copy_from_user(k, tz, 8)[:4])[0]
    if tv:
        _set(k, seconds, microseconds * 1000)
    else:
        _ask_permission(k)
    if tz and not -15 * 60 <= minutes <= 15 * 60:
        raise KernelError(Errno.EINVAL)
    return 0


def sys_stime(k: Kernel, tptr: int) -> int:
    return _set(k, struct.unpack("<i", copy_from_user(k, tptr, 4))[0], 0)


def _clock_set(k: Kernel, clock: int, seconds: int, nanoseconds: int) -> int:
    if signed(clock) == CLOCK_REALTIME:
        return _set(k, seconds, nanoseconds)
    clock_time(k, clock)
    raise KernelError(Errno.EPERM)  # processor time


def _is_settable(clock: int) -> bool:
    """Whether the clock has a function for it at all: EINVAL before anything is read."""
    return signed(clock) < 0 or clock == CLOCK_REALTIME


def sys_clock_settime(k: Kernel, clock: int, address: int) -> int:
    if not _is_settable(clock):
        raise KernelError(Errno.EINVAL)
    return _clock_set(k, clock, *struct.unpack("<ii", copy_from_user(k, address, 8)))


def sys_clock_settime64(k: Kernel, clock: int, address: int) -> int:
    if not _is_settable(clock):
        raise KernelError(Errno.EINVAL)
    seconds, nanoseconds = struct.unpack("<qq", copy_from_user(k, address, 16))
    return _clock_set(k, clock, seconds, nanoseconds & 0xFFFF_FFFF)


# --- adjtimex -----------------------------------------------------------------------------------------------


def _adjust(k: Kernel, address: int, form: struct.Struct) -> int:
    """do_adjtimex. The fields: modes, offset, freq, maxerror, esterror, status, constant, precision, ..."""
    fields = list(form.unpack(copy_from_user(k, address, form.size)))
    modes = fields[0]
    single = modes & ADJ_OFFSET_SINGLESHOT == ADJ_OFFSET_SINGLESHOT
    if modes and modes != ADJ_OFFSET_SS_READ:
        _ask_permission(k)
    if modes & ADJ_TICK and not single and not 900_000 // 100 <= fields[11] <= 1_100_000 // 100:
        raise KernelError(Errno.EINVAL)
    kept = k.tables.timex = list(k.tables.timex or _DEFAULT)
    if not single:
        if modes & ADJ_SETOFFSET:
            unit = 1 if modes & ADJ_NANO else 1000
            if not 0 <= fields[10] * unit < SECOND:
                raise KernelError(Errno.EINVAL)
            set_realtime(k, realtime(k) + fields[9] * SECOND + fields[10] * unit)
        _keep(kept, modes, fields)
    now = realtime(k)
    part = now % SECOND // (1 if kept[STATUS] & STA_NANO else 1000)
    steered = kept[FREQUENCY], kept[MAXERROR], kept[ESTERROR], kept[STATUS], kept[CONSTANT]
    fields[1:] = [0, *steered, 1, 32_768_000, now // SECOND, part, kept[TICKS], *[0] * 8, kept[TAI]]
    copy_to_user(k, address, _repack(form, fields))
    return TIME_ERROR if kept[STATUS] & STA_UNSYNC else TIME_OK


def _keep(kept: list[int], modes: int, fields: list[int]) -> None:
    places = (
        (ADJ_STATUS, STATUS, 5),
        (ADJ_FREQUENCY, FREQUENCY, 2),
        (ADJ_MAXERROR, MAXERROR, 3),
        (ADJ_ESTERROR, ESTERROR, 4),
        (ADJ_TIMECONST, CONSTANT, 6),
        (ADJ_TAI, TAI, 6),
        (ADJ_TICK, TICKS, 11),
    )
    for mode, place, field in places:
        if modes & mode:
            kept[place] = fields[field]


def _repack(form: struct.Struct, fields: list[int]) -> bytes:
    if form is _TIMEX:
        fields = [fields[0], *((value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000 for value in fields[1:])]
    return form.pack(*fields)


def sys_adjtimex(k: Kernel, address: int) -> int:
    return _adjust(k, address, _TIMEX)


def sys_clock_adjtime(k: Kernel, clock: int, address: int) -> int:
    _adjustable(k, clock)
    return _adjust(k, address, _TIMEX)


def sys_clock_adjtime64(k: Kernel, clock: int, address: int) -> int:
    _adjustable(k, clock)
    return _adjust(k, address, _TIMEX64)


def _adjustable(k: Kernel, clock: int) -> None:
    if signed(clock) != CLOCK_REALTIME:
        clock_time(k, clock)
        raise KernelError(Errno.EOPNOTSUPP)
