"""Scheduling classes: which of two tasks goes first, and how long a task may run (man 7 sched).

SCHED_DEADLINE comes before the real-time classes, those before the others. Among the others everybody takes
turns; a task's nice value is the length of its turn, in the proportions of Linux's table of weights, so that
the shares of the processor are Linux's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.process import SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_RR
from kernel.tables import Task, TaskState
from kernel.thread import PAGE_OFFSET, TI_FLAGS, TIF_NEED_RESCHED

if TYPE_CHECKING:
    from kernel.kernel import Kernel

TIME_SLICE = 4_000_000
"""Ticks: 4 ms, one period of a 250 Hz timer; the turn of a task that is not nice."""
RR_SLICE = 100_000_000
"""A SCHED_RR task's turn (RR_TIMESLICE)."""
FOR_EVER = 1 << 61
REAL_TIME = (SCHED_FIFO, SCHED_RR)
DEADLINE_RANK = 1000
WEIGHTS = (
    *(88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916),
    *(9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277),
    *(1024, 820, 655, 526, 423, 335, 272, 215, 172, 137),
    *(110, 87, 70, 56, 45, 36, 29, 23, 18, 15),
)
"""By nice value, from -20 (sched_prio_to_weight of kernel/sched/core.c)."""
WEIGHT_IDLE = 3


def rank(k: Kernel, task: Task) -> int:
    """Who has more goes first: 0 for the usual classes, 1 to 99, or DEADLINE_RANK."""
    if task.policy == SCHED_DEADLINE:
        return DEADLINE_RANK
    best = task.rt_priority
    for queue, owner in k.tables.pi_owners.items():
        if owner == task.pid:  # it has a lock that others wait for (FUTEX_LOCK_PI)
            for pid in k.tables.waiting.get(queue, ()):
                best = max(best, k.tables.tasks[pid].rt_priority)
    return best


def time_slice(task: Task) -> int:
    """Ticks that the task may run before others of its kind have their turn."""
    if task.policy == SCHED_FIFO:
        return FOR_EVER
    if task.policy == SCHED_RR:
        return RR_SLICE
    if task.policy == SCHED_DEADLINE:
        return max(task.deadline[4], 0)
    weight = WEIGHT_IDLE if task.policy == SCHED_IDLE else WEIGHTS[task.nice + 20]
    return TIME_SLICE * weight // 1024


def resched(k: Kernel) -> None:
    """The current task gives way before it returns to user mode."""
    k.ram.u32[(k.tables.current_thread - PAGE_OFFSET + TI_FLAGS) >> 2] |= TIF_NEED_RESCHED


def enqueue(k: Kernel, task: Task) -> None:
    """The task waits for the processor; it gets it at once from who has a lower rank."""
    t = k.tables
    t.runqueue.append(task.pid)
    if not t.ranked:
        return
    if task.policy == SCHED_DEADLINE and k.now >= task.deadline[3]:
        replenish(k, task)
    current = t.tasks.get(t.current)
    if current is None or not t.current or current.state != TaskState.RUNNABLE:
        return
    if _before(k, task, current):
        resched(k)


def _before(k: Kernel, one: Task, other: Task) -> bool:
    mine, its = rank(k, one), rank(k, other)
    if mine == its == DEADLINE_RANK:
        return one.deadline[3] < other.deadline[3]
    return mine > its or (mine == its == 0 and other.policy == SCHED_IDLE != one.policy)


def first_of(k: Kernel, queue: list[int]) -> list[int]:
    """Those of the run queue that go before all others: of one rank, in their order."""
    if not k.tables.ranked or len(queue) < 2:
        return queue
    tasks = k.tables.tasks
    ranks = [rank(k, tasks[pid]) for pid in queue]
    best = max(ranks)
    found = [pid for pid, one in zip(queue, ranks, strict=True) if one == best]
    if best == DEADLINE_RANK:
        found.sort(key=lambda pid: tasks[pid].deadline[3])
        return found[:1]
    return found


# --- SCHED_DEADLINE -----------------------------------------------------------------------------------------


def replenish(k: Kernel, task: Task) -> None:
    """A new period begins now: the whole runtime, to be had before the new deadline."""
    task.deadline[3] = k.now + task.deadline[1]
    task.deadline[4] = task.deadline[0]


def throttle(k: Kernel, task: Task) -> None:
    """Its runtime is used up: it does not run before its next period."""
    _, deadline, period, due, _ = task.deadline
    k.tables.timers[f"period:{task.pid}"] = max(due - deadline + period, k.now + 1)


def period_begins(k: Kernel, pid: int) -> None:
    """The timer of a throttled task."""
    t = k.tables
    task = t.tasks.get(pid)
    if task is None or task.state != TaskState.RUNNABLE or pid in t.runqueue or pid == t.current:
        return
    if task.deadline:
        replenish(k, task)
    enqueue(k, task)


def unthrottle(k: Kernel, task: Task) -> None:
    """The task leaves the class, perhaps while it is throttled."""
    if k.tables.timers.pop(f"period:{task.pid}", None) is not None and task.state == TaskState.RUNNABLE:
        enqueue(k, task)
