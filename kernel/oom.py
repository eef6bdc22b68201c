"""The out-of-memory killer: which process ends when no frame can be had (Linux's mm/oom_kill.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.mman import MAP_SHARED
from kernel.abi.signal import SI_KERNEL, SIGKILL
from kernel.errors import KernelError
from kernel.events import OutOfMemory, PagesDropped
from kernel.exit import INIT_PID
from kernel.mm.address_space import drop_pages
from kernel.mm.pagetables import table_frames
from kernel.signals.state import force_signal, send_signal
from kernel.tables import SigInfo, Space, Task, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel

OOM_SCORE_ADJ_MIN = -1000


def badness(k: Kernel, task: Task) -> int:
    """What speaks for ending the task's process: its pages and page tables, moved by oom_score_adj."""
    space = k.tables.spaces[task.space]
    leader = k.tables.tasks.get(task.tgid, task)
    return space.rss + table_frames(k, space.pgd) + leader.oom_score_adj * k.ram.frames // 1000


def out_of_memory(k: Kernel) -> bool:
    """SIGKILL for the worst process; whether that was another one than the current.

    It ends when it runs next. Its pages are not waited for: nobody will look at them any more.
    """
    t = k.tables
    victim: Task | None = None
    worst = 0
    for task in t.tasks.values():
        leader = t.tasks.get(task.tgid, task)
        if task.pid <= INIT_PID or task.state == TaskState.ZOMBIE or not task.space:
            continue
        if t.spaces[task.space].reaped:
            continue
        if leader.oom_score_adj == OOM_SCORE_ADJ_MIN:
            continue
        points = badness(k, task)
        if victim is None or points > worst:
            victim, worst = task, points
    current = k.task
    if victim is None or victim.tgid == current.tgid or victim.space == current.space:
        k.emit(OutOfMemory(current.tgid, t.spaces[current.space].rss if current.space else 0))
        force_signal(k, current, SigInfo(SIGKILL, SI_KERNEL))
        return False
    k.emit(OutOfMemory(victim.tgid, t.spaces[victim.space].rss))
    groups = {task.tgid: task for task in t.tasks.values() if task.space == victim.space}
    for task in groups.values():  # who shares its memory ends with it
        send_signal(k, task, SigInfo(SIGKILL, SI_KERNEL), shared=True)
    _reap(k, t.spaces[victim.space])
    return True


def _reap(k: Kernel, space: Space) -> None:
    """Take away what only this space has (`__oom_reap_task_mm`)."""
    space.reaped = True
    for vma in space.vmas:
        if vma.flags & MAP_SHARED:
            continue
        try:
            dropped = drop_pages(k, space, vma.start, vma.end)
        except KernelError:
            continue  # tables that it has in common with another one, whose pages would stay in any case
        if dropped:
            k.emit(PagesDropped(space.id, vma.start, vma.end))
