"""System calls on paths: attributes, permissions, names, the current directory.

Here arguments are checked in Linux's order and handed to `kernel.fs`. Calls on descriptors are in `files`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_REMOVEDIR,
    AT_STATX_SYNC_TYPE,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    RENAME_NOREPLACE,
    S_IFMT,
    S_ISGID,
    STATX__RESERVED,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_MNT_ID,
)
from kernel.abi.structs import CStruct, Stat, Stat64, Statx, Timespec, Timespec64
from kernel.abi.time import NSEC_PER_SEC, UTIME_NOW, UTIME_OMIT
from kernel.errors import KernelError
from kernel.fs import directory, procfs, ramfs, vfs
from kernel.fs.devfs import major, minor
from kernel.fs.files import get_file
from kernel.fs.names import encode_name
from kernel.tables import Inode
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CWD = AT_FDCWD & 0xFFFF_FFFF
PIPE_DEVICE, PROC_DEVICE, SYS_DEVICE = 0x80, 3, 4
"""`st_dev` of what has no name, of /proc and of /sys, where `Inode.dev` says nothing."""


def _at(k: Kernel, dirfd: int, address: int, flags: int = 0, follow: bool = True) -> Inode:
    """Where a path leads, seen from `dirfd`; with AT_EMPTY_PATH and no path the descriptor's own inode."""
    empty = bool(flags & AT_EMPTY_PATH)
    path = "" if empty and not address else vfs.getname(k, address, empty)
    if not path and signed(dirfd) != AT_FDCWD:
        return vfs.get_inode(k, get_file(k, dirfd, with_path=True).inode)
    if not path:
        return vfs.get_inode(k, k.task.cwd)
    return vfs.resolve(k, path, vfs.start_of(k, dirfd, path), follow)


# --- attributes ---------------------------------------------------------------------------------------------


def _device(inode: Inode) -> int:
    if procfs.is_proc(inode.ino):
        return SYS_DEVICE if procfs.is_sys(inode.ino) else PROC_DEVICE
    return inode.dev or PIPE_DEVICE


def _times(k: Kernel, inode: Inode) -> tuple[int, int]:
    """Seconds and nanoseconds of the last change; /proc's files are always new."""
    tick = k.now if procfs.is_proc(inode.ino) else inode.mtime
    return divmod(k.tables.epoch + tick, NSEC_PER_SEC)


def _blocks(inode: Inode) -> int:
    """In units of 512 bytes."""
    return (inode.size + 4095 >> 12) * 8 if vfs.is_regular(inode) or vfs.is_dir(inode) else 0


def _nlink(inode: Inode) -> int:
    return inode.nlink or (0 if inode.parent else 1)


def _stat(k: Kernel, inode: Inode, build: type[Stat] | type[Stat64]) -> CStruct:
    """`struct stat` or `struct stat64`. Ids that do not fit become 65534, sizes EOVERFLOW."""
    seconds, nanoseconds = _times(k, inode)
    seconds &= 0xFFFF_FFFF
    times = (seconds, nanoseconds) * 3
    common = (inode.mode, _nlink(inode))
    if build is Stat64:
        return Stat64(
            _device(inode),
            inode.ino,
            *common,
            inode.uid,
            inode.gid,
            inode.rdev,
            inode.size,
            4096,
            _blocks(inode),
            *times,
            inode.ino,
        )
    if inode.size > ramfs.MAX_NON_LFS:
        raise KernelError(Errno.EOVERFLOW)
    ids = [number if number < 0x1_0000 else 65534 for number in (inode.uid, inode.gid)]
    return Stat(
        _device(inode),
        inode.ino,
        *common,
        ids[0],
        ids[1],
        inode.rdev,
        inode.size,
        4096,
        _blocks(inode),
        *times,
    )


def _put_stat(k: Kernel, inode: Inode, address: int, build: type[Stat] | type[Stat64]) -> int:
    uaccess.copy_to_user(k, address, _stat(k, inode, build).pack())
    return 0


def sys_stat64(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, _at(k, CWD, filename), statbuf, Stat64)


def sys_lstat64(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, _at(k, CWD, filename, follow=False), statbuf, Stat64)


def sys_fstat64(k: Kernel, fd: int, statbuf: int) -> int:
    return _put_stat(k, vfs.get_inode(k, get_file(k, fd, with_path=True).inode), statbuf, Stat64)


def sys_fstatat64(k: Kernel, dirfd: int, filename: int, statbuf: int, flag: int) -> int:
    if flag & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    return _put_stat(k, _at(k, dirfd, filename, flag, not flag & AT_SYMLINK_NOFOLLOW), statbuf, Stat64)


def sys_stat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, _at(k, CWD, filename), statbuf, Stat)


def sys_lstat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, _at(k, CWD, filename, follow=False), statbuf, Stat)


def sys_fstat(k: Kernel, fd: int, statbuf: int) -> int:
    return _put_stat(k, vfs.get_inode(k, get_file(k, fd, with_path=True).inode), statbuf, Stat)


def sys_statx(k: Kernel, dirfd: int, filename: int, flags: int, mask: int, buffer: int) -> int:
    if mask & STATX__RESERVED or flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise KernelError(Errno.EINVAL)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    inode = _at(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    seconds, nanoseconds = _times(k, inode)
    device = _device(inode)
    result = Statx(
        stx_mask=STATX_BASIC_STATS | mask & STATX_BTIME | STATX_MNT_ID,
        stx_nlink=_nlink(inode),
        stx_uid=inode.uid,
        stx_gid=inode.gid,
        stx_mode=inode.mode,
        stx_ino=inode.ino,
        stx_size=inode.size,
        stx_blocks=_blocks(inode),
        stx_atime_sec=seconds,
        stx_atime_nsec=nanoseconds,
        stx_btime_sec=seconds,
        stx_btime_nsec=nanoseconds,
        stx_ctime_sec=seconds,
        stx_ctime_nsec=nanoseconds,
        stx_mtime_sec=seconds,
        stx_mtime_nsec=nanoseconds,
        stx_rdev_major=major(inode.rdev),
        stx_rdev_minor=minor(inode.rdev),
        stx_dev_major=major(device),
        stx_dev_minor=minor(device),
        stx_mnt_id=device or 1,
    )
    uaccess.copy_to_user(k, buffer, result.pack())
    return 0


def _access(k: Kernel, dirfd: int, filename: int, mode: int, flags: int) -> int:
    """By the real ids unless AT_EACCESS."""
    if mode & ~7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    inode = _at(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    if not vfs.permitted(k.task, inode, mode, real=not flags & AT_EACCESS):
        raise KernelError(Errno.EACCES)
    return 0


def sys_access(k: Kernel, filename: int, mode: int) -> int:
    return _access(k, CWD, filename, mode, 0)


def sys_faccessat(k: Kernel, dirfd: int, filename: int, mode: int) -> int:
    return _access(k, dirfd, filename, mode, 0)


def sys_faccessat2(k: Kernel, dirfd: int, filename: int, mode: int, flags: int) -> int:
    return _access(k, dirfd, filename, mode, flags)


# --- changing attributes ------------------------------------------------------------------------------------


def _own(k: Kernel, inode: Inode) -> None:
    """Only the owner and root may change a file's attributes; nobody those of /proc."""
    uid = k.task.cred.fsuid
    if procfs.is_proc(inode.ino) or (uid and uid != inode.uid):
        raise KernelError(Errno.EPERM)


def _chmod(k: Kernel, inode: Inode, mode: int) -> int:
    _own(k, inode)
    cred = k.task.cred
    if cred.fsuid and inode.gid != cred.fsgid and inode.gid not in cred.groups:
        mode &= ~S_ISGID
    inode.mode = inode.mode & S_IFMT | mode & 0o7777
    return 0


def sys_chmod(k: Kernel, filename: int, mode: int) -> int:
    return _chmod(k, _at(k, CWD, filename), mode)


def sys_fchmodat(k: Kernel, dirfd: int, filename: int, mode: int) -> int:
    return _chmod(k, _at(k, dirfd, filename), mode)


def sys_fchmod(k: Kernel, fd: int, mode: int) -> int:
    return _chmod(k, vfs.get_inode(k, get_file(k, fd).inode), mode)


def sys_umask(k: Kernel, mask: int) -> int:
    task = k.task
    old = task.umask
    for other in k.tables.tasks.values() if task.fs else (task,):
        if other.fs == task.fs:
            other.umask = mask & 0o777
    return old


def _utimens(k: Kernel, dirfd: int, filename: int, times: int, flags: int, build: type[CStruct]) -> int:
    """Only the time of modification is kept. Without a path the descriptor's file is meant."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    seconds, nanoseconds = 0, UTIME_NOW
    if times:
        data = uaccess.copy_from_user(k, times, 2 * build.SIZE)
        pairs = [build.LAYOUT.unpack_from(data, at * build.SIZE) for at in (0, 1)]
        special = [nsec & 0xFFFF_FFFF in (UTIME_NOW, UTIME_OMIT) for _, nsec in pairs]
        if any(
            not kept and not 0 <= nsec < NSEC_PER_SEC for kept, (_, nsec) in zip(special, pairs, strict=True)
        ):
            raise KernelError(Errno.EINVAL)
        if all(nsec == UTIME_OMIT for _, nsec in pairs):
            return 0
        seconds, nanoseconds = pairs[1]
    if not filename and signed(dirfd) != AT_FDCWD:
        inode = vfs.get_inode(k, get_file(k, dirfd).inode)
    else:
        inode = _at(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    if times or not vfs.permitted(k.task, inode, vfs.MAY_WRITE):
        _own(k, inode)
    if nanoseconds == UTIME_NOW:
        inode.mtime = k.now
    elif nanoseconds != UTIME_OMIT:
        inode.mtime = seconds * NSEC_PER_SEC + nanoseconds - k.tables.epoch
    return 0


def sys_utimensat(k: Kernel, dirfd: int, filename: int, times: int, flags: int) -> int:
    return _utimens(k, dirfd, filename, times, flags, Timespec)


def sys_utimensat_time64(k: Kernel, dirfd: int, filename: int, times: int, flags: int) -> int:
    return _utimens(k, dirfd, filename, times, flags, Timespec64)


def sys_truncate64(k: Kernel, path: int, length_low: int, length_high: int) -> int:
    length = signed(length_high) << 32 | length_low
    if length < 0:
        raise KernelError(Errno.EINVAL)
    inode = _at(k, CWD, path)
    if not vfs.is_regular(inode):
        raise KernelError(Errno.EISDIR if vfs.is_dir(inode) else Errno.EINVAL)
    vfs.need(k.task, inode, vfs.MAY_WRITE)
    if procfs.is_proc(inode.ino):
        raise KernelError(Errno.EPERM)
    ramfs.remove_privileges(k, inode)
    ramfs.truncate(k, inode, length)
    return 0


def sys_truncate(k: Kernel, path: int, length: int) -> int:
    return sys_truncate64(k, path, length, 0xFFFF_FFFF if length & 0x8000_0000 else 0)


# --- symbolic links -----------------------------------------------------------------------------------------


def sys_readlinkat(k: Kernel, dirfd: int, path: int, buf: int, bufsiz: int) -> int:
    """As much of the target as fits, without a NUL."""
    if signed(bufsiz) <= 0:
        raise KernelError(Errno.EINVAL)
    inode = _at(k, dirfd, path, AT_EMPTY_PATH, follow=False)
    if not vfs.is_link(inode):
        raise KernelError(Errno.EINVAL if vfs.getname(k, path, empty=True) else Errno.ENOENT)
    procfs.need_link(k, inode.ino)
    if not inode.target:
        raise KernelError(Errno.ENOENT)
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
    inode = _at(k, olddfd, oldname, flags, bool(flags & AT_SYMLINK_FOLLOW))
    return _on_path(k, newdfd, newname, lambda path, start: directory.link(k, inode, path, start))


def sys_link(k: Kernel, oldname: int, newname: int) -> int:
    return sys_linkat(k, CWD, oldname, CWD, newname, 0)


def sys_renameat2(k: Kernel, olddfd: int, oldname: int, newdfd: int, newname: int, flags: int) -> int:
    if flags & ~RENAME_NOREPLACE:
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
    inode = _at(k, CWD, filename)
    if not vfs.is_dir(inode):
        raise KernelError(Errno.ENOTDIR)
    vfs.need(k.task, inode, vfs.MAY_EXEC)
    vfs.set_cwd(k, inode)
    return 0


def sys_getcwd(k: Kernel, buf: int, size: int) -> int:
    """The length with its NUL. ENOENT once the directory is removed, ERANGE if it does not fit."""
    path = vfs.path_of(k, vfs.get_inode(k, k.task.cwd))
    if not path:
        raise KernelError(Errno.ENOENT)
    data = encode_name(path) + b"\0"
    if len(data) > size:
        raise KernelError(Errno.ERANGE)
    uaccess.copy_to_user(k, buf, data)
    return len(data)
