"""The out-of-memory killer: which process ends when no frame can be had (Linux's mm/oom_kill.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signal import SIGKILL
from kernel.events import OutOfMemory
from kernel.exit import INIT_PID, end_task
from kernel.mm.pagetables import table_frames
from kernel.signals.state import force_signal
from kernel.tables import SigInfo, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

OOM_SCORE_ADJ_MIN = -1000


def badness(k: Kernel, task: Task) -> int:
    """What speaks for ending the task's process: its pages and page tables, moved by oom_score_adj."""
    space = k.tables.spaces[task.space]
    leader = k.tables.tasks.get(task.tgid, task)
    return space.rss + table_frames(k, space.pgd) + leader.oom_score_adj * k.ram.frames // 1000


def out_of_memory(k: Kernel) -> bool:
    """End the worst process; whether that was another one than the current, so that its frames are free now.

    The current one gets SIGKILL and ends on its way out.
    """
    t = k.tables
    victim: Task | None = None
    worst = 0
    for task in t.tasks.values():
        leader = t.tasks.get(task.tgid, task)
        if task.pid <= INIT_PID or task.state == TaskState.ZOMBIE or not task.space:
            continue
        if leader.oom_score_adj == OOM_SCORE_ADJ_MIN:
            continue
        points = badness(k, task)
        if victim is None or points > worst:
            victim, worst = task, points
    current = k.task
    if victim is None or victim.tgid == current.tgid or victim.space == current.space:
        k.emit(OutOfMemory(current.tgid, t.spaces[current.space].rss if current.space else 0))
        force_signal(k, current, SigInfo(SIGKILL))
        return False
    k.emit(OutOfMemory(victim.tgid, t.spaces[victim.space].rss))
    leader = t.tasks.get(victim.tgid, victim)
    leader.group_status = SIGKILL
    number = victim.tgid
    for task in list(t.tasks.values()):
        if task.tgid == number and task.state != TaskState.ZOMBIE:
            end_task(k, task, SIGKILL)
    return True
