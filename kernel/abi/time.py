"""Time and futexes: clocks, interval timers, futex operations.

Sources: uapi `linux/time.h`, `linux/futex.h`; `man 2 clock_gettime`, `man 2 setitimer`, `man 2 futex`.
"""

from __future__ import annotations

import struct

# clocks
CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
CLOCK_PROCESS_CPUTIME_ID = 2
CLOCK_THREAD_CPUTIME_ID = 3
CLOCK_MONOTONIC_RAW = 4
CLOCK_REALTIME_COARSE = 5
CLOCK_MONOTONIC_COARSE = 6
CLOCK_BOOTTIME = 7
CLOCK_REALTIME_ALARM = 8
CLOCK_BOOTTIME_ALARM = 9
CLOCK_TAI = 11
TIMER_ABSTIME = 1
NSEC_PER_SEC = 1000000000
USEC_PER_SEC = 1000000
NSEC_PER_USEC = 1000


def time_bytes(wide: bool, *times: int, unit: int = 1) -> bytes:
    """Times in ns as seconds and nanoseconds (or what takes `unit` ns), each of 8 bytes if `wide`, else of 4.

    Of seconds that 4 bytes do not hold Linux keeps the lower 32 bits (`put_old_timespec32`).
    """
    words = [word for time in times for word in (time // NSEC_PER_SEC, time % NSEC_PER_SEC // unit)]
    if wide:
        return struct.pack(f"<{len(words)}q", *words)
    return struct.pack(f"<{len(words)}I", *(word & 0xFFFF_FFFF for word in words))


# interval timers
ITIMER_REAL = 0
ITIMER_VIRTUAL = 1
ITIMER_PROF = 2

# timer_create(2)
SIGEV_SIGNAL = 0
SIGEV_NONE = 1
SIGEV_THREAD = 2
SIGEV_THREAD_ID = 4
DELAYTIMER_MAX = 0x7FFFFFFF

# clocks of processor time: ~pid << 3, 4 for a thread's, and which
CPUCLOCK_PROF = 0
CPUCLOCK_VIRT = 1
CPUCLOCK_SCHED = 2
CLOCKFD = 3
CPUCLOCK_PERTHREAD_MASK = 4

# adjtimex(2)
ADJ_OFFSET = 0x0001
ADJ_FREQUENCY = 0x0002
ADJ_MAXERROR = 0x0004
ADJ_ESTERROR = 0x0008
ADJ_STATUS = 0x0010
ADJ_TIMECONST = 0x0020
ADJ_TAI = 0x0080
ADJ_SETOFFSET = 0x0100
ADJ_MICRO = 0x1000
ADJ_NANO = 0x2000
ADJ_TICK = 0x4000
ADJ_OFFSET_SINGLESHOT = 0x8001
ADJ_OFFSET_SS_READ = 0xA001
STA_UNSYNC = 0x0040
STA_NANO = 0x2000
TIME_OK = 0
TIME_ERROR = 5

# utimensat(2)
UTIME_NOW = 0x3FFFFFFF
UTIME_OMIT = 0x3FFFFFFE

# futex(2)
FUTEX_WAIT = 0
FUTEX_WAKE = 1
FUTEX_FD = 2
FUTEX_REQUEUE = 3
FUTEX_CMP_REQUEUE = 4
FUTEX_WAKE_OP = 5
FUTEX_LOCK_PI = 6
FUTEX_UNLOCK_PI = 7
FUTEX_TRYLOCK_PI = 8
FUTEX_WAIT_BITSET = 9
FUTEX_WAKE_BITSET = 10
FUTEX_WAIT_REQUEUE_PI = 11
FUTEX_CMP_REQUEUE_PI = 12
FUTEX_LOCK_PI2 = 13
FUTEX_PRIVATE_FLAG = 128
FUTEX_CLOCK_REALTIME = 256
FUTEX_WAITERS = 0x80000000
FUTEX_OWNER_DIED = 0x40000000
FUTEX_TID_MASK = 0x3FFFFFFF
FUTEX_BITSET_MATCH_ANY = 0xFFFFFFFF
FUTEX2_SIZE_U32 = 2
FUTEX2_SIZE_MASK = 3
FUTEX2_PRIVATE = 128
FUTEX_WAITV_MAX = 128
