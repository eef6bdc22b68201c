"""System calls on paths: names, symbolic links, the current directory.

Here arguments are checked in Linux's order and handed to `kernel.fs`. Calls on descriptors are in `files`, on
attributes in `attributes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
)
from kernel.abi.process import CAP_SYS_CHROOT
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import directory, procfs, ramfs, vfs
from kernel.fs.names import encode_name
from kernel.syscalls.attributes import CWD, inode_at, place_at
from kernel.tables import Inode
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel


# --- symbolic links -----------------------------------------------------------------------------------------


def sys_readlinkat(k: Kernel, dirfd: int, path: int, buf: int, bufsiz: int) -> int:
    """As much of the target as fits, without a NUL."""
    if signed(bufsiz) <= 0:
        raise KernelError(Errno.EINVAL)
    inode = inode_at(k, dirfd, path, AT_EMPTY_PATH, follow=False)
    if not vfs.is_link(inode):
        raise KernelError(Errno.EINVAL if vfs.getname(k, path, empty=True) else Errno.ENOENT)
    procfs.need_link(k, inode.ino)
    if not inode.target:
        raise KernelError(Errno.ENOENT)
    ramfs.accessed(k, inode)
    data = encode_name(inode.target)[:bufsiz]
    uaccess.copy_to_user(k, buf, data)
    return len(data)


def sys_readlink(k: Kernel, path: int, buf: int, bufsiz: int) -> int:
    return sys_readlinkat(k, CWD, path, buf, bufsiz)


def sys_symlinkat(k: Kernel, oldname: int, newdfd: int, newname: int) -> int:
    target = vfs.getname(k, oldname)
    path = vfs.getname(k, newname)
    directory.symlink(k, target, path, vfs.start_of(k, newdfd, path))
    return 0


def sys_symlink(k: Kernel, oldname: int, newname: int) -> int:
    return sys_symlinkat(k, oldname, CWD, newname)


# --- names --------------------------------------------------------------------------------------------------


def _on_path(k: Kernel, dirfd: int, address: int, act: Callable[[str, int], None]) -> int:
    """Read a path and act on it from where it begins."""
    path = vfs.getname(k, address)
    act(path, vfs.start_of(k, dirfd, path))
    return 0


def sys_mkdirat(k: Kernel, dirfd: int, pathname: int, mode: int) -> int:
    return _on_path(k, dirfd, pathname, lambda path, start: directory.mkdir(k, path, mode, start))


def sys_mkdir(k: Kernel, pathname: int, mode: int) -> int:
    return sys_mkdirat(k, CWD, pathname, mode)


def sys_mknodat(k: Kernel, dirfd: int, filename: int, mode: int, dev: int) -> int:
    directory.check_mknod(mode)
    return _on_path(k, dirfd, filename, lambda path, start: directory.mknod(k, path, mode, dev, start))


def sys_mknod(k: Kernel, filename: int, mode: int, dev: int) -> int:
    return sys_mknodat(k, CWD, filename, mode, dev)


def sys_unlinkat(k: Kernel, dirfd: int, pathname: int, flag: int) -> int:
    if flag & ~AT_REMOVEDIR:
        raise KernelError(Errno.EINVAL)
    remove = directory.rmdir if flag else directory.unlink
    return _on_path(k, dirfd, pathname, lambda path, start: remove(k, path, start))


def sys_unlink(k: Kernel, pathname: int) -> int:
    return sys_unlinkat(k, CWD, pathname, 0)


def sys_rmdir(k: Kernel, pathname: int) -> int:
    return sys_unlinkat(k, CWD, pathname, AT_REMOVEDIR)


def sys_linkat(k: Kernel, olddfd: int, oldname: int, newdfd: int, newname: int, flags: int) -> int:
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    mount, inode = place_at(k, olddfd, oldname, flags, bool(flags & AT_SYMLINK_FOLLOW))
    return _on_path(k, newdfd, newname, lambda path, start: directory.link(k, inode, mount, path, start))


def sys_link(k: Kernel, oldname: int, newname: int) -> int:
    return sys_linkat(k, CWD, oldname, CWD, newname, 0)


def sys_renameat2(k: Kernel, olddfd: int, oldname: int, newdfd: int, newname: int, flags: int) -> int:
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT):
        raise KernelError(Errno.EINVAL)
    if flags & RENAME_EXCHANGE and flags & (RENAME_NOREPLACE | RENAME_WHITEOUT):
        raise KernelError(Errno.EINVAL)
    source = _name(k, olddfd, oldname)
    directory.rename(k, source, _name(k, newdfd, newname), flags)
    return 0


def _name(k: Kernel, dirfd: int, address: int) -> vfs.Found:
    """The name that a path ends in, not looked up yet."""
    path = vfs.getname(k, address)
    return vfs.walk(k, k.task, path, vfs.start_of(k, dirfd, path), naming=True)


def sys_renameat(k: Kernel, olddfd: int, oldname: int, newdfd: int, newname: int) -> int:
    return sys_renameat2(k, olddfd, oldname, newdfd, newname, 0)


def sys_rename(k: Kernel, oldname: int, newname: int) -> int:
    return sys_renameat2(k, CWD, oldname, CWD, newname, 0)


# --- the current directory ----------------------------------------------------------------------------------


def sys_chdir(k: Kernel, filename: int) -> int:
    vfs.set_cwd(k, *_directory_at(k, filename))
    return 0


def sys_chroot(k: Kernel, filename: int) -> int:
    mount, inode = _directory_at(k, filename)
    if not capable(k, CAP_SYS_CHROOT):
        raise KernelError(Errno.EPERM)
    vfs.set_root(k, mount, inode)
    return 0


def _directory_at(k: Kernel, filename: int) -> tuple[int, Inode]:
    """A directory that the task may enter, and its mount."""
    mount, inode = place_at(k, CWD, filename)
    if not vfs.is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    vfs.need(k.task, inode, vfs.MAY_EXEC)
    return mount, inode


def sys_getcwd(k: Kernel, buf: int, size: int) -> int:
    """The length with its NUL. ENOENT once the directory is removed, ERANGE if it does not fit."""
    path = vfs.path_in(k, k.task, k.task.cwd_mount, k.task.cwd)
    if not path:
        raise KernelError(Errno.ENOENT)
    data = encode_name(path) + b"\0"
    if len(data) > size:
        raise KernelError(Errno.ERANGE)
    uaccess.copy_to_user(k, buf, data)
    return len(data)
