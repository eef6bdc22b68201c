"""Processor time and what else a task has used: of a thread, a process, and its children (man 2 getrusage).

A task is charged for the time between two choices of the scheduler (`kernel.sched`); of that, what its system
calls cost is system time, the rest, the entry code's few instructions among it, is user time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.signals.pending import leader_of, thread_group
from kernel.tables import Task, Usage

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TICKS_PER_JIFFY = 10_000_000
"""USER_HZ is 100: what programs count processor time in."""


def ran(k: Kernel, task: Task) -> int:
    """Ticks that the task has had the processor."""
    now = k.now - k.tables.run_since if task.pid == k.tables.current else 0
    return task.user_ticks + now


def cpu_times(k: Kernel, task: Task) -> tuple[int, int]:
    """Ticks that the task has run, in its program and in the kernel."""
    ticks = ran(k, task)
    system = min(task.system_ticks, ticks)
    return ticks - system, system


def thread_usage(k: Kernel, task: Task) -> Usage:
    """Of one thread; its memory is the process's."""
    user, system = cpu_times(k, task)
    switches = task.voluntary_switches, task.involuntary_switches
    return Usage(
        user + system,
        system,
        task.minor_faults,
        *switches,
        max(leader_of(k, task).gone.peak, resident(k, task)),
    )


def process_usage(k: Kernel, task: Task) -> Usage:
    """Of all threads of the task's process, those that have ended too."""
    leader = leader_of(k, task)
    total = add(Usage(), leader.gone)
    for thread in (leader, *(one for one in thread_group(k, task) if one.pid != leader.pid)):
        add(total, thread_usage(k, thread))
    return total


def process_ran(k: Kernel, task: Task) -> tuple[int, int]:
    """Ticks that a process has run: in all, and in user mode."""
    leader = leader_of(k, task)
    total, system = leader.gone.ran, leader.gone.system
    for thread in (leader, *(one for one in thread_group(k, task) if one.pid != leader.pid)):
        user, kernel = cpu_times(k, thread)
        total += user + kernel
        system += kernel
    return total, total - system


def add(total: Usage, more: Usage) -> Usage:
    total.ran += more.ran
    total.system += more.system
    total.minor_faults += more.minor_faults
    total.voluntary_switches += more.voluntary_switches
    total.involuntary_switches += more.involuntary_switches
    total.peak = max(total.peak, more.peak)
    return total


def resident(k: Kernel, task: Task) -> int:
    """Pages of the task's address space that are present."""
    space = k.tables.spaces.get(task.space)
    return space.rss if space is not None else 0


def note_peak(k: Kernel, task: Task) -> None:
    """Before an address space goes: how large it was."""
    gone = leader_of(k, task).gone
    gone.peak = max(gone.peak, resident(k, task))


def bury_thread(k: Kernel, leader: Task, task: Task) -> None:
    """A thread that is not the first has ended: its process keeps what it used."""
    add(leader.gone, thread_usage(k, task))


def adopt_usage(k: Kernel, parent: Task, child: Task) -> None:
    """A child was waited for: what it and its own children used is its parent's children's."""
    children = leader_of(k, parent).children
    add(add(children, process_usage(k, child)), leader_of(k, child).children)
