"""pidfd: a process as a file, readable once it has ended (man 2 pidfd_open). `OpenFile.object` is its pid.

Pids are never given out twice, so the number alone says which process is meant. Those who wait sleep on
`pidfd:PID`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import POLLHUP, POLLIN, POLLRDNORM
from kernel.tables import OpenFile, TaskState

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def poll(k: Kernel, file: OpenFile) -> tuple[int, tuple[str, ...]]:
    task = k.tables.tasks.get(file.object)
    mask = 0
    if task is None:
        mask = POLLIN | POLLRDNORM | POLLHUP
    elif task.state == TaskState.ZOMBIE and not _has_threads(k, file.object):
        mask = POLLIN | POLLRDNORM
    return mask, (f"pidfd:{file.object}",)


def _has_threads(k: Kernel, tgid: int) -> bool:
    return any(task.tgid == tgid and task.pid != tgid for task in k.tables.tasks.values())
