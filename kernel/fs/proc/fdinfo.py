"""/proc/PID/fd and fdinfo: what a descriptor leads to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import O_CLOEXEC
from kernel.errors import KernelError
from kernel.fs.ramfs import path_of
from kernel.tables import OpenFile, Task

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def open_file_of(k: Kernel, task: Task, fd: int) -> OpenFile:
    """ENOENT where the task has no such descriptor."""
    table = k.tables.fdtables.get(task.fdtable)
    if table is None or fd not in table.fds:
        raise KernelError(Errno.ENOENT)
    return k.tables.files[table.fds[fd]]


def target(k: Kernel, file: OpenFile) -> str:
    """Where the link in fd/ points: the path as it is now, or what the thing is (`d_path`)."""
    inode = k.tables.inodes.get(file.inode)
    if inode is None or not inode.parent or file.kind == "stream":
        return file.path
    return path_of(k, inode) or f"{file.path} (deleted)"


def fdinfo(k: Kernel, task: Task, fd: int) -> str:
    file = open_file_of(k, task, fd)
    flags = file.flags
    table = k.tables.fdtables[task.fdtable]
    if fd in table.cloexec:
        flags |= O_CLOEXEC
    return f"pos:\t{file.pos}\nflags:\t0{flags:o}\nmnt_id:\t1\nino:\t{file.inode}\n"
