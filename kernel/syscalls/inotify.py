"""System calls of inotify: checks in Linux's order (fs/notify/inotify/inotify_user.c), the rest in `fs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_FDCWD,
    IN_ALL_BITS,
    IN_DONT_FOLLOW,
    IN_MASK_ADD,
    IN_MASK_CREATE,
    IN_ONLYDIR,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
)
from kernel.errors import KernelError
from kernel.fs import files, inotify, vfs
from kernel.tables import Inotify, OpenFile
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def sys_inotify_init1(k: Kernel, flags: int) -> int:
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    files.free_fds(k, 1)
    files.need_files(k, 1)
    one = inotify.create(k)
    access = O_RDONLY | flags & O_NONBLOCK
    return files.anonymous_file(k, "inotify", access, one.id, "inotify", bool(flags & O_CLOEXEC))


def sys_inotify_init(k: Kernel) -> int:
    return sys_inotify_init1(k, 0)


def _instance(k: Kernel, file: OpenFile) -> Inotify:
    if file.kind != "inotify":
        raise KernelError(Errno.EINVAL)
    return k.tables.inotifies[file.object]


def sys_inotify_add_watch(k: Kernel, fd: int, pathname: int, mask: int) -> int:
    if not mask & IN_ALL_BITS:
        raise KernelError(Errno.EINVAL)
    file = files.get_file(k, fd)
    if mask & IN_MASK_ADD and mask & IN_MASK_CREATE:
        raise KernelError(Errno.EINVAL)
    one = _instance(k, file)
    path = vfs.getname(k, pathname)
    found = vfs.walk(
        k, k.task, path, vfs.start_of(k, AT_FDCWD & 0xFFFF_FFFF, path), not mask & IN_DONT_FOLLOW
    )
    inode = vfs.insist(k, found)
    if mask & IN_ONLYDIR and not vfs.is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    vfs.need(k.task, inode, vfs.MAY_READ)
    return inotify.add_watch(k, one, inode.ino, mask, vfs.path_found(k, found))


def sys_inotify_rm_watch(k: Kernel, fd: int, wd: int) -> int:
    inotify.remove_watch(k, _instance(k, files.get_file(k, fd)), signed(wd))
    return 0
