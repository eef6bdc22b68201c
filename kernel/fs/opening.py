"""open(2): from a path and flags to an open file (Linux's fs/open.c and the end of fs/namei.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    __O_TMPFILE,
    MS_NODEV,
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_RDWR,
    O_TRUNC,
    O_WRONLY,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
)
from kernel.abi.process import CAP_FOWNER
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import devfs, disk, inotify, leases, pipe, procfs, pty, ramfs, tty
from kernel.fs.directory import create, new_child
from kernel.fs.files import close_file, need_files, open_file
from kernel.fs.vfs import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    Found,
    deny_write_to_programs,
    get_inode,
    insist,
    need,
    path_found,
    walk,
    want_write,
)
from kernel.ipc import mqueue
from kernel.tables import Inode, OpenFile

if TYPE_CHECKING:
    from kernel.kernel import Kernel

VALID_FLAGS = 0o37777703
"""What open knows; other bits are ignored (include/linux/fcntl.h, VALID_OPEN_FLAGS)."""
_NOT_KEPT = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC
_ACCESS = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE)


def check_flags(flags: int) -> int:
    """The flags as far as they count (`build_open_flags`). EINVAL for what does not go together."""
    flags &= VALID_FLAGS
    if flags & __O_TMPFILE:
        if flags & O_CREAT or not flags & O_DIRECTORY or not flags & O_ACCMODE:
            raise KernelError(Errno.EINVAL)
        return flags
    if flags & O_PATH:
        return flags & (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
    if flags & O_CREAT and flags & O_DIRECTORY:
        raise KernelError(Errno.EINVAL)
    return flags


def do_open(k: Kernel, path: str, flags: int, mode: int, start: int = 0, resolve: int = 0) -> OpenFile:
    """The open file that `path` leads to, created if asked for. `flags` are from `check_flags`.

    `resolve` are rules for the way (RESOLVE_*).

    Opening a named pipe may wait: then `continue_open` is to be called after each wake-up.
    """
    if flags & __O_TMPFILE:
        return _unnamed(k, path, flags, mode, start, resolve)
    follow = not flags & O_NOFOLLOW and not (flags & O_CREAT and flags & O_EXCL)
    found = walk(k, k.task, path, start, follow, resolve=resolve)
    if flags & O_CREAT and found.slash and found.name:
        raise KernelError(Errno.EISDIR)
    created = not found.inode and bool(flags & O_CREAT)
    if created:
        inode = create(k, found, S_IFREG | mode & 0o7777)
    else:
        inode = insist(k, found)
        if found.file and found.file in k.tables.files:
            return _reopen(k, k.tables.files[found.file], flags)
        _may_open(k, found, inode, flags)
    return open_found(k, inode, found.mount, flags, path_found(k, found), created)


def open_found(k: Kernel, inode: Inode, mount: int, flags: int, path: str, created: bool = False) -> OpenFile:
    """An open file on an inode that may be opened."""
    if flags & O_PATH:
        file = open_file(k, "path", flags & ~O_CLOEXEC, inode.ino, path=path)
    else:
        file = _open_inode(k, inode, flags, created, path)
    file.mount = mount
    if file.kind == "pipe":
        _continue_fifo(k, file)
    return file


def _unnamed(k: Kernel, path: str, flags: int, mode: int, start: int, resolve: int) -> OpenFile:
    """O_TMPFILE: a file in the file system of a directory, without a name there (`do_tmpfile`)."""
    found = walk(k, k.task, path, start, not flags & O_NOFOLLOW, resolve=resolve)
    parent = insist(k, found)
    if parent.mode & S_IFMT != S_IFDIR:
        raise KernelError(Errno.ENOTDIR)
    want_write(k, found.mount, parent)
    need(k.task, parent, MAY_WRITE | MAY_EXEC)
    if procfs.is_proc(parent.ino):
        raise KernelError(Errno.EOPNOTSUPP)
    where = path_found(k, found)
    inode = new_child(k, parent, S_IFREG | mode & 0o7777)
    inode.nlink = 0
    inode.linkable = not flags & O_EXCL
    kept = flags & ~_NOT_KEPT
    try:
        if inode.zones:
            disk.need_file(k, inode)
        file = open_file(k, "file", kept, inode.ino, path=f"{where.rstrip('/')}/#{inode.ino} (deleted)")
    except KernelError:
        ramfs.free_unused(k, inode)
        raise
    file.mount = found.mount
    return inotify.opened(k, file)


def _may_open(k: Kernel, found: Found, inode: Inode, flags: int) -> None:
    """What is there already may be of the wrong type or forbidden (`do_open`, `may_open`)."""
    kind = inode.mode & S_IFMT
    if flags & O_CREAT:
        if flags & O_EXCL:
            raise KernelError(Errno.EEXIST)
        if kind == S_IFDIR:
            raise KernelError(Errno.EISDIR)
    if flags & O_DIRECTORY and kind != S_IFDIR:
        raise KernelError(Errno.ENOTDIR)
    if flags & O_PATH:
        return
    if kind == S_IFLNK:
        raise KernelError(Errno.ELOOP)
    if kind == S_IFREG and flags & O_TRUNC:
        want_write(k, found.mount, inode)
    mount = k.tables.mounts.get(found.mount)
    if kind in (S_IFCHR, S_IFBLK) and mount is not None and mount.flags & MS_NODEV:
        raise KernelError(Errno.EACCES)
    wanted = _ACCESS[flags & O_ACCMODE] | (MAY_WRITE if flags & O_TRUNC else 0)
    if kind == S_IFDIR and wanted & MAY_WRITE:
        raise KernelError(Errno.EISDIR)
    writes = wanted & MAY_WRITE and kind == S_IFREG
    if writes:
        want_write(k, 0, inode)
    need(k.task, inode, wanted)
    if flags & O_NOATIME and k.task.cred.fsuid != inode.uid and not capable(k, CAP_FOWNER):
        raise KernelError(Errno.EPERM)
    if writes:
        want_write(k, found.mount, inode)


def _open_inode(k: Kernel, inode: Inode, flags: int, created: bool, path: str) -> OpenFile:
    """An open file of the kind that the inode's type asks for; that of a named pipe is not ready yet."""
    kept = flags & ~_NOT_KEPT
    kind = inode.mode & S_IFMT
    if kind == S_IFREG and procfs.is_proc(inode.ino):
        procfs.check_open(k, inode, flags)
        return inotify.opened(k, open_file(k, "proc", kept, inode.ino, path=path))
    if kind == S_IFREG and (queue := mqueue.of_inode(k, inode)) is not None:
        return open_file(k, "mqueue", kept, inode.ino, queue.id, path)
    if kind == S_IFREG:
        if not flags & O_LARGEFILE and inode.size > ramfs.MAX_NON_LFS:
            raise KernelError(Errno.EOVERFLOW)
        if flags & O_TRUNC or flags & O_ACCMODE in (O_WRONLY, O_RDWR):
            deny_write_to_programs(k, inode)
        leases.break_leases(k, inode, flags)
        file = open_file(k, "file", kept, inode.ino, path=path)
        inotify.opened(k, file)
        if flags & O_TRUNC and not created:
            ramfs.remove_privileges(k, inode)
            ramfs.truncate(k, inode, 0)
            inotify.modified(k, file)
        return file
    if kind == S_IFDIR:
        return inotify.opened(k, open_file(k, "dir", kept, inode.ino, path=path))
    if kind == S_IFIFO:
        return _open_fifo(k, inode, kept, path)
    if kind == S_IFCHR:
        return _open_device(k, inode, kept, path, not flags & O_NOCTTY)
    if kind == S_IFBLK and inode.rdev == devfs.HDA0 and k.tables.disk is not None:
        return inotify.opened(k, open_file(k, "disk", kept, inode.ino, path=path))
    raise KernelError(Errno.ENXIO if kind in (S_IFSOCK, S_IFBLK) else Errno.EINVAL)


def _open_device(k: Kernel, inode: Inode, flags: int, path: str, controlling: bool) -> OpenFile:
    is_pts = devfs.major(inode.rdev) == devfs.PTS
    kind = "tty" if is_pts else devfs.KINDS.get(inode.rdev)
    if kind is None:
        raise KernelError(Errno.ENXIO)
    if kind == "ptmx":
        need_files(k, 1)
        return open_file(k, kind, flags, inode.ino, pty.create(k), path)
    number = 0
    if is_pts:
        number = devfs.minor(inode.rdev) + 1
        pty.check_open(k, number)
    elif inode.rdev == devfs.TTY:
        number = tty.controlling(k, k.task)
        if number not in k.tables.terminals:
            raise KernelError(Errno.ENXIO)
    if kind == "tty":
        tty.may_open(k, number)
    file = open_file(k, kind, flags, inode.ino, number, path)
    noctty = not controlling or flags & O_ACCMODE == O_WRONLY
    if kind == "tty" and not noctty and inode.rdev not in (devfs.TTY, devfs.CONSOLE, devfs.TTY0):
        tty.take_as_controlling(k, number)
    return inotify.opened(k, file)


def _open_fifo(k: Kernel, inode: Inode, flags: int, path: str) -> OpenFile:
    """A named pipe: each end waits for the other, unless O_NONBLOCK or O_RDWR (man 7 fifo)."""
    if flags & O_ACCMODE > O_RDWR:
        raise KernelError(Errno.EINVAL)
    readers = k.tables.pipes[inode.pipe].readers if inode.pipe else 0
    if flags & O_ACCMODE == O_WRONLY and flags & O_NONBLOCK and not readers:
        raise KernelError(Errno.ENXIO)
    number = pipe.pipe_of_fifo(k, inode).id
    return open_file(k, "pipe", flags, inode.ino, number, path)


def continue_open(k: Kernel) -> OpenFile:
    """Go on waiting for the other end of the named pipe whose open file is in `Task.progress`."""
    return _continue_fifo(k, k.tables.files[k.task.progress[0]])


def _continue_fifo(k: Kernel, file: OpenFile) -> OpenFile:
    try:
        pipe.wait_for_partner(k, file)
    except KernelError:
        close_file(k, file)
        raise
    return inotify.opened(k, file)


def _reopen(k: Kernel, file: OpenFile, flags: int) -> OpenFile:
    """Opening /proc/PID/fd/N: what that descriptor leads to, with flags and a position of its own."""
    if file.inode and file.kind in ("file", "dir", "proc"):
        inode = get_inode(k, file.inode)
        _may_open(k, Found(0, "", inode.ino, False, mount=file.mount), inode, flags)
        again = _open_inode(k, inode, flags, False, file.path)
        again.mount = file.mount
        return again
    if flags & O_DIRECTORY:
        raise KernelError(Errno.ENOTDIR)
    if file.inode == k.tables.anon_inode or file.kind == "socket":
        raise KernelError(Errno.ENXIO)
    if file.kind == "pipe" and flags & O_ACCMODE > O_RDWR:
        raise KernelError(Errno.EINVAL)
    return inotify.opened(k, open_file(k, file.kind, flags & ~_NOT_KEPT, file.inode, file.object, file.path))
