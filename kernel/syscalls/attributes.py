"""System calls for attributes: owner, permissions, times, size (Linux's fs/stat.c, fs/open.c, fs/utimes.c).

Here arguments are checked in Linux's order. Extended attributes are in `xattr`, names in `paths`.
"""

from __future__ import annotations

from struct import unpack
from typing import TYPE_CHECKING

from kernel import uaccess
from kernel.abi.errno import Errno
from kernel.abi.files import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_STATX_SYNC_TYPE,
    AT_SYMLINK_NOFOLLOW,
    F_SEAL_EXEC,
    IN_ACCESS,
    IN_ATTRIB,
    IN_MODIFY,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    S_IXGRP,
    STATX__RESERVED,
    STATX_ATTR_AUTOMOUNT,
    STATX_ATTR_DAX,
    STATX_ATTR_MOUNT_ROOT,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_MNT_ID,
)
from kernel.abi.process import CAP_CHOWN, CAP_FOWNER, CAP_FSETID
from kernel.abi.structs import CStruct, OldStat, Stat, Stat64, Statx, Timespec, Timespec64, Timeval
from kernel.abi.time import NSEC_PER_SEC, NSEC_PER_USEC, USEC_PER_SEC, UTIME_NOW, UTIME_OMIT
from kernel.capabilities import capable
from kernel.errors import KernelError
from kernel.fs import inotify, leases, procfs, ramfs, vfs
from kernel.fs.devfs import major, minor
from kernel.fs.files import get_file
from kernel.tables import Inode
from kernel.uaccess import signed

if TYPE_CHECKING:
    from kernel.kernel import Kernel

CWD = AT_FDCWD & 0xFFFF_FFFF
PIPE_DEVICE, PROC_DEVICE, SYS_DEVICE = 0x80, 3, 4
"""`st_dev` of what has no name, of /proc and of /sys, where `Inode.dev` says nothing."""


def place_at(k: Kernel, dirfd: int, address: int, flags: int = 0, follow: bool = True) -> tuple[int, Inode]:
    """Where a path leads, seen from `dirfd`: the mount and the inode.

    With AT_EMPTY_PATH and no path the descriptor's own.
    """
    empty = bool(flags & AT_EMPTY_PATH)
    path = "" if empty and not address else vfs.getname(k, address, empty)
    if not path and signed(dirfd) != AT_FDCWD:
        file = get_file(k, dirfd, with_path=True)
        return file.mount, vfs.get_inode(k, file.inode)
    if not path:
        return k.task.cwd_mount, vfs.get_inode(k, k.task.cwd)
    found = vfs.walk(k, k.task, path, vfs.start_of(k, dirfd, path), follow)
    return found.mount, vfs.insist(k, found)


def inode_at(k: Kernel, dirfd: int, address: int, flags: int = 0, follow: bool = True) -> Inode:
    return place_at(k, dirfd, address, flags, follow)[1]


def inode_to_change(k: Kernel, dirfd: int, address: int, flags: int = 0, follow: bool = True) -> Inode:
    """As `inode_at`, for what is to be changed: EROFS where nothing can be."""
    mount, inode = place_at(k, dirfd, address, flags, follow)
    vfs.want_write(k, mount, inode)
    return inode


def file_to_change(k: Kernel, fd: int) -> Inode:
    """As `inode_to_change`, by descriptor."""
    file = get_file(k, fd)
    inode = vfs.get_inode(k, file.inode)
    vfs.want_write(k, file.mount, inode)
    return inode


# --- reading ---------------------------------------------------------------------------------------------


def _device(inode: Inode) -> int:
    if procfs.is_proc(inode.ino):
        return SYS_DEVICE if procfs.is_sys(inode.ino) else PROC_DEVICE
    return inode.dev or PIPE_DEVICE


def _time(k: Kernel, inode: Inode, tick: int) -> tuple[int, int]:
    """Seconds and nanoseconds since 1970 of one of its times; /proc's files are always new."""
    return divmod(k.tables.epoch + (k.now if procfs.is_proc(inode.ino) else tick), NSEC_PER_SEC)


def _blocks(inode: Inode) -> int:
    """In units of 512 bytes: what was touched or came from outside, holes not."""
    if vfs.is_dir(inode):
        return 8 if inode.size else 0
    given = inode.blob_size + 4095 >> 12
    return (given + sum(1 for index in inode.pages if index >= given)) * 8


def _block_size(inode: Inode) -> int:
    """What is best read at once: a page, of /proc less (its `s_blocksize`)."""
    return 1024 if procfs.is_proc(inode.ino) and not procfs.is_sys(inode.ino) else 4096


def _nlink(inode: Inode) -> int:
    return inode.nlink or (0 if inode.parent or inode.linkable else 1)


def _stat(
    k: Kernel, inode: Inode, build: type[OldStat] | type[Stat] | type[Stat64]
) -> OldStat | Stat | Stat64:
    """`struct stat`, `stat64` or the oldest. Ids that do not fit become 65534, sizes EOVERFLOW."""
    times = [_time(k, inode, tick) for tick in (inode.atime, inode.mtime, inode.ctime)]
    whole = [seconds & 0xFFFF_FFFF for seconds, _ in times]
    flat = [part & 0xFFFF_FFFF for pair in times for part in pair]
    mode, nlink, device = inode.mode, _nlink(inode), _device(inode)
    if build is Stat64:
        ids = [inode.uid, inode.gid, inode.rdev, inode.size, _block_size(inode), _blocks(inode)]
        return Stat64(*[device, inode.ino, mode, nlink, *ids, *flat, inode.ino])
    if inode.size > ramfs.MAX_NON_LFS:
        raise KernelError(Errno.EOVERFLOW)
    uid, gid = (number if number < 0x1_0000 else 65534 for number in (inode.uid, inode.gid))
    if build is OldStat:
        if inode.ino > 0xFFFF or nlink > 0xFFFF:
            raise KernelError(Errno.EOVERFLOW)
        return OldStat(
            device & 0xFFFF, inode.ino, mode, nlink, uid, gid, inode.rdev & 0xFFFF, inode.size, *whole
        )
    sizes = inode.size, _block_size(inode), _blocks(inode)
    return Stat(device, inode.ino, mode, nlink, uid, gid, inode.rdev, *sizes, *flat)


def _put_stat(k: Kernel, inode: Inode, address: int, build: type[OldStat] | type[Stat] | type[Stat64]) -> int:
    uaccess.copy_to_user(k, address, _stat(k, inode, build).pack())
    return 0


def sys_stat64(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename), statbuf, Stat64)


def sys_lstat64(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename, follow=False), statbuf, Stat64)


def sys_fstat64(k: Kernel, fd: int, statbuf: int) -> int:
    return _put_stat(k, vfs.get_inode(k, get_file(k, fd, with_path=True).inode), statbuf, Stat64)


def sys_fstatat64(k: Kernel, dirfd: int, filename: int, statbuf: int, flag: int) -> int:
    if flag & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    return _put_stat(k, inode_at(k, dirfd, filename, flag, not flag & AT_SYMLINK_NOFOLLOW), statbuf, Stat64)


def sys_stat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename), statbuf, Stat)


def sys_lstat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename, follow=False), statbuf, Stat)


def sys_fstat(k: Kernel, fd: int, statbuf: int) -> int:
    return _put_stat(k, vfs.get_inode(k, get_file(k, fd, with_path=True).inode), statbuf, Stat)


def sys_oldstat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename), statbuf, OldStat)


def sys_oldlstat(k: Kernel, filename: int, statbuf: int) -> int:
    return _put_stat(k, inode_at(k, CWD, filename, follow=False), statbuf, OldStat)


def sys_oldfstat(k: Kernel, fd: int, statbuf: int) -> int:
    return _put_stat(k, vfs.get_inode(k, get_file(k, fd, with_path=True).inode), statbuf, OldStat)


def sys_statx(k: Kernel, dirfd: int, filename: int, flags: int, mask: int, buffer: int) -> int:
    if mask & STATX__RESERVED or flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise KernelError(Errno.EINVAL)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    mount, inode = place_at(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    device = _device(inode)
    known = STATX_BASIC_STATS | STATX_MNT_ID | (0 if procfs.is_proc(inode.ino) else mask & STATX_BTIME)
    atime, btime, ctime, mtime = (
        _time(k, inode, tick) for tick in (inode.atime, inode.btime, inode.ctime, inode.mtime)
    )
    if not known & STATX_BTIME:
        btime = (0, 0)
    result = Statx(
        stx_mask=known,
        stx_blksize=_block_size(inode),
        stx_attributes=STATX_ATTR_MOUNT_ROOT if vfs.is_mount_root(k, mount, inode.ino) else 0,
        stx_attributes_mask=STATX_ATTR_AUTOMOUNT | STATX_ATTR_MOUNT_ROOT | STATX_ATTR_DAX,
        stx_nlink=_nlink(inode),
        stx_uid=inode.uid,
        stx_gid=inode.gid,
        stx_mode=inode.mode,
        stx_ino=inode.ino,
        stx_size=inode.size,
        stx_blocks=_blocks(inode),
        stx_atime_sec=atime[0],
        stx_atime_nsec=atime[1],
        stx_btime_sec=btime[0],
        stx_btime_nsec=btime[1],
        stx_ctime_sec=ctime[0],
        stx_ctime_nsec=ctime[1],
        stx_mtime_sec=mtime[0],
        stx_mtime_nsec=mtime[1],
        stx_rdev_major=major(inode.rdev),
        stx_rdev_minor=minor(inode.rdev),
        stx_dev_major=major(device),
        stx_dev_minor=minor(device),
        stx_mnt_id=mount,
    )
    uaccess.copy_to_user(k, buffer, result.pack())
    return 0


def _access(k: Kernel, dirfd: int, filename: int, mode: int, flags: int) -> int:
    """By the real ids unless AT_EACCESS."""
    if mode & ~7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    mount, inode = place_at(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    if not vfs.permitted(k.task, inode, mode, real=not flags & AT_EACCESS):
        raise KernelError(Errno.EACCES)
    if mode & vfs.MAY_WRITE and inode.mode & S_IFMT in (S_IFREG, S_IFDIR, S_IFLNK):
        vfs.want_write(k, mount, inode)
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
    mine = k.task.cred.fsuid == inode.uid or capable(k, CAP_FOWNER)
    if procfs.is_proc(inode.ino) or not mine:
        raise KernelError(Errno.EPERM)


def _chmod(k: Kernel, inode: Inode, mode: int) -> int:
    _own(k, inode)
    if inode.seals & F_SEAL_EXEC and (inode.mode ^ mode) & 0o111:
        raise KernelError(Errno.EPERM)
    cred = k.task.cred
    mine = inode.gid == cred.fsgid or inode.gid in cred.groups
    if not mine and not capable(k, CAP_FSETID):
        mode &= ~S_ISGID
    inode.mode = inode.mode & S_IFMT | mode & 0o7777
    inode.ctime = k.now
    inotify.happened(k, inode, IN_ATTRIB)
    return 0


def sys_chmod(k: Kernel, filename: int, mode: int) -> int:
    return _chmod(k, inode_to_change(k, CWD, filename), mode)


def sys_fchmodat(k: Kernel, dirfd: int, filename: int, mode: int) -> int:
    return _chmod(k, inode_to_change(k, dirfd, filename), mode)


def sys_fchmodat2(k: Kernel, dirfd: int, filename: int, mode: int, flags: int) -> int:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    inode = inode_to_change(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    if vfs.is_link(inode):
        raise KernelError(Errno.EOPNOTSUPP)
    return _chmod(k, inode, mode)


def sys_fchmod(k: Kernel, fd: int, mode: int) -> int:
    return _chmod(k, file_to_change(k, fd), mode)


def sys_umask(k: Kernel, mask: int) -> int:
    task = k.task
    old = task.umask
    for other in k.tables.tasks.values() if task.fs else (task,):
        if other.fs == task.fs:
            other.umask = mask & 0o777
    return old


# --- owners -------------------------------------------------------------------------------------------------


def _chown(k: Kernel, inode: Inode, user: int, group: int) -> int:
    """-1 leaves one of them. A program loses its set-ID bits, whoever changes it (`chown_common`)."""
    cred = k.task.cred
    uid = inode.uid if user == KEEP else user
    gid = inode.gid if group == KEEP else group
    if procfs.is_proc(inode.ino):
        raise KernelError(Errno.EPERM)
    if not capable(k, CAP_CHOWN):
        mine = cred.fsuid == inode.uid
        if user != KEEP and not (mine and uid == inode.uid):
            raise KernelError(Errno.EPERM)
        if group != KEEP and not (mine and (gid in (inode.gid, cred.fsgid) or gid in cred.groups)):
            raise KernelError(Errno.EPERM)
    if not vfs.is_dir(inode):
        if inode.mode & S_ISUID or inode.mode & S_ISGID:
            _own(k, inode)
        inode.mode &= ~(S_ISUID | (S_ISGID if inode.mode & S_IXGRP else 0))
        ramfs.forget_capabilities(k, inode)
    inode.uid, inode.gid, inode.ctime = uid, gid, k.now
    if user != KEEP or group != KEEP:
        inotify.happened(k, inode, IN_ATTRIB)
    return 0


KEEP = 0xFFFF_FFFF


def _wide(number: int) -> int:
    """A 16-bit id: 65535 is -1."""
    return KEEP if number & 0xFFFF == 0xFFFF else number & 0xFFFF


def sys_chown32(k: Kernel, filename: int, user: int, group: int) -> int:
    return _chown(k, inode_to_change(k, CWD, filename), user, group)


def sys_lchown32(k: Kernel, filename: int, user: int, group: int) -> int:
    return _chown(k, inode_to_change(k, CWD, filename, follow=False), user, group)


def sys_fchown32(k: Kernel, fd: int, user: int, group: int) -> int:
    return _chown(k, file_to_change(k, fd), user, group)


def sys_chown(k: Kernel, filename: int, user: int, group: int) -> int:
    return sys_chown32(k, filename, _wide(user), _wide(group))


def sys_lchown(k: Kernel, filename: int, user: int, group: int) -> int:
    return sys_lchown32(k, filename, _wide(user), _wide(group))


def sys_fchown(k: Kernel, fd: int, user: int, group: int) -> int:
    return sys_fchown32(k, fd, _wide(user), _wide(group))


def sys_fchownat(k: Kernel, dirfd: int, filename: int, user: int, group: int, flag: int) -> int:
    if flag & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    return _chown(k, inode_to_change(k, dirfd, filename, flag, not flag & AT_SYMLINK_NOFOLLOW), user, group)


# --- times --------------------------------------------------------------------------------------------------

Pair = tuple[int, int]


def _set_times(k: Kernel, dirfd: int, filename: int, times: tuple[Pair, Pair] | None, flags: int) -> int:
    """`do_utimes`: seconds and nanoseconds (or UTIME_*) of access and modification, None for now."""
    if times and all(nsec == UTIME_NOW for _, nsec in times):
        times = None
    if not filename and signed(dirfd) != AT_FDCWD:
        if flags:
            raise KernelError(Errno.EINVAL)
        inode = file_to_change(k, dirfd)
    else:
        if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
            raise KernelError(Errno.EINVAL)
        inode = inode_to_change(k, dirfd, filename, flags, not flags & AT_SYMLINK_NOFOLLOW)
    mine = k.task.cred.fsuid == inode.uid or capable(k, CAP_FOWNER)
    if procfs.is_proc(inode.ino) or not mine:
        if times or procfs.is_proc(inode.ino):
            raise KernelError(Errno.EPERM)
        vfs.need(k.task, inode, vfs.MAY_WRITE)
    access, modification = times or ((0, UTIME_NOW), (0, UTIME_NOW))
    inode.atime = _chosen(k, access, inode.atime)
    inode.mtime = _chosen(k, modification, inode.mtime)
    inode.ctime = k.now
    kept = [nanoseconds == UTIME_OMIT for _, nanoseconds in (access, modification)]
    inotify.happened(k, inode, IN_ACCESS if kept[1] else IN_MODIFY if kept[0] else IN_ATTRIB)
    return 0


def _chosen(k: Kernel, pair: Pair, now: int) -> int:
    seconds, nanoseconds = pair
    if nanoseconds == UTIME_OMIT:
        return now
    return k.now if nanoseconds == UTIME_NOW else seconds * NSEC_PER_SEC + nanoseconds - k.tables.epoch


def _utimens(k: Kernel, dirfd: int, filename: int, times: int, flags: int, build: type[CStruct]) -> int:
    if not times:
        return _set_times(k, dirfd, filename, None, flags)
    data = uaccess.copy_from_user(k, times, 2 * build.SIZE)
    pairs: list[Pair] = []
    for at in (0, build.SIZE):
        seconds, nanoseconds = build.LAYOUT.unpack_from(data, at)
        nanoseconds &= 0xFFFF_FFFF
        if nanoseconds >= NSEC_PER_SEC and nanoseconds not in (UTIME_NOW, UTIME_OMIT):
            raise KernelError(Errno.EINVAL)
        pairs.append((max(-TIME_LIMIT, min(seconds, TIME_LIMIT)), nanoseconds))
    if all(nsec == UTIME_OMIT for _, nsec in pairs):
        return 0
    return _set_times(k, dirfd, filename, (pairs[0], pairs[1]), flags)


TIME_LIMIT = (1 << 63) // NSEC_PER_SEC
"""Seconds that a file's time can have."""


def sys_utimensat(k: Kernel, dirfd: int, filename: int, times: int, flags: int) -> int:
    return _utimens(k, dirfd, filename, times, flags, Timespec)


def sys_utimensat_time64(k: Kernel, dirfd: int, filename: int, times: int, flags: int) -> int:
    return _utimens(k, dirfd, filename, times, flags, Timespec64)


def sys_futimesat(k: Kernel, dirfd: int, filename: int, utimes: int) -> int:
    if not utimes:
        return _set_times(k, dirfd, filename, None, 0)
    data = uaccess.copy_from_user(k, utimes, 2 * Timeval.SIZE)
    pairs: list[Pair] = []
    for at in (0, Timeval.SIZE):
        value = Timeval.unpack(data, at)
        if not 0 <= value.tv_usec < USEC_PER_SEC:
            raise KernelError(Errno.EINVAL)
        pairs.append((value.tv_sec, value.tv_usec * NSEC_PER_USEC))
    return _set_times(k, dirfd, filename, (pairs[0], pairs[1]), 0)


def sys_utimes(k: Kernel, filename: int, utimes: int) -> int:
    return sys_futimesat(k, CWD, filename, utimes)


def sys_utime(k: Kernel, filename: int, times: int) -> int:
    if not times:
        return _set_times(k, CWD, filename, None, 0)
    access, modification = unpack("<ii", uaccess.copy_from_user(k, times, 8))
    return _set_times(k, CWD, filename, ((access, 0), (modification, 0)), 0)


# --- size ---------------------------------------------------------------------------------------------------


def sys_truncate64(k: Kernel, path: int, length_low: int, length_high: int) -> int:
    length = signed(length_high) << 32 | length_low
    if length < 0:
        raise KernelError(Errno.EINVAL)
    mount, inode = place_at(k, CWD, path)
    if not vfs.is_regular(inode):
        raise KernelError(Errno.EISDIR if vfs.is_dir(inode) else Errno.EINVAL)
    vfs.want_write(k, mount, inode)
    vfs.need(k.task, inode, vfs.MAY_WRITE)
    if procfs.is_proc(inode.ino):
        raise KernelError(Errno.EPERM)
    vfs.deny_write_to_programs(k, inode)
    leases.break_for_truncate(k, inode)
    ramfs.remove_privileges(k, inode)
    ramfs.truncate(k, inode, length)
    inotify.happened(k, inode, IN_MODIFY)
    return 0


def sys_truncate(k: Kernel, path: int, length: int) -> int:
    return sys_truncate64(k, path, length, 0xFFFF_FFFF if length & 0x8000_0000 else 0)
