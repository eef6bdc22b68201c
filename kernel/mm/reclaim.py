"""Frames when none is free: pages of the page cache that can be had again from where they came.

Only what nobody has mapped, and what is still as it came: its bytes are compared, so nothing needs to be kept
about who wrote what. Leaves the choice of a task to kill to `kernel.oom`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.events import CacheReclaimed
from kernel.mm.frames import put_frame

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.tables import Inode

BATCH = 256
"""Frames at a time."""


def reclaim(k: Kernel) -> int:
    """How many frames became free: the oldest pages of the files with the most of them first."""
    from kernel.fs.ramfs import PAGE, original_page

    refs = k.tables.frame_refs
    files = [one for one in k.tables.inodes.values() if one.pages and one.blob_size]
    files.sort(key=lambda one: -len(one.pages))
    freed = 0

    def clean(inode: Inode, index: int, frame: int) -> bool:
        if refs[frame] != 1 or index * PAGE >= inode.blob_size:
            return False
        data = original_page(k, inode, index)
        return bool(data) and k.ram.frame(frame) == data.ljust(PAGE, b"\0")

    for inode in files:
        for index, frame in list(inode.pages.items()):
            if freed == BATCH:
                break
            if clean(inode, index, frame):
                del inode.pages[index]
                put_frame(k, frame)
                freed += 1
    if freed:
        k.emit(CacheReclaimed(freed))
    return freed
