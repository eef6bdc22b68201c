"""What each kind of open file can do: Linux's `struct file_operations` as a table by `OpenFile.kind`.

The checks that come before are here too, in Linux's order (fs/read_write.c): the descriptor's access mode
first, then whether that kind of file can be read or written at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import O_ACCMODE, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.abi.tty import FIONREAD
from kernel.errors import KernelError
from kernel.fs import (
    devfs,
    disk,
    epoll,
    eventfd,
    inotify,
    pidfd,
    pipe,
    procfs,
    pty,
    ramfs,
    signalfd,
    stream,
    timerfd,
    tty,
    tty_ioctl,
)
from kernel.fs.iov import IovIter
from kernel.ipc import mqueue
from kernel.net import af_unix, socket
from kernel.tables import OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel

Move = Callable[["Kernel", OpenFile, IovIter, int | None], int]
"""read or write at a position (None: the file's own, which moves on): bytes moved, KernelError or Blocked."""
Poll = Callable[["Kernel", OpenFile], tuple[int, tuple[str, ...]]]
Ioctl = Callable[["Kernel", OpenFile, int, int], int]
Result = tuple[int, tuple[str, ...]]


class Operations(NamedTuple):
    """`read` or `write` None: EINVAL. `seeks` is whether pread and pwrite work (else ESPIPE).

    `poll` None: always ready, and not for epoll. Whatever else is asked names its wait queues.
    """

    read: Move | None
    write: Move | None
    seeks: bool
    poll: Poll | None
    ioctl: Ioctl


DEFAULT_POLLMASK = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM


def _random_ready(_k: Kernel, _file: OpenFile) -> Result:
    return DEFAULT_POLLMASK, ()


def _no_ioctl(_k: Kernel, _file: OpenFile, _request: int, _arg: int) -> int:
    raise KernelError(Errno.ENOTTY)


def _file_ioctl(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    if request != FIONREAD:
        raise KernelError(Errno.ENOTTY)
    uaccess.put_user32(k, arg, k.tables.inodes[file.inode].size - file.pos)
    return 0


def _pipe_ioctl(k: Kernel, file: OpenFile, request: int, arg: int) -> int:
    if request != FIONREAD:
        raise KernelError(Errno.ENOTTY)
    uaccess.put_user32(k, arg, len(k.tables.pipes[file.object].data))
    return 0


def _read_directory(_k: Kernel, _file: OpenFile, _to: IovIter, _at: int | None) -> int:
    raise KernelError(Errno.EISDIR)


OPERATIONS: dict[str, Operations] = {
    "file": Operations(ramfs.read_file, ramfs.write_file, True, None, _file_ioctl),
    "dir": Operations(_read_directory, None, True, None, _no_ioctl),
    "proc": Operations(procfs.read_proc, procfs.write_proc, True, None, _no_ioctl),
    "pipe": Operations(pipe.read_pipe, pipe.write_pipe, False, pipe.poll_pipe, _pipe_ioctl),
    "tty": Operations(tty.read_tty, tty.write_tty, False, tty.poll_tty, tty_ioctl.ioctl_tty),
    "ptmx": Operations(pty.read_master, pty.write_master, False, pty.poll_master, pty.ioctl_master),
    "stream": Operations(stream.read_stream, stream.write_stream, True, stream.poll_stream, _no_ioctl),
    "null": Operations(devfs.read_null, devfs.write_null, True, None, _no_ioctl),
    "zero": Operations(devfs.read_zero, devfs.write_null, True, None, _no_ioctl),
    "full": Operations(devfs.read_zero, devfs.write_full, True, None, _no_ioctl),
    "random": Operations(devfs.read_random, devfs.write_random, True, _random_ready, _no_ioctl),
    "disk": Operations(disk.read, disk.write, True, None, disk.ioctl),
    "eventfd": Operations(eventfd.read, eventfd.write, False, eventfd.poll, _no_ioctl),
    "timerfd": Operations(timerfd.read, None, False, timerfd.poll, _no_ioctl),
    "signalfd": Operations(signalfd.read, None, False, signalfd.poll, _no_ioctl),
    "epoll": Operations(None, None, False, epoll.poll, _no_ioctl),
    "pidfd": Operations(None, None, False, pidfd.poll, _no_ioctl),
    "inotify": Operations(inotify.read, None, False, inotify.poll, inotify.ioctl),
    "mqueue": Operations(mqueue.read, None, True, mqueue.poll, _no_ioctl),
    "socket": Operations(af_unix.read, af_unix.write, False, socket.poll, socket.ioctl),
}


def can_poll(k: Kernel, file: OpenFile) -> bool:
    """Whether it can be waited for at all (`file_can_poll`)."""
    if file.kind == "stream":
        return not stream.is_regular(k.tables.streams[file.object])
    return OPERATIONS[file.kind].poll is not None


def poll_file(k: Kernel, file: OpenFile) -> Result:
    """What is ready, and the wait queues that tell of a change."""
    poll = OPERATIONS[file.kind].poll
    return poll(k, file) if poll is not None else (DEFAULT_POLLMASK, ())


def is_readable(file: OpenFile) -> bool:
    return file.flags & O_ACCMODE in (O_RDONLY, O_RDWR)


def is_writable(file: OpenFile) -> bool:
    return file.flags & O_ACCMODE in (O_WRONLY, O_RDWR)


def can_seek(k: Kernel, file: OpenFile) -> bool:
    """Whether the file has a position that can be set: not pipes and terminals."""
    if file.kind == "stream":
        return not stream.is_pipe(k.tables.streams[file.object])
    return OPERATIONS[file.kind].seeks


def check_read(file: OpenFile) -> Move:
    """What reads it. EBADF if it is not open for that, EINVAL if it cannot be read."""
    if not is_readable(file):
        raise KernelError(Errno.EBADF)
    read = OPERATIONS[file.kind].read
    if read is None:
        raise KernelError(Errno.EINVAL)
    return read


def check_write(file: OpenFile) -> Move:
    """What writes it. EBADF if it is not open for that, EINVAL if it cannot be written."""
    if not is_writable(file):
        raise KernelError(Errno.EBADF)
    write = OPERATIONS[file.kind].write
    if write is None:
        raise KernelError(Errno.EINVAL)
    return write
