"""Names: made, removed and moved (the part of Linux's fs/namei.c behind mkdir, unlink, rename and so on).

All take paths and a directory to start from (0: the current one), act for the current task, and raise what
the manual of the call says. /proc is read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errno import Errno
from kernel.abi.files import (
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    S_ISGID,
    S_ISUID,
    S_ISVTX,
    S_IXGRP,
)
from kernel.abi.process import CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_MKNOD
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import inotify, procfs, ramfs
from kernel.fs.names import encode_name
from kernel.fs.vfs import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    Found,
    get_inode,
    is_dir,
    is_mount_point,
    is_regular,
    look_up,
    need,
    permitted,
    walk,
    want_write,
)
from kernel.tables import Inode

if TYPE_CHECKING:
    from kernel.kernel import Kernel


def create(k: Kernel, found: Found, mode: int, rdev: int = 0) -> Inode:
    """A new inode under the name that a walk found free. `mode` has the type; the umask is applied here."""
    parent = writable_parent(k, found)
    inode = new_child(k, parent, mode, rdev)
    ramfs.add_name(k, parent, found.name, inode)
    inotify.created(k, parent, inode, found.name)
    return inode


def new_child(k: Kernel, parent: Inode, mode: int, rdev: int = 0) -> Inode:
    """An inode as the current task makes them in that directory, without a name so far."""
    cred = k.task.cred
    gid = parent.gid if parent.mode & S_ISGID else cred.fsgid
    if mode & S_IFMT != S_IFLNK:
        mode &= ~k.task.umask
    if mode & S_IFMT == S_IFDIR and parent.mode & S_ISGID:
        mode |= S_ISGID
    return ramfs.new_inode(k, mode, cred.fsuid, gid, rdev, parent.dev)


def writable_parent(k: Kernel, found: Found) -> Inode:
    """The directory in which a name is to be changed. EACCES, ENOENT if it was removed.

    In /proc no new name is found at all, and none can be removed (`proc_lookup`, `may_delete`).
    """
    if procfs.is_proc(found.parent):
        if found.inode:
            raise KernelError(Errno.EPERM if capable(k, CAP_DAC_OVERRIDE) else Errno.EACCES)
        raise KernelError(Errno.EACCES if procfs.is_sys(found.parent) else Errno.ENOENT)
    parent = get_inode(k, found.parent)
    want_write(k, found.parent_mount, parent)
    need(k.task, parent, MAY_WRITE | MAY_EXEC)
    if not parent.nlink:
        raise KernelError(Errno.ENOENT)
    return parent


def free_name(k: Kernel, path: str, start: int = 0, directory: bool = False) -> Found:
    """Where a new name can go (`filename_create`): EEXIST; ENOENT for a trailing slash unless `directory`."""
    found = look_up(k, walk(k, k.task, path, start, naming=True))
    if found.inode or not found.name:
        raise KernelError(Errno.EEXIST)
    if found.slash and not directory:
        raise KernelError(Errno.ENOENT)
    return found


def mkdir(k: Kernel, path: str, mode: int, start: int = 0) -> None:
    found = free_name(k, path, start, directory=True)
    create(k, found, S_IFDIR | mode & 0o1777)


def check_mknod(mode: int) -> None:
    """Types that nobody makes with mknod: EPERM for directories, else EINVAL. Linux looks at this first."""
    if mode & S_IFMT == S_IFDIR:
        raise KernelError(Errno.EPERM)
    if mode & S_IFMT not in (0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK):
        raise KernelError(Errno.EINVAL)


def mknod(k: Kernel, path: str, mode: int, dev: int, start: int = 0) -> None:
    """A file of a type that `check_mknod` has passed. EPERM for devices without CAP_MKNOD, but for 0:0."""
    kind = mode & S_IFMT or S_IFREG
    found = free_name(k, path, start)
    whiteout = kind == S_IFCHR and not dev
    if kind in (S_IFCHR, S_IFBLK) and not whiteout and not capable(k, CAP_MKNOD):
        raise KernelError(Errno.EPERM)
    create(k, found, kind | mode & 0o7777, dev if kind in (S_IFCHR, S_IFBLK) else 0)


def symlink(k: Kernel, target: str, path: str, start: int = 0) -> None:
    if not target:
        raise KernelError(Errno.ENOENT)
    found = free_name(k, path, start)
    inode = create(k, found, S_IFLNK | 0o777)
    inode.target = target
    inode.size = len(encode_name(target))


def link(k: Kernel, inode: Inode, mount: int, path: str, start: int = 0) -> None:
    """One more name for `inode`, found in `mount`. EPERM for directories, EXDEV from one mount to another."""
    found = free_name(k, path, start)
    if k.task.cred.fsuid != inode.uid and not capable(k, CAP_FOWNER) and not _is_harmless(k, inode):
        raise KernelError(Errno.EPERM)
    parent = writable_parent(k, found)
    if mount != found.parent_mount or inode.dev != parent.dev or not (inode.parent or inode.linkable):
        raise KernelError(Errno.EXDEV if inode.parent or not inode.dev else Errno.ENOENT)
    if is_dir(inode):
        raise KernelError(Errno.EPERM)
    if not inode.nlink and not inode.linkable:
        raise KernelError(Errno.ENOENT)
    inode.nlink += 1
    inode.linkable = False
    ramfs.add_name(k, parent, found.name, inode)
    inotify.linked(k, parent, inode, found.name)


def _is_harmless(k: Kernel, inode: Inode) -> bool:
    """Whether who does not own a file may link it (man 5 proc, protected_hardlinks)."""
    mode = inode.mode
    setgid = mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
    if not is_regular(inode) or mode & S_ISUID or setgid:
        return False
    return permitted(k.task, inode, MAY_READ | MAY_WRITE)


def _may_delete(k: Kernel, parent: Inode, victim: Inode) -> None:
    """In a sticky directory only the owners may (`may_delete`)."""
    if not parent.mode & S_ISVTX or k.task.cred.fsuid in (victim.uid, parent.uid):
        return
    if not capable(k, CAP_FOWNER):
        raise KernelError(Errno.EPERM)


def unlink(k: Kernel, path: str, start: int = 0) -> None:
    found = walk(k, k.task, path, start, naming=True)
    if not found.name:
        raise KernelError(Errno.EISDIR)
    want_write(k, found.parent_mount, get_inode(k, found.parent))
    found = look_up(k, found)
    if not found.inode:
        raise KernelError(Errno.ENOENT)
    inode = get_inode(k, found.inode)
    if found.slash:
        raise KernelError(Errno.EISDIR if is_dir(inode) else Errno.ENOTDIR)
    parent = writable_parent(k, found)
    _may_delete(k, parent, inode)
    if is_dir(inode):
        raise KernelError(Errno.EISDIR)
    if is_mount_point(k, inode.ino):
        raise KernelError(Errno.EBUSY)
    ramfs.remove_name(k, parent, found.name, inode)
    inotify.link_count(k, inode)
    ramfs.drop_link(k, inode)
    inotify.removed(k, parent, inode, found.name)


def rmdir(k: Kernel, path: str, start: int = 0) -> None:
    found = walk(k, k.task, path, start, naming=True)
    if not found.name:
        last = path.rstrip("/").rpartition("/")[2]
        raise KernelError({"..": Errno.ENOTEMPTY, ".": Errno.EINVAL}.get(last, Errno.EBUSY))
    want_write(k, found.parent_mount, get_inode(k, found.parent))
    found = look_up(k, found)
    if not found.inode:
        raise KernelError(Errno.ENOENT)
    inode = get_inode(k, found.inode)
    if is_mount_point(k, found.inode):
        raise KernelError(Errno.EBUSY)
    parent = writable_parent(k, found)
    _may_delete(k, parent, inode)
    if not is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    if ramfs.entries(k, inode):
        raise KernelError(Errno.ENOTEMPTY)
    ramfs.remove_name(k, parent, found.name, inode)
    ramfs.drop_link(k, inode)
    inotify.removed(k, parent, inode, found.name)


def rename(k: Kernel, source: Found, target: Found, flags: int = 0) -> None:
    """Move a name; what the new one led to goes, or changes places with RENAME_EXCHANGE (man 2 rename).

    RENAME_WHITEOUT leaves a character device 0:0 behind.

    `source` and `target` are from walks with `naming`. The order of the checks is `do_renameat2`'s.
    """
    if source.parent_mount != target.parent_mount:
        raise KernelError(Errno.EXDEV)
    if not source.name or not target.name:
        raise KernelError(Errno.EEXIST if flags & RENAME_NOREPLACE and source.name else Errno.EBUSY)
    want_write(k, source.parent_mount, get_inode(k, source.parent))
    source = look_up(k, source)
    if not source.inode:
        raise KernelError(Errno.ENOENT)
    target = look_up(k, target)
    if target.inode and flags & RENAME_NOREPLACE:
        raise KernelError(Errno.EEXIST)
    exchange = bool(flags & RENAME_EXCHANGE)
    if exchange and not target.inode:
        raise KernelError(Errno.ENOENT)
    inode = get_inode(k, source.inode)
    replaced = get_inode(k, target.inode) if target.inode else None
    if exchange and replaced is not None and not is_dir(replaced) and target.slash:
        raise KernelError(Errno.ENOTDIR)
    if not is_dir(inode) and (source.slash or (target.slash and not exchange)):
        raise KernelError(Errno.ENOTDIR)
    if is_dir(inode) and _is_inside(k, target.parent, inode.ino):
        raise KernelError(Errno.EINVAL)
    if replaced is not None and is_dir(replaced) and _is_inside(k, source.parent, replaced.ino):
        raise KernelError(Errno.EINVAL if exchange else Errno.ENOTEMPTY)
    if replaced is inode:
        return
    old_parent, new_parent = _may_rename(k, source, target, inode, replaced, exchange)
    parents, names = (old_parent, new_parent), (source.name, target.name)
    left = None
    if flags & RENAME_WHITEOUT:
        left = new_child(k, old_parent, S_IFCHR)
    if replaced is not None:
        ramfs.remove_name(k, new_parent, target.name, replaced)
    ramfs.remove_name(k, old_parent, source.name, inode)
    ramfs.add_name(k, new_parent, target.name, inode)
    if exchange and replaced is not None:
        ramfs.add_name(k, old_parent, source.name, replaced)
    if left is not None:
        ramfs.add_name(k, old_parent, source.name, left)
    inotify.moved(k, parents, names, inode)
    if replaced is not None and not exchange:
        inotify.link_count(k, replaced)
    inotify.moved_self(k, inode)
    if replaced is None:
        return
    if exchange:
        inotify.moved(k, parents[::-1], names[::-1], replaced)
        inotify.moved_self(k, replaced)
    else:
        ramfs.drop_link(k, replaced)


def _may_rename(
    k: Kernel, source: Found, target: Found, inode: Inode, replaced: Inode | None, exchange: bool
) -> tuple[Inode, Inode]:
    """Permissions and types, as `vfs_rename` has them; the directories."""
    old_parent = writable_parent(k, source)
    _may_delete(k, old_parent, inode)
    new_parent = writable_parent(k, target)
    if replaced is not None:
        _may_delete(k, new_parent, replaced)
    if replaced is not None and not exchange:
        if is_dir(inode) and not is_dir(replaced):
            raise KernelError(Errno.ENOTDIR)
        if is_dir(replaced) and not is_dir(inode):
            raise KernelError(Errno.EISDIR)
    if is_dir(inode) and source.parent != target.parent:
        need(k.task, inode, MAY_WRITE)
    if exchange and replaced is not None and is_dir(replaced) and source.parent != target.parent:
        need(k.task, replaced, MAY_WRITE)
    if is_mount_point(k, source.inode) or is_mount_point(k, target.inode):
        raise KernelError(Errno.EBUSY)
    if not exchange and replaced is not None and is_dir(replaced) and ramfs.entries(k, replaced):
        raise KernelError(Errno.ENOTEMPTY)
    return old_parent, new_parent


def _is_inside(k: Kernel, directory: int, ancestor: int) -> bool:
    """Whether `directory` is `ancestor` or lies below it."""
    while directory != ancestor:
        if procfs.is_proc(directory):
            return False
        above = get_inode(k, directory).parent
        if above == directory:
            return False
        directory = above
    return True
