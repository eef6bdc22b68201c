"""Timers that send signals: setitimer's three, timer_create's, and the limit of processor time (RLIMIT_CPU).

Timers of wall clocks are started in `Tables.timers`; those of processor time are looked at while their
process runs, for only then its clock goes. Linux starts a repeating timer again when its signal is delivered;
here it is started at once, but while the signal is still pending no sooner than after COARSE, and counts what
it missed as overrun: the program sees the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpu.core import NEVER
from kernel.abi.process import RLIM64_INFINITY, RLIMIT_CPU
from kernel.abi.signal import SI_KERNEL, SI_TIMER, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU
from kernel.abi.time import (
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    DELAYTIMER_MAX,
    NSEC_PER_SEC,
)
from kernel.cputime import process_ran, ran
from kernel.events import TimerDeleted, TimerExpired, TimerSet
from kernel.signals.pending import leader_of
from kernel.signals.state import send_signal
from kernel.tables import PosixTimer, SigInfo, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

USER_TIME = -1
"""The clock of ITIMER_VIRTUAL: what a process runs in user mode."""
CPU_CLOCKS = (USER_TIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID)
ITIMERS = ((CLOCK_MONOTONIC, SIGALRM), (USER_TIME, SIGVTALRM), (CLOCK_PROCESS_CPUTIME_ID, SIGPROF))
"""Clock and signal of setitimer's three; number -1 - which."""
FINE, COARSE = 20_000, 1_000_000
"""Ticks between two expirations at least, and while the signal of the last one is pending."""
LIMIT = 1 << 61


def find(k: Kernel, owner: int, number: int) -> PosixTimer | None:
    return next(
        (one for one in k.tables.posix_timers.values() if one.owner == owner and one.number == number), None
    )


def create(
    k: Kernel, owner: int, number: int, clock: int, signo: int, value: int = 0, signal_thread: int = 0
) -> PosixTimer:
    timer = PosixTimer(k.new_id(), owner, number, clock, signo, k.task.pid, signal_thread, value)
    k.tables.posix_timers[timer.id] = timer
    _tell(k, timer)
    return timer


def itimer(k: Kernel, which: int) -> PosixTimer:
    """One of the caller's three; there from its first use on."""
    owner = k.task.tgid
    found = find(k, owner, -1 - which)
    return found or create(k, owner, -1 - which, *ITIMERS[which])


def delete(k: Kernel, timer: PosixTimer) -> None:
    _disarm(k, timer)
    del k.tables.posix_timers[timer.id]
    k.emit(TimerDeleted(timer.id))


def delete_all(k: Kernel, owner: int, keep_itimers: bool = False) -> None:
    """The process ends, or executes another program."""
    for timer in list(k.tables.posix_timers.values()):
        if timer.owner == owner and (timer.number >= 0 or not keep_itimers):
            delete(k, timer)


def clock_now(k: Kernel, timer: PosixTimer) -> int:
    """What the timer's clock shows: ticks, or processor time of its process or thread."""
    if timer.clock not in CPU_CLOCKS:
        return k.now
    if timer.clock == CLOCK_THREAD_CPUTIME_ID:
        task = k.tables.tasks.get(timer.thread)
        return ran(k, task) if task is not None else 0
    leader = k.tables.tasks.get(timer.owner)
    if leader is None:
        return 0
    total, user = process_ran(k, leader)
    return user if timer.clock == USER_TIME else total


def arm(k: Kernel, timer: PosixTimer, expires: int, interval: int, real: bool = False) -> None:
    """Start it, `expires` on its clock; -1 stops it."""
    _disarm(k, timer)
    timer.interval, timer.real = min(interval, LIMIT), real
    timer.overrun = timer.overrun_last = 0
    _start(k, timer, min(expires, LIMIT))
    k.reprogram_timer()
    _tell(k, timer)


def _tell(k: Kernel, timer: PosixTimer) -> None:
    what = timer.owner, timer.number, timer.clock, timer.signo, timer.expires, timer.interval
    k.emit(TimerSet(timer.id, *what))


def _start(k: Kernel, timer: PosixTimer, expires: int) -> None:
    timer.expires = expires
    if expires >= 0 and timer.clock not in CPU_CLOCKS:
        k.tables.timers[f"posix:{timer.id}"] = expires


def _disarm(k: Kernel, timer: PosixTimer) -> None:
    timer.expires = -1
    if k.tables.timers.pop(f"posix:{timer.id}", None) is not None:
        k.reprogram_timer()


def expired(k: Kernel, number: int) -> None:
    """Its tick, or its process's, has come."""
    timer = k.tables.posix_timers[number]
    now = clock_now(k, timer)
    times = 1 + (now - timer.expires) // timer.interval if timer.interval else 1
    due = timer.expires
    waiting = _pending(k, timer)
    timer.expires = -1
    if timer.interval:
        gap = COARSE if waiting is not None else FINE
        skipped = max(times, -(-(now + gap - due) // timer.interval)) if now + gap > due else times
        _start(k, timer, due + skipped * timer.interval)
        times = max(times, skipped) if waiting is not None else times
    k.emit(TimerExpired(timer.id, times))
    if timer.interval:
        _tell(k, timer)
    leader = k.tables.tasks.get(timer.owner)
    if leader is None or not timer.signo:
        return
    if waiting is not None:
        timer.overrun = min(timer.overrun + times, DELAYTIMER_MAX)
        if timer.number >= 0:
            waiting.uid = timer.overrun
        return
    timer.overrun_last, timer.overrun = timer.overrun, times - 1
    if timer.number < 0:
        send_signal(k, leader, SigInfo(timer.signo, SI_KERNEL), shared=True)
        return
    info = SigInfo(timer.signo, SI_TIMER, pid=timer.number, uid=timer.overrun, value=timer.value)
    if not timer.signal_thread:
        send_signal(k, leader, info, shared=True, reserved=True)
    elif timer.signal_thread in k.tables.tasks:
        send_signal(k, k.tables.tasks[timer.signal_thread], info, shared=False, reserved=True)


def _pending(k: Kernel, timer: PosixTimer) -> SigInfo | None:
    """Its last signal, if that has not been delivered yet."""
    leader = k.tables.tasks.get(timer.owner)
    if leader is None:
        return None
    thread = k.tables.tasks.get(timer.signal_thread) if timer.signal_thread else None
    for info in thread.pending if thread is not None else leader.shared_pending:
        if info.signo == timer.signo and (
            timer.number < 0 or (info.code == SI_TIMER and info.pid == timer.number)
        ):
            return info
    return None


def overrun(k: Kernel, timer: PosixTimer) -> int:
    """Expirations that the last delivered signal stands for besides its own (timer_getoverrun)."""
    return timer.overrun_last if _pending(k, timer) is not None else timer.overrun


def time_left(k: Kernel, timer: PosixTimer) -> int:
    """Until it goes off next; at least 1 while it is armed, 0 when it is not."""
    return max(timer.expires - clock_now(k, timer), 1) if timer.expires >= 0 else 0


def clock_was_set(k: Kernel, later: int) -> None:
    """The real-time clock went on by `later`: timers that wait for a time of day come sooner by as much."""
    for timer in k.tables.posix_timers.values():
        if timer.real and timer.expires >= 0:
            _start(k, timer, max(timer.expires - later, 0))
            _tell(k, timer)
    k.reprogram_timer()


# --- processor time -----------------------------------------------------------------------------------------


def _of_current(k: Kernel) -> list[PosixTimer]:
    """Armed timers of processor time that go on while the current task runs."""
    task = k.tables.tasks.get(k.tables.current)
    if task is None or not k.tables.posix_timers:
        return []
    return [
        timer
        for timer in k.tables.posix_timers.values()
        if timer.expires >= 0
        and timer.owner == task.tgid
        and timer.clock in CPU_CLOCKS
        and (timer.clock != CLOCK_THREAD_CPUTIME_ID or timer.thread == task.pid)
    ]


def next_cpu_expiry(k: Kernel) -> int:
    """The tick at which a timer of processor time may be due, if the current task goes on; NEVER for none."""
    t = k.tables
    task = t.tasks.get(t.current)
    if task is None or not t.current:
        return NEVER
    at = NEVER
    for timer in _of_current(k):
        at = min(at, k.now + max(timer.expires - clock_now(k, timer), 0))
    limits = leader_of(k, task).rlimits.get(RLIMIT_CPU)
    if limits and limits[0] != RLIM64_INFINITY:
        at = min(at, k.now + max(limits[0] * NSEC_PER_SEC - process_ran(k, task)[0], 0))
    return at


def check_cpu_timers(k: Kernel) -> None:
    """run_posix_cpu_timers, and the limit: SIGXCPU each second beyond the soft one, then SIGKILL."""
    t = k.tables
    task = t.tasks.get(t.current)
    if task is None or not t.current:
        return
    for timer in _of_current(k):
        if timer.expires <= clock_now(k, timer):
            expired(k, timer.id)
    leader = leader_of(k, task)
    limits = leader.rlimits.get(RLIMIT_CPU)
    if not limits or limits[0] == RLIM64_INFINITY:
        return
    used = process_ran(k, task)[0]
    soft, hard = limits
    if hard != RLIM64_INFINITY and used >= hard * NSEC_PER_SEC:
        _limit_reached(k, leader, SIGKILL, hard)
    elif used >= soft * NSEC_PER_SEC:
        _limit_reached(k, leader, SIGXCPU, hard)


def _limit_reached(k: Kernel, leader: Task, signo: int, hard: int) -> None:
    used = process_ran(k, leader)[0] // NSEC_PER_SEC
    leader.rlimits = {**leader.rlimits, RLIMIT_CPU: [used + 1, hard]}
    send_signal(k, leader, SigInfo(signo, SI_KERNEL), shared=True)
