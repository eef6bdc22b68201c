"""Open file descriptions and descriptor tables (man 2 open, "Open file descriptions").

A descriptor is a small number in a task's table; it names an open file, which dup and fork share. The open
file goes with its last descriptor. What is behind it is the business of its room (`operations`); only what
an open file holds on to is counted here: its inode and its end of a pipe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.process import RLIMIT_NOFILE
from kernel.errors import KernelError
from kernel.events import (
    DescriptorClosed,
    DescriptorInstalled,
    DescriptorTableCreated,
    DescriptorTableDropped,
    DescriptorTableUnshared,
    FileClosed,
    FileOpened,
)
from kernel.fs import dnotify, epoll, eventfd, fasync, inotify, leases, locks, pipe, pty, signalfd, timerfd
from kernel.fs.ramfs import new_inode, release_inode
from kernel.ipc import mqueue
from kernel.net import socket
from kernel.tables import FdTable, OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel


FILE_MAX = 8192
"""Open files of the whole machine."""
RELEASES: dict[str, Callable[[Kernel, OpenFile], None]] = {
    "pipe": pipe.remove_end,
    "tty": pty.remove_end,
    "ptmx": pty.remove_end,
    "eventfd": eventfd.release,
    "timerfd": timerfd.release,
    "signalfd": signalfd.release,
    "epoll": epoll.release,
    "inotify": inotify.release,
    "socket": socket.release,
    "mqueue": mqueue.release,
}
"""What there is to be done when the last descriptor of a kind is closed."""

# --- open files ---------------------------------------------------------------------------------------------


def open_file(k: Kernel, kind: str, flags: int, inode: int = 0, number: int = 0, path: str = "") -> OpenFile:
    """A new open file description without descriptors; `number` is that of the pipe, terminal or stream.

    ENFILE when the machine has too many (man 5 proc, file-max).
    """
    need_files(k, 1)
    file = OpenFile(id=k.new_id(), kind=kind, flags=flags, inode=inode, object=number, path=path)
    k.tables.files[file.id] = file
    if inode in k.tables.inodes:
        k.tables.inodes[inode].opened += 1
    k.emit(FileOpened(file.id, kind, flags, inode, number, path))
    if kind == "pipe":
        pipe.add_end(k, file)
    elif kind in ("tty", "ptmx"):
        pty.add_end(k, file)
    return file


def anonymous_file(k: Kernel, kind: str, flags: int, number: int, name: str, cloexec: bool) -> int:
    """A descriptor for something that is no file but behaves like one (fs/anon_inodes.c)."""
    t = k.tables
    if not t.anon_inode:
        inode = new_inode(k, 0o600)
        inode.opened = 1  # for ever
        t.anon_inode = inode.ino
    return install_fd(k, open_file(k, kind, flags, t.anon_inode, number, f"anon_inode:{name}"), cloexec)


def need_files(k: Kernel, count: int) -> None:
    """ENFILE unless so many more files may be open."""
    if len(k.tables.files) + count > k.tables.settings.get("file-max", FILE_MAX):
        raise KernelError(Errno.ENFILE)


def close_file(k: Kernel, file: OpenFile) -> None:
    """Nobody has it any more: let go of what it holds."""
    inotify.closed(k, file)
    if file.watchers:
        epoll.forget_file(k, file)
    if file.inode in k.tables.locks:
        locks.release_file(k, file)
    if file.inode in k.tables.leases:
        leases.release(k, file)
    if k.tables.asyncs:
        fasync.forget(k, file)
    del k.tables.files[file.id]
    k.emit(FileClosed(file.id))
    if file.kind in RELEASES:
        RELEASES[file.kind](k, file)
    release_inode(k, file.inode)
    if k.tables.dropped:
        put_dropped(k)


def put_dropped(k: Kernel) -> None:
    """What messages held that are gone, one after the other: a socket's messages may hold sockets."""
    t = k.tables
    if t.dropping:
        return
    t.dropping = True
    while t.dropped:
        put_file(k, t.files[t.dropped.pop(0)], 0)
    t.dropping = False


def put_file(k: Kernel, file: OpenFile, fdtable: int) -> None:
    """One descriptor less, of table `fdtable`: its process's locks on the file go too."""
    if file.inode in k.tables.locks:
        locks.release_process(k, file, fdtable)
    if file.inode in k.tables.dnotifies:
        dnotify.flush(k, file, fdtable)
    if file.kind == "mqueue" and fdtable:  # not when a message is dropped that held it
        mqueue.flush(k, file)
    file.refs -= 1
    if file.refs <= 0:
        close_file(k, file)


# --- descriptors of the current task ------------------------------------------------------------------------


def current_table(k: Kernel) -> FdTable:
    return k.tables.fdtables[k.task.fdtable]


def get_file(k: Kernel, fd: int, with_path: bool = False) -> OpenFile:
    """The open file that the current task's descriptor names: EBADF for none, or an O_PATH one."""
    number = k.tables.fdtables[k.task.fdtable].fds.get(fd)
    if number is None:
        raise KernelError(Errno.EBADF)
    file = k.tables.files[number]
    if file.kind == "path" and not with_path:
        raise KernelError(Errno.EBADF)
    return file


def free_fds(k: Kernel, count: int, minimum: int = 0) -> list[int]:
    """The `count` lowest free descriptors from `minimum` on. EMFILE beyond RLIMIT_NOFILE."""
    fds = current_table(k).fds
    limit = k.rlimit(RLIMIT_NOFILE)
    out: list[int] = []
    fd = minimum
    while len(out) < count:
        if fd >= limit:
            raise KernelError(Errno.EMFILE)
        if fd not in fds:
            out.append(fd)
        fd += 1
    return out


def install_fd(k: Kernel, file: OpenFile, cloexec: bool = False, minimum: int = 0) -> int:
    """The lowest free descriptor from `minimum` on leads to `file` from now on."""
    fd = free_fds(k, 1, minimum)[0]
    set_fd(k, current_table(k), fd, file, cloexec)
    return fd


def set_fd(k: Kernel, table: FdTable, fd: int, file: OpenFile, cloexec: bool = False) -> None:
    """Descriptor `fd` leads to `file` from now on; what it led to before is closed, as dup2 does."""
    before = table.fds.get(fd)
    if before is not None:
        k.emit(DescriptorClosed(table.id, fd))
    table.fds[fd] = file.id
    file.refs += 1
    set_cloexec(table, fd, cloexec)
    k.emit(DescriptorInstalled(table.id, fd, file.id))
    if before is not None:
        put_file(k, k.tables.files[before], table.id)


def set_cloexec(table: FdTable, fd: int, cloexec: bool) -> None:
    """FD_CLOEXEC of one descriptor."""
    if fd in table.cloexec:
        if not cloexec:
            table.cloexec.remove(fd)
    elif cloexec:
        table.cloexec.append(fd)


def close_fd(k: Kernel, fd: int) -> None:
    """close(2): EBADF if it is not open."""
    table = current_table(k)
    if fd not in table.fds:
        raise KernelError(Errno.EBADF)
    _remove(k, table, fd)


def _remove(k: Kernel, table: FdTable, fd: int) -> None:
    number = table.fds.pop(fd)
    set_cloexec(table, fd, False)
    k.emit(DescriptorClosed(table.id, fd))
    put_file(k, k.tables.files[number], table.id)


def dup(k: Kernel, fd: int, cloexec: bool = False, minimum: int = 0) -> int:
    """A second descriptor, the lowest free one from `minimum` on, for the same open file."""
    return install_fd(k, get_file(k, fd, with_path=True), cloexec, minimum)


# --- tables -------------------------------------------------------------------------------------------------


def new_fdtable(k: Kernel) -> FdTable:
    """An empty table that one task has."""
    table = FdTable(id=k.new_id(), refs=1)
    k.tables.fdtables[table.id] = table
    k.emit(DescriptorTableCreated(table.id, 0))
    return table


def copy_fdtable(k: Kernel, source_id: int) -> int:
    """fork: a table of its own with the same descriptors; its number. 0 gives 0."""
    source = k.tables.fdtables.get(source_id)
    if source is None:
        return 0
    table = FdTable(id=k.new_id(), refs=1, fds=dict(source.fds), cloexec=list(source.cloexec))
    k.tables.fdtables[table.id] = table
    for number in table.fds.values():
        k.tables.files[number].refs += 1
    k.emit(DescriptorTableCreated(table.id, source_id))
    return table.id


def unshare_table(k: Kernel) -> None:
    """The current task's table is its own from now on (CLONE_FILES undone)."""
    task = k.task
    if k.tables.fdtables[task.fdtable].refs > 1:
        old = task.fdtable
        task.fdtable = copy_fdtable(k, old)
        drop_fdtable(k, old)
        k.emit(DescriptorTableUnshared(task.pid, task.fdtable))


def drop_fdtable(k: Kernel, table_id: int) -> None:
    """A task lets go of its table; with the last one all its descriptors are closed, in ascending order."""
    table = k.tables.fdtables[table_id]
    table.refs -= 1
    if table.refs:
        return
    del k.tables.fdtables[table_id]
    k.emit(DescriptorTableDropped(table_id))
    for fd in sorted(table.fds):
        put_file(k, k.tables.files[table.fds[fd]], table_id)


def close_on_exec(k: Kernel, table_id: int) -> None:
    """execve: close the descriptors with FD_CLOEXEC."""
    table = k.tables.fdtables[table_id]
    for fd in sorted(table.cloexec):
        _remove(k, table, fd)
