"""Who may keep how much in memory (mlock, MAP_LOCKED): RLIMIT_MEMLOCK and CAP_IPC_LOCK (mm/mlock.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.process import CAP_IPC_LOCK, RLIMIT_MEMLOCK
from kernel.capabilities import capable
from kernel.mm.flags import VM_LOCKED
from kernel.tables import Space

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def can_lock(k: Kernel) -> bool:
    """Whether the current task may lock memory at all."""
    return bool(k.rlimit(RLIMIT_MEMLOCK)) or capable(k, CAP_IPC_LOCK)


def locked_pages(space: Space, start: int = 0, end: int = 1 << 32) -> int:
    """Pages of [start, end) that are mapped and locked."""
    return (
        sum(max(0, min(vma.end, end) - max(vma.start, start)) for vma in space.vmas if vma.flags & VM_LOCKED)
        >> 12
    )


def may_lock(k: Kernel, space: Space, pages: int) -> bool:
    """Whether so many pages more may be locked (`mlock_future_ok`)."""
    if capable(k, CAP_IPC_LOCK):
        return True
    return pages + locked_pages(space) <= k.rlimit(RLIMIT_MEMLOCK) >> 12
