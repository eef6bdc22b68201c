"""Who runs next, and the parts of a switch that are not machine code.

The switch itself is `__switch_to` in `assets/kernel/entry.S`; here are the choice before it and the
tidying up after it. Of the tasks that go first (`kernel.policy`) each has its turn, until the timer (vector
0x20) takes the processor from it. With a seed, who of them is next and for how long is drawn instead; and
what a person wants comes before all.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cpu.descriptors import Descriptor
from kernel import posix_timers
from kernel.abi.process import SCHED_DEADLINE, SCHED_FIFO
from kernel.events import TaskSwitched
from kernel.policy import TIME_SLICE, first_of, resched, throttle, time_slice
from kernel.tables import Task, TaskState
from kernel.thread import PAGE_OFFSET, TI_FLAGS, TIF_NEED_RESCHED
from kernel.timers import run_timers
from kernel.wait import wake_task

if TYPE_CHECKING:
    from kernel.kernel import Kernel

RANDOM_SLICES = 11
"""Drawn turns are up to 2 to the power of 11 shorter: from 4 ms down to 2 us, of any length in between."""
GDT_TLS = 6
GDT_LDT = 17
LDT_SELECTOR = 0x88


def pick_next(k: Kernel) -> None:
    """Hypercall: choose the next task; the entry code switches if it is another one."""
    t = k.tables
    previous = t.tasks.get(t.current)
    _account(k, previous)
    runnable = previous is not None and previous.state == TaskState.RUNNABLE and t.current != 0
    if runnable and previous is not None:
        _put_back(k, previous)
    pid = _choose(k)
    following = t.tasks[pid]
    thread = t.current_thread
    k.ram.u32[(thread - PAGE_OFFSET + TI_FLAGS) >> 2] &= ~TIF_NEED_RESCHED & 0xFFFF_FFFF
    t.slice_end = k.now + _turn(k, following)
    if pid != t.current:
        t.switches += 1
        if previous is not None:
            if runnable:
                previous.involuntary_switches += 1
            else:
                previous.voluntary_switches += 1
        k.emit(TaskSwitched(t.current, pid, not runnable))
        t.current = pid
        t.current_thread = following.thread
        k.bus.pid = pid
        load_tls(k, following)
    k.reprogram_timer()
    k.core.set_result(thread, following.thread)


def _put_back(k: Kernel, previous: Task) -> None:
    """Who could go on stands in front of its equals, unless its turn is over."""
    t = k.tables
    if previous.policy == SCHED_DEADLINE and previous.deadline[4] <= 0:
        throttle(k, previous)
    elif t.rotate or not t.ranked:
        t.runqueue.append(previous.pid)
    else:
        t.runqueue.insert(0, previous.pid)
    t.rotate = False


def _choose(k: Kernel) -> int:
    """Take the next task out of the run queue; 0 when there is none."""
    t = k.tables
    queue = t.runqueue
    if not queue:
        return 0
    if t.run_next in queue:
        pid = t.run_next
    elif t.schedule_seed < 0:
        pid = first_of(k, queue)[0]
    else:
        first = first_of(k, queue)
        pid = first[_draw(k) % len(first)]
    t.run_next = 0
    queue.remove(pid)
    return pid


def _turn(k: Kernel, task: Task) -> int:
    """How long it may run; with a seed often much shorter than usual."""
    ticks = time_slice(task)
    if k.tables.schedule_seed >= 0 and task.policy not in (SCHED_FIFO, SCHED_DEADLINE):
        drawn = _draw(k)
        ticks >>= drawn % RANDOM_SLICES
        ticks -= (drawn >> 8) % (ticks // 2 + 1)
    return ticks


def _draw(k: Kernel) -> int:
    """The next number that the schedule's seed determines."""
    t = k.tables
    t.schedule_drawn += 1
    key = t.schedule_seed.to_bytes(8, "little")
    drawn = hashlib.blake2b(t.schedule_drawn.to_bytes(8, "little"), key=key, digest_size=8)
    return int.from_bytes(drawn.digest(), "little")


def run_next(k: Kernel, pid: int) -> None:
    """A person's choice: the task runs next, if it could; who runs gives way at once."""
    t = k.tables
    if pid in t.runqueue:
        t.run_next = pid
        t.rotate = True
        resched(k)
    elif pid == t.current and pid in t.tasks:  # not one that the processor is about to leave for good
        t.slice_end = k.now + time_slice(t.tasks[pid])


def _account(k: Kernel, previous: Task | None) -> None:
    """The time since the last choice was the current task's, or nobody's (pid 0)."""
    t = k.tables
    ran = k.now - t.run_since
    t.run_since = k.now
    if t.current == 0:
        t.idle_ticks += ran
    elif previous is not None:
        previous.user_ticks += ran
        if previous.deadline:
            previous.deadline[4] -= ran
    if k.now >= t.load_due:
        _calc_load(k, (t.current != 0) + len(t.runqueue))


LOAD_EVERY = 5_000_000_000
LOAD_DECAY = (1884, 2014, 2037)
"""exp(-5 s / 1, 5 and 15 min) in 2048ths (include/linux/sched/loadavg.h)."""
LOAD_MISSED = 4096
"""Periods made up for at most: after as many, nothing of before is left."""


def _calc_load(k: Kernel, active: int) -> None:
    """The load averages move on by every period of 5 seconds that is over (`calc_global_load`)."""
    t = k.tables
    periods = 1 + (k.now - t.load_due) // LOAD_EVERY
    t.load_due += periods * LOAD_EVERY
    active <<= 11
    for _ in range(min(periods, LOAD_MISSED)):
        for n, decay in enumerate(LOAD_DECAY):
            load = t.load[n] * decay + active * (2048 - decay)
            t.load[n] = (load + 2047 if active >= t.load[n] else load) >> 11


def finish_task_switch(k: Kernel) -> None:
    """Hypercall: the new task's stack and address space are in force."""
    k.core.latch()
    while k.tables.graveyard:
        k.free_thread(k.tables.graveyard.pop())


def load_tls(k: Kernel, task: Task) -> None:
    """The task's three TLS descriptors and its LDT's, into the GDT (Linux: load_TLS, load_LDT)."""
    gdt = k.gdt_index
    for n, word in enumerate(task.tls):
        k.ram.u64[gdt + GDT_TLS + n] = word
    if task.ldt:
        k.ram.u64[gdt + GDT_LDT] = Descriptor(PAGE_OFFSET + (task.ldt << 12), 0xFFF, 0x82, 0).pack()


def do_timer_interrupt(k: Kernel) -> None:
    """Hypercall, vector 0x20: wake who has slept long enough, end the time slice."""
    t = k.tables
    now = k.now
    k.take_scheduler_input()
    for pid, deadline in sorted(t.deadlines.items(), key=lambda item: item[1]):
        if deadline <= now:
            wake_task(k, t.tasks[pid], "deadline")
    if t.timers:
        run_timers(k)
    posix_timers.check_cpu_timers(k)
    task = t.tasks.get(t.current)
    if now >= t.slice_end and task is None:  # it has ended, is reaped already, and is about to call schedule
        t.slice_end = now + TIME_SLICE
    elif now >= t.slice_end and task is not None:
        if t.runqueue or task.policy == SCHED_DEADLINE:
            t.rotate = True
            resched(k)
        t.slice_end = now + max(time_slice(task), TIME_SLICE if task.policy == SCHED_DEADLINE else 1)
    k.reprogram_timer()


def need_resched(k: Kernel) -> None:
    """The current task gives way before it returns to user mode."""
    resched(k)
