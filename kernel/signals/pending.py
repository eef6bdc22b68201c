"""Which signals are pending, which of them count, and which comes next: kernel/signal.c's looking half.

Signals for one thread wait in its `Task.pending`, those for a process in the group leader's `shared_pending`.
Nothing is told by an event here: what becomes of a signal that is taken out, its taker tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernel.abi.signal import (
    DEFAULT_ACTIONS,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SYNCHRONOUS_SIGNALS,
    DefaultAction,
    sigmask,
)
from kernel.tables import SigAction, SigInfo, Task, TaskState
from kernel.thread import TIF_SIGPENDING, clear_flag, set_flag

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SIGTIMEDWAIT_CALLS = (177, 421)
"""`rt_sigtimedwait` and its 64-bit form: their `Task.progress` is [deadline, the mask to come back to]."""


def leader_of(k: Kernel, task: Task) -> Task:
    """The thread group's leader, on which the process-wide things are kept."""
    return k.tables.tasks.get(task.tgid, task)


def thread_group(k: Kernel, task: Task) -> list[Task]:
    """The threads of the task's process that have not ended."""
    return [
        other
        for other in k.tables.tasks.values()
        if other.tgid == task.tgid and other.state != TaskState.ZOMBIE
    ]


def get_action(k: Kernel, task: Task, signo: int) -> SigAction:
    """The action in force; not to be changed in place (`set_action`)."""
    hand = k.tables.sighands.get(task.sighand)
    return (hand.actions.get(signo) if hand is not None else None) or SigAction()


def handler_ignored(handler: int, signo: int) -> bool:
    """Whether an action means that nothing happens (sig_handler_ignored)."""
    if handler == SIG_IGN:
        return True
    return handler == SIG_DFL and DEFAULT_ACTIONS[signo] in (DefaultAction.IGN, DefaultAction.CONT)


def pending_mask(infos: Iterable[SigInfo]) -> int:
    mask = 0
    for info in infos:
        mask |= sigmask(info.signo)
    return mask


def signal_pending(k: Kernel, task: Task) -> bool:
    """Whether the task has to see to a signal, or to its process's stop, before it goes on."""
    leader = k.tables.tasks.get(task.tgid, task)
    if leader.fatal_signal:
        return True
    if task.pending and pending_mask(task.pending) & ~task.blocked:
        return True
    if leader.shared_pending and pending_mask(leader.shared_pending) & ~task.blocked:
        return True
    if task.trace is not None:
        return task.trace.stop_pending or task.trace.trap_stop or task.trace.notify
    return bool(leader.stop_signal) and task.state != TaskState.STOPPED


def is_dying(k: Kernel, task: Task) -> bool:
    """Whether a signal was sent that ends the process, whatever else is pending (SIGNAL_GROUP_EXIT).

    One that came while it was blocked is not told apart from the others: they are dealt with in their order.
    """
    return k.tables.tasks.get(task.tgid, task).fatal_signal != 0


def is_fatal(k: Kernel, task: Task, signo: int) -> bool:
    return DEFAULT_ACTIONS[signo] is DefaultAction.TERM and get_action(k, task, signo).handler == SIG_DFL


def next_signal(k: Kernel, task: Task, blocked: int) -> tuple[list[SigInfo], int] | None:
    """Which signal comes next: its queue and its place there (dequeue_synchronous_signal, next_signal).

    What the processor raised first, then the thread's own before its process's, low numbers before high ones,
    and of one number the oldest.
    """
    for place, info in enumerate(task.pending):  # raised by the processor: in the order of their coming
        if info.signo in SYNCHRONOUS_SIGNALS and info.code > SI_USER and not blocked & sigmask(info.signo):
            return task.pending, place
    for queue in (task.pending, leader_of(k, task).shared_pending):
        if not queue:
            continue
        ready = [
            (info.signo not in SYNCHRONOUS_SIGNALS, info.signo, place)
            for place, info in enumerate(queue)
            if not blocked & sigmask(info.signo)
        ]
        if ready:
            return queue, min(ready)[2]
    return None


def dequeue_signal(k: Kernel, task: Task, blocked: int) -> SigInfo | None:
    """Take out the next signal that is not in `blocked`. The caller tells what became of it by an event."""
    found = next_signal(k, task, blocked)
    if found is None:
        return None
    info = found[0].pop(found[1])
    recalc_pending(k, task)
    return info


def recalc_pending(k: Kernel, task: Task) -> None:
    """Set or clear TIF_SIGPENDING (recalc_sigpending)."""
    if signal_pending(k, task):
        set_flag(k, task, TIF_SIGPENDING)
    else:
        clear_flag(k, task, TIF_SIGPENDING)


def real_blocked(task: Task) -> int:
    """What a task blocks that has unblocked signals only to wait for them in sigtimedwait."""
    return task.progress[1] if task.syscall in SIGTIMEDWAIT_CALLS and len(task.progress) == 2 else 0
