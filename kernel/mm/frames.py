"""Physical frames: who owns how many of them, and which are free.

A frame's owners are counted, whatever they are: mappings, the page cache, page tables, kernel
stacks. Freed frames are reused last in, first out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.errors import KernelError

if TYPE_CHECKING:
    from kernel.kernel import Kernel

RESERVE = 64
"""Frames that user memory may not take, so that the kernel can still end a task."""


def frames_left(k: Kernel) -> int:
    t = k.tables
    return len(t.frames_free) + k.ram.frames - t.frame_next


def alloc_frame(k: Kernel, reserve: int = RESERVE) -> int:
    """A zeroed frame with one owner. ENOMEM when only `reserve` frames are left and none can be reclaimed."""
    t = k.tables
    if len(t.frames_free) <= reserve and frames_left(k) <= reserve:
        _make_room(k, reserve)
    if t.frames_free:
        pfn = t.frames_free.pop()
    else:
        pfn = t.frame_next
        t.frame_next = pfn + 1
    k.ram.zero_frame(pfn)  # a fresh one too: a machine taken back in time has used it already
    t.frame_refs[pfn] = 1
    return pfn


def _make_room(k: Kernel, reserve: int) -> None:
    from kernel.mm.reclaim import reclaim

    reclaim(k)
    if frames_left(k) <= reserve:
        raise KernelError(Errno.ENOMEM)


def alloc_stack(k: Kernel) -> int:
    """Two frames in a row, 8 KiB aligned, zeroed: a kernel stack. The first frame's number. ENOMEM."""
    t = k.tables
    if t.stacks_free:
        pfn = t.stacks_free.pop()
    elif k.ram.frames - t.frame_next > RESERVE:
        if t.frame_next & 1:
            t.frames_free.append(t.frame_next)
            t.frame_next += 1
        pfn = t.frame_next
        t.frame_next = pfn + 2
    else:
        pfn = _free_pair(k)
    k.ram.zero_frame(pfn)
    k.ram.zero_frame(pfn + 1)
    t.frame_refs[pfn] = t.frame_refs[pfn + 1] = 1
    return pfn


def _free_pair(k: Kernel) -> int:
    """Two frames in a row of those that were given back."""
    t = k.tables
    if frames_left(k) <= RESERVE + 2:
        _make_room(k, RESERVE + 2)
    free = set(t.frames_free)
    pfn = min((one for one in free if not one & 1 and one + 1 in free), default=-1)
    if pfn < 0:
        raise KernelError(Errno.ENOMEM)
    t.frames_free.remove(pfn)
    t.frames_free.remove(pfn + 1)
    return pfn


def free_stack(k: Kernel, pfn: int) -> None:
    del k.tables.frame_refs[pfn], k.tables.frame_refs[pfn + 1]
    k.tables.stacks_free.append(pfn)


def get_frame(k: Kernel, pfn: int) -> None:
    """One more owner."""
    k.tables.frame_refs[pfn] += 1


def put_frame(k: Kernel, pfn: int) -> None:
    """One owner less; without any, the frame is free."""
    t = k.tables
    refs = t.frame_refs[pfn] - 1
    if refs:
        t.frame_refs[pfn] = refs
        return
    del t.frame_refs[pfn]
    t.frames_free.append(pfn)
    if pfn in t.executed:
        t.executed.discard(pfn)
        k.core.flush_code()


def touch_code(k: Kernel, pfn: int) -> None:
    """To be called before Python writes to a frame: translations of code in it are forgotten."""
    if pfn in k.tables.executed:
        k.core.flush_code()
