"""Sleeping and waking: wait queues are names, sleepers are pids in a table.

A system call that must wait raises `Blocked`; `kernel.entry` puts the task to sleep here and calls
the handler again once it has been woken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import EP_PRIVATE_BITS, EPOLLEXCLUSIVE
from kernel.errors import Blocked
from kernel.events import TaskBlocked, TaskWoken
from kernel.policy import enqueue
from kernel.tables import Task, TaskState, Wait

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def sleep_on(k: Kernel, task: Task, blocked: Blocked) -> None:
    """The task sleeps until one of its queues is woken, its deadline passes or a signal comes."""
    task.wait = Wait(list(blocked.on), k.now, blocked.deadline, blocked.interruptible, blocked.restart)
    task.state = TaskState.SLEEPING
    waiting = k.tables.waiting
    for queue in blocked.on:
        waiting.setdefault(queue, []).append(task.pid)
    if blocked.deadline >= 0:
        k.tables.deadlines[task.pid] = blocked.deadline
        k.reprogram_timer()
    k.emit(TaskBlocked(task.pid, tuple(blocked.on), blocked.deadline))


def forget_wait(k: Kernel, task: Task) -> None:
    """Take the task off every queue it is on."""
    if task.wait is None:
        return
    waiting = k.tables.waiting
    for queue in task.wait.on:
        sleepers = waiting.get(queue)
        if sleepers and task.pid in sleepers:
            sleepers.remove(task.pid)
            if not sleepers:
                del waiting[queue]
    if task.wait.deadline >= 0:
        k.tables.deadlines.pop(task.pid, None)
        k.reprogram_timer()
    task.wait = None


def wake_task(k: Kernel, task: Task, by: str) -> None:
    """Make a sleeping task runnable; `by` is the queue, `deadline` or `signal`."""
    if task.state != TaskState.SLEEPING:
        return
    forget_wait(k, task)
    task.woken_by_signal = by == "signal"
    make_runnable(k, task)
    k.emit(TaskWoken(task.pid, by))


def make_runnable(k: Kernel, task: Task) -> None:
    """The scheduler may choose it. One still on its way to sleep stays the processor's: no queue for it."""
    task.state = TaskState.RUNNABLE
    if task.pid != k.tables.current:
        enqueue(k, task)


def wake_up(k: Kernel, queue: str, count: int = -1) -> int:
    """Wake up to `count` sleepers of a queue (-1: all), first come first served; how many there were."""
    if queue in k.tables.listening:
        _tell_watchers(k, queue)
    sleepers = k.tables.waiting.get(queue)
    if not sleepers:
        return 0
    chosen = sleepers[:] if count < 0 else sleepers[:count]
    for pid in chosen:
        wake_task(k, k.tables.tasks[pid], queue)
    return len(chosen)


def _tell_watchers(k: Kernel, queue: str) -> None:
    """Epoll items that listen on the queue become ready, and whoever waits for their sets is woken.

    Of those with EPOLLEXCLUSIVE only the first counts for whom somebody waits (`ep_poll_callback`).
    """
    t = k.tables
    taken = False
    for number in list(t.listening[queue]):
        item = t.epoll_items[number]
        epoll = t.epolls[item.epoll]
        exclusive = item.events & EPOLLEXCLUSIVE
        if not item.events & ~EP_PRIVATE_BITS or (exclusive and taken):
            continue
        if number not in epoll.ready:
            epoll.ready.append(number)
        woken = wake_up(k, f"epoll:{epoll.id}:wait", 1)
        wake_up(k, f"epoll:{epoll.id}")
        taken = taken or bool(exclusive and woken)
