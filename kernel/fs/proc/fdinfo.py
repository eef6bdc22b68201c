"""/proc/PID/fd and fdinfo: what a descriptor leads to, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import IN_ALL_EVENTS, O_CLOEXEC
from kernel.abi.time import NSEC_PER_SEC
from kernel.errors import KernelError
from kernel.fs.devfs import major, minor
from kernel.fs.proc import locks
from kernel.fs.ramfs import path_of
from kernel.fs.timerfd import remaining
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
    """Where it stands, its flags, and what is particular to its kind (man 5 proc_pid_fdinfo)."""
    file = open_file_of(k, task, fd)
    flags = file.flags
    table = k.tables.fdtables[task.fdtable]
    if fd in table.cloexec:
        flags |= O_CLOEXEC
    more = _KINDS.get(file.kind)
    return (
        f"pos:\t{file.pos}\nflags:\t0{flags:o}\nmnt_id:\t{file.mount or 1}\nino:\t{file.inode}\n"
        f"{locks.of_file(k, task, file)}{more(k, file) if more is not None else ''}"
    )


def _device(dev: int) -> str:
    """As the kernel has it inside: twenty bits of minor number."""
    return f"{major(dev) << 20 | minor(dev):x}"


def _eventfd(k: Kernel, file: OpenFile) -> str:
    return f"eventfd-count: {k.tables.eventfds[file.object].count:16x}\neventfd-id: {file.object}\n"


def _epoll(k: Kernel, file: OpenFile) -> str:
    t = k.tables
    lines = []
    for number in t.epolls[file.object].items:
        item = t.epoll_items[number]
        watched = t.files.get(item.file)
        pos, ino = (watched.pos, watched.inode) if watched is not None else (0, 0)
        inode = t.inodes.get(ino)
        where = f"pos:{pos} ino:{ino:x} sdev:{_device(inode.dev if inode is not None else 0)}"
        lines.append(f"tfd: {item.fd:8} events: {item.events:8x} data: {item.data:16x}  {where}\n")
    return "".join(lines)


def _signalfd(k: Kernel, file: OpenFile) -> str:
    return f"sigmask:\t{k.tables.signalfds[file.object].mask:016x}\n"


def _timerfd(k: Kernel, file: OpenFile) -> str:
    timer = k.tables.timerfds[file.object]

    def time(ticks: int) -> str:
        return f"({ticks // NSEC_PER_SEC}, {ticks % NSEC_PER_SEC})"

    return (
        f"clockid: {timer.clock}\nticks: {timer.ticks}\nsettime flags: 0{timer.flags:o}\n"
        f"it_value: {time(remaining(k, timer))}\nit_interval: {time(timer.interval)}\n"
    )


def _inotify(k: Kernel, file: OpenFile) -> str:
    lines = []
    for wd, watch in sorted(k.tables.inotifies[file.object].watches.items(), reverse=True):
        inode = k.tables.inodes.get(watch.inode)
        device = _device(inode.dev if inode is not None else 0)
        mask = watch.mask & IN_ALL_EVENTS
        lines.append(f"inotify wd:{wd:x} ino:{watch.inode:x} sdev:{device} mask:{mask:x} ignored_mask:0 \n")
    return "".join(lines)


def _pidfd(k: Kernel, file: OpenFile) -> str:
    pid = file.object if file.object in k.tables.tasks else -1
    return f"Pid:\t{pid}\nNSpid:\t{pid}\n"


_KINDS: dict[str, Callable[[Kernel, OpenFile], str]] = {
    "eventfd": _eventfd,
    "epoll": _epoll,
    "signalfd": _signalfd,
    "timerfd": _timerfd,
    "inotify": _inotify,
    "pidfd": _pidfd,
}
